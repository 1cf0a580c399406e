"""The control API: what a test or a person does to the simulator itself. JSON, no token.

======  ==================================  =====================================================
GET     /simulator/invoices/                ``{"invoices": [...]}``, newest first
POST    /simulator/invoices/<id>/outcome/   ``{"outcome", "currency"?, "amount"?, "force"?}``;
                                            answers with the invoice
POST    /simulator/refunds/<id>/            ``{"status": "processing" | "complete" | "failed"}``;
                                            answers with the refund
POST    /simulator/payouts/                 ``{"amount", "status"?, "business_id"?}``: money leaves the
                                            business's account; answers with the payout
PUT     /simulator/fee/                     ``{"per_mille": n}``: what each payment costs the business;
                                            answers the same
GET     /simulator/deliveries/              ``{"log": [...], "pending": [...]}``
POST    /simulator/deliveries/flush/        one attempt for everything pending, whenever it is due;
                                            answers when done: ``{"attempts": [...]}``
POST    /simulator/clock/                   ``{"advance_ms": n}``; answers ``{"now": milliseconds}``
GET     /simulator/requests/                ``{"requests": [...]}`` that the API got, oldest first
GET     /simulator/faults/                  the faults that are on, see ``faults.py``
PUT     /simulator/faults/                  replaces them; answers the same
GET     /simulator/requests-door/           how the list of payment requests answers:
                                            ``{"door": "open"}``, see ``requests_door.py``
PUT     /simulator/requests-door/           changes it, with the same; answers the same
POST    /simulator/reset/                   forget everything; answers ``{}``
======  ==================================  =====================================================

Errors look like those of the API.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from .api import answer, request_json
from .books import PAYOUT_STATUSES
from .deliveries import Sender
from .errors import RehiveError, invalid
from .faulty import RequestLog
from .outcomes import POSSIBLE
from .requests_door import DOORS
from .rules import Rehive

Json = dict[str, Any]

LONGEST_ADVANCE_MS = 100 * 366 * 24 * 60 * 60 * 1000


def blueprint(rehive: Rehive, sender: Sender, requests: RequestLog) -> Blueprint:
    """The control API of that simulator."""
    control = Blueprint("control", __name__, url_prefix="/simulator")

    @control.get("/invoices/")
    def invoices() -> Response:
        return answer(200, {"invoices": rehive.overview()["invoices"]})

    @control.post("/invoices/<invoice_id>/outcome/")
    def outcome(invoice_id: str) -> Response:
        body = _object("outcome", "currency", "amount", "force")
        invoice = rehive.outcome(
            invoice_id,
            _text(body, "outcome", *POSSIBLE, "back"),
            currency=body.get("currency"),
            amount=body.get("amount"),
            force=body.get("force") is True,
        )
        return answer(200, invoice)

    @control.post("/refunds/<refund_id>/")
    def refund(refund_id: str) -> Response:
        status = _text(_object("status"), "status", "processing", "complete", "failed")
        return answer(200, rehive.progress_refund(refund_id, status))

    @control.post("/payouts/")
    def payout() -> Response:
        body = _object("amount", "status", "business_id")
        status = _text({"status": "complete"} | body, "status", *PAYOUT_STATUSES)
        first = next(iter(rehive.businesses))
        business_id = _text({"business_id": first} | body, "business_id", *rehive.businesses)
        return answer(200, rehive.make_payout(business_id, body.get("amount"), status))

    @control.put("/fee/")
    def fee() -> Response:
        per_mille = _object("per_mille").get("per_mille")
        if type(per_mille) is not int or not 0 <= per_mille <= 1000:
            raise invalid({"per_mille": ["A whole number from 0 to 1000."]})
        return answer(200, {"per_mille": rehive.set_fee(per_mille)})

    @control.get("/deliveries/")
    def deliveries() -> Response:
        return answer(200, rehive.deliveries())

    @control.post("/deliveries/flush/")
    def flush() -> Response:
        return answer(200, {"attempts": sender.flush()})

    @control.post("/clock/")
    def clock() -> Response:
        milliseconds = _object("advance_ms").get("advance_ms")
        if type(milliseconds) is not int or not 0 <= milliseconds <= LONGEST_ADVANCE_MS:
            raise invalid({"advance_ms": ["A whole number of milliseconds, 0 or more."]})
        return answer(200, {"now": rehive.advance(milliseconds)})

    @control.get("/requests/")
    def request_log() -> Response:
        return answer(200, {"requests": requests.lines()})

    @control.get("/faults/")
    def faults() -> Response:
        return answer(200, rehive.faults.wire())

    @control.put("/faults/")
    def set_faults() -> Response:
        rehive.faults.set(request_json())
        return answer(200, rehive.faults.wire())

    @control.get("/requests-door/")
    def door() -> Response:
        return answer(200, {"door": rehive.requests_door})

    @control.put("/requests-door/")
    def set_door() -> Response:
        rehive.requests_door = _text(_object("door"), "door", *DOORS)
        return answer(200, {"door": rehive.requests_door})

    @control.post("/reset/")
    def reset() -> Response:
        with sender.resting():
            rehive.reset()
            requests.clear()
        return answer(200, {})

    return control


def _object(*known: str) -> Json:
    body = request_json()
    if not isinstance(body, dict):
        raise RehiveError(400, "The body must be a JSON object.")
    for name in body:
        if name not in known:
            raise invalid({name: [f"Unknown. Known: {', '.join(known)}."]})
    return body


def _text(body: Json, name: str, *choices: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or value not in choices:
        raise invalid({name: [f"One of: {', '.join(choices)}."]})
    return value
