"""Idempotency keys, what is due next, and forgetting everything."""

from __future__ import annotations

from typing import Any

from oscar_rehive.simulator.rules import Rehive

from .conftest import BUSINESS, NEW, RETURN_URL, Clock

Json = dict[str, Any]


def create(rules: Rehive, **fields: Any) -> Json:
    return rules.create_invoice(BUSINESS, NEW | fields)


def test_answers_are_kept_24_hours(rules: Rehive, clock: Clock) -> None:
    def perform() -> Json:
        return create(rules)

    first, replayed = rules.once("key", perform)
    assert not replayed
    assert rules.once("key", perform) == (first, True)
    assert rules.once("other key", perform)[0] != first
    assert rules.once(None, perform)[0] != rules.once(None, perform)[0]
    clock.now += 24 * 60 * 60 * 1000 + 1
    again, replayed = rules.once("key", perform)
    assert again != first
    assert not replayed


def test_next_due_is_the_next_expiration(rules: Rehive, clock: Clock) -> None:
    assert rules.next_due() is None
    create(rules, expiration_date=clock.now + 5000)
    create(rules, expiration_date=clock.now + 3000)
    assert rules.next_due() == 3001
    rules.advance(10_000)
    assert rules.next_due() is None


def test_reset_forgets_everything_but_numbers(rules: Rehive) -> None:
    hook = rules.create_webhook(
        {"url": RETURN_URL, "event": "service_payment_requests.request.update"}
    )
    create(rules)
    rules.faults.set({"throttle": True})
    rules.advance(1000)
    rules.reset()
    assert rules.invoices(BUSINESS)["count"] == rules.webhooks()["count"] == 0
    assert rules.faults.wire() == {}
    again = rules.create_webhook(
        {"url": RETURN_URL, "event": "service_payment_requests.request.update"}
    )
    assert again["id"] != hook["id"]
