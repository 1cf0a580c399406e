// Asks how the payment stands and reloads the page when that has changed. Without JavaScript the
// page's own <noscript> refresh does the same, only less quietly.
(function () {
    "use strict";
    var page = document.getElementById("rehive-payment");
    if (!page || !page.dataset.statusUrl) { return; }
    var wait = Number(page.dataset.seconds) * 1000;

    function look() {
        fetch(page.dataset.statusUrl, {headers: {"Accept": "application/json"}})
            .then(function (response) { return response.json(); })
            .then(function (status) {
                if (status.stage !== page.dataset.stage) {
                    window.location.replace(page.dataset.thenUrl);
                } else {
                    again();
                }
            })
            .catch(again);
    }

    function again() {
        // Waits grow, so that a page that is left open for a day asks Rehive rarely.
        wait = Math.min(wait * 1.2, 60000);
        window.setTimeout(look, wait);
    }

    window.setTimeout(look, wait);
}());
