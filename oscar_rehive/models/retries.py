"""What runs of reconcile have tried in vain."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from oscar_rehive.models.base import Row


class Retry(Row):
    """A task of reconcile that did not come through, or changed nothing: the next run does what has not
    been tried first, and this not before ``again_at`` (UTC)."""

    task = models.CharField(_("task"), max_length=255, unique=True)
    tries = models.PositiveIntegerField(_("tries"), default=1)
    tried_at = models.DateTimeField(_("tried"), db_index=True)
    again_at = models.DateTimeField(_("again"))

    class Meta(Row.Meta):
        verbose_name = _("retry")
        verbose_name_plural = _("retries")
        ordering: ClassVar = ["tried_at"]

    def __str__(self) -> str:
        return self.task
