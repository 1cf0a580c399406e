"""The pages for people: the hosted payment page, and the control page. Plain HTML, no JavaScript."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, redirect, render_template, request

from .deliveries import Sender
from .demo import DEMO_TOKEN
from .errors import invalid
from .faults import API_FAULTS, KINDS, METHODS
from .faulty import RequestLog
from .money import Currency, format_units
from .outcomes import possible
from .quotes import offered_currencies
from .rules import Rehive

Json = dict[str, Any]

LABELS = {
    "start": "Choose how to pay",
    "pay": "Pay",
    "pay_less": "Pay too little",
    "pay_more": "Pay too much",
    "pay_late": "Pay, but late",
    "confirm": "Confirm the payment",
    "complete": "Complete (convert)",
    "fail": "Fail",
    "expire": "Expire",
}
EXPLANATIONS = {
    "draft": "Not open for payment yet.",
    "initiated": "Waiting for payment.",
    "processing": "A way of paying is chosen; no money seen yet.",
    "received": "Money has been seen and waits for confirmation.",
    "paid": "Paid in full.",
    "complete": "Paid in full and converted.",
    "underpaid": "Part of the amount has been paid.",
    "overpaid": "More than the amount has been paid.",
    "late": "Paid in full, after the due date.",
    "expired": "Expired; it can't be paid any more.",
    "failed": "The payment failed.",
    "cancelled": "Cancelled by the shop.",
}
_SHOWN = 50


def blueprint(
    rehive: Rehive, sender: Sender, requests: RequestLog, tokens: Sequence[str]
) -> Blueprint:
    """The pages of that simulator."""
    pages = Blueprint("pages", __name__)
    pages.add_app_template_filter(format_units, "units")
    pages.add_app_template_filter(format_time, "time")

    @pages.get("/")
    def front() -> str:
        invoice_id = request.args.get("request")
        return control_page() if invoice_id is None else hosted_page(invoice_id)

    def hosted_page(invoice_id: str) -> str:
        agent = request.headers.get("User-Agent", "")[:255]
        viewer = {"user_agent": agent, "ip_address": request.remote_addr}
        viewer |= {"email": None, "mobile_number": None}
        invoice = rehive.hosted_invoice(invoice_id, viewer)
        own = Currency.from_wire(invoice["request_currency"])
        return render_template(
            "hosted.html",
            invoice=invoice,
            business=rehive.businesses.get(rehive.business_of(invoice_id)),
            received=rehive.received(invoice_id),
            explanation=EXPLANATIONS.get(invoice["status"], "A status that is not documented."),
            outcomes=possible(invoice["status"]),
            labels=hosted_labels(invoice["status"]),
            currencies=offered_currencies(own),
            chosen=open_currency(invoice),
            return_url=back_address(invoice, request.args.get("return_url")),
        )

    @pages.get("/hosted/<invoice_id>/")
    def hosted_again(invoice_id: str) -> Any:
        return redirect(f"/?request={quote(invoice_id)}", 303)

    @pages.post("/hosted/<invoice_id>/")
    def hosted_outcome(invoice_id: str) -> Any:
        form = request.form
        invoice = rehive.outcome(
            invoice_id,
            form.get("outcome", ""),
            currency=form.get("currency") or None,
            amount=_whole_number(form.get("amount") or None, "amount"),
        )
        back = back_address(invoice, form.get("return_url"))
        if back is None or form.get("stay") == "1":
            back = f"/?request={invoice_id}" + (f"&return_url={quote(back)}" if back else "")
        return redirect(back, 303)

    def control_page() -> str:
        overview = rehive.overview()
        return render_template(
            "control.html",
            rehive=rehive,
            overview=overview,
            invoices=overview["invoices"][:_SHOWN],
            log=overview["log"][: -_SHOWN - 1 : -1],
            requests=requests.lines()[: -_SHOWN - 1 : -1],
            tokens=[token if token == DEMO_TOKEN else "as given" for token in tokens],
            kinds=KINDS,
            api_faults=API_FAULTS,
            methods=METHODS,
            active=rehive.faults.wire(),
        )

    @pages.post("/control/faults/")
    def set_faults() -> Any:
        form, wanted = request.form, {}
        for name, kind in KINDS.items():
            value = form.get(name) or None
            if value is None:
                continue
            fault: Json = {"value": True if kind.is_switch else _whole_number(value, name)}
            if times := form.get(f"{name}.times"):
                fault["times"] = _whole_number(times, name)
            if methods := form.getlist(f"{name}.methods"):
                fault["methods"] = methods
            wanted[name] = fault
        rehive.faults.set(wanted)
        return redirect("/#faults", 303)

    @pages.post("/control/flush/")
    def flush() -> Any:
        sender.flush()
        return redirect("/#deliveries", 303)

    @pages.post("/control/clock/")
    def clock() -> Any:
        minutes = _whole_number(request.form.get("minutes"), "minutes") or 0
        rehive.advance(minutes * 60_000)
        return redirect("/", 303)

    @pages.post("/control/refunds/<refund_id>/")
    def refund(refund_id: str) -> Any:
        rehive.progress_refund(refund_id, request.form.get("status", ""))
        return redirect("/#refunds", 303)

    @pages.post("/control/reset/")
    def reset() -> Any:
        with sender.resting():
            rehive.reset()
            requests.clear()
        return redirect("/", 303)

    return pages


def error_page(status: int, message: str) -> Response:
    """A refusal, for people."""
    return Response(render_template("error.html", status=status, message=message), status)


def hosted_labels(status: str) -> dict[str, str]:
    """The words on the buttons; some depend on what has happened so far."""
    changed = {
        "processing": {"start": "Send the money (unconfirmed)"},
        "underpaid": {"pay": "Pay the rest", "pay_less": "Pay a part of the rest"},
    }
    return LABELS | changed.get(status, {})


def open_currency(invoice: Json) -> str:
    """The code of the currency that the payer pays in unless another one is chosen."""
    quotes = invoice["payment_processor_quotes"]
    source: Json = quotes[-1]["currency"] if quotes else invoice["request_currency"]
    return str(source["code"])


def back_address(invoice: Json, asked: str | None) -> str | None:
    """Where the payer goes back to; ``asked`` is what the query of the hosted page says.

    ``redirect_url`` has the return address unencoded, so the query loses what follows a ``&`` or
    ``#`` in it. That is Rehive's behaviour, and kept. No other address is followed.
    """
    own: str | None = invoice["return_url"]
    if own is not None and asked == re.split("[&#]", own)[0]:
        return asked
    return own


def format_time(milliseconds: int | None) -> str:
    """Milliseconds since 1970 for people, in UTC."""
    if milliseconds is None:
        return "–"
    moment = datetime.fromtimestamp(milliseconds // 1000, timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _whole_number(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 40:
        raise invalid({name: ["A whole number is required."]})
    return int(text)
