"""What axe-core finds in our own markup of a page, and not in what Oscar has put around it."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

DESK_PAGE = ".content"
ORDER_PANEL = "[data-rehive-panel]"
HOME_BOX = "[data-rehive-attention]"
METHODS = "#payment_method_form"
CHOSEN_METHOD = "#rehive-chosen"
PAYMENT = "#rehive-payment"
"""Our own markup."""

OSCARS = {
    # The heading of a list, which Oscar's template of tables puts right below the page's.
    "heading-order": ["caption h3"],
    # Bootstrap's blue, on the links and main buttons of the whole dashboard.
    "color-contrast": [".btn-primary", "a:not(.btn)"],
}
"""By rule, what in the midst of ours is Oscar's fault."""

_axe = Axe()


def faults(page: Page, ours: str) -> list[str]:
    """What is wrong within ``ours``, with all that can be unfolded unfolded."""
    page.wait_for_load_state()
    assert page.locator(ours).count(), f"nothing of ours on {page.url}: {ours}"
    _unfold(page, True)
    found = _axe.run(page, {"include": [[ours]]}).response["violations"]
    _unfold(page, False)
    return [
        f"{page.url} {violation['id']}: {node['html']}"
        for violation in found
        for node in violation["nodes"]
        if not _is_oscars(page, violation["id"], node)
    ]


def _unfold(page: Page, is_open: bool) -> None:
    """All that our pages fold is folded at first."""
    page.eval_on_selector_all(
        "details", "(all, open) => all.forEach(one => { one.open = open })", is_open
    )


def _is_oscars(page: Page, rule: str, node: dict[str, Any]) -> bool:
    selectors = OSCARS.get(rule)
    if not selectors:
        return False
    is_it: bool = page.locator(node["target"][0]).first.evaluate(
        "(one, selector) => one.matches(selector)", ", ".join(selectors)
    )
    return is_it
