"""The webhook's address: authenticate, store, answer; then verify and settle."""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import ImproperlyConfigured
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
    RawPostDataException,
)
from django.views.decorators.csrf import csrf_exempt

from oscar_rehive import conf
from oscar_rehive.compat import login_not_required
from oscar_rehive.databases import outside_transactions
from oscar_rehive.models import Delivery
from oscar_rehive.noticing import notice_soon
from oscar_rehive.payments import deliveries
from oscar_rehive.rehive.hiding import Secret, SecretBytes
from oscar_rehive.rehive.webhooks import authenticate
from oscar_rehive.tokens import ARRIVED_HEADER, PROBE_HEADER, is_probe, proof_of

MAX_BODY_BYTES = 1024 * 1024


@login_not_required
@csrf_exempt
@outside_transactions
def webhook(request: HttpRequest) -> HttpResponseBase:
    """Take one delivery. 200: stored. 400 and 413: stored, but unusable. 401: not from Rehive.

    A probe of our own is answered likewise, with a proof that it was this shop, and stored nowhere."""
    # First of all: whatever goes wrong from here on, no report of the error can show them (P9).
    authorization, probe = _take(request, "Authorization"), _take(request, PROBE_HEADER)
    if request.method != "POST":
        return HttpResponse(
            "This address takes POST from Rehive only.", status=405, headers={"Allow": "POST"}
        )
    is_let_in = authenticate(authorization, _secrets())
    if is_probe(probe):
        return _answer_probe(probe, bool(authorization), is_let_in)
    notice_soon()
    if not is_let_in:
        deliveries.count_refused()
        return _answer(401, "The Authorization header does not carry the webhook's secret.")
    # Read here and not by request.body, which answers for itself when a body is too large or
    # breaks off, and would lose what came.
    body, fault, status = _read_body(request)
    delivery = deliveries.store(body, fault=fault)
    if delivery.state == Delivery.State.UNUSABLE:
        return _answer(status if fault else 400, delivery.reason)
    deliveries.work_on_soon(delivery.remote_id)
    return _answer(200, "Stored.")


def _answer_probe(probe: str, has_authorization: bool, is_let_in: bool) -> HttpResponse:
    response = _answer(200 if is_let_in else 401, "It is here.")
    response.headers[PROBE_HEADER] = proof_of(probe)
    response.headers[ARRIVED_HEADER] = "yes" if has_authorization else "no"
    return response


def _take(request: HttpRequest, header: str) -> Secret:
    """A header that is a secret, out of ``request``: Django's error page and its mail to the admins show
    all headers, before Django 5.2 this one as well."""
    request.__dict__.pop("headers", None)  # Django's own memory of them
    return Secret(request.META.pop(f"HTTP_{header.upper().replace('-', '_')}", ""))


def _secrets() -> list[str]:
    # Without a sound configuration the address is closed, not broken: a 5xx would make Rehive
    # disable the webhook for good.
    try:
        return conf.current().webhook_secrets
    except ImproperlyConfigured:
        return []


def _read_body(request: HttpRequest) -> tuple[bytes, str, int]:
    try:
        body = SecretBytes(_read(_source(request), MAX_BODY_BYTES + 1))
    except (OSError, RawPostDataException):
        return b"", "The body broke off.", 400
    if len(body) > MAX_BODY_BYTES:
        return body, f"The body is larger than {MAX_BODY_BYTES} bytes.", 413
    return body, "", 200


def _source(request: HttpRequest) -> Callable[[int], bytes]:
    """Where the body is read from. One that comes in chunks has no length, for which Django would read
    nothing of it; some servers (gunicorn) then say that their input ends where the body does."""
    has_length = request.META.get("CONTENT_LENGTH")
    if request.META.get("wsgi.input_terminated") and not has_length:
        read: Callable[[int], bytes] = request.META["wsgi.input"].read
        return read
    return request.read


def _read(read: Callable[[int], bytes], most: int) -> bytes:
    """At most that many bytes. A server may hand out less than it was asked for, and has more yet."""
    parts: list[bytes] = []
    while most > 0 and (part := read(most)):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def _answer(status: int, message: str) -> JsonResponse:
    return JsonResponse({"message": message}, status=status)
