"""What the admin's pages have in common."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import wraps
from typing import Any, TypeVar, cast

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from oscar_rehive.databases import outside_transactions
from oscar_rehive.payments.gateway import PAGE_SECONDS
from oscar_rehive.rehive.deadlines import within

View = TypeVar("View", bound=Callable[..., Any])


def asks_rehive(view: View) -> View:
    """``view``, which asks Rehive: not inside ATOMIC_REQUESTS (P8), and in the time that a page has (P11)."""

    @wraps(view)
    def in_time(*args: Any, **kwargs: Any) -> Any:
        with within(PAGE_SECONDS):
            return view(*args, **kwargs)

    return cast("View", outside_transactions(in_time))


class ReadOnly:
    """History is read, not written: every change goes through the payment service."""

    def has_add_permission(self, *args: Any) -> bool:
        return False

    def has_change_permission(self, *args: Any) -> bool:
        return False

    def has_delete_permission(self, *args: Any) -> bool:
        return False


class ShowsMore(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # generic for mypy only
    """A page with forms of its own above what it shows."""

    def more_context(self, request: HttpRequest, found: Any) -> dict[str, Any]:
        """What the page's template needs besides; ``found`` is what the page is about."""
        raise NotImplementedError

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        found = self.get_object(request, object_id)
        more = self.more_context(request, found) if found is not None else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **more})


def nothing_done(request: HttpRequest, page: str, pk: int) -> HttpResponse:
    """Back to the page with the button: who had to sign in again after pressing it comes without what
    was pressed."""
    messages.warning(request, _("Nothing was done. Press the button again."))
    return redirect(page, pk)


def shown(amount: Decimal) -> str:
    """``amount`` as people write it: with its cents, without the zeros of 18 decimals behind them."""
    whole, _point, decimals = f"{amount:f}".partition(".")
    kept = decimals.rstrip("0").ljust(min(2, len(decimals)), "0")
    return f"{whole}.{kept}" if kept else whole
