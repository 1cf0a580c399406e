"""The desk's place in Oscar's menu. Oscar finds ``get_nodes`` here where the dashboard's config is the one
of ``oscar_rehive.dashboard.apps``.

Not in ``OSCAR_DASHBOARD_NAVIGATION``: one entry there whose address is not mounted takes the whole
dashboard down.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from oscar.apps.dashboard import menu
from oscar.core.loading import get_class

from oscar_rehive.dashboard import rights
from oscar_rehive.databases import database_of
from oscar_rehive.logs import Log
from oscar_rehive.models import Attention

logger = Log(__name__)

Node = get_class("dashboard.nav", "Node")

MOST = 1000
"""Beyond this nobody counts."""


def get_nodes(user: Any) -> list[Any]:
    """Oscar's nodes for ``user``, and the desk's after the first of them, which is the home page."""
    nodes = menu.get_nodes(user)
    ours = _ours(user)
    return [*nodes[:1], ours, *nodes[1:]] if ours is not None else nodes


def _ours(user: Any) -> Any | None:
    """None where the desk's pages are not mounted, its tables not made, or ``user`` has nothing there."""
    try:
        if not rights.may_enter(user):
            return None
        for name in ("rehive-attention", "rehive-payments", "rehive-health"):
            reverse(f"dashboard:{name}")
        count = open_attention() if rights.may(user, rights.VIEW) else 0
    except Exception:  # whatever it is, the shop's dashboard must go on
        logger.exception("The desk is not in the menu")
        return None
    node = Node(label=_counted("Rehive", count), icon="fas fa-coins")
    if rights.may(user, rights.VIEW):
        label = _counted(gettext("Attention"), count)
        node.add_child(Node(label=label, url_name="dashboard:rehive-attention"))
    node.add_child(Node(label=gettext("Payments"), url_name="dashboard:rehive-payments"))
    if rights.may(user, rights.VIEW):
        node.add_child(Node(label=gettext("Health"), url_name="dashboard:rehive-health"))
    return node


def open_attention() -> int:
    """How many facts wait for a person, up to ``MOST``. One statement, with an end in sight."""
    # A transaction of its own: on PostgreSQL a query that fails ends the page's.
    with transaction.atomic(using=database_of(Attention)):
        return Attention.objects.filter(resolved_at=None).order_by()[:MOST].count()


def _counted(label: str, count: int) -> Any:
    if not count:
        return label
    shown = f"{MOST}+" if count >= MOST else count
    return format_html('{} <span class="badge badge-danger">{}</span>', label, shown)
