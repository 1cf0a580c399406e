"""The business's own account: what moved on it, with its fee, and what left it for the bank."""

from __future__ import annotations

from typing import Any

import pytest

from oscar_rehive.simulator.errors import RehiveError
from oscar_rehive.simulator.process import SimulatorError, SimulatorProcess
from oscar_rehive.simulator.rules import Rehive
from oscar_rehive.simulator.state import State

from .conftest import BUSINESS, NEW, Clock

Json = dict[str, Any]


def paid(rules: Rehive, outcome: str = "pay", **how: Any) -> str:
    invoice_id = str(rules.create_invoice(BUSINESS, NEW)["id"])
    rules.outcome(invoice_id, outcome, **how)
    return invoice_id


def told(rules: Rehive, business: str = BUSINESS) -> list[tuple[str, str, int, int]]:
    rows = rules.movements(business)["results"]
    return [(one["tx_type"], one["status"], one["amount"], one["total_amount"]) for one in rows]


def test_a_payment_carries_the_id_of_its_invoice_and_a_fee(rules: Rehive) -> None:
    rules.set_fee(15)
    invoice_id = paid(rules)

    (movement,) = rules.movements(BUSINESS)["results"]

    assert movement["metadata"] == {"service_payment_requests": {"request_id": invoice_id}}
    assert (movement["amount"], movement["total_amount"]) == (1000, 1015)
    assert movement["currency"]["code"] == "USD"
    assert rules.movements("other")["results"] == []


def test_it_is_in_the_currency_of_the_business_whatever_was_paid_in(rules: Rehive) -> None:
    paid(rules, currency="BTC")

    assert told(rules) == [("credit", "complete", 1000, 1000)]


def test_money_that_is_not_confirmed_is_pending(rules: Rehive) -> None:
    invoice_id = paid(rules, "start")
    rules.outcome(invoice_id, "start")

    assert told(rules) == [("credit", "pending", 1000, 1000)]


def test_a_refund_leaves_the_account_and_does_not_say_of_which_invoice(
    rules: Rehive, clock: Clock
) -> None:
    invoice_id = paid(rules)
    body = {"amount": 400, "currency": "USD", "type": "native"}
    refund = rules.create_refund(BUSINESS, invoice_id, body)
    assert len(told(rules)) == 1
    clock.now += 1000
    done = rules.progress_refund(refund["id"], "complete")

    newest = rules.movements(BUSINESS)["results"][0]

    assert told(rules)[0] == ("debit", "complete", 400, 400)
    assert (newest["metadata"], newest["collection"]) == ({}, done["transaction_collection"])


def test_payouts_newest_first(rules: Rehive) -> None:
    rules.make_payout(BUSINESS, 100, "complete")
    rules.make_payout(BUSINESS, 200, "queued")
    rules.make_payout("other", 300, "complete")

    amounts = [one["amount"] for one in rules.payouts(BUSINESS)["results"]]

    assert amounts == [200, 100]
    with pytest.raises(RehiveError):
        rules.payouts("nobody")


def test_both_survive_a_restart_and_a_state_of_before_has_none(rules: Rehive) -> None:
    rules.make_payout(BUSINESS, 100, "complete")
    rules.set_fee(15)
    document = rules._state.to_json()

    kept = State.from_json(document)
    assert (len(kept.payouts), kept.fee_per_mille) == (1, 15)
    for name in ("payouts", "fee_per_mille"):
        del document[name]
    assert State.from_json(document).payouts == []


@pytest.mark.parametrize(
    ("amount", "status"), [(0, "complete"), (1.5, "complete"), (True, "complete"), (1, "gone")]
)
def test_a_payout_that_is_none(
    rehive_simulator: SimulatorProcess, amount: Any, status: str
) -> None:
    with pytest.raises(SimulatorError, match="400"):
        rehive_simulator.payout(amount, status)


@pytest.mark.parametrize("per_mille", [-1, 1001, 1.5, True, None])
def test_a_fee_that_is_none(rehive_simulator: SimulatorProcess, per_mille: Any) -> None:
    with pytest.raises(SimulatorError, match="400"):
        rehive_simulator.fee(per_mille)
