"""What the tests read off the shopper's pages."""

from __future__ import annotations

from typing import Any

from bs4 import BeautifulSoup


def stage_of(answer: Any) -> str:
    """What the page says, as its ``data-stage``."""
    page = BeautifulSoup(answer.content, "html.parser").select_one("#rehive-payment")
    assert page is not None, answer.content.decode()[:500]
    return str(page["data-stage"])


def buttons_of(answer: Any) -> dict[str, str]:
    """The page's buttons: what they say, and the address their form goes to."""
    forms = BeautifulSoup(answer.content, "html.parser").select("#rehive-payment form")
    return {
        button.get_text(strip=True): str(form["action"])
        for form in forms
        for button in form.select("button")
    }
