"""What happened, and what a person must look at."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from oscar_rehive.models.base import Row
from oscar_rehive.models.payment import Invoice, OrderPayment


class Entry(Row):
    """One line of an order's payment history. Written, never changed, but for the words in it that call a
    customer who wants to be forgotten (``payments/personal.py``)."""

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

    class Meta(Row.Meta):
        verbose_name = _("history entry")
        verbose_name_plural = _("history entries")
        ordering: ClassVar = ["pk"]
        indexes: ClassVar = [
            # For reports, which add up the money of some days.
            models.Index(
                fields=["at"], name="rehive_entry_money", condition=Q(amount__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.reason

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None:
            raise ValueError("The history of a payment is append-only.")
        super().save(*args, **kwargs)


class Attention(Row):
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
        UNREADABLE = "unreadable", _("Rehive's answers make no sense")
        OUT_OF_REACH = "out_of_reach", _("the settings no longer name the business")
        ODD_REFUND = "odd_refund", _("a refund that does not fit")
        NOT_HELD = "not_held", _("what was given up is gone")
        DISAGREES = "disagrees", _("order and payment disagree")

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
    told_at = models.DateTimeField(
        _("told"), null=True, blank=True, help_text=_("When the owners were mailed about it.")
    )
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)
    resolved_by = models.CharField(_("resolved by"), max_length=150, blank=True)

    class Meta(Row.Meta):
        verbose_name = _("attention")
        verbose_name_plural = _("attention")
        permissions: ClassVar = [
            ("accept_attention", _("Can let money that waits pay its order")),
            ("take_for_gone_attention", _("Can take an invoice for gone")),
            ("resolve_attention", _("Can mark attention as resolved")),
        ]
        ordering: ClassVar = [F("resolved_at").asc(nulls_first=True), "-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["payment", "kind", "subject"], name="rehive_attention_once"
            ),
        ]
        indexes: ClassVar = [
            # What waits is counted on every page of the dashboard, and listed by age.
            models.Index(
                fields=["raised_at", "id"],
                name="rehive_attention_open",
                condition=Q(resolved_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.payment}: {self.get_kind_display()}"


class Note(Row):
    """What a member of staff has to say about a fact, for those who come after. ``by`` is what the history
    calls them."""

    attention = models.ForeignKey(
        Attention, on_delete=models.CASCADE, related_name="notes", verbose_name=_("attention")
    )
    at = models.DateTimeField(_("at"), default=timezone.now)
    by = models.CharField(_("by"), max_length=150)
    text = models.TextField(_("note"))

    class Meta(Row.Meta):
        verbose_name = _("note")
        verbose_name_plural = _("notes")
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return self.text
