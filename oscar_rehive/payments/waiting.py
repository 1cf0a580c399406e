"""What stands open at this moment: read when somebody asks, by one statement each, over what is open and not
over what ever was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q
from django.utils import timezone

from oscar_rehive.models import Delivery, Invoice, OrderPayment
from oscar_rehive.rehive.statuses import Status


@dataclass(frozen=True)
class Waiting:
    """How many wait, and since when the first of them (UTC; None where nothing waits)."""

    count: int
    since: datetime | None

    @property
    def seconds(self) -> float:
        """For how long the first of them has waited, 0.0 where nothing does, or not yet."""
        if self.since is None:
            return 0.0
        return max(0.0, (timezone.now() - self.since).total_seconds())


@dataclass(frozen=True)
class OpenInvoices:
    """How many can be paid, or are being opened; and those of them whose payment window is over, and on which no
    money shows: with money they wait for that, or for a person, and nobody cancels them."""

    count: int
    overdue: Waiting


def deliveries() -> Waiting:
    """Deliveries that wait to be worked on."""
    new = Delivery.objects.filter(state=Delivery.State.NEW)
    return Waiting(**new.aggregate(count=Count("pk"), since=Min("received_at")))


def invoices() -> OpenInvoices:
    """Invoices that are open."""
    payable = Invoice.objects.filter(state__in=[Invoice.State.OPENING, Invoice.State.OPEN])
    is_over = Q(payment__window_ends_at__lte=timezone.now())
    late = is_over & Q(received=0) & ~Q(remote_status=Status.RECEIVED.value)
    found = payable.aggregate(
        all=Count("pk"),
        overdue=Count("pk", filter=late),
        first=Min("payment__window_ends_at", filter=late),
    )
    return OpenInvoices(found["all"], Waiting(found["overdue"], found["first"]))


def confirmations() -> Waiting:
    """Order confirmations that are still to be sent."""
    due = OrderPayment.objects.filter(mail_due_at__isnull=False, mail_sent_at=None)
    return Waiting(**due.aggregate(count=Count("pk"), since=Min("mail_due_at")))
