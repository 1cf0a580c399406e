"""Who may press the simulator's buttons: not a page from elsewhere in the developer's browser.

Such a page can send forms to this machine, and can have its own name lead to this machine ("DNS
rebinding"), which makes it the same origin to the browser. Programs send no ``Origin`` and go on.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from flask import Flask, Request, Response, request

from .errors import RehiveError

READING = ("GET", "HEAD", "OPTIONS")
NOBODYS = ("localhost", "internal", "test")
"""Endings that the world's name service gives to nobody."""


def keep_out(app: Flask, origin: str) -> None:
    """Refuse strangers at every address of ``app``, which browsers reach at ``origin``."""

    @app.before_request
    def refuse_strangers() -> None:
        host = request.headers.get("Host", "")
        if host and not _may_be_ours(host, origin):
            raise RehiveError(
                403,
                f"This simulator is not known as {host!r}."
                " If it is to be, start it with --origin and that address.",
            )
        if request.method not in READING and _is_from_elsewhere(request, host, origin):
            raise RehiveError(
                403,
                "A page of another site asked for this. Open the simulator's own page at"
                f" {origin}/ and press the button there.",
            )

    @app.after_request
    def refuse_frames(response: Response) -> Response:
        # Else a stranger's page shows ours, unseen, under something that invites a click.
        response.headers["Content-Security-Policy"] = "frame-ancestors 'none'"
        response.headers["X-Frame-Options"] = "DENY"
        return response


def _may_be_ours(host: str, origin: str) -> bool:
    """Whether no stranger can own ``host``: an IP address, ``origin``'s, or a name inside a network."""
    name = _name(host)
    if not name:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        endings = name.split(".")
        return len(endings) == 1 or endings[-1] in NOBODYS or name == urlsplit(origin).hostname
    return True


def _is_from_elsewhere(sent: Request, host: str, origin: str) -> bool:
    """What the browser says of the page: old ones say it in ``Referer`` only."""
    if sent.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return True
    page = sent.headers.get("Origin") or sent.headers.get("Referer")
    if page is None:
        return False
    try:
        where = urlsplit(page).netloc
    except ValueError:
        return True
    # "null", of a page that hides where it is from, has no host.
    return where not in (host, urlsplit(origin).netloc) or not where


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
