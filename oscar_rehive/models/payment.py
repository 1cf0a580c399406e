"""The payment of an order, its attempts, and what was given back of them."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from oscar_rehive.models.base import Row, UnitsField
from oscar_rehive.rehive.money import from_units

IS_WAITING = Q(paid_at=None, closed_at=None)
HAS_ENDED = Q(paid_at=None, closed_at__isnull=False)
PAID_AND_CANCELLED = Q(paid_at__isnull=False, released_at__isnull=False)
"""Standings of a payment, as conditions on its row; the rest of those that are paid is paid."""


class OrderPayment(Row):
    """The payment of one order through Rehive: made when the order is placed, gone never.

    ``window_ends_at`` is the moment (UTC) after which an unpaid order is cancelled. ``reference`` is
    the ``request_reference`` of its invoices; ``order_number`` is the same until the order is deleted
    and its number is used again.
    """

    order_number = models.CharField(_("order number"), max_length=128, unique=True)
    reference = models.CharField(_("reference"), max_length=128, blank=True, db_index=True)
    order_key = models.CharField(
        _("order"),
        max_length=64,
        blank=True,
        help_text=_("The shop's own key of the order: another one may get its number."),
    )
    seen_status = models.CharField(
        _("order status last seen"),
        max_length=100,
        blank=True,
        db_index=True,
        help_text=_("If the order has another one now, somebody has set it since."),
    )
    language = models.CharField(_("language"), max_length=16, blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    window_ends_at = models.DateTimeField(_("payment window ends"), db_index=True)
    cancel_reason = models.CharField(
        _("cancellation asked for"),
        max_length=255,
        blank=True,
        help_text=_("Why; until it is through, it waits for Rehive to say that nothing was paid."),
    )
    paid_at = models.DateTimeField(_("paid"), null=True, blank=True)
    closed_at = models.DateTimeField(_("ended without payment"), null=True, blank=True)
    released_at = models.DateTimeField(
        _("stock released"),
        null=True,
        blank=True,
        help_text=_("When a cancelled order gave back its stock and its use of vouchers, once."),
    )
    released = models.JSONField(
        _("what was released"),
        null=True,
        blank=True,
        help_text=_("As the shop noted it; exactly this is held again if the order is taken back."),
    )
    status_due = models.BooleanField(
        _("order status still to be set"),
        default=False,
        help_text=_("The money is recorded but the shop's pipeline refused the paid status."),
    )
    page_asked_at = models.DateTimeField(
        _("a page asked Rehive"),
        null=True,
        blank=True,
        help_text=_("However often its shopper loads a page, Rehive is asked every few seconds."),
    )
    basket_given_back = models.BooleanField(
        _("basket given back"),
        default=False,
        help_text=_("A second click on cancel must not fill the shopper's basket twice."),
    )
    mail_due_at = models.DateTimeField(_("confirmation due"), null=True, blank=True)
    mail_claimed_at = models.DateTimeField(_("confirmation being sent"), null=True, blank=True)
    mail_sent_at = models.DateTimeField(_("confirmation sent"), null=True, blank=True)

    class Meta(Row.Meta):
        verbose_name = _("order payment")
        verbose_name_plural = _("order payments")
        permissions: ClassVar = [
            ("act_orderpayment", _("Can ask Rehive, close, cancel and send the way to pay")),
        ]
        ordering: ClassVar = ["-pk"]
        indexes: ClassVar = [
            models.Index(
                fields=["mail_due_at"],
                name="rehive_mail_due",
                condition=Q(mail_due_at__isnull=False, mail_sent_at__isnull=True),
            ),
            # What the list of payments is narrowed to, newest first: each is a small part of all.
            models.Index(fields=["created_at", "id"], name="rehive_payment_created"),
            models.Index(fields=["id"], name="rehive_payment_waits", condition=IS_WAITING),
            models.Index(fields=["id"], name="rehive_payment_ended", condition=HAS_ENDED),
            models.Index(
                fields=["id"], name="rehive_payment_gave_up", condition=PAID_AND_CANCELLED
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.order_number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.reference = self.reference or self.order_number
        super().save(*args, **kwargs)

    def is_for(self, order_key: str) -> bool:
        """Whether the order with that key is the one that this pays, and not another that has got its
        number since it was deleted."""
        return self.order_key in ("", order_key)

    def payable_invoices(self) -> models.QuerySet[Invoice]:
        """Those that can be paid at Rehive or, still being opened, may become so."""
        return self.invoices.filter(state__in=[Invoice.State.OPENING, Invoice.State.OPEN])

    @property
    def is_settled(self) -> bool:
        """Whether nothing more is awaited: the order is paid, or its payment has ended without."""
        return self.paid_at is not None or self.closed_at is not None


class Invoice(Row):
    """One attempt to pay an order, and the Rehive invoice that belongs to it.

    ``total`` is the order's total in ``currency``, ``covered`` what other sources held of it when
    this was made (cut to cents), and ``amount`` the rest, which was asked for, in smallest units. ``received`` is the
    same kind of money, and ``pays`` the part of it that pays the order; ``recorded`` is what of
    ``received`` stands in the shop's ledger, or would if its order were not gone, cut to the ledger's decimals.
    ``refunded`` and ``refund_recorded`` are the same for the refunds that were paid out.
    """

    class State(models.TextChoices):
        OPENING = "opening", _("being opened")
        OPEN = "open", _("open")
        PAID = "paid", _("paid")
        CLOSED = "closed", _("closed")

    payment = models.ForeignKey(
        OrderPayment, on_delete=models.PROTECT, related_name="invoices", verbose_name=_("payment")
    )
    attempt = models.PositiveIntegerField(_("attempt"))
    state = models.CharField(
        _("state"), max_length=16, choices=State.choices, default=State.OPENING
    )
    key = models.UUIDField(_("key"), default=uuid.uuid4, unique=True, editable=False)
    business_id = models.CharField(_("business"), max_length=64)
    currency = models.CharField(_("currency"), max_length=12)
    divisibility = models.PositiveSmallIntegerField(_("divisibility"))
    total = models.DecimalField(_("total"), max_digits=12, decimal_places=2)
    covered = models.DecimalField(
        _("covered by other sources"), max_digits=12, decimal_places=2, default=0
    )
    amount = UnitsField(_("amount in smallest units"))

    remote_id = models.CharField(
        _("invoice at Rehive"), max_length=64, null=True, blank=True, unique=True
    )
    remote_status = models.CharField(_("status at Rehive"), max_length=64, blank=True)
    remote_updated = models.BigIntegerField(
        _("changed at Rehive"), null=True, blank=True, help_text=_("Milliseconds since 1970, UTC.")
    )
    redirect_url = models.TextField(_("hosted page"), blank=True)
    quotes = models.JSONField(_("what the quotes say of money"), default=list, blank=True)

    received = UnitsField(_("received in smallest units"), default=0)
    pays = UnitsField(
        _("of it, what pays the order"),
        null=True,
        blank=True,
        help_text=_("Empty: nothing of it was ever meant to."),
    )
    recorded = models.DecimalField(
        _("recorded in the ledger"), max_digits=12, decimal_places=2, default=0
    )

    refunded = UnitsField(_("refunded in smallest units"), default=0)
    refund_recorded = models.DecimalField(
        _("refunds recorded in the ledger"), max_digits=12, decimal_places=2, default=0
    )

    version = models.PositiveIntegerField(
        _("version"),
        default=0,
        help_text=_(
            "Counts what was settled; an answer asked for at an older version is old news."
        ),
    )
    told = models.CharField(
        _("last answer"),
        max_length=64,
        blank=True,
        help_text=_("A digest of what was settled last: the same once more is no news."),
    )
    doubted_since = models.DateTimeField(
        _("doubted since"),
        null=True,
        blank=True,
        help_text=_("Rehive tells an older state: a clock is wrong, or a copy lags behind."),
    )
    failures = models.PositiveSmallIntegerField(
        _("answers that make no sense"), default=0, help_text=_("In a row.")
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    asked_at = models.DateTimeField(_("Rehive last asked"), null=True, blank=True)
    lease_ends_at = models.DateTimeField(
        _("being opened until"),
        null=True,
        blank=True,
        help_text=_("Until then another request may be opening this invoice."),
    )
    sent_at = models.DateTimeField(_("last sent"), default=timezone.now)
    posts = models.PositiveSmallIntegerField(_("times sent"), default=0)
    may_exist = models.BooleanField(
        _("may exist unseen at Rehive"),
        default=False,
        help_text=_(
            "It was sent, and not every answer came: Rehive may have made it, or made two."
        ),
    )
    looked_at = models.DateTimeField(_("last looked for"), null=True, blank=True)
    close_due = models.BooleanField(
        _("to be closed at Rehive"),
        default=False,
        help_text=_("Must not stay payable; asked again until Rehive confirms it."),
    )
    in_use = models.BooleanField(
        _("in use"),
        null=True,
        editable=False,
        help_text=_("The one that may be paid; empty, and not false, for all others."),
    )

    class Meta(Row.Meta):
        verbose_name = _("invoice")
        verbose_name_plural = _("invoices")
        ordering: ClassVar = ["-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["payment", "attempt"], name="rehive_attempt_once"),
            # Not a constraint with a condition: MySQL and MariaDB make none. Two empty ones are
            # different to every database.
            models.UniqueConstraint(fields=["payment", "in_use"], name="rehive_one_invoice_in_use"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["state", "asked_at"], name="rehive_state_asked"),
            # For the list of payments, which asks whether a payment has such an attempt.
            models.Index(fields=["remote_status", "payment"], name="rehive_invoice_status"),
            models.Index(fields=["currency", "payment"], name="rehive_invoice_currency"),
            models.Index(fields=["business_id", "payment"], name="rehive_invoice_business"),
        ]

    def __str__(self) -> str:
        return f"{self.payment} ({self.attempt})"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.note_use()
        super().save(*args, **kwargs)

    def note_use(self) -> None:
        """Bring ``in_use`` in line with the state."""
        payable = self.state in (Invoice.State.OPENING, Invoice.State.OPEN)
        self.in_use = True if payable and not self.close_due else None

    @property
    def order_number(self) -> str:
        """The number of the order, which is the invoice's ``request_reference``."""
        return self.payment.order_number

    @property
    def asked(self) -> Decimal:
        """What was asked for, in ``currency``."""
        return from_units(self.amount, self.divisibility)

    def kept(self) -> int:
        """What came through it and was not paid back, in smallest units."""
        return max(int(self.received) - int(self.refunded), 0)

    def given_back(self) -> int:
        """What refunds have taken, or may yet take, of ``received``, in smallest units."""
        return sum(one.amount for one in self.refunds.exclude(status=Refund.Status.FAILED))


class Refund(Row):
    """One refund of an invoice, asked for here or discovered at Rehive. ``amount`` is in smallest
    units of the invoice's currency."""

    class Status(models.TextChoices):
        REQUESTED = "requested", _("being requested")
        PENDING = "pending", _("pending")
        PROCESSING = "processing", _("processing")
        COMPLETE = "complete", _("complete")
        FAILED = "failed", _("failed")

    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, related_name="refunds", verbose_name=_("invoice")
    )
    amount = UnitsField(_("amount in smallest units"))
    status = models.CharField(
        _("status"), max_length=16, choices=Status.choices, default=Status.REQUESTED
    )
    key = models.UUIDField(_("key"), default=uuid.uuid4, unique=True, editable=False)
    remote_id = models.CharField(
        _("refund at Rehive"), max_length=64, null=True, blank=True, unique=True
    )
    reason = models.CharField(_("reason"), max_length=255, blank=True)
    requested_by = models.CharField(
        _("requested by"), max_length=150, blank=True, help_text=_("Empty: found at Rehive.")
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)

    class Meta(Row.Meta):
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        ordering: ClassVar = ["-pk"]

    def __str__(self) -> str:
        return f"{self.invoice}: {self.get_status_display()}"
