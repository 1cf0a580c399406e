"""How far runs of reconcile have come: what they are doing, have tried in vain, and have read."""

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


class Claim(Row):
    """A task that a run has in hand until ``until`` (UTC) at the latest: another one that runs at the same
    time leaves it alone. One that is killed loses it then."""

    task = models.CharField(_("task"), max_length=255, unique=True)
    owner = models.CharField(_("run"), max_length=128, db_index=True)
    until = models.DateTimeField(_("until"), db_index=True)

    class Meta(Row.Meta):
        verbose_name = _("claim")
        verbose_name_plural = _("claims")

    def __str__(self) -> str:
        return self.task


class Reading(Row):
    """How far a business's list of invoices has been read, a few pages in each run, from its first page to
    its end or as far as anything is of interest: one pass, and then the next."""

    business_id = models.CharField(_("business"), max_length=64, unique=True)
    count = models.PositiveIntegerField(_("invoices in all"), null=True, blank=True)
    page = models.PositiveIntegerField(
        _("next page"), default=1, help_text=_("Where the pass goes on.")
    )
    begun_at = models.DateTimeField(_("pass begun"), null=True, blank=True)
    read_at = models.DateTimeField(_("last read"), null=True, blank=True)
    oldest = models.BigIntegerField(
        _("oldest so far"),
        null=True,
        blank=True,
        help_text=_("Of this pass; made then, in milliseconds since 1970, UTC."),
    )
    in_order = models.BooleanField(
        _("in order"), default=True, help_text=_("This pass has met the newest first, so far.")
    )
    newest_first = models.BooleanField(
        _("newest first"),
        default=False,
        help_text=_("The last pass that reached the list's end had met the newest first."),
    )
    unread = models.JSONField(
        _("may be unreadable"),
        default=list,
        blank=True,
        help_text=_("Keys of lost attempts that may be among what this pass could not read."),
    )

    class Meta(Row.Meta):
        verbose_name = _("reading")
        verbose_name_plural = _("readings")

    def __str__(self) -> str:
        return self.business_id
