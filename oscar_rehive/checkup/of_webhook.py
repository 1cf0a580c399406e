"""The webhook's address, called as Rehive calls it: from outside, through ``BASE_URL``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.urls import NoReverseMatch, reverse

from oscar_rehive import conf
from oscar_rehive.checkup.finding import Finding, error, good
from oscar_rehive.rehive.deadlines import CONNECT_SECONDS, READ_SECONDS, seconds_left
from oscar_rehive.rehive.hiding import Secret
from oscar_rehive.rehive.wire import is_loopback
from oscar_rehive.tokens import ARRIVED_HEADER, PROBE_HEADER, probe_token, proof_of

if TYPE_CHECKING:
    import requests

NAME = "webhook-address"
NOBODY_THERE = "ConnectionError"
"""What requests calls it where a name is not known, or nobody takes the call."""


def address(base_url: str = "") -> str:
    """The webhook's address under ``base_url`` or that of the settings; nothing where it is not known."""
    base = base_url or conf.as_it_is().base_url
    try:
        path = reverse("oscar_rehive:webhook")
    except NoReverseMatch:  # one of the system checks
        return ""
    return base.rstrip("/") + path if base else ""


def is_safe(url: str) -> Finding:
    """Whether a secret may travel there."""
    parts = urlsplit(url)
    if parts.scheme == "https" or is_loopback(parts.hostname or ""):
        return good("webhook-https", f"The webhook's address is {url}")
    return error(
        "webhook-https",
        f"The webhook's address {url} is not encrypted.",
        f'Use https in {conf.SETTING}["BASE_URL"]: the webhook\'s secret travels in a header.',
    )


@dataclass(frozen=True)
class Call:
    """What came of a call: the answer's ``status`` (0: none, ``fault`` says why), whether it proved to be from
    this shop, and whether the Authorization header got there."""

    status: int
    is_ours: bool = False
    has_arrived: bool = False
    fault: str = ""

    @property
    def may_be_a_shop(self) -> bool:
        """Whether a shop may live there that is closed to strangers, or has trouble at this moment."""
        if not self.status:
            return self.fault != NOBODY_THERE
        return self.status in (401, 403, 408, 429) or self.status >= 500


class _SecretAuth:
    """As an auth object it also keeps a machine's ``.netrc`` from replacing the header."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._secret:
            request.headers["Authorization"] = Secret(f"Secret {self._secret}")
        return request


def call(url: str, secret: str = "") -> Call:
    """Call on the webhook at ``url`` without leaving anything there; with ``secret`` as Rehive does."""
    import requests  # here, for a shop starts without it

    left, probe = seconds_left(), probe_token()
    try:
        # Nothing is read of the body: whoever answers may be anybody.
        with requests.post(
            url,
            json={},
            headers={PROBE_HEADER: probe},
            auth=_SecretAuth(secret),
            timeout=(max(0.1, min(CONNECT_SECONDS, left)), max(0.1, min(READ_SECONDS, left))),
            allow_redirects=False,
            stream=True,
        ) as answer:
            return Call(
                answer.status_code,
                is_ours=answer.headers.get(PROBE_HEADER) == proof_of(probe),
                has_arrived=answer.headers.get(ARRIVED_HEADER) == "yes",
            )
    except (requests.RequestException, OSError, ValueError) as fault:
        return Call(0, fault=type(fault).__name__)


def reached(url: str) -> Finding:
    """It must be there, be this shop's, be closed to strangers, and let the secret through."""
    without = call(url)
    if without.status != 401 or not without.is_ours:
        return _not_there(without)
    secrets = conf.current().webhook_secrets
    if not secrets or not is_safe(url).is_good:
        return good(NAME, "The webhook's address answers, and is closed to strangers.")
    return with_secret(url, secrets[0])


def with_secret(url: str, secret: str) -> Finding:
    """The second half of it, where the first is known."""
    it = call(url, secret)
    if it.status == 200 and it.is_ours:
        return good(
            NAME, "The webhook's address answers, is closed to strangers, and open to its secret."
        )
    if it.is_ours and not it.has_arrived:
        return error(
            NAME,
            "The Authorization header does not get through to the webhook: all of Rehive's calls are"
            " refused.",
            "Let what stands in front of the shop pass it on: WSGIPassAuthorization On for Apache's"
            " mod_wsgi; for nginx no auth_basic and no proxy_set_header Authorization on this address.",
        )
    if it.is_ours:
        return error(
            NAME,
            "The shop that answers at the webhook's address does not know the webhook's secret.",
            "Restart it, so that it has the settings that this command has.",
        )
    return _not_there(it)


def _not_there(it: Call) -> Finding:
    if it.fault == "SSLError":
        return error(
            NAME,
            "The webhook's address has a TLS certificate that cannot be trusted.",
            "Renew the certificate, let it name this host, and let the server send its whole chain:"
            " Rehive does not call an address without.",
        )
    if not it.status:
        return error(
            NAME,
            f"The webhook's address does not answer ({it.fault}).",
            "Start the shop, or correct BASE_URL; from outside, check the firewall and DNS too.",
        )
    if it.status == 400:
        return error(
            NAME,
            "The webhook's address answers a stranger with 400 instead of 401.",
            "Put the host of BASE_URL into ALLOWED_HOSTS.",
        )
    if it.status == 401:
        return error(
            NAME,
            "What answers at the webhook's address with 401 is not this shop.",
            "Take a password that stands before the whole site away from this address, or correct BASE_URL."
            " If it is this shop, restart it, so that it has the same SECRET_KEY and the plugin's version.",
        )
    return error(
        NAME,
        f"The webhook's address answers a stranger with {it.status} instead of 401.",
        "Something else answers there, or redirects: check BASE_URL, language prefixes and the proxy.",
    )
