"""What must hold of each order once all trouble is over: shop and Rehive agree."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db.models import Sum

from oscar_rehive.dashboard.reports.reconciliation import Verdict, rows_of
from oscar_rehive.models import Attention, Entry, Invoice, OrderPayment
from tests.model.promises import Placed, Promises, held_by_others, units
from tests.model.world import BUSINESS_ID
from tests.steps import OPEN_WORDS

PAID_WORDS = ("paid", "complete", "overpaid", "late")


class Agreement(Promises):
    """Checks it."""

    def all_agree(self) -> None:
        known = Invoice.objects.exclude(remote_id=None).values_list("remote_id", flat=True)
        assert {remote["id"] for remote in self.everything()} <= set(known)
        self.reports_tell_what_the_ledger_has()
        for placed, payment in self.payments():
            remotes = self.remotes_of(payment)
            self.invoices_agree(placed, payment, remotes)
            self.money_is_accounted_for(placed, payment)
            if placed.deleted:
                # Only what Rehive cannot close is still payable: money is on its way.
                assert payment.paid_at or not payment.mail_sent_at
            else:
                self.order_agrees(placed, payment, remotes)

    def reports_tell_what_the_ledger_has(self) -> None:
        """Takings are the sum of the histories, whatever became of the order."""
        came_and_went = Entry.objects.filter(amount__isnull=False).values("invoice")
        by_invoice = dict(came_and_went.annotate(all=Sum("amount")).values_list("invoice", "all"))
        for invoice in Invoice.objects.all():
            kept = invoice.recorded - invoice.refund_recorded
            assert by_invoice.get(invoice.pk, 0) == kept
        standing = [payment for placed, payment in self.payments() if not placed.deleted]
        assert all(row.verdict is not Verdict.LEDGER for row in rows_of(standing))

    def remotes_of(self, payment: OrderPayment) -> list[dict[str, Any]]:
        """A number can stand on the invoices of several payments; the id tells."""
        ids = set(payment.invoices.values_list("remote_id", flat=True))
        return [remote for remote in self.everything() if remote["id"] in ids]

    def invoices_agree(
        self, placed: Placed, payment: OrderPayment, remotes: list[dict[str, Any]]
    ) -> None:
        by_id = {invoice.remote_id: invoice for invoice in payment.invoices.all()}
        for remote in remotes:
            invoice = by_id[remote["id"]]
            received = self.world.rehive.received(remote["id"])
            part_paid = remote["status"] == "underpaid" and invoice.state != Invoice.State.PAID
            money_comes = remote["status"] == "received" or part_paid
            if (payment.is_settled or placed.deleted) and not money_comes:
                assert remote["status"] not in OPEN_WORDS
            if remote["status"] in PAID_WORDS:
                assert payment.paid_at or Attention.objects.filter(invoice=invoice).exists()
            if not money_comes:
                assert invoice.received == received or _is_unsaid_excess(remote, invoice, received)
            if invoice.state != Invoice.State.PAID:
                # Nothing is dropped for good, whatever its stamp says (P6).
                is_open = invoice.state in (Invoice.State.OPENING, Invoice.State.OPEN)
                assert is_open == (remote["status"] in OPEN_WORDS)
            assert (invoice.remote_status, invoice.doubted_since) == (remote["status"], None)
            if not self.clocks_differ and remote["id"] not in self.forced:
                # Where stamps are right, no lagging copy calls a person (P6).
                backward = Attention.objects.filter(invoice=invoice, kind=Attention.Kind.BACKWARD)
                assert not backward.exists()
            assert invoice.refunded == self.given_back(remote["id"])

    def given_back(self, remote_id: str) -> int:
        made = self.world.rehive.refunds(BUSINESS_ID, remote_id)["results"]
        return sum(one["amount"] for one in made if one["status"] == "complete")

    def money_is_accounted_for(self, placed: Placed, payment: OrderPayment) -> None:
        """Every cent that was kept is part of the price, or before a person."""
        kept = 0
        told = Attention.objects.filter(payment=payment)
        for invoice in payment.invoices.all():
            kept += invoice.kept()
            pays = int(invoice.pays or 0) if payment.paid_at else 0
            if invoice.kept() > pays and invoice.state != Invoice.State.OPEN:
                assert told.filter(invoice=invoice).exists()
        order = placed.order()
        if order is None or not kept:
            return
        price = max([order.total_incl_tax, *payment.invoices.values_list("total", flat=True)])
        if Decimal(kept) / 100 + held_by_others(order) > price:
            # Whoever brought what is beyond it, also where each was right when it came.
            assert told.exclude(invoice=None).exists()

    def order_agrees(
        self, placed: Placed, payment: OrderPayment, remotes: list[dict[str, Any]]
    ) -> None:
        order, told = placed.order(), Attention.objects.filter(payment=payment)
        part = any(remote["status"] in ("received", "underpaid") for remote in remotes)
        assert payment.is_settled or part or told.exists()
        # "Complete" leads nowhere: set over "Cancelled" it is another end, and holds nothing again.
        if order.status != "Complete":
            assert (order.status == "Cancelled") == (payment.released_at is not None)
        if payment.paid_at and placed.decided is None:
            was_put_back = (
                placed.put_back
                and order.status == "Pending"
                and told.filter(kind=Attention.Kind.DISAGREES).exists()
            )
            assert order.status == "Being processed" or was_put_back
        if payment.paid_at and order.status != "Cancelled":
            assert payment.mail_sent_at
        if payment.paid_at is None and order.status == "Pending":
            # The clock ends what nobody pays, also where what others held was given back. Where that
            # had ended the payment already, a person decides.
            unpaid_again = told.filter(kind=Attention.Kind.DISAGREES).exists()
            kept = any(
                self.world.rehive.received(remote["id"]) > self.given_back(remote["id"])
                for remote in remotes
            )
            covered = units(held_by_others(order)) >= units(order.total_incl_tax)
            assert kept or part or covered or unpaid_again


def _is_unsaid_excess(remote: dict[str, Any], invoice: Invoice, received: int) -> bool:
    """Whether ``received`` is more than the amount, in foreign money, and nothing tells what it stands
    for (a payment forced upon a paid invoice). Where Rehive says that it is too much, a person was
    told that nobody knows how much."""
    own = remote["request_currency"]["code"]
    quotes = remote["payment_processor_quotes"]
    is_foreign = any(quote["currency"]["code"] != own for quote in quotes)
    has_all = int(invoice.amount) <= invoice.received < received
    excess = Attention.objects.filter(invoice=invoice, kind=Attention.Kind.EXCESS)
    return is_foreign and has_all and (remote["status"] != "overpaid" or excess.exists())
