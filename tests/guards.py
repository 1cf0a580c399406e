"""The guards of the service, and what each is replaced by to show that a test notices it; see
``tests/mutations.py``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
QUICK = ("tests/payments", "tests/peer_bugs")


@dataclass(frozen=True)
class Mutation:
    """One guard: where it stands, what it is replaced by, which tests must notice."""

    name: str
    file: str
    guard: str
    without: str
    tests: tuple[str, ...] = QUICK
    postgres: bool = False

    def applied(self) -> str:
        """The source of the file without its guard."""
        return (ROOT / self.file).read_text().replace(self.guard, self.without)


MUTATIONS = (
    Mutation(
        "the lock on the order",
        "oscar_rehive/shop/oscar.py",
        "OscarOrder._default_manager.select_for_update().select_related(None)",
        "OscarOrder._default_manager.select_related(None)",
        ("tests/race",),
        postgres=True,
    ),
    Mutation(
        "the lock on the lines, before their order",
        "oscar_rehive/shop/oscar.py",
        "        _lock_lines(number)\n",
        "",
        ("tests/race",),
        postgres=True,
    ),
    Mutation(
        "the lock on the payment",
        "oscar_rehive/payments/locking.py",
        "OrderPayment.objects.select_for_update().get(order_number=number)",
        "OrderPayment.objects.get(order_number=number)",
        ("tests/race",),
        postgres=True,
    ),
    Mutation(
        "the re-read under the lock",
        "oscar_rehive/payments/settling.py",
        "current = held.payment.invoices.get(pk=invoice.pk)\n        remote = with",
        "current = invoice\n        remote = with",
    ),
    Mutation(
        "the amount check",
        "oscar_rehive/payments/settling.py",
        "if remote.amount != invoice.amount:",
        "if False:",
    ),
    Mutation(
        "the currency check",
        "oscar_rehive/payments/settling.py",
        "if remote.currency.code != invoice.currency:",
        "if False:",
    ),
    Mutation(
        "the divisibility check",
        "oscar_rehive/payments/settling.py",
        "if remote.currency.divisibility not in (None, invoice.divisibility):",
        "if False:",
    ),
    Mutation(
        "the reference check",
        "oscar_rehive/payments/settling.py",
        'if remote.reference not in ("", invoice.order_number):',
        "if False:",
    ),
    Mutation(
        "the id check",
        "oscar_rehive/payments/settling.py",
        "if invoice.remote_id not in (None, remote.id):",
        "if False:",
    ),
    Mutation(
        "the check of the order's total",
        "oscar_rehive/payments/obstacles.py",
        "if (order.total, order.currency) != (invoice.total, invoice.currency):",
        "if False:",
    ),
    Mutation(
        "staleness by Rehive's time",
        "oscar_rehive/payments/settling.py",
        "        if _is_older(remote, current) and not (is_fresh and _says_paid(remote)):\n            return True\n",
        "",
    ),
    Mutation(
        "staleness by version",
        "oscar_rehive/payments/settling.py",
        "if not is_fresh and not _is_newer(remote, current):",
        "if False:",
    ),
    Mutation(
        "the dedupe of money",
        "oscar_rehive/payments/settling.py",
        "gained = total - invoice.recorded",
        "gained = total",
    ),
    Mutation(
        "paid stays paid",
        "oscar_rehive/payments/settling.py",
        "    if was_paid:\n        _stay_paid(held, invoice, status, is_news=before != now)\n        return\n",
        "",
    ),
    Mutation(
        "paid once",
        "oscar_rehive/payments/obstacles.py",
        "if payment.paid_at is not None or order.paid_elsewhere:",
        "if False:",
    ),
    Mutation(
        "paid after cancel",
        "oscar_rehive/payments/obstacles.py",
        "if order.standing is Standing.CANCELLED or (ended and not order.paid_elsewhere):",
        "if False:",
    ),
    Mutation(
        "paid another way",
        "oscar_rehive/payments/ending.py",
        "if order is not None and order.standing is Standing.PENDING and not order.paid_elsewhere:",
        "if order is not None and order.standing is Standing.PENDING:",
    ),
    Mutation(
        "the transaction of our own",
        "oscar_rehive/payments/locking.py",
        "transaction.atomic(durable=True)",
        "transaction.atomic()",
    ),
    Mutation(
        "no call in a transaction",
        "oscar_rehive/payments/gateway.py",
        "if _in_transaction():",
        "if False:",
    ),
    Mutation(
        "one mail",
        "oscar_rehive/payments/mails.py",
        "payment.mail_due_at is None or payment.mail_sent_at is not None or claimed",
        "payment.mail_due_at is None",
    ),
    Mutation(
        "no money lost in a refund's answer",
        "oscar_rehive/payments/refunding.py",
        "        if by_key or by_amount:\n            return one\n",
        "",
    ),
    Mutation(
        "close before opening anew",
        "oscar_rehive/payments/opening.py",
        "if not _fits(current, order):",
        "if False:",
    ),
    Mutation(
        "look before posting again",
        "oscar_rehive/payments/opening.py",
        "elif not _look(invoice):",
        "else:",
    ),
    Mutation(
        "strays are closed",
        "oscar_rehive/payments/opening.py",
        "                or current.state == Invoice.State.CLOSED\n",
        "",
    ),
    Mutation(
        "strays are looked for",
        "oscar_rehive/payments/strays.py",
        "        may_exist=True,\n",
        "        may_exist=True,\n        state=Invoice.State.OPENING,\n",
    ),
    Mutation(
        "money on its way is not closed",
        "oscar_rehive/payments/closing.py",
        "if not invoice.close_due or money_comes(invoice):",
        "if not invoice.close_due:",
    ),
    Mutation(
        "stock is released once",
        "oscar_rehive/payments/ending.py",
        "if held.payment.released_at is not None or held.order is None:",
        "if held.order is None:",
        ("tests/test_signals.py", "tests/shop"),
    ),
    Mutation(
        "other invoices of a paid order are closed",
        "oscar_rehive/payments/settling.py",
        "payment.payable_invoices().exclude(pk=invoice.pk).update(close_due=True)",
        "pass",
    ),
    Mutation(
        "a repeated create does not forget the first",
        "oscar_rehive/payments/opening.py",
        "current.may_exist = again",
        "current.may_exist = False",
    ),
    Mutation(
        "an attempt under way is waited for",
        "oscar_rehive/payments/opening.py",
        "if current.lease_ends_at is not None and current.lease_ends_at > timezone.now():",
        "if False:",
    ),
    Mutation(
        "the answer to a create is checked",
        "oscar_rehive/payments/opening.py",
        "fault = _fault(current, remote)",
        'fault = ""',
    ),
    Mutation(
        "money that waits for a person keeps the order",
        "oscar_rehive/payments/closing.py",
        "invoice.kept() > 0 or ",
        "",
    ),
    Mutation(
        "what was given back before anybody looked pays nothing",
        "oscar_rehive/payments/settling.py",
        "if remote.refunded and invoice.state != Invoice.State.PAID:",
        "if False:",
    ),
    Mutation(
        "money that a quote alone tells of is not closed",
        "oscar_rehive/payments/closing.py",
        "pending or status is Status.RECEIVED",
        "status is Status.RECEIVED",
    ),
    Mutation(
        "what was decided is decided",
        "oscar_rehive/payments/deciding.py",
        "    if current.resolved_at is not None:\n",
        "    if False:\n",
    ),
    Mutation(
        "what is refunded is decided under the lock",
        "oscar_rehive/payments/deciding.py",
        "        current = _undecided(attention)\n        if not refund_offered(current):",
        "        current = attention\n        if False:",
    ),
    Mutation(
        "a refund's own key",
        "oscar_rehive/payments/refunding.py",
        "if key is not None and Refund.objects.filter(key=key).exists():",
        "if False:",
        ("tests/test_admin.py",),
    ),
    Mutation(
        "part that was paid though the status does not say so is not closed",
        "oscar_rehive/payments/closing.py",
        " or is_part_paid_unsaid(invoice) or is_under_way",
        " or is_under_way",
    ),
    Mutation(
        "what the shop's own code did in a settling is kept",
        "oscar_rehive/payments/settling.py",
        '    payment.refresh_from_db(fields=["cancel_reason"])\n',
        "",
    ),
    Mutation(
        "a key of its own for every try to close",
        "oscar_rehive/payments/closing.py",
        '-close-{invoice.version}"',
        '-close"',
    ),
    Mutation(
        "part that was paid keeps no invoice of an ended order open",
        "oscar_rehive/payments/closing.py",
        " and payment.closed_at is None",
        "",
    ),
    Mutation(
        "a refund that is asked for while the list is read is not lost",
        "oscar_rehive/payments/refunding.py",
        ".filter(pk__in=waiting)",
        "",
    ),
    Mutation(
        "an order that was paid in cash is not payable",
        "oscar_rehive/payments/opening.py",
        "        or order.paid_elsewhere\n",
        "",
    ),
    Mutation(
        "a lost attempt of a paid order is closed",
        "oscar_rehive/payments/opening.py",
        "                or held.payment.is_settled\n",
        "",
    ),
    Mutation(
        "what is being given back is not accepted",
        "oscar_rehive/payments/deciding.py",
        "        and not invoice.given_back()\n",
        "",
    ),
    Mutation(
        "nothing that came is not accepted",
        "oscar_rehive/payments/deciding.py",
        "        and invoice.recorded > 0\n",
        "",
    ),
    Mutation(
        "what is accepted is decided under the lock",
        "oscar_rehive/payments/deciding.py",
        "        current = Attention.objects.get(pk=attention.pk)\n        invoice",
        "        current = attention\n        invoice",
    ),
    Mutation(
        "an invoice taken for gone lets the cancellation end",
        "oscar_rehive/payments/deciding.py",
        "        finish_cancellation(held, Entry.Source.STAFF)\n",
        "",
    ),
    Mutation(
        "the basket is claimed",
        "oscar_rehive/checkout/mixins.py",
        "if not open_baskets.update(status=Basket.FROZEN):",
        "if False:",
    ),
    Mutation(
        "an empty secret matches nothing",
        "oscar_rehive/rehive/webhooks.py",
        "        if secret.strip()\n",
        "",
        ("tests/rehive/test_webhooks.py",),
    ),
    Mutation(
        "secrets are removed from what is stored",
        "oscar_rehive/payments/cleaning.py",
        "if _SECRET_KEY.search(str(key)) and item",
        "if False",
    ),
    Mutation(
        "stock is held again by an order that staff bring back",
        "oscar_rehive/payments/ending.py",
        "        get_shop().hold(held.order.number)\n",
        "",
        ("tests/test_signals.py",),
    ),
    Mutation(
        "clearing up waits for the commit",
        "oscar_rehive/signals.py",
        "transaction.on_commit(lambda: clear_up_after_staff(number), robust=True)",
        "clear_up_after_staff(number)",
        ("tests/test_signals.py",),
    ),
)
