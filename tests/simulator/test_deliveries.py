"""Which deliveries are made, when, how often, and how they are sent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from oscar_rehive.simulator.deliveries import Sender, post
from oscar_rehive.simulator.outbox import Letter, Result
from oscar_rehive.simulator.rules import Rehive

from .conftest import BUSINESS, NEW, Clock, Shop

Json = dict[str, Any]

UPDATE = "service_payment_requests.request.update"
CREATE = "service_payment_requests.request.create"


@pytest.fixture
def hooked(rules: Rehive) -> Rehive:
    hook(rules)
    return rules


def hook(rules: Rehive, event: str = UPDATE, url: str = "http://shop.example/hook/") -> Json:
    return rules.create_webhook({"url": url, "secret": "s3cret", "event": event})


def pay(rules: Rehive, outcome: str = "pay") -> str:
    invoice = rules.create_invoice(BUSINESS, NEW)
    return str(rules.outcome(invoice["id"], outcome)["id"])


def answer(rules: Rehive, *statuses: int | None) -> list[Letter]:
    """Answer the due deliveries with these statuses, then 200."""
    given = list(statuses)
    letters = rules.claim_deliveries()
    for letter in letters:
        rules.record_delivery(letter, Result(given.pop(0) if given else 200))
    return letters


def told(letters: list[Letter]) -> list[str]:
    return [letter.body["data"]["status"] for letter in letters]


def test_every_status_change_is_told_with_the_invoice_as_it_then_was(hooked: Rehive) -> None:
    invoice = hooked.create_invoice(BUSINESS, NEW)
    hooked.update_invoice(BUSINESS, invoice["id"], {"description": "no status change"})
    for outcome in ("pay_less", "pay", "complete"):
        hooked.outcome(invoice["id"], outcome)
    letters = answer(hooked)
    assert told(letters) == ["processing", "underpaid", "paid", "complete"]
    last = letters[-1].body
    assert last["data"] == hooked.invoice(BUSINESS, invoice["id"])
    assert (last["event"], last["company"]) == (UPDATE, "simulator")
    assert len({letter.body["id"] for letter in letters}) == 4
    assert hooked.claim_deliveries(everything=True) == []


def test_cancelling_expiring_and_refunding_are_told(hooked: Rehive, clock: Clock) -> None:
    cancelled = hooked.create_invoice(BUSINESS, NEW)
    hooked.update_invoice(BUSINESS, cancelled["id"], {"status": "cancelled"})
    hooked.create_invoice(BUSINESS, NEW | {"expiration_date": clock.now + 10})
    hooked.advance(11)
    assert told(answer(hooked)) == ["cancelled", "expired"]
    paid = pay(hooked)
    answer(hooked)
    body = {"amount": 1000, "currency": "USD", "type": "native"}
    refund = hooked.create_refund(BUSINESS, paid, body)
    assert answer(hooked) == []
    hooked.progress_refund(refund["identifier"], "complete")
    [letter] = answer(hooked)
    assert letter.body["data"]["refunded"] is True


def test_webhooks_get_the_event_they_asked_for(rules: Rehive) -> None:
    hook(rules, CREATE, "http://shop.example/created/")
    hook(rules, UPDATE, "http://shop.example/updated/")
    hook(rules, "service_payment_requests.otp.create", "http://shop.example/otp/")
    invoice = rules.create_invoice(BUSINESS, NEW)
    assert [letter.url for letter in answer(rules)] == ["http://shop.example/created/"]
    rules.outcome(invoice["id"], "start")
    assert [letter.url for letter in answer(rules)] == ["http://shop.example/updated/"]


@pytest.mark.parametrize("status", [200, 201, 202, 203, 204, 301, 400, 404, 500, None])
def test_only_200_201_and_202_count(hooked: Rehive, status: int | None) -> None:
    pay(hooked, "start")
    answer(hooked, status)
    pending = hooked.deliveries()["pending"]
    assert len(pending) == (0 if status in (200, 201, 202) else 1)


def test_seven_retries_with_growing_waits_and_one_id(
    make_rules: Callable[..., Rehive], clock: Clock
) -> None:
    rules = make_rules(retry_base_ms=100_000)
    hook(rules)
    pay(rules, "start")
    ids, waits = set(), []
    while rules.deliveries()["pending"]:
        [letter] = answer(rules, 400)
        ids.add(letter.body["id"])
        wait = rules.next_due()
        if wait is not None:
            waits.append(wait)
            clock.now += wait - 1
            assert rules.claim_deliveries() == []
            clock.now += 1
    assert len(ids) == 1
    assert waits == [100_000, 200_000, 400_000, 800_000, 1_600_000, 3_200_000, 3_600_000]
    assert [line["attempt"] for line in rules.deliveries()["log"]] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_webhook_is_disabled_after_20_server_errors_in_a_row(rules: Rehive) -> None:
    webhook = hook(rules)
    for _ in range(19):
        pay(rules, "start")
    answer(rules, *[500] * 19)
    pay(rules, "start")
    answer(rules, 404)  # not a 5xx: the count begins anew
    for _ in range(20):
        pay(rules, "start")
    answer(rules, *[503] * 20)
    assert rules.overview()["webhooks"][0]["disabled"] is True
    assert rules.deliveries()["pending"] == []
    pay(rules, "start")
    assert rules.claim_deliveries(everything=True) == []
    rules.update_webhook(webhook["id"], {"secret": "new"})
    pay(rules, "start")
    assert len(rules.claim_deliveries()) == 1


def test_a_changed_or_removed_webhook(hooked: Rehive) -> None:
    """Retries go to the new address with the new secret, and end with the webhook."""
    [webhook] = hooked.webhooks()["results"]
    pay(hooked, "start")
    new = {"url": "http://new.example/", "secret": "new", "event": UPDATE}
    hooked.replace_webhook(webhook["id"], new)
    [letter] = hooked.claim_deliveries()
    assert (letter.url, letter.secret) == ("http://new.example/", "new")
    pay(hooked, "start")
    hooked.delete_webhook(webhook["id"])
    hooked.record_delivery(letter, Result(500))
    assert hooked.deliveries()["pending"] == []


def test_faults_double_drop_hold_and_delay(hooked: Rehive, clock: Clock) -> None:
    hooked.faults.set({"webhook_double": {"times": 1}})
    pay(hooked, "start")
    first, second = answer(hooked)
    assert first.body == second.body

    hooked.faults.set({"webhook_drop": True})
    pay(hooked, "start")
    assert hooked.claim_deliveries(everything=True) == []

    hooked.faults.set({"webhook_hold": True})
    pay(hooked, "start")
    assert hooked.next_due() is None
    clock.now += 10**9
    assert hooked.claim_deliveries() == []
    assert len(hooked.claim_deliveries(everything=True)) == 1

    hooked.faults.set({"webhook_delay_ms": 700})
    pay(hooked, "start")
    assert (hooked.next_due(), hooked.claim_deliveries()) == (700, [])
    clock.now += 700
    assert len(hooked.claim_deliveries()) == 1


def test_fault_reorder(hooked: Rehive, clock: Clock) -> None:
    hooked.faults.set({"webhook_reorder": True})
    invoice = hooked.create_invoice(BUSINESS, NEW)
    hooked.outcome(invoice["id"], "start")
    assert hooked.claim_deliveries() == []
    hooked.outcome(invoice["id"], "start")
    assert told(answer(hooked)) == ["received", "processing"]
    hooked.outcome(invoice["id"], "confirm")
    assert hooked.claim_deliveries() == []
    clock.now += 30_000
    assert told(answer(hooked)) == ["paid"], "nothing came to overtake it"


def test_sending(hooked: Rehive, shop: Shop) -> None:
    letter = Letter(1, shop.url, "s3cret", {"id": 1, "data": {"status": "paid"}})
    assert post(letter, 5) == Result(200, "ok")
    [(body, headers)] = shop.got
    assert body == letter.body
    assert headers["Authorization"] == "Secret s3cret"
    assert headers["Content-Type"] == "application/json"


def test_redirects_are_not_followed(shop: Shop) -> None:
    shop.statuses = [302]
    assert post(Letter(1, shop.url, None, {}), 5).status == 302
    assert len(shop.got) == 1
    assert "Authorization" not in shop.got[0][1]


def test_a_webhook_that_takes_too_long_is_dropped(shop: Shop) -> None:
    shop.answer_slowly = threading.Event()
    result = post(Letter(1, shop.url, None, {}), 0.05)
    shop.answer_slowly.set()
    assert result == Result(None, error="no answer within 0.05 s")


def test_a_webhook_that_drips_its_answer_is_dropped_too() -> None:
    """Each byte comes in time, but not all of them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop = threading.Event()

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                try:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                    while not stop.wait(0.01):
                        connection.sendall(b"x")
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        result = post(Letter(1, url, None, {}), 0.1)
        stop.set()
        thread.join()
    assert result == Result(None, error="no answer within 0.1 s")


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    result = post(Letter(1, f"http://127.0.0.1:{port}/", None, {}), 5)
    assert result.status is None
    assert "refused" in str(result.error)


def test_the_sender_sends_by_itself_and_flush_sends_the_rest(
    make_rules: Callable[..., Rehive], shop: Shop
) -> None:
    rules = make_rules(changed=lambda state: sender.wake())
    sender = Sender(rules)
    hook(rules, url=shop.url)
    sender.start()
    pay(rules, "start")
    assert shop.arrived.wait(5)
    rules.faults.set({"webhook_hold": True})
    pay(rules, "start")
    shop.statuses = [500, 202]
    with sender.resting():
        done = rules.deliveries()["log"]
    assert [line["status"] for line in done] == [200]
    assert [line["status"] for line in sender.flush()] == [500]
    assert [line["status"] for line in sender.flush()] == [202]
    assert sender.flush() == []
    assert [body["id"] for body, _ in shop.got[1:]] == [shop.got[1][0]["id"]] * 2
    sender.stop()


def test_what_is_sent_while_the_simulator_is_reset_is_forgotten(hooked: Rehive) -> None:
    pay(hooked, "start")
    [letter] = hooked.claim_deliveries()
    hooked.reset()
    assert hooked.record_delivery(letter, Result(200)) is None
    assert hooked.deliveries() == {"log": [], "pending": []}
