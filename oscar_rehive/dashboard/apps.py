"""Drop-in for ``oscar.apps.dashboard.apps.DashboardConfig`` in ``INSTALLED_APPS``, and a mixin for shops
that have a dashboard app of their own."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.urls import path
from django.utils.module_loading import import_string
from oscar.apps.dashboard.apps import DashboardConfig as OscarDashboardConfig

Page = Callable[..., HttpResponseBase]
Permissions = list[str] | tuple[list[str], ...] | None


def _page(view: str) -> Page:
    """That view of a module beside this one. It is loaded when somebody opens it: the desk was a third of what the
    plugin adds to the start of each process."""

    # The mark of each of our pages, which Django looks for here.
    from oscar_rehive.databases import outside_transactions

    @cache
    def loaded() -> Page:
        page: Page = import_string(f"oscar_rehive.dashboard.{view}").as_view()
        return page

    @outside_transactions
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return loaded()(request, *args, **kwargs)

    return page


class RehiveDashboardMixin:
    """To be put before the other bases of a shop's own dashboard config: mounts the desk's pages in the
    dashboard's namespace. Their place in the menu comes with ``get_nodes`` of
    ``oscar_rehive.dashboard.menu``, to be imported into that app's own ``menu.py``."""

    def get_urls(self) -> list[Any]:
        pages = [
            ("rehive/attention/", "attention.AttentionView", "attention"),
            ("rehive/attention/dealt-with/", "attention.DealtWithView", "attention-dealt-with"),
            ("rehive/attention/<int:pk>/note/", "attention.NoteView", "attention-note"),
            ("rehive/attention/<int:pk>/<slug:way>/", "attention.DecideView", "attention-decide"),
            ("rehive/payments/", "payments.PaymentsView", "payments"),
            ("rehive/payments/<int:pk>/", "payments.PaymentView", "payment"),
            ("rehive/payments/<int:pk>/ask/", "actions.AskView", "ask"),
            ("rehive/payments/<int:pk>/cancel/", "actions.CancelView", "cancel"),
            ("rehive/payments/<int:pk>/pay-link/", "actions.PayLinkView", "pay-link"),
            ("rehive/invoices/<int:pk>/close/", "actions.CloseView", "close"),
            ("rehive/invoices/<int:pk>/refund/", "refunding.RefundView", "refund"),
            ("rehive/health/", "health.HealthView", "health"),
            ("rehive/health/check/", "health.CheckView", "health-check"),
            ("rehive/health/register/", "health.RegisterView", "health-register"),
            ("rehive/invoices/<int:pk>/", "payments.InvoiceView", "invoice"),
        ]
        ours = [path(where, _page(view), name=f"rehive-{name}") for where, view, name in pages]
        # Oscar has put what these need around its own already.
        ours = self.post_process_urls(ours)  # type: ignore[attr-defined]  # of OscarDashboardConfig
        return [*ours, *super().get_urls()]  # type: ignore[misc]  # as above

    def get_permissions(self, url: str | None) -> Permissions:
        """Who is let in at all; each page then looks more closely (``rights.py``)."""
        name = (url or "").rpartition(":")[2]
        if name.startswith("rehive-"):
            from oscar_rehive.dashboard.rights import LET_IN

            return LET_IN
        found: Permissions = super().get_permissions(url)  # type: ignore[misc]  # as above
        return found


class DashboardConfig(RehiveDashboardMixin, OscarDashboardConfig):
    """Oscar's dashboard app with the desk's pages and its place in the menu.

    Oscar's ``get_class`` looks in the package that the AppConfig of the label "dashboard" names, where
    ``menu.py`` is the only module with a name of Oscar's.
    """

    name = "oscar_rehive.dashboard"
