"""The guards around deciding: locks, asking Rehive, and carrying out."""

from __future__ import annotations

from tests.guards.base import Mutation

DOING = (
    Mutation(
        "the lock on the order",
        "oscar_rehive/shop/oscar.py",
        "where_written(OscarOrder).select_for_update().select_related(None)",
        "where_written(OscarOrder).select_related(None)",
        ("tests/race",),
        postgres=True,
    ),
    Mutation(
        "the lock on the lines, before their order",
        "oscar_rehive/shop/oscar.py",
        "        lines = _lock_lines(number)\n",
        "        lines = list(where_written(OrderLine).filter(order__number=number))\n",
        ("tests/race",),
        postgres=True,
    ),
    Mutation(
        "the lock on the payment",
        "oscar_rehive/payments/locking.py",
        'if not ours.update(order_number=F("order_number")):',
        "if not ours.exists():",
        ("tests/race",),
        postgres=True,
    ),
    Mutation(
        "the transaction of our own",
        "oscar_rehive/payments/locking.py",
        "transaction.atomic(using=database_of(OrderPayment), durable=True)",
        "transaction.atomic(using=database_of(OrderPayment))",
    ),
    Mutation(
        "no call in a transaction",
        "oscar_rehive/payments/gateway.py",
        "if in_a_transaction():",
        "if False:",
    ),
    Mutation(
        "one mail",
        "oscar_rehive/payments/mails.py",
        "        mail_sent_at=None,\n    )",
        "    )",
    ),
    Mutation(
        "close before opening anew",
        "oscar_rehive/payments/opening.py",
        "if not plan.fits(current):",
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
        "oscar_rehive/payments/adopting.py",
        "        or invoice.state == Invoice.State.CLOSED\n",
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
        "    if not invoice.close_due or closing_hurts(invoice):",
        "    if not invoice.close_due:",
    ),
    Mutation(
        "a repeated create does not forget the first",
        "oscar_rehive/payments/opening.py",
        "current.may_exist = again or was_answered",
        "current.may_exist = was_answered",
    ),
    Mutation(
        "an attempt under way is waited for",
        "oscar_rehive/payments/opening.py",
        "if current.lease_ends_at is not None and current.lease_ends_at > plan.now:",
        "if False:",
    ),
    Mutation(
        "the answer to a create is checked",
        "oscar_rehive/payments/adopting.py",
        "fault = _fault(invoice, remote)",
        'fault = ""',
    ),
    Mutation(
        "what was given back before anybody looked pays nothing",
        "oscar_rehive/payments/settling.py",
        "if invoice.state != Invoice.State.PAID and (remote.refunded or says_paid):",
        "if False:",
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
        ("        current = _undecided(attention)\n        if not refund_offered(current):"),
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
        "what the shop's own code did in a settling is kept",
        "oscar_rehive/payments/carrying_out.py",
        "        if getattr(after, field.attname) != getattr(before, field.attname)\n",
        "",
    ),
    Mutation(
        "a key of its own for every try to close",
        "oscar_rehive/payments/closing.py",
        '-close-{uuid4().hex[:8]}"',
        '-close"',
    ),
    Mutation(
        "an order that was paid in cash is not payable",
        "oscar_rehive/payments/opening.py",
        "if plan.missing(without=next(iter(plan.payable()), None)) <= 0:",
        "if False:",
    ),
    Mutation(
        "a lost attempt of a paid order is closed",
        "oscar_rehive/payments/adopting.py",
        "        or plan.payment.is_settled\n",
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
        "current = next(one for one in plan.attentions if one.pk == attention.pk)",
        "current = attention",
    ),
    Mutation(
        "an invoice taken for gone lets the cancellation end",
        "oscar_rehive/payments/deciding.py",
        "        follow_the_order(plan)\n",
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
        " for one in secrets if one.strip()]",
        " for one in secrets]",
        ("tests/rehive/test_webhooks.py",),
    ),
    Mutation(
        "secrets are removed from what is stored",
        "oscar_rehive/cleaning.py",
        "if _SECRET_KEY.search(str(key)) and item",
        "if False",
    ),
    Mutation(
        "clearing up waits for the commit",
        "oscar_rehive/signals.py",
        (
            "transaction.on_commit(\n"
            "            lambda: clear_up_after_staff(number), using=database_of(OrderPayment), robust=True\n"
            "        )"
        ),
        "clear_up_after_staff(number)",
        ("tests/test_signals.py",),
    ),
    Mutation(
        "one mail, of two who send at once",
        "oscar_rehive/payments/mails.py",
        "        Q(mail_claimed_at=None) | Q(mail_claimed_at__lte=now - CLAIM),\n",
        "",
    ),
    Mutation(
        "a lost race is done once more",
        "oscar_rehive/payments/locking.py",
        "if not is_lost_race(error) or tries == TRIES or waits == MOST_WAITS:",
        "if True:",
    ),
    Mutation(
        "one invoice is in use at a time",
        "oscar_rehive/models/payment.py",
        (
            '            models.UniqueConstraint(fields=["payment", "in_use"], '
            'name="rehive_one_invoice_in_use"),\n'
        ),
        "",
        ("tests/test_models.py",),
    ),
    Mutation(
        "one invoice goes out of use before another comes into it",
        "oscar_rehive/payments/carrying_out.py",
        "*sorted(plan.invoices, key=lambda one: bool(one.in_use))",
        "*plan.invoices",
    ),
    Mutation(
        "only what is missing is asked for",
        "oscar_rehive/payments/opening.py",
        "asked = plan.missing()",
        "asked = order.total",
    ),
    Mutation(
        "what is taken back is exactly what was released",
        "oscar_rehive/payments/carrying_out.py",
        "shop.hold(number, case.payment.released)",
        "shop.hold(number, None)",
        ("tests/payments/test_taken_back.py", "tests/shop"),
    ),
    Mutation(
        "a number that is used again is free",
        "oscar_rehive/payments/placing.py",
        "    _retire(number)\n",
        "",
    ),
    Mutation(
        "what stands and what should be is compared for every order",
        "oscar_rehive/payments/stages.py",
        "FIRST = (_standing,)",
        "FIRST = ()",
    ),
    Mutation(
        "what has not been tried comes first",
        "oscar_rehive/payments/reconciling.py",
        "                if retry is None:\n",
        "                if True:\n",
        tests=("tests/payments/test_fairness.py",),
    ),
    Mutation(
        "a run begins behind the stage where a limit was met",
        "oscar_rehive/payments/reconciling.py",
        "names.index(name) if name in names else 0",
        "0",
        tests=("tests/payments/test_fairness.py",),
    ),
    Mutation(
        "the pages of one order ask every few seconds",
        "oscar_rehive/views.py",
        "return bool(payment.update(page_asked_at=now))",
        "return True",
        tests=("tests/test_quota.py",),
    ),
    Mutation(
        "a door that is not filtered is not trusted",
        "oscar_rehive/payments/doors.py",
        "if len(found) == len(shown):",
        "if True:",
    ),
    Mutation(
        "reads are where the writes are",
        "oscar_rehive/databases.py",
        ", using=self._db or database_of(self.model)",
        ", using=self._db",
    ),
    Mutation(
        "a delivery that waits is not deleted with its customer's data",
        "oscar_rehive/payments/deliveries.py",
        "Delivery.objects.filter(pk__in=pks).exclude(state=Delivery.State.NEW)",
        "Delivery.objects.filter(pk__in=pks)",
        tests=("tests/payments/test_personal.py", "tests/payments/test_personal_deliveries.py"),
    ),
    Mutation(
        "an order that waits again by now keeps its customer's data",
        "oscar_rehive/payments/personal.py",
        "    refuse_if_needed(Customer((held.payment,)))\n",
        "",
        tests=("tests/payments/test_personal.py", "tests/payments/test_personal_deliveries.py"),
    ),
    Mutation(
        "of quotes only their money is kept",
        "oscar_rehive/payments/rules.py",
        "invoice.quotes = [money_of(quote.raw) for quote in remote.quotes]\n    if status is None",
        "invoice.quotes = [quote.raw for quote in remote.quotes]\n    if status is None",
        tests=("tests/payments/test_personal.py", "tests/payments/test_personal_deliveries.py"),
    ),
)
