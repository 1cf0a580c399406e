"""The second door to an invoice: trusted after a control only, and for a while (rehive-api.md)."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import cache
from django.db import transaction
from django.utils import timezone

from oscar_rehive import conf
from oscar_rehive.models import Invoice, OrderPayment
from oscar_rehive.payments import doors
from oscar_rehive.payments.doors import find_by_reference
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.rehive.client import Client, Timeouts
from oscar_rehive.rehive.wire import RemoteInvoice

pytestmark = pytest.mark.django_db

LOST = "100002"


def business() -> conf.BusinessConfig:
    return conf.current().businesses["USD"]


def made(reference: str) -> RemoteInvoice:
    """An invoice at Rehive of which we know nothing."""
    fields = {"request_reference": reference, "request_amount": 1000, "status": "initiated"}
    return client_for(business()).create_invoice(fields, idempotency_key=uuid.uuid4().hex)


def ours(reference: str, **changes: Any) -> Invoice:
    """An invoice at Rehive that we know."""
    payment = OrderPayment.objects.create(
        order_number=reference, window_ends_at=timezone.now() + timedelta(days=1)
    )
    fields = {
        "remote_id": made(reference).id,
        "business_id": business().business_id,
        "currency": "USD",
        "divisibility": 2,
        "total": Decimal("10.00"),
        "amount": 1000,
    }
    return Invoice.objects.create(payment=payment, attempt=1, **{**fields, **changes})


def found(reference: str = LOST) -> list[str] | None:
    """The ids of what the second door shows, or None where it is not trusted."""
    remotes = find_by_reference(business(), reference, timeouts=Timeouts())
    return None if remotes is None else [remote.id for remote in remotes]


def looks(rehive: Any) -> list[str]:
    """What was asked for at the second door so far."""
    return [one["query"] for one in rehive.requests() if one["path"].endswith("user/requests/")]


@pytest.fixture
def known(rehive: Any) -> Invoice:
    return ours("100001")


@pytest.fixture
def kept_for(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, int]]:
    """What was remembered, and for how many seconds."""
    kept: list[tuple[bool, int]] = []
    real = cache.set

    def remember(key: str, value: Any, seconds: int) -> None:
        kept.append((value, seconds))
        real(key, value, seconds)

    monkeypatch.setattr(cache, "set", remember)
    return kept


# Open


def test_a_lost_invoice_is_found_in_one_call_once_the_control_was_passed(
    rehive: Any, known: Invoice
) -> None:
    lost = made(LOST)

    assert found() == [lost.id]
    assert len(looks(rehive)) == 4, "three for the control"
    assert found() == [lost.id]
    assert found("100001") == [known.remote_id]
    assert len(looks(rehive)) == 6
    assert looks(rehive)[-1].startswith("request_reference=100001&")


def test_the_control_asks_for_what_must_be_there_and_for_what_must_not(
    rehive: Any, known: Invoice
) -> None:
    found()

    by_id, there, nowhere, _ = looks(rehive)
    assert by_id.startswith(f"id={known.remote_id}&")
    assert there.startswith("request_reference=100001&")
    assert nowhere.startswith("request_reference=100001-")


def test_all_invoices_of_the_reference_are_shown_whoever_made_them(
    rehive: Any, known: Invoice
) -> None:
    """A staging shop may count through the same numbers: the caller matches the attempt's key."""
    twins = {made(LOST).id, made(LOST).id}

    assert set(found() or []) == twins


def test_absence_is_an_empty_list_which_proves_nothing(rehive: Any, known: Invoice) -> None:
    assert found() == []


def test_a_door_that_is_open_is_remembered_for_an_hour(
    rehive: Any, known: Invoice, kept_for: Any
) -> None:
    found()
    found()

    assert kept_for == [(True, 3600)]


def test_the_newest_invoice_is_the_one_to_control_with(rehive: Any, known: Invoice) -> None:
    newest = ours("100003")

    found()

    assert looks(rehive)[0].startswith(f"id={newest.remote_id}&")


def test_each_business_and_each_address_has_a_door_of_its_own(
    rehive: Any, known: Invoice, settings: Any
) -> None:
    assert found() == []
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "BUSINESS_ID": "another"}

    assert found() is None, "no invoice of that business is known"

    settings.OSCAR_REHIVE = {
        **settings.OSCAR_REHIVE,
        "BUSINESS_ID": rehive.business_id,
        "PAYMENT_REQUESTS_URL": f"{rehive.origin}/elsewhere/",
    }
    assert found() is None


# Not open


@pytest.mark.parametrize("door", ["shut", "forbidden", "lying", "empty"])
def test_a_door_that_is_not_open_is_not_trusted_and_not_tried_for_ten_minutes(
    rehive: Any, known: Invoice, kept_for: Any, door: str
) -> None:
    made(LOST)
    rehive.requests_door(door)

    assert found() is None
    assert found() is None
    assert len(looks(rehive)) == 1
    assert kept_for == [(False, 600)]


def test_a_lying_door_is_found_out_where_the_business_has_one_invoice_only(
    rehive: Any, known: Invoice
) -> None:
    """The whole list is then just what was asked for."""
    rehive.requests_door("lying")

    assert found() is None
    assert len(looks(rehive)) == 3


@pytest.mark.parametrize("ignored", ["id", "request_reference"])
def test_a_filter_that_alone_is_ignored_is_found_out(
    rehive: Any, known: Invoice, monkeypatch: pytest.MonkeyPatch, ignored: str
) -> None:
    made(LOST)
    real = Client.payment_requests

    def without(self: Client, *, timeouts: Timeouts, **filters: str) -> Any:
        filters.pop(ignored, None)
        return real(self, timeouts=timeouts, **filters)

    monkeypatch.setattr(Client, "payment_requests", without)

    assert found() is None


def test_a_filter_by_which_nothing_is_found_is_found_out(
    rehive: Any, known: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else every lost invoice would seem not to be there."""
    real = Client.payment_requests

    def blind(self: Client, *, timeouts: Timeouts, **filters: str) -> Any:
        listed = real(self, timeouts=timeouts, **filters)
        return iter(()) if "request_reference" in filters else listed

    monkeypatch.setattr(Client, "payment_requests", blind)

    assert found() is None


def test_a_filter_for_a_part_of_the_reference_is_found_out(
    rehive: Any, known: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one that takes the beginning of a number for the number, order 1 would have the invoices
    of order 10."""
    made("1000012")
    real = Client.payment_requests

    def prefixed(self: Client, *, timeouts: Timeouts, **filters: str) -> Any:
        beginning = filters.pop("request_reference", "")
        listed = real(self, timeouts=timeouts, **filters)
        return (remote for remote in listed if remote.reference.startswith(beginning))

    monkeypatch.setattr(Client, "payment_requests", prefixed)

    assert found() is None


def test_without_an_invoice_to_control_with_nothing_is_asked_or_remembered(
    rehive: Any, kept_for: Any
) -> None:
    made(LOST)

    assert found() is None
    assert (looks(rehive), kept_for) == ([], [])


@pytest.mark.parametrize("changes", [{"remote_id": None}, {"business_id": "another"}], ids=str)
def test_only_an_invoice_that_this_business_made_is_controlled_with(
    rehive: Any, changes: dict[str, Any]
) -> None:
    ours("100001", **changes)

    assert found() is None
    assert looks(rehive) == []


@pytest.mark.parametrize("fault", [{"error_status": 500}, {"throttle": 3}, {"html": 200}], ids=str)
@pytest.mark.parametrize("trusted", [False, True])
def test_trouble_at_the_door_raises_nothing_and_shuts_it(
    rehive: Any, known: Invoice, kept_for: Any, fault: dict[str, int], trusted: bool
) -> None:
    """In the control and in the look; a shopper waits, and the whole list remains."""
    if trusted:
        found()
    rehive.faults(**fault)

    assert found() is None
    rehive.clear_faults()
    assert found() is None
    assert kept_for[-1] == (False, 600)


# Trusted, and not obeyed any more


def test_what_a_door_shows_that_lies_by_now_is_there_all_the_same(
    rehive: Any, known: Invoice
) -> None:
    lost = made(LOST)
    assert found() == [lost.id]
    rehive.requests_door("lying")

    assert found() == [lost.id], "without the others of the list"
    assert found() is None


def test_what_a_door_does_not_show_that_lies_by_now_is_not_absent(
    rehive: Any, known: Invoice
) -> None:
    assert found() == []
    rehive.requests_door("lying")

    assert found() is None


def test_p11_a_list_that_is_not_filtered_is_not_read_to_its_end(
    rehive: Any, known: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        made(f"20000{number}")
    assert found() == []
    monkeypatch.setattr("oscar_rehive.rehive.client.PAGE_SIZE", 2)
    monkeypatch.setattr(doors, "MOST", 2)
    rehive.requests_door("lying")
    before = len(looks(rehive))

    assert found() is None
    assert len(looks(rehive)) == before + 1


def test_p11_each_call_is_waited_for_as_long_as_the_caller_says(
    rehive: Any, known: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[Timeouts] = []
    real = Client.payment_requests

    def noted(self: Client, *, timeouts: Timeouts = Timeouts(), **filters: str) -> Any:
        waited.append(timeouts)
        return real(self, timeouts=timeouts, **filters)

    monkeypatch.setattr(Client, "payment_requests", noted)
    brief = Timeouts(connect=1.5, read=2.5)

    find_by_reference(business(), LOST, timeouts=brief)

    assert waited == [brief] * 4


def test_p8_the_door_is_never_tried_inside_a_transaction(rehive: Any, known: Invoice) -> None:
    with transaction.atomic(), pytest.raises(RuntimeError, match="transaction"):
        found()
    assert looks(rehive) == []


def test_p9_nothing_secret_is_part_of_what_is_remembered(
    rehive: Any, known: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caches are shared, and some of them are logged."""
    keys: list[str] = []
    real = cache.get
    monkeypatch.setattr(cache, "get", lambda key: keys.append(key) or real(key))
    found()

    one = business()
    same_without_token = f"{one.payment_requests_url} {one.api_url} {one.business_id}"
    digest = doors.sha256(same_without_token.encode()).hexdigest()
    assert f"oscar_rehive:door:{digest}" in keys
    assert one.token not in "".join(keys)
