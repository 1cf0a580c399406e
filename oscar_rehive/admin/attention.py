"""What waits for a person, as it stands in the table; its ways out are at the desk (``dashboard/``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from oscar_rehive.admin.pages import ReadOnly
from oscar_rehive.models import Attention, Note


class WaitingFilter(admin.SimpleListFilter):
    """What waits for somebody; what was dealt with only where it is asked for."""

    title = _("whether it waits")
    parameter_name = "waits"

    def lookups(self, *args: Any) -> list[tuple[str, Any]]:
        return [("no", _("Dealt with")), ("all", _("All"))]

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:  # type: ignore[override]  # django-stubs: a private TypedDict
        unless_asked, *others = super().choices(changelist)
        yield {**unless_asked, "display": _("Waiting")}
        yield from others  # type: ignore[misc]  # as above

    def queryset(self, request: HttpRequest, queryset: QuerySet[Attention]) -> QuerySet[Attention]:
        if self.value() == "all":
            return queryset
        return queryset.filter(resolved_at__isnull=self.value() != "no")


class NoteInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]  # generic for mypy only
    model = Note
    fields = ("at", "by", "text")
    readonly_fields = fields
    extra = 0


@admin.register(Attention)
class AttentionAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # as above
    list_display = ("payment", "kind", "reason", "ways_out", "raised_at", "resolved_at")
    list_filter = (WaitingFilter, "kind")
    search_fields = ("payment__order_number", "reason")
    list_select_related = ("payment",)
    inlines = (NoteInline,)
