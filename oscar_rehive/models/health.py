"""How runs of reconcile went, and what the owners have been told."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from oscar_rehive.models.base import Row


class Run(Row):
    """One run of reconcile, noted as it ends (UTC) and kept for some days: the one thing that proves that
    reconcile runs. ``trouble`` is why a business was left alone, in the words of ``RehiveError.kind``."""

    ended_at = models.DateTimeField(_("ended"), default=timezone.now, db_index=True)
    seconds = models.FloatField(_("seconds"), default=0)
    looked_at = models.PositiveIntegerField(_("looked at"), default=0)
    failed = models.PositiveIntegerField(_("failed"), default=0)
    trouble = models.CharField(_("trouble"), max_length=32, blank=True)

    class Meta(Row.Meta):
        verbose_name = _("run of reconcile")
        verbose_name_plural = _("runs of reconcile")
        ordering: ClassVar = ["-pk"]

    def __str__(self) -> str:
        return f"{self.ended_at:%Y-%m-%d %H:%M:%S}"


class Told(Row):
    """What the owners have been told of, and who is telling them at this moment: one row, whose ``name`` is
    always the same. What ``memory`` holds is ``checkup/telling.py``'s business."""

    name = models.CharField(_("name"), max_length=16, unique=True)
    memory = models.JSONField(_("memory"), default=dict, blank=True)
    claimed_at = models.DateTimeField(_("claimed"), null=True, blank=True)

    class Meta(Row.Meta):
        verbose_name = _("what the owners were told")
        verbose_name_plural = _("what the owners were told")

    def __str__(self) -> str:
        return self.name
