"""What the webhook was told."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from oscar_rehive.models.base import Row


class Delivery(Row):
    """One webhook call, stored as it came before anything was done with it, and forgotten when it is
    through and old (``payments/deliveries.py``)."""

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

    class Meta(Row.Meta):
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering: ClassVar = ["-pk"]
        indexes: ClassVar = [
            models.Index(fields=["id"], name="rehive_delivery_new", condition=Q(state="new")),
            # Not db_index, which makes PostgreSQL keep a second one, for beginnings of texts.
            models.Index(fields=["reference"], name="rehive_delivery_reference"),
        ]

    def __str__(self) -> str:
        return f"{self.received_at:%Y-%m-%d %H:%M:%S} {self.remote_id}"


class RefusedDeliveries(Row):
    """How many webhook calls were turned away on one day, for lack of the right secret.

    Only counted: storing what strangers send would let them fill the disk. Without the count a
    wrong secret goes unnoticed for weeks (peer bug 8).
    """

    day = models.DateField(_("day"), unique=True)
    count = models.PositiveIntegerField(_("count"), default=0)
    last_at = models.DateTimeField(_("last"))

    class Meta(Row.Meta):
        verbose_name = _("refused deliveries")
        verbose_name_plural = _("refused deliveries")
        ordering: ClassVar = ["-day"]

    def __str__(self) -> str:
        return f"{self.day}: {self.count}"
