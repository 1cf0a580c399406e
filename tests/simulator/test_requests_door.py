"""The list of payment requests: its filters, and each way in which the door may stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from oscar_rehive.simulator.errors import RehiveError
from oscar_rehive.simulator.process import SimulatorError, SimulatorProcess
from oscar_rehive.simulator.requests_door import DOORS
from oscar_rehive.simulator.rules import Rehive

from .conftest import BUSINESS, NEW, Clock

Json = dict[str, Any]


def new(rules: Rehive, reference: str, business: str = BUSINESS) -> str:
    made = rules.create_invoice(business, NEW | {"request_reference": reference})
    return str(made["id"])


def listed(rules: Rehive, **query: str) -> list[str]:
    return [request["id"] for request in rules.payment_requests(query)["results"]]


def test_filters(rules: Rehive, clock: Clock) -> None:
    first = new(rules, "100001")
    clock.now += 1000
    second = new(rules, "100002")
    rules.outcome(first, "pay")
    refund = rules.create_refund(
        BUSINESS, first, {"amount": 1000, "currency": "USD", "type": "native"}
    )
    assert listed(rules, refunded="true") == []
    rules.progress_refund(refund["id"], "complete")

    assert listed(rules) == [second, first]
    assert listed(rules, id=first) == listed(rules, id=first.upper()) == [first]
    assert listed(rules, status="initiated") == [second]
    assert listed(rules, status__in="paid") == [first]
    assert listed(rules, status__in="paid,initiated") == [second, first]
    assert listed(rules, request_reference="100001") == [first]
    assert listed(rules, request_reference="10000") == []
    assert listed(rules, created__gte=str(clock.now)) == [second]
    assert listed(rules, created__gte=str(clock.now - 1000)) == [second, first]
    assert listed(rules, refunded="true") == [first]
    assert listed(rules, refunded="false") == [second]
    assert listed(rules, request_reference="100001", status="initiated") == []


@pytest.mark.parametrize("query", [{"updated__gte": "1"}, {"request_reference": " "}], ids=str)
def test_unknown_and_empty_filters_are_passed_over(rules: Rehive, query: Json) -> None:
    """The second is why a shop must never send an empty one: it brings the whole list."""
    both = [new(rules, "100002"), new(rules, "100001")][::-1]

    assert listed(rules, **query) == both


def test_what_has_expired_by_now_is_listed_as_expired(rules: Rehive, clock: Clock) -> None:
    made = rules.create_invoice(BUSINESS, NEW | {"expiration_date": clock.now})
    clock.now += 1

    assert listed(rules, status="expired") == [made["id"]]


def test_both_doors_lead_to_the_same_invoices(rules: Rehive) -> None:
    elsewhere = new(rules, "100001", "other")
    here = new(rules, "100001")

    assert listed(rules, request_reference="100001") == [here, elsewhere]
    [invoice] = rules.invoices(BUSINESS)["results"]
    assert rules.payment_requests({"id": here})["results"] == [invoice | {"refunds": []}]


@pytest.mark.parametrize(("door", "status"), [("shut", 404), ("forbidden", 403)])
def test_a_closed_door_refuses(make_rules: Callable[..., Rehive], door: str, status: int) -> None:
    rules = make_rules(requests_door=door)
    made = new(rules, "100001")
    with pytest.raises(RehiveError) as caught:
        listed(rules, id=made)
    assert caught.value.status == status
    assert rules.invoice(BUSINESS, made)["id"] == made


def test_a_lying_door_ignores_filters_and_pages_as_usual(rules: Rehive) -> None:
    made = [new(rules, str(number)) for number in range(3)]
    rules.requests_door = "lying"

    assert listed(rules, id=made[0], request_reference="none", created__gte="x") == made[::-1]
    page = rules.payment_requests({"id": made[0]}, page=2, page_size=2)
    assert (page["count"], [one["id"] for one in page["results"]]) == (3, [made[0]])


def test_an_empty_door_shows_nothing(rules: Rehive) -> None:
    made = new(rules, "100001")
    rules.requests_door = "empty"

    assert listed(rules) == listed(rules, id=made) == []


def statuses(process: SimulatorProcess) -> list[int]:
    """How each service answers at the moment: the invoices, and the payment requests."""
    headers = {"Authorization": f"Token {process.token}"}
    invoices = f"{process.api_url}manager/businesses/{process.business_id}/invoices/"
    addresses = invoices, f"{process.payment_requests_url}user/requests/?id=x"
    return [requests.get(one, headers=headers, timeout=10).status_code for one in addresses]


def test_the_switch_over_http(rehive_simulator: SimulatorProcess) -> None:
    """``?id=x`` is refused only where filters are looked at."""
    expected = {"open": 400, "shut": 404, "forbidden": 403, "lying": 200, "empty": 200}
    for door in DOORS:
        rehive_simulator.requests_door(door)
        assert statuses(rehive_simulator) == [200, expected[door]], door
    switch = f"{rehive_simulator.origin}/simulator/requests-door/"
    assert requests.get(switch, timeout=10).json() == {"door": DOORS[-1]}
    with pytest.raises(SimulatorError, match=r"400.*One of: open, shut"):
        rehive_simulator.requests_door("ajar")

    rehive_simulator.clear_faults()
    assert statuses(rehive_simulator) == [200, 200], "faults come and go, and the door stays"
    rehive_simulator.reset()
    assert statuses(rehive_simulator) == [200, 400]


def test_the_option_and_what_a_reset_goes_back_to() -> None:
    with SimulatorProcess("--requests-door", "forbidden") as rehive:
        assert statuses(rehive) == [200, 403]
        rehive.requests_door("empty")
        rehive.reset()
        assert statuses(rehive) == [200, 403]
