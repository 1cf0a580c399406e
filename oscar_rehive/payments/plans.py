"""What stands in the shop about one order (``Case``), and what is to change of it (``Plan``).

The two ends of deciding (design.md, "Two halves"): no database, no clock and no Oscar in here, nor in
the modules that write plans (rules, obstacles, ending, refunds_told). The rows are the models' own, used
as plain data: a plan changes copies of them, and carrying_out.py writes the difference.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import TypeVar

from oscar_rehive import conf
from oscar_rehive.cleaning import storable_text, without_secrets
from oscar_rehive.models import Attention, Entry, Invoice, OrderPayment, Refund
from oscar_rehive.payments.signs import money_is_here_or_comes
from oscar_rehive.rehive.money import from_units
from oscar_rehive.shop import Order

Row = TypeVar("Row", OrderPayment, Invoice, Refund, Attention)

GROWING = (Attention.Kind.EXCESS, Attention.Kind.PART_PAID)
"""A fact that grows (more money came) has a subject that grows with it."""


@dataclass(frozen=True)
class Case:
    """What stands in the shop about one order at the moment ``now`` (UTC): read under its lock."""

    now: datetime
    order: Order | None
    payment: OrderPayment
    invoices: tuple[Invoice, ...]
    refunds: tuple[Refund, ...]
    attentions: tuple[Attention, ...]
    config: conf.Config
    ledger_places: int
    ledger_limit: Decimal


class Move(Enum):
    """A status that the order is to get."""

    PAID = "paid"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Movement:
    """Money that the shop's ledger is to gain through ``invoice``, in its currency: paid, or given back
    where ``is_refund``."""

    invoice: Invoice
    amount: Decimal
    reference: str
    is_refund: bool = False


class Plan:
    """What is to change: rows with their new values, and what is to be done besides. ``source`` is who
    told, or asked for, what is decided here."""

    def __init__(self, case: Case, source: str) -> None:
        self.case, self.source = case, source
        self.payment = copy.copy(case.payment)
        self.invoices = [copy.copy(invoice) for invoice in case.invoices]
        for invoice in self.invoices:
            invoice.payment = self.payment
        self.refunds = [copy.copy(refund) for refund in case.refunds]
        for refund in self.refunds:
            refund.invoice = self.invoice(refund.invoice_id)
        self.attentions = [copy.copy(attention) for attention in case.attentions]
        for attention in self.attentions:
            attention.payment = self.payment
            if attention.invoice_id is not None:
                attention.invoice = self.invoice(attention.invoice_id)
        self.entries: list[Entry] = []
        self.movements: list[Movement] = []
        self.lost: list[Refund] = []
        """Refunds that turned out to be noted twice."""
        self.move: Move | None = None
        self.paid_by: Invoice | None = None
        self.releases = False
        self.holds = False

    # Looking

    @property
    def order(self) -> Order | None:
        """The order as it was when the case was read."""
        return self.case.order

    @property
    def now(self) -> datetime:
        """The time at which this is decided."""
        return self.case.now

    def invoice(self, pk: int) -> Invoice:
        """The invoice with that primary key."""
        return next(invoice for invoice in self.invoices if invoice.pk == pk)

    def refunds_of(self, invoice: Invoice) -> list[Refund]:
        """The refunds of ``invoice``, in the order in which they were noted."""
        return [refund for refund in self.refunds if refund.invoice is invoice]

    def given_back(self, invoice: Invoice) -> int:
        """What refunds have taken, or may yet take, of what came through ``invoice``; smallest units."""
        return sum(
            refund.amount
            for refund in self.refunds_of(invoice)
            if refund.status != Refund.Status.FAILED
        )

    def left(self, invoice: Invoice) -> int:
        """What can still be given back of ``invoice``, in smallest units."""
        return max(int(invoice.received) - self.given_back(invoice), 0)

    def payable(self) -> list[Invoice]:
        """Those that can be paid at Rehive or, still being opened, may become so; newest first."""
        states = (Invoice.State.OPENING, Invoice.State.OPEN)
        found = [invoice for invoice in self.invoices if invoice.state in states]
        return sorted(found, key=lambda invoice: -invoice.attempt)

    def has_money(self) -> bool:
        """Whether money is here that pays nothing yet, or is on its way."""
        return any(money_is_here_or_comes(invoice) for invoice in self.invoices)

    def counts(self, invoice: Invoice) -> bool:
        """Whether what an ended ``invoice`` brought is part of the price: not where it is no longer what
        was asked for (P1), nor in another currency."""
        if self.order is None or invoice.currency != self.order.currency:
            return False
        return invoice.state == Invoice.State.CLOSED and not any(
            attention.kind == Attention.Kind.MISMATCH and attention.invoice_id == invoice.pk
            for attention in self.attentions
        )

    def missing(self, without: Invoice | None = None) -> Decimal:
        """What of the order's total nobody holds yet, in its currency, as if ``without`` did not exist;
        at or below zero where nothing is missing. What comes through an ended attempt once the order
        is paid is no part of its price."""
        order = self.order
        if order is None:
            return Decimal(0)
        held = order.covered
        for invoice in self.invoices:
            if invoice is without or invoice.currency != order.currency:
                continue
            if invoice.pays is not None:
                held += from_units(min(invoice.pays, self.left(invoice)), invoice.divisibility)
            elif self.payment.paid_at is None and self.counts(invoice):
                held += from_units(self.left(invoice), invoice.divisibility)
        return order.total - held

    def fits(self, invoice: Invoice) -> bool:
        """Whether an open ``invoice`` asks for what is missing (peer bug 10)."""
        order = self.order
        return (
            order is not None
            and (invoice.total, invoice.currency) == (order.total, order.currency)
            and invoice.asked == self.missing(without=invoice)
        )

    # Changing

    def write(
        self,
        reason: str,
        *,
        invoice: Invoice | None = None,
        from_status: str = "",
        to_status: str = "",
        amount: Decimal | None = None,
    ) -> None:
        """Add a line to the payment's history. ``amount`` is what the ledger gains, if it does."""
        self.entries.append(
            Entry(
                payment=self.payment,
                invoice=invoice,
                at=self.now,
                source=self.source,
                from_status=from_status,
                to_status=to_status,
                amount=amount,
                reason=without_secrets(storable_text(reason)),
            )
        )

    def attend(
        self,
        kind: Attention.Kind,
        reason: str,
        *,
        invoice: Invoice | None = None,
        subject: str = "",
        ways_out: str = "",
    ) -> None:
        """Put a fact before a person, once: the same kind and subject is not raised again, not even
        after somebody resolved it, for reconcile sees the same fact every time it runs.

        A fact that grows takes the place of what is still open, and is raised anew after what was
        resolved.
        """
        subject = storable_text(subject or (str(invoice.attempt) if invoice else ""))[:128]
        reason = without_secrets(storable_text(reason))
        same = [attention for attention in self.attentions if attention.kind == kind]
        if any(attention.subject == subject for attention in same):
            return
        if kind in GROWING:
            for attention in same:
                if attention.invoice_id == (invoice and invoice.pk) and not attention.resolved_at:
                    attention.subject, attention.reason = subject, reason
                    attention.told_at = None  # the owners know of less than that
                    return
        self.attentions.append(
            Attention(
                payment=self.payment,
                kind=kind,
                subject=subject,
                invoice=invoice,
                reason=reason,
                ways_out=ways_out,
                raised_at=self.now,
            )
        )

    def rest(self, invoice: Invoice | None, kinds: Collection[Attention.Kind], *, by: str) -> None:
        """Resolve the open facts of these kinds about ``invoice`` (None: about the order itself), which
        events have overtaken: a button that is still there would do what nobody wants any more."""
        for attention in self.attentions:
            about = attention.invoice_id == (invoice.pk if invoice else None)
            if about and attention.kind in kinds and attention.resolved_at is None:
                attention.resolved_at, attention.resolved_by = self.now, by[:150]

    def close(self, invoices: Iterable[Invoice]) -> None:
        """These must not stay payable (P5)."""
        for invoice in invoices:
            invoice.close_due = True
