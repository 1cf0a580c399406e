"""Has Rehive (or its simulator) tell the sandbox shop of every change of an invoice."""

import requests
from django.conf import settings
from django.urls import reverse

EVENT = "service_payment_requests.request.update"


def register():
    """Register the shop's webhook unless it is; returns a line that says what stands now."""
    if not settings.USES_SIMULATOR and settings.SHOP_IS_LOCAL:
        return (
            f"none: Rehive can't reach {settings.SHOP_ADDRESS.hostname}, so payments are noticed "
            "by asking. Open a tunnel and set SHOP_BASE_URL to its address to get webhooks."
        )
    url = settings.SHOP_BASE_URL + reverse("oscar_rehive:webhook")
    try:
        if any(_is_ours(entry, url) for entry in _registered()):
            return f"registered at {url}"
        _call(
            "POST",
            json={
                "url": url,
                "secret": settings.REHIVE["WEBHOOK_SECRET"],
                "event": EVENT,
            },
        )
    except requests.RequestException as error:
        # The shop works without it, only slower; no reason to stop.
        return f"not registered ({_why(error)}); payments are noticed by asking"
    return f"newly registered at {url}"


def _registered():
    """The webhooks that stay, after removing those that an earlier configuration left behind."""
    kept = []
    for entry in _call("GET").json()["data"]["results"]:
        url, secret = entry.get("url"), entry.get("secret")
        secret_is_old = secret not in (None, settings.REHIVE["WEBHOOK_SECRET"])
        # At Rehive itself the other addresses may be somebody else's.
        elsewhere = settings.USES_SIMULATOR and not url.startswith(f"{settings.SHOP_BASE_URL}/")
        ours = url.startswith(f"{settings.SHOP_BASE_URL}/") and secret_is_old
        if elsewhere or ours:
            _call("DELETE", f"{entry['id']}/")
        else:
            kept.append(entry)
    return kept


def _why(error):
    """In few words, of which none is part of a secret."""
    answer = error.response
    return type(error).__name__ if answer is None else f"Rehive answered {answer.status_code}"


def _is_ours(entry, url):
    return entry.get("url") == url and entry.get("event") == EVENT


def _call(method, path="", **arguments):
    answer = requests.request(
        method,
        f"{settings.REHIVE['PAYMENT_REQUESTS_URL'].rstrip('/')}/user/webhooks/{path}",
        headers={"Authorization": f"Token {settings.REHIVE['TOKEN']}"},
        timeout=(2, 10),
        **arguments,
    )
    answer.raise_for_status()
    return answer
