"""What the desk says: where a payment stands in one sentence, and what a fact means."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oscar_rehive.models import Attention, OrderPayment
from oscar_rehive.payments.account import Account
from oscar_rehive.payments.progress import Progress, Stage
from oscar_rehive.rehive.money import shown

Kind = Attention.Kind

COLOURS = {
    Stage.PAID: "success",
    Stage.PART_PAID: "warning",
    Stage.WITH_THE_SHOP: "warning",
    Stage.CANCELLED: "secondary",
    Stage.CLOSED: "secondary",
}
"""Bootstrap's; whatever is under way is "info"."""


def money(amount: Decimal, currency: str) -> str:
    """``amount`` with its currency, exact: ``12.00 USD``."""
    return f"{shown(amount)} {currency}"


def booked(amount: Decimal, currency: str) -> str:
    """The same of what the shop's ledger holds, which some databases hand out without its cents."""
    return money(amount.quantize(Decimal("0.01")), currency)


def standing(payment: OrderPayment) -> str:
    """In one word or two what the dates of ``payment`` say."""
    if payment.paid_at:
        return _("paid, then cancelled") if payment.released_at else _("paid")
    if payment.closed_at:
        return _("cancelled") if payment.released_at else _("ended")
    return _("being cancelled") if payment.cancel_reason else _("waiting")


def sentence(progress: Progress | None, account: Account) -> str:
    """Where the payment stands; None is that of an order that is gone."""
    of = {
        "received": money(account.received, account.currency),
        "refunded": money(account.refunded, account.currency),
        "on_its_way": money(account.being_refunded, account.currency),
        "kept": money(account.received - account.refunded, account.currency),
        "missing": money(account.missing, account.currency),
        "excess": money(account.excess, account.currency),
    }
    if progress is None:
        return _("The order is gone; %(kept)s of its money is still here.") % of
    return str(_SENTENCES[progress.stage](progress, account)) % of


def _paid(progress: Progress, account: Account) -> Any:
    if account.excess > 0:
        return _("Paid, and %(excess)s more than was due.")
    if account.being_refunded > 0:
        return _("Paid; a refund of %(on_its_way)s is on its way.")
    if account.refunded <= 0:
        return _("Paid.")
    if account.refunded >= account.received:
        return _("Paid, and all of it was given back since.")
    return _("Paid; %(refunded)s of it was given back since.")


def _cancelled(progress: Progress, account: Account) -> Any:
    if account.received > account.refunded:
        return _("Cancelled, and %(kept)s that was paid for it is still here.")
    return _("Cancelled; nothing is to be paid.")


def _open(progress: Progress, account: Account) -> Any:
    if progress.invoice is None:
        return _("Waits for its payment; nobody has been on Rehive's page yet.")
    return _("Waits for its payment; the invoice at Rehive is open.")


def _closed(progress: Progress, account: Account) -> Any:
    if account.received > account.refunded:
        return _("The last attempt has ended; %(kept)s came, %(missing)s is missing.")
    return _("Not paid: the last attempt has ended, and the customer can try again.")


def _with_the_shop(progress: Progress, account: Account) -> Any:
    if progress.order.paid_elsewhere:
        return _("Paid in another way: nothing is awaited through Rehive.")
    if account.received > account.refunded:
        return _("%(kept)s came that does not pay the order by itself: a person must decide.")
    return _("Nothing is awaited through Rehive: the order has another status by now.")


_SENTENCES = {
    Stage.PAID: _paid,
    Stage.CANCELLED: _cancelled,
    Stage.CONFIRMING: lambda *_of: _(
        "Being paid: a way of paying was chosen, or money was seen that is not confirmed yet."
    ),
    Stage.OPENING: lambda *_of: _("An invoice is being made at Rehive at this moment."),
    Stage.OPEN: _open,
    Stage.PART_PAID: lambda *_of: _("Part paid: %(received)s came, %(missing)s is missing."),
    Stage.CLOSED: _closed,
    Stage.ENDING: lambda *_of: _(
        "Being cancelled, as soon as Rehive has said that nothing was paid."
    ),
    Stage.WITH_THE_SHOP: _with_the_shop,
}

MEANINGS = {
    Kind.MISMATCH: gettext_lazy(
        "The money is recorded, but the machine does not let it pay an order that it does not fit."
    ),
    Kind.EXCESS: gettext_lazy("The order is paid; what is beyond its price is the payer's."),
    Kind.LATE: gettext_lazy(
        "The full amount came after the invoice had expired. The order still waits."
    ),
    Kind.PART_PAID: gettext_lazy(
        "The money is here, the order is not paid, and the clock does not cancel it."
    ),
    Kind.DUPLICATE: gettext_lazy("The order is paid twice: one of the two is the payer's."),
    Kind.AFTER_CANCEL: gettext_lazy("There is money for an order that nobody will get."),
    Kind.MOVED_ON: gettext_lazy(
        "Staff had changed the order before its money came; it was left as it is."
    ),
    Kind.REFUSED_STATUS: gettext_lazy("The money is as it should be, the order's status is not."),
    Kind.UNKNOWN_STATUS: gettext_lazy(
        "Rehive said a word that nobody knows: nothing was done about it."
    ),
    Kind.BACKWARD: gettext_lazy(
        "Rehive says now that what had paid the order is not paid. The order was left as it is."
    ),
    Kind.NO_ORDER: gettext_lazy("There is money for an order that was deleted."),
    Kind.DIFFERENCE: gettext_lazy("The order is paid; nothing need be done."),
    Kind.REFUND_FAILED: gettext_lazy("The payer has not got this money back."),
    Kind.VANISHED: gettext_lazy("Nobody can tell whether this invoice was paid."),
    Kind.UNCLOSABLE: gettext_lazy("Somebody could still pay an invoice that nobody wants paid."),
    Kind.UNREADABLE: gettext_lazy("Nobody can tell whether this invoice was paid."),
    Kind.OUT_OF_REACH: gettext_lazy("Nobody can ask whether this invoice was paid, nor close it."),
    Kind.ODD_REFUND: gettext_lazy(
        "Rehive tells of a refund that the shop's ledger cannot hold as it is."
    ),
    Kind.NOT_HELD: gettext_lazy("The order is valid again, and something of it is gone."),
    Kind.DISAGREES: gettext_lazy("What the order says and what its payment says are not the same."),
}
"""What each kind of fact means for the shop."""
