"""Taking what Rehive has made for an attempt's invoice, whoever brings the answer and however late."""

from __future__ import annotations

from uuid import uuid4

from oscar_rehive.cleaning import storable_text
from oscar_rehive.models import Attention, Invoice
from oscar_rehive.payments.carrying_out import change
from oscar_rehive.payments.closing import close_at_rehive
from oscar_rehive.payments.meanings import money_of
from oscar_rehive.payments.plans import Plan
from oscar_rehive.payments.rules import ANSWERED, NO_WORD
from oscar_rehive.payments.settling import refresh
from oscar_rehive.payments.weighing import digest, disagreement, with_possible_time
from oscar_rehive.rehive.statuses import Status
from oscar_rehive.rehive.wire import RemoteInvoice

UNTOUCHED = (Status.DRAFT.value, Status.INITIATED.value)
"""How an invoice is made; one that says something else has been in somebody's hands."""


class NotOpened(Exception):
    """Rehive made something else than what was asked for; a person has been called."""


def adopt(invoice: Invoice, remote: RemoteInvoice, source: str) -> None:
    """Take ``remote`` for the attempt's invoice, and close it if it is not what was asked for or
    not wanted any more. Raises ``NotOpened`` in the first case."""
    used = Invoice.objects.filter(remote_id=remote.id).exclude(pk=invoice.pk).first()
    fault = change(
        invoice.order_number,
        source,
        lambda plan: (
            _take(plan, invoice.pk, remote) if used is None else _end(plan, invoice.pk, used)
        ),
    )
    invoice.refresh_from_db()
    if invoice.close_due:
        close_at_rehive(invoice, source)
    elif invoice.remote_id and invoice.remote_status not in UNTOUCHED:
        # Found later than it was made, it may be paid by now.
        refresh(invoice, source)
    if fault:
        raise NotOpened(f"Rehive made something else than what was asked for: {fault}.")


def _take(plan: Plan, pk: int, remote: RemoteInvoice) -> str:
    invoice = plan.invoice(pk)
    if invoice.remote_id is not None:
        return ""
    fault = _fault(invoice, remote)
    others = [other for other in plan.payable() if other is not invoice and not other.close_due]
    _fill_in(plan, invoice, remote)
    if not fault and remote.status in UNTOUCHED:
        invoice.told = digest(remote)
    plan.rest(invoice, ANSWERED, by="Rehive")
    invoice.close_due = (
        invoice.close_due
        or invoice.state == Invoice.State.CLOSED
        or plan.payment.is_settled
        or bool(others)
        or bool(fault)
    )
    invoice.state = Invoice.State.OPEN
    plan.write("The invoice is open at Rehive.", invoice=invoice, to_status=invoice.remote_status)
    if fault:
        plan.attend(
            Attention.Kind.MISMATCH,
            f"Rehive made invoice {invoice} wrongly: {fault}. It is being cancelled.",
            invoice=invoice,
            ways_out="Compare BUSINESS_ID and the business's currency with the settings.",
        )
    return fault


def _end(plan: Plan, pk: int, used: Invoice) -> str:
    """End an attempt to which Rehive gave the id of another invoice: under it nobody could tell the money
    of the two apart."""
    invoice = plan.invoice(pk)
    if invoice.remote_id is not None:
        return ""
    fault = f"its id {used.remote_id} is that of invoice {used}"
    invoice.state, invoice.close_due = Invoice.State.CLOSED, False
    invoice.lease_ends_at, invoice.may_exist = None, False
    plan.write(f"Rehive gave an id that it had given before: {fault}.", invoice=invoice)
    plan.attend(
        Attention.Kind.MISMATCH,
        f"Rehive made invoice {invoice} wrongly: {fault}.",
        invoice=invoice,
        ways_out="Look at that invoice in Rehive's app, and ask Rehive's support.",
    )
    return fault


def next_attempt(plan: Plan) -> int:
    """The number of the payment's next attempt."""
    return max((invoice.attempt for invoice in plan.invoices), default=0) + 1


def adopt_twin(invoice: Invoice, remote: RemoteInvoice, source: str) -> None:
    """Close ``remote``, which a second create of ``invoice`` has made beside the one in use; noted
    as an attempt of its own, so that money that comes through it is not lost."""

    def decide(plan: Plan) -> Invoice:
        first = plan.invoice(invoice.pk)
        twin = Invoice(
            payment=plan.payment,
            attempt=next_attempt(plan),
            state=Invoice.State.CLOSED,
            key=uuid4(),
            business_id=first.business_id,
            currency=first.currency,
            divisibility=first.divisibility,
            total=first.total,
            covered=first.covered,
            amount=first.amount,
            created_at=plan.now,
        )
        plan.invoices.append(twin)
        return twin

    adopt(change(invoice.order_number, source, decide), remote, source)


def _fill_in(plan: Plan, invoice: Invoice, remote: RemoteInvoice) -> None:
    invoice.remote_id = remote.id
    invoice.remote_status = storable_text(remote.status)[:64] or NO_WORD
    invoice.remote_updated = with_possible_time(remote, plan.now).updated
    invoice.redirect_url = storable_text(remote.redirect_url)
    invoice.quotes = [money_of(quote.raw) for quote in remote.quotes]
    invoice.asked_at = plan.now
    invoice.lease_ends_at = None
    # Sent twice because the first answer never came, it may be there twice (rehive-api.md: do not
    # rely on the idempotency key alone).
    invoice.may_exist = invoice.posts > 1


def _fault(invoice: Invoice, remote: RemoteInvoice) -> str:
    fault = disagreement(invoice, remote)
    if not fault and remote.reference != invoice.payment.reference:
        fault = "it carries no reference to the order"
    if not fault and not remote.has_usable_redirect_url:
        fault = "its redirect_url is not an absolute http(s) address"
    return fault
