"""What staff do to a payment by hand: ask Rehive, close an invoice, cancel the order, send the way to pay.

Each is in the payment's history with who did it, also where it changed nothing.
"""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from oscar_rehive.models import Entry, Invoice, OrderPayment
from oscar_rehive.payments import cancelling
from oscar_rehive.payments.carrying_out import change
from oscar_rehive.payments.mails import NotSent, send_confirmation_soon
from oscar_rehive.payments.plans import Plan
from oscar_rehive.payments.settling import refresh
from oscar_rehive.payments.signs import money_is_here_or_comes
from oscar_rehive.rehive.exceptions import RehiveError
from oscar_rehive.remembering import claim, forget
from oscar_rehive.shop import get_shop

_PAYABLE = (Invoice.State.OPENING, Invoice.State.OPEN)


MAIL_AGAIN_SECONDS = 60
"""So long the same mail is not sent again: two clicks are one."""


class NotClosable(Exception):
    """The invoice has ended, or money for it is here or on its way."""


class NothingToSend(Exception):
    """The order cannot be paid, there is nobody to mail, or the mail was sent just now; the message says so."""


def ask_now(number: str, *, by: str) -> int:
    """Ask Rehive about every attempt of order ``number`` that it knows, and settle what it says; how many
    these were. Raises ``RehiveError`` or ``ImproperlyConfigured`` where one of them could not be asked
    about: the others are settled all the same."""
    _note(number, f"{by} asked Rehive how the payment stands.")
    known = Invoice.objects.filter(payment__order_number=number, remote_id__isnull=False)
    trouble: Exception | None = None
    invoices = list(known.select_related("payment").order_by("attempt"))
    for invoice in invoices:
        try:
            refresh(invoice, Entry.Source.STAFF, with_refunds=True)
        except (RehiveError, ImproperlyConfigured) as error:
            trouble = error
    cancelling.look_at_order(number, Entry.Source.STAFF)
    send_confirmation_soon(OrderPayment.objects.get(order_number=number))
    if trouble is not None:
        raise trouble
    return len(invoices)


def why_not_closable(invoice: Invoice) -> str:
    """Why ``invoice`` must not be closed by hand, and what to do instead; nothing where it may be."""
    if invoice.state not in _PAYABLE:
        return "This invoice has ended: it cannot be paid any more."
    if money_is_here_or_comes(invoice):
        return (
            "Money has come through this invoice or is on its way. Wait until it has arrived; what is"
            " not to be kept can be refunded then."
        )
    return ""


def close_invoice(invoice: Invoice, *, by: str) -> bool:
    """Close the open ``invoice`` at Rehive, so that nobody can pay it any more; its order stays. True when
    Rehive has confirmed it; reconcile goes on asking where it has not.

    Raises ``NotClosable``; ``RehiveError`` or ``ImproperlyConfigured`` when Rehive cannot be asked (it
    stays due).
    """
    number = invoice.order_number

    def decide(plan: Plan) -> None:
        current = plan.invoice(invoice.pk)
        why = why_not_closable(current)
        if why:
            raise NotClosable(why)
        plan.close([current])
        plan.write(f"{by} closes the invoice.", invoice=current)

    change(number, Entry.Source.STAFF, decide)
    cancelling.finish(number, Entry.Source.STAFF)
    invoice.refresh_from_db()
    return not invoice.close_due


def cancel_order(number: str, *, by: str) -> bool:
    """As ``cancelling.cancel_order``, for the member of staff ``by``."""
    reason = f"{by} cancelled it."
    return cancelling.cancel_order(number, reason=reason, source=Entry.Source.STAFF)


def send_pay_link(payment: OrderPayment, url: str, *, by: str) -> None:
    """Mail ``url``, where the order of ``payment`` can be paid, to its customer. Raises ``NotSent``, and
    ``NothingToSend`` where that was done a moment ago."""
    sent = f"oscar_rehive:pay_link:{payment.pk}"
    if not claim(sent, MAIL_AGAIN_SECONDS):
        raise NothingToSend("This mail was sent a moment ago. Wait a minute to send it once more.")
    try:
        get_shop().send_pay_link(payment.order_number, url=url, language=payment.language)
    except Exception as error:  # whatever a shop's mail backend raises
        forget(sent)
        raise NotSent(error) from error
    _note(payment.order_number, f"{by} had the address for paying mailed to the customer.")


def _note(number: str, what: str) -> None:
    change(number, Entry.Source.STAFF, lambda plan: plan.write(what))
