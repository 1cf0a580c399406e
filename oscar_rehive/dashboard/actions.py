"""What staff do to a payment from the desk, each asked once: ask Rehive, close an invoice, cancel the
order, mail the way to pay."""

from __future__ import annotations

from django.shortcuts import get_object_or_404
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oscar_rehive.dashboard import rights, words
from oscar_rehive.dashboard.orders import address_of
from oscar_rehive.dashboard.pages import Asked, payment_or_404
from oscar_rehive.dashboard.panel import pay_link, progress_of, why_not_cancellable
from oscar_rehive.models import Entry, Invoice, OrderPayment
from oscar_rehive.payments import by_hand
from oscar_rehive.payments.account import account_of
from oscar_rehive.payments.carrying_out import case_of
from oscar_rehive.payments.plans import Plan


def where_it_stands(payment: OrderPayment) -> tuple[Plan, str]:
    """What stands about ``payment`` now, and the sentence for it."""
    plan = Plan(case_of(OrderPayment.objects.get(pk=payment.pk)), Entry.Source.STAFF)
    return plan, words.sentence(progress_of(plan), account_of(plan))


class Acted(Asked):
    """What takes the right to act."""

    right = rights.ACT


class AskView(Acted):
    """Asks Rehive about all attempts of the order."""

    button = gettext_lazy("Ask Rehive now")

    def question(self) -> str:
        return _("Ask Rehive how the payment of %s stands.") % self.of_order

    def consequences(self) -> list[str]:
        return [
            _(
                "What Rehive says is done at once, as if the customer had come back: the order may become"
                " paid, money and refunds are recorded."
            ),
            _("No money is moved at Rehive."),
        ]

    def do(self, by: str) -> str:
        asked = by_hand.ask_now(self.payment.order_number, by=by)
        if not asked:
            return _("There is nothing to ask about: Rehive has no invoice of this order yet.")
        _plan, stands = where_it_stands(self.payment)
        return _("Rehive was asked. %s") % stands

    def what_stands(self) -> str:
        return _("Nothing is lost: it is asked again by itself, or by you in a minute.")


class CancelView(Acted):
    """Cancels an order that is not paid."""

    button = gettext_lazy("Cancel the order")
    is_grave = True

    def why_not(self) -> str:
        plan, _sentence = where_it_stands(self.payment)
        return why_not_cancellable(plan, progress_of(plan))

    def question(self) -> str:
        return _("Cancel %s, which is not paid.") % self.of_order

    def consequences(self) -> list[str]:
        return [
            _("An invoice of it is closed at Rehive first, so that nobody can pay it any more."),
            _("The order gets the cancelled status; its stock and its vouchers are given back."),
            _("If money turns out to have come, or to be on its way, the order is not cancelled."),
        ]

    def do(self, by: str) -> str:
        if by_hand.cancel_order(self.payment.order_number, by=by):
            return _("The order is cancelled.")
        return self.what_stands()

    def what_stands(self) -> str:
        plan, stands = where_it_stands(self.payment)
        if plan.payment.cancel_reason and not plan.payment.is_settled:
            return _(
                "It is noted: the order will be cancelled by itself, as soon as Rehive says that nothing was"
                " paid."
            )
        return _("The order is not cancelled. %s") % stands


class PayLinkView(Acted):
    """Mails the customer the address at which the order can be paid."""

    button = gettext_lazy("Send the mail")

    def why_not(self) -> str:
        progress = progress_of(where_it_stands(self.payment)[0])
        if progress is None or not progress.is_payable:
            return _("This order cannot be paid (any more): a mail would lead to a closed door.")
        if not address_of(self.payment):
            return _("The customer of this order has no mail address (any more).")
        if not pay_link(self.payment, self.request):
            return _(
                "The addresses of the shop's own pages are missing: include oscar_rehive's \"urls\" in"
                " the URLconf."
            )
        return ""

    def question(self) -> str:
        told = {"address": address_of(self.payment), "order": self.of_order}
        return _("Mail %(address)s the address at which %(order)s can be paid.") % told

    def consequences(self) -> list[str]:
        until = date_format(localtime(self.payment.window_ends_at), "DATETIME_FORMAT")
        return [
            _("Whoever has it can pay for the order, or cancel it. It is good until: %s") % until,
            _("Nothing about the order changes."),
        ]

    def do(self, by: str) -> str:
        why_not = self.why_not()
        if why_not:
            raise by_hand.NothingToSend(why_not)
        by_hand.send_pay_link(self.payment, pay_link(self.payment, self.request), by=by)
        return _("The mail was handed to the mail server.")


class CloseView(Acted):
    """Closes one invoice, and leaves the order as it is."""

    button = gettext_lazy("Close the invoice")
    is_grave = True

    invoice: Invoice

    def find(self, pk: int) -> None:
        self.invoice = get_object_or_404(Invoice, pk=pk)
        self.payment = payment_or_404(self.request, self.invoice.payment_id)

    def why_not(self) -> str:
        return by_hand.why_not_closable(self.invoice)

    def question(self) -> str:
        told = {
            "amount": words.money(self.invoice.asked, self.invoice.currency),
            "order": self.of_order,
        }
        return (
            _("Close the invoice over %(amount)s of %(order)s, so that nobody can pay it.") % told
        )

    def consequences(self) -> list[str]:
        return [
            _(
                "The order stays as it is: as long as its time to pay lasts, the customer can begin anew."
            ),
            _("If money turns out to be on its way through this invoice, it is not closed."),
        ]

    def do(self, by: str) -> str:
        if by_hand.close_invoice(self.invoice, by=by):
            return _("The invoice cannot be paid any more.")
        return self.what_stands()

    def what_stands(self) -> str:
        return _(
            "It is noted: Rehive is asked again by itself until the invoice is closed, unless money is on"
            " its way."
        )
