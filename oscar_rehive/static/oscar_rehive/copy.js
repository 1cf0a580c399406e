// Copies the pay link in the dashboard. Without it the link is there to be marked and copied by hand.
"use strict";
document.querySelectorAll("[data-rehive-copy]").forEach((button) => {
    const field = document.getElementById(button.dataset.rehiveCopy);
    if (!field || !navigator.clipboard) return;
    button.hidden = false;
    button.addEventListener("click", () => {
        navigator.clipboard.writeText(field.value).then(() => {
            button.textContent = button.dataset.done;
        });
    });
});
