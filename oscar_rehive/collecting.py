"""What stands open at this moment, for Prometheus: read when somebody asks, by statements over what is open
and not over what ever was. It can be imported where ``prometheus_client`` is installed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db import close_old_connections, connections
from django.db.models import Count
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from oscar_rehive import conf
from oscar_rehive.logs import Log
from oscar_rehive.models import Attention
from oscar_rehive.numbers import PREFIX
from oscar_rehive.payments import waiting
from oscar_rehive.payments.breaker import is_shut, seconds_down

logger = Log(__name__)

WAITING_DELIVERIES = "waiting_deliveries"
OLDEST_DELIVERY = "oldest_waiting_delivery_seconds"
OPEN_INVOICES = "open_invoices"
OVERDUE_INVOICES = "overdue_invoices"
OLDEST_OVERDUE = "oldest_overdue_invoice_seconds"
DUE_CONFIRMATIONS = "due_confirmations"
OLDEST_CONFIRMATION = "oldest_due_confirmation_seconds"
ATTENTION = "open_attention"
IS_SHUT = "rehive_left_alone"
SECONDS_DOWN = "rehive_down_seconds"

GAUGES: dict[str, tuple[str, tuple[str, ...]]] = {
    WAITING_DELIVERIES: ("Deliveries that wait to be worked on", ()),
    OLDEST_DELIVERY: ("Since the oldest of them came, or 0", ()),
    OPEN_INVOICES: ("Invoices that can be paid, or are being opened", ()),
    OVERDUE_INVOICES: ("Those of them whose payment window is over", ()),
    OLDEST_OVERDUE: ("Since the first of these windows ended, or 0", ()),
    DUE_CONFIRMATIONS: ("Order confirmations that are still to be sent", ()),
    OLDEST_CONFIRMATION: ("Since the oldest of them became due, or 0", ()),
    ATTENTION: ("Facts that wait for a person", ("kind",)),
    IS_SHUT: ("1 while no call is made, for Rehive is known to be down, else 0", ("currency",)),
    SECONDS_DOWN: ("Since the first of the calls that failed in a row, or 0", ("currency",)),
}
"""What each number means, and its labels; by their names without ``PREFIX``."""

Value = tuple[str, tuple[str, ...], float]


class OpenThings(Collector):
    """To be registered with any registry of ``prometheus_client``; with its own, ``REGISTRY``, it is."""

    def describe(self) -> Iterable[Metric]:
        """Without values: who registers it must not ask the database, which there may not be yet."""
        return _families().values()

    def collect(self) -> Iterable[Metric]:
        """All of them; none, and a record in the log, where the database cannot be asked: the shop's other
        numbers must be told all the same."""
        families = _families()
        before = _open_connections()
        try:
            # Nobody else does it where the numbers are asked for beside Django's own requests.
            close_old_connections()
            for name, labels, value in _values():
                families[name].add_metric(labels, value)
        except Exception:
            logger.exception("What stands open cannot be told")
            return []
        finally:
            # Each time may be another thread, which ends and leaves behind what it has opened.
            for alias in _open_connections() - before:
                connections[alias].close()
        return families.values()


def _open_connections() -> set[str]:
    """The aliases of the databases to which this thread has a connection."""
    known = connections.all(initialized_only=True)
    return {one.alias for one in known if one.connection is not None}


def _families() -> dict[str, GaugeMetricFamily]:
    return {
        name: GaugeMetricFamily(PREFIX + name, means, labels=labels)
        for name, (means, labels) in GAUGES.items()
    }


def _values() -> Iterator[Value]:
    new = waiting.deliveries()
    yield WAITING_DELIVERIES, (), new.count
    yield OLDEST_DELIVERY, (), new.seconds

    payable = waiting.invoices()
    yield OPEN_INVOICES, (), payable.count
    yield OVERDUE_INVOICES, (), payable.overdue.count
    yield OLDEST_OVERDUE, (), payable.overdue.seconds

    due = waiting.confirmations()
    yield DUE_CONFIRMATIONS, (), due.count
    yield OLDEST_CONFIRMATION, (), due.seconds

    kinds = Attention.objects.filter(resolved_at=None).order_by().values_list("kind")
    found = dict(kinds.annotate(all=Count("pk")))
    for kind in Attention.Kind.values:
        yield ATTENTION, (kind,), found.get(kind, 0)

    for business in conf.as_it_is().businesses.values():
        yield IS_SHUT, (business.currency,), is_shut(business.api_url)
        yield SECONDS_DOWN, (business.currency,), seconds_down(business.api_url)


# Here and not where the app is made ready, which the tests of a shop may do again and again.
REGISTRY.register(OpenThings())
