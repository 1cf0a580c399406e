"""The webhook's address: authenticate, store, answer; then verify and settle."""

from __future__ import annotations

from functools import partial

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
from oscar_rehive.background import REHIVE
from oscar_rehive.compat import login_not_required
from oscar_rehive.databases import outside_transactions
from oscar_rehive.models import Delivery
from oscar_rehive.payments import deliveries
from oscar_rehive.rehive.webhooks import authenticate
from oscar_rehive.tokens import PROBE_HEADER, is_probe

MAX_BODY_BYTES = 1024 * 1024


@login_not_required
@csrf_exempt
@outside_transactions
def webhook(request: HttpRequest) -> HttpResponseBase:
    """Take one delivery. 200: stored. 400 and 413: stored, but unusable. 401: not from Rehive."""
    if request.method != "POST":
        return HttpResponse(
            "This address takes POST from Rehive only.", status=405, headers={"Allow": "POST"}
        )
    if not authenticate(request.headers.get("Authorization", ""), _secrets()):
        if not is_probe(request.headers.get(PROBE_HEADER, "")):
            deliveries.count_refused()
        return _answer(401, "The Authorization header does not carry the webhook's secret.")
    # Read here and not by request.body, which answers for itself when a body is too large or
    # breaks off, and would lose what came.
    body, fault, status = _read_body(request)
    delivery = deliveries.store(body, fault=fault)
    if delivery.state == Delivery.State.UNUSABLE:
        return _answer(status if fault else 400, delivery.reason)
    REHIVE.do(partial(deliveries.work_on, delivery))
    return _answer(200, "Stored.")


def _secrets() -> list[str]:
    # Without a sound configuration the address is closed, not broken: a 5xx would make Rehive
    # disable the webhook for good.
    try:
        return conf.current().webhook_secrets
    except ImproperlyConfigured:
        return []


def _read_body(request: HttpRequest) -> tuple[bytes, str, int]:
    try:
        body = request.read(MAX_BODY_BYTES + 1)
    except (OSError, RawPostDataException):
        return b"", "The body broke off.", 400
    if len(body) > MAX_BODY_BYTES:
        return body, f"The body is larger than {MAX_BODY_BYTES} bytes.", 413
    return body, "", 200


def _answer(status: int, message: str) -> JsonResponse:
    return JsonResponse({"message": message}, status=status)
