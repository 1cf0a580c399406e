"""The guards where it is decided what is to change: pure."""

from __future__ import annotations

from tests.guards.base import Mutation

DECIDING = (
    Mutation(
        "the amount check",
        "oscar_rehive/payments/weighing.py",
        "if remote.amount != invoice.amount:",
        "if False:",
    ),
    Mutation(
        "the currency check",
        "oscar_rehive/payments/weighing.py",
        "if remote.currency.code != invoice.currency:",
        "if False:",
    ),
    Mutation(
        "the divisibility check",
        "oscar_rehive/payments/weighing.py",
        "if remote.currency.divisibility not in (None, invoice.divisibility):",
        "if False:",
    ),
    Mutation(
        "the reference check",
        "oscar_rehive/payments/weighing.py",
        'if remote.reference not in ("", reference):',
        "if False:",
    ),
    Mutation(
        "the id check",
        "oscar_rehive/payments/weighing.py",
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
        "oscar_rehive/payments/weighing.py",
        "    return Weight.DOUBTED",
        "    return Weight.NEWS",
    ),
    Mutation(
        "staleness by version",
        "oscar_rehive/payments/weighing.py",
        "if asked_at_version != invoice.version:",
        "if False:",
    ),
    Mutation(
        "the dedupe of money",
        "oscar_rehive/payments/rules.py",
        "gained = total - invoice.recorded",
        "gained = total",
    ),
    Mutation(
        "paid stays paid",
        "oscar_rehive/payments/rules.py",
        (
            "    if was_paid:\n"
            "        _stay_paid(plan, invoice, status, is_news=before != now)\n"
            "        return\n"
        ),
        "",
    ),
    Mutation(
        "paid once",
        "oscar_rehive/payments/obstacles.py",
        "if payment.paid_at is not None or missing <= 0:",
        "if False:",
    ),
    Mutation(
        "paid after cancel",
        "oscar_rehive/payments/obstacles.py",
        "if order.standing is Standing.CANCELLED or (ended and missing > 0):",
        "if False:",
    ),
    Mutation(
        "paid another way",
        "oscar_rehive/payments/ending.py",
        "elif order is not None and pending and not order.paid_elsewhere:",
        "elif order is not None and pending:",
    ),
    Mutation(
        "no money lost in a refund's answer",
        "oscar_rehive/payments/refunds_told.py",
        "        if by_key or by_amount:\n            return refund\n",
        "",
    ),
    Mutation(
        "stock is released once",
        "oscar_rehive/payments/ending.py",
        "    if payment.released_at is None:\n        payment",
        "    if True:\n        payment",
        (
            "tests/test_signals.py",
            "tests/shop",
        ),
    ),
    Mutation(
        "other invoices of a paid order are closed",
        "oscar_rehive/payments/rules.py",
        "plan.close(other for other in plan.payable() if other is not invoice)",
        "pass",
    ),
    Mutation(
        "money that waits for a person keeps the order",
        "oscar_rehive/payments/signs.py",
        "invoice.kept() > 0 or ",
        "",
    ),
    Mutation(
        "money that a quote alone tells of is not closed",
        "oscar_rehive/payments/signs.py",
        "return pending or status is Status.RECEIVED",
        "return status is Status.RECEIVED",
    ),
    Mutation(
        "part that was paid though the status does not say so is not closed",
        "oscar_rehive/payments/signs.py",
        "(said or is_part_paid_unsaid(invoice))",
        "said",
    ),
    Mutation(
        "part that was paid keeps no invoice of an ended order open",
        "oscar_rehive/payments/signs.py",
        " and payment.closed_at is None",
        "",
    ),
    Mutation(
        "a refund that is asked for while the list is read is not lost",
        "oscar_rehive/payments/refunds_told.py",
        "if refund.pk in unanswered and refund",
        "if refund",
    ),
    Mutation(
        "stock is held again by an order that staff bring back",
        "oscar_rehive/payments/ending.py",
        "    plan.holds = True\n",
        "",
        ("tests/test_signals.py",),
    ),
    Mutation(
        "a doubt ends when the same is told again",
        "oscar_rehive/payments/weighing.py",
        "invoice.doubted_since is not None and now - invoice.doubted_since >= DOUBT",
        "False",
    ),
    Mutation(
        "the stamp of what is believed counts, also where it is older",
        "oscar_rehive/payments/rules.py",
        "invoice.remote_updated = remote.updated or invoice.remote_updated",
        "invoice.remote_updated = max(remote.updated or 0, invoice.remote_updated or 0)",
    ),
    Mutation(
        "an overtaken answer that steps back is asked for again",
        "oscar_rehive/payments/weighing.py",
        "Weight.NEWS if is_newer and not back else",
        "Weight.NEWS if is_newer else",
    ),
    Mutation(
        "a step forward is believed at once",
        "oscar_rehive/payments/weighing.py",
        "if not back or known is None",
        "if known is None",
    ),
    Mutation(
        "the ledger gives back no more than came",
        "oscar_rehive/payments/refunds_told.py",
        "min(floor_to_places(told, plan.case.ledger_places), invoice.recorded)",
        "floor_to_places(told, plan.case.ledger_places)",
    ),
    Mutation(
        "a refund in another currency is not booked",
        "oscar_rehive/payments/refunds_told.py",
        "if not _same_money(invoice, remote.currency):",
        "if False:",
    ),
    Mutation(
        "money undoes a wish to cancel",
        "oscar_rehive/payments/ending.py",
        (
            "    if pending and plan.has_money():\n"
            "        _drop_the_wish(plan)\n"
            "    elif plan.payable():"
        ),
        "    if plan.payable():",
    ),
    Mutation(
        "where money is, nobody's wish to cancel is noted",
        "oscar_rehive/payments/ending.py",
        "    if plan.has_money():\n        raise",
        "    if False:\n        raise",
    ),
    Mutation(
        "parts that ended attempts brought count",
        "oscar_rehive/payments/plans.py",
        (
            "            elif self.payment.paid_at is None and self.counts(invoice):\n"
            "                held += from_units(self.left(invoice), invoice.divisibility)\n"
        ),
        "",
    ),
    Mutation(
        "what ended and is not what was asked for counts for nothing",
        "oscar_rehive/payments/plans.py",
        (
            " and not any(\n"
            "            attention.kind == Attention.Kind.MISMATCH and attention.invoice_id == invoice.pk\n"
            "            for attention in self.attentions\n"
            "        )"
        ),
        "",
    ),
    Mutation(
        "an open invoice that asks for something else is closed",
        "oscar_rehive/payments/rules.py",
        "elif not (invoice.close_due or plan.fits(invoice) or money_is_here_or_comes(invoice)):",
        "elif False:",
    ),
    Mutation(
        "no invoice on which money shows is closed for another amount",
        "oscar_rehive/payments/rules.py",
        "plan.fits(invoice) or money_is_here_or_comes(invoice)",
        "plan.fits(invoice)",
    ),
    Mutation(
        "what pays the order is noted, and only the rest given back",
        "oscar_rehive/payments/rules.py",
        "invoice.pays = min(int(invoice.received), needed)",
        "invoice.pays = int(invoice.received)",
    ),
    Mutation(
        "what another source has come to hold is an excess",
        "oscar_rehive/payments/rules.py",
        "        _need_less(plan, invoice)\n        note_excess(plan, invoice)\n",
        "        note_excess(plan, invoice)\n",
    ),
    Mutation(
        "less than what is missing by now does not pay",
        "oscar_rehive/payments/obstacles.py",
        "if not is_enough(invoice, missing, plan.case.config):",
        "if False:",
    ),
    Mutation(
        "almost is never less than half",
        "oscar_rehive/payments/obstacles.py",
        "min(allowed, missing / 2)",
        "allowed",
    ),
    Mutation(
        "dust calls nobody",
        "oscar_rehive/payments/obstacles.py",
        "return not in_the_ledger and units * DUST < invoice.amount",
        "return False",
    ),
    Mutation(
        "another name for the cancelled status takes nothing back",
        "oscar_rehive/payments/ending.py",
        'goes_on and payment.seen_status not in ("", order.status)',
        "goes_on",
    ),
)
