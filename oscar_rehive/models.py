"""What the plugin remembers. Orders are referred to by their number, never by a foreign key, so
that a deleted order leaves its money's trace and a shop that is not Oscar can stand here one day.
"""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class UnitsField(models.CharField):  # type: ignore[type-arg]  # django-stubs: not generic at run time before Django 6
    """A whole number of a currency's smallest units, exact at any size.

    12.34 of a currency with 18 decimals does not fit into a BIGINT, and SQLite turns decimals of
    that length into floats: kept as digits, handed out as ``int``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 40)
        super().__init__(*args, **kwargs)

    def from_db_value(self, value: str | None, *args: Any) -> int | None:
        return None if value is None else int(value)

    def to_python(self, value: Any) -> int | None:
        return None if value is None else int(value)

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else str(int(value))


class OrderPayment(models.Model):
    """The payment of one order through Rehive: made when the order is placed, gone never.

    ``window_ends_at`` is the moment (UTC) after which an unpaid order is cancelled.
    """

    order_number = models.CharField(_("order number"), max_length=128, unique=True)
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
    status_due = models.BooleanField(
        _("order status still to be set"),
        default=False,
        help_text=_("The money is recorded but the shop's pipeline refused the paid status."),
    )
    basket_given_back = models.BooleanField(
        _("basket given back"),
        default=False,
        help_text=_("A second click on cancel must not fill the shopper's basket twice."),
    )
    mail_due_at = models.DateTimeField(_("confirmation due"), null=True, blank=True)
    mail_claimed_at = models.DateTimeField(_("confirmation being sent"), null=True, blank=True)
    mail_sent_at = models.DateTimeField(_("confirmation sent"), null=True, blank=True)

    class Meta:
        verbose_name = _("order payment")
        verbose_name_plural = _("order payments")
        ordering: ClassVar = ["-pk"]
        indexes: ClassVar = [
            models.Index(
                fields=["mail_due_at"],
                name="rehive_mail_due",
                condition=Q(mail_due_at__isnull=False, mail_sent_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.order_number}"

    def payable_invoices(self) -> models.QuerySet[Invoice]:
        """Those that can be paid at Rehive or, still being opened, may become so."""
        return self.invoices.filter(state__in=[Invoice.State.OPENING, Invoice.State.OPEN])

    @property
    def is_settled(self) -> bool:
        """Whether nothing more is awaited: the order is paid, or its payment has ended without."""
        return self.paid_at is not None or self.closed_at is not None


class Invoice(models.Model):
    """One attempt to pay an order, and the Rehive invoice that belongs to it.

    ``total`` is the order's total in ``currency`` that was asked for; ``amount`` and ``received``
    are the same kind of money in smallest units; ``recorded`` is the part of ``received`` that
    stands in the shop's ledger, cut to the ledger's decimals. ``refunded`` and ``refund_recorded``
    are the same for the refunds that were paid out.
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
    amount = UnitsField(_("amount in smallest units"))

    remote_id = models.CharField(
        _("invoice at Rehive"), max_length=64, null=True, blank=True, unique=True
    )
    remote_status = models.CharField(_("status at Rehive"), max_length=64, blank=True)
    remote_updated = models.BigIntegerField(
        _("changed at Rehive"), null=True, blank=True, help_text=_("Milliseconds since 1970, UTC.")
    )
    redirect_url = models.TextField(_("hosted page"), blank=True)
    quotes = models.JSONField(_("quotes as Rehive told them"), default=list, blank=True)

    received = UnitsField(_("received in smallest units"), default=0)
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

    class Meta:
        verbose_name = _("invoice")
        verbose_name_plural = _("invoices")
        ordering: ClassVar = ["-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["payment", "attempt"], name="rehive_attempt_once"),
            models.UniqueConstraint(
                fields=["payment"],
                condition=Q(state__in=["opening", "open"], close_due=False),
                name="rehive_one_open_invoice",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["state", "asked_at"], name="rehive_state_asked")]

    def __str__(self) -> str:
        return f"{self.payment} ({self.attempt})"

    @property
    def order_number(self) -> str:
        """The number of the order, which is the invoice's ``request_reference``."""
        return self.payment.order_number

    def kept(self) -> int:
        """What came through it and was not paid back, in smallest units."""
        return max(int(self.received) - int(self.refunded), 0)

    def given_back(self) -> int:
        """What refunds have taken, or may yet take, of ``received``, in smallest units."""
        return sum(one.amount for one in self.refunds.exclude(status=Refund.Status.FAILED))


class Refund(models.Model):
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

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        ordering: ClassVar = ["-pk"]

    def __str__(self) -> str:
        return f"{self.invoice}: {self.get_status_display()}"


class Entry(models.Model):
    """One line of an order's payment history. Written, never changed."""

    class Source(models.TextChoices):
        CHECKOUT = "checkout", _("checkout")
        RETURN = "return", _("shopper's return")
        WEBHOOK = "webhook", _("webhook")
        RECONCILE = "reconcile", _("reconcile")
        STAFF = "staff", _("staff")

    payment = models.ForeignKey(OrderPayment, on_delete=models.PROTECT, related_name="entries")
    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, related_name="entries", null=True, blank=True
    )
    at = models.DateTimeField(_("at"), default=timezone.now)
    source = models.CharField(_("told by"), max_length=16, choices=Source.choices)
    from_status = models.CharField(_("from"), max_length=64, blank=True)
    to_status = models.CharField(_("to"), max_length=64, blank=True)
    amount = models.DecimalField(
        _("money recorded"), max_digits=12, decimal_places=2, null=True, blank=True
    )
    reason = models.TextField(_("what happened"))

    class Meta:
        verbose_name = _("history entry")
        verbose_name_plural = _("history entries")
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return self.reason

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None:
            raise ValueError("The history of a payment is append-only.")
        super().save(*args, **kwargs)


class Attention(models.Model):
    """A fact that a person must look at. Open until somebody resolves it."""

    class Kind(models.TextChoices):
        MISMATCH = "mismatch", _("invoice and order disagree")
        EXCESS = "excess", _("more was paid than was due")
        LATE = "late", _("paid late")
        PART_PAID = "part_paid", _("only part was paid")
        DUPLICATE = "duplicate", _("paid twice")
        AFTER_CANCEL = "after_cancel", _("paid after the order was cancelled")
        MOVED_ON = "moved_on", _("paid after staff changed the order")
        REFUSED_STATUS = "refused_status", _("the shop's pipeline refused a status")
        UNKNOWN_STATUS = "unknown_status", _("unknown status at Rehive")
        BACKWARD = "backward", _("Rehive took a payment back")
        NO_ORDER = "no_order", _("paid, but the order is gone")
        DIFFERENCE = "difference", _("a small difference was accepted")
        REFUND_FAILED = "refund_failed", _("a refund failed")
        VANISHED = "vanished", _("Rehive does not know the invoice")
        UNCLOSABLE = "unclosable", _("Rehive does not close the invoice")

    payment = models.ForeignKey(OrderPayment, on_delete=models.PROTECT, related_name="attentions")
    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, related_name="attentions", null=True, blank=True
    )
    kind = models.CharField(_("kind"), max_length=32, choices=Kind.choices)
    subject = models.CharField(
        _("subject"),
        max_length=128,
        help_text=_("What it is about; the same fact is raised once, however often it is seen."),
    )
    reason = models.TextField(_("reason"))
    ways_out = models.TextField(_("ways out"), blank=True)
    raised_at = models.DateTimeField(_("raised"), default=timezone.now)
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)
    resolved_by = models.CharField(_("resolved by"), max_length=150, blank=True)

    class Meta:
        verbose_name = _("attention")
        verbose_name_plural = _("attention")
        ordering: ClassVar = [F("resolved_at").asc(nulls_first=True), "-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["payment", "kind", "subject"], name="rehive_attention_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.payment}: {self.get_kind_display()}"


class Delivery(models.Model):
    """One webhook call, stored as it came before anything was done with it."""

    class State(models.TextChoices):
        NEW = "new", _("to be worked on")
        DONE = "done", _("done")
        UNUSABLE = "unusable", _("unusable")

    received_at = models.DateTimeField(_("received"), default=timezone.now, db_index=True)
    event_id = models.CharField(_("event"), max_length=128, blank=True)
    remote_id = models.CharField(_("invoice at Rehive"), max_length=64, blank=True, db_index=True)
    reference = models.CharField(_("reference"), max_length=255, blank=True)
    body = models.TextField(_("body"), help_text=_("As it came, without what could be a secret."))
    state = models.CharField(_("state"), max_length=16, choices=State.choices, default=State.NEW)
    reason = models.TextField(_("reason"), blank=True)
    tries = models.PositiveIntegerField(_("tries"), default=0)
    done_at = models.DateTimeField(_("done"), null=True, blank=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering: ClassVar = ["-pk"]
        indexes: ClassVar = [
            models.Index(fields=["id"], name="rehive_delivery_new", condition=Q(state="new"))
        ]

    def __str__(self) -> str:
        return f"{self.received_at:%Y-%m-%d %H:%M:%S} {self.remote_id}"


class RefusedDeliveries(models.Model):
    """How many webhook calls were turned away on one day, for lack of the right secret.

    Only counted: storing what strangers send would let them fill the disk. Without the count a
    wrong secret goes unnoticed for weeks (peer bug 8).
    """

    day = models.DateField(_("day"), unique=True)
    count = models.PositiveIntegerField(_("count"), default=0)
    last_at = models.DateTimeField(_("last"))

    class Meta:
        verbose_name = _("refused deliveries")
        verbose_name_plural = _("refused deliveries")
        ordering: ClassVar = ["-day"]

    def __str__(self) -> str:
        return f"{self.day}: {self.count}"
