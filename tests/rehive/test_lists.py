"""How the client reads Rehive's lists: page by page, to a bounded end (P11), and nothing is left out."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
import requests
import responses

from oscar_rehive.rehive import paging, transport
from oscar_rehive.rehive.client import PAGE_SIZE, Client, Timeouts
from oscar_rehive.rehive.exceptions import (
    NotAllReadable,
    Unintelligible,
)
from tests.rehive.calls import CALLS, Call, error_of, every_list, every_read
from tests.rehive.samples import (
    INVOICE,
    INVOICES_URL,
    MOVEMENT,
    REFUND,
    REQUESTS_URL,
    WEBHOOK,
    WEBHOOKS_URL,
    enveloped,
    page,
)

Answers = responses.RequestsMock


@every_list
def test_lists_are_read_in_the_largest_pages(
    client: Client, rehive_answers: Answers, call: Call
) -> None:
    (item,) = call.answer["data"]["results"]
    rehive_answers.get(call.url, json=page([item, item], next_url=f"{call.url}?page=9"))
    rehive_answers.get(call.url, json=page([item]))

    assert len(call.make(client)) == 3
    asked = [one.request.params for one in rehive_answers.calls]
    assert asked == [{"page": str(n), "page_size": str(PAGE_SIZE)} for n in (1, 2)]
    assert PAGE_SIZE == 250


def test_p7_a_movement_that_cannot_be_read_is_said_after_all_others(
    client: Client, rehive_answers: Answers
) -> None:
    rows = [{**MOVEMENT, "amount": "ten"}, MOVEMENT]
    rehive_answers.get(CALLS["movements"].url, json=page(rows))
    read = client.movements()

    assert next(read).id == "m1"
    with pytest.raises(NotAllReadable, match="1 row"):
        next(read)


def test_p9_the_next_page_is_counted_never_followed(
    client: Client, rehive_answers: Answers
) -> None:
    hostile = "https://evil.example/steal?page=2"
    rehive_answers.get(WEBHOOKS_URL, json=page([WEBHOOK], next_url=hostile))
    rehive_answers.get(WEBHOOKS_URL, json=page([WEBHOOK]))
    rehive_answers.get("https://evil.example/steal", json=page([WEBHOOK]))

    assert len(list(client.webhooks())) == 2
    assert all(one.request.url.startswith(WEBHOOKS_URL) for one in rehive_answers.calls)


def endless(count: Any, *, size: int = 1) -> Callable[[requests.PreparedRequest], Any]:
    """Page after page of new invoices."""

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        number = int(request.params["page"])
        rows = [{**INVOICE, "id": f"i-{number}-{n}"} for n in range(size)]
        told = page(rows, next_url=f"page {number + 1}")
        return 200, {}, json.dumps({**told, "data": {**told["data"], "count": count}})

    return answer


@pytest.mark.parametrize("count", [None, "1", True, -1, 1.5, {}])
def test_p11_a_list_that_does_not_end_ends(
    client: Client, rehive_answers: Answers, monkeypatch: pytest.MonkeyPatch, count: Any
) -> None:
    monkeypatch.setattr("oscar_rehive.rehive.client.MAX_PAGES", 2)
    monkeypatch.setattr("oscar_rehive.rehive.client.PAGE_SIZE", 2)
    rehive_answers.add_callback("GET", INVOICES_URL, endless(count))

    assert "does not end after 4 rows" in str(error_of(client, CALLS["invoices"]))


@pytest.mark.parametrize(("count", "most"), [(0, 500), (1, 501), (600, 1160), (10**30, 1500)])
def test_p11_a_list_ends_about_where_its_first_page_said(
    client: Client,
    rehive_answers: Answers,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    most: int,
) -> None:
    """And some later, for what is made meanwhile; whatever was said, it ends."""
    monkeypatch.setattr(paging, "MOST_ROWS", 1500)
    rehive_answers.add_callback("GET", INVOICES_URL, endless(count, size=100))
    read = []

    with pytest.raises(Unintelligible, match="does not end"):
        read.extend(client.invoices())

    assert most <= 100 * len(rehive_answers.calls) < most + 100


def test_p11_a_list_longer_than_the_limit_for_untold_ones_is_read(
    client: Client, rehive_answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oscar_rehive.rehive.client.MAX_PAGES", 1)
    more = endless(700, size=100)

    def seven_pages(request: Any) -> Any:
        status, headers, body = more(request)
        is_last = request.params["page"] == "7"
        return status, headers, body.replace('"page 8"', "null") if is_last else body

    rehive_answers.add_callback("GET", INVOICES_URL, seven_pages)

    assert len(list(client.invoices())) == 700


@every_list
def test_a_list_that_ends_before_its_end_is_none(
    client: Client, rehive_answers: Answers, call: Call
) -> None:
    """What is looked for, or was refunded, may be in the rest."""
    (item,) = call.answer["data"]["results"]
    short = page([item])
    short["data"]["count"] = 2
    rehive_answers.get(call.url, json=short)

    assert "ends after 1 of 2 rows" in str(error_of(client, call))


@every_list
def test_p11_a_list_that_brings_nothing_new_ends(
    client: Client, rehive_answers: Answers, call: Call
) -> None:
    (item,) = call.answer["data"]["results"]
    rehive_answers.get(call.url, json=page([item], next_url="more"))

    assert "brings nothing new" in str(error_of(client, call))
    assert len(rehive_answers.calls) == 2


@every_list
def test_p11_an_empty_page_with_another_behind_it_ends_a_list(
    client: Client, rehive_answers: Answers, call: Call
) -> None:
    rehive_answers.get(call.url, json=page([], next_url="more"))

    assert isinstance(error_of(client, call), Unintelligible)
    assert len(rehive_answers.calls) == 1


def test_a_row_that_was_moved_on_to_the_next_page_does_no_harm(
    client: Client, rehive_answers: Answers
) -> None:
    """Something was made while the list was read, and all others moved on by one."""
    rows = [{**INVOICE, "id": f"i-{n}"} for n in range(4)]
    for number, some in enumerate([rows[:2], rows[1:3], rows[2:]]):
        rehive_answers.get(INVOICES_URL, json=page(some, next_url=None if number == 2 else "more"))

    assert {invoice.id for invoice in client.invoices()} == {row["id"] for row in rows}


def test_p11_a_page_that_is_too_large_is_read_in_small_ones(
    client: Client, rehive_answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a stranger's metadata of 100 kB a row would hide all invoices, for ever."""
    monkeypatch.setattr(transport, "MAX_BODY_BYTES", 1_200_000)
    rows = [{**INVOICE, "id": f"i-{n}"} for n in range(273)]
    for row in rows[250:262]:
        row["metadata"] = {"theirs": "x" * 100_000}

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        number, size = int(request.params["page"]), int(request.params["page_size"])
        some = rows[(number - 1) * size : number * size]
        return 200, {}, json.dumps(page(some, next_url="more" if some[-1] != rows[-1] else None))

    rehive_answers.add_callback("GET", INVOICES_URL, answer)

    assert [invoice.id for invoice in client.invoices()] == [row["id"] for row in rows]


def test_a_list_is_read_no_further_than_it_is_looked_at(
    client: Client, rehive_answers: Answers
) -> None:
    rehive_answers.get(INVOICES_URL, json=page([INVOICE], next_url="more"))

    next(client.invoices())

    assert len(rehive_answers.calls) == 1


@pytest.mark.parametrize("name", ["invoices", "payment_requests"])
def test_one_invoice_that_cannot_be_read_does_not_hide_the_others(
    client: Client, rehive_answers: Answers, name: str
) -> None:
    """A single poor row kept every lost invoice from ever being found."""
    rehive_answers.get(CALLS[name].url, json=page([{}, None, 7, INVOICE, {"id": "x"}]))

    assert [invoice.id for invoice in CALLS[name].make(client)] == [INVOICE["id"]]


UNREADABLE = {**INVOICE, "request_amount": "12.34"}
KEY = "0f" * 16


@pytest.mark.parametrize(
    "row",
    [
        {**UNREADABLE, "metadata": {"oscar_rehive_key": KEY}},
        {**UNREADABLE, "metadata": json.dumps({"oscar_rehive_key": KEY})},
        {**UNREADABLE, "metadata": [["oscar_rehive_key", KEY]]},
        {"oscar_rehive_key": KEY},
        [{"metadata": {"oscar_rehive_key": KEY}}],
        {**INVOICE, "metadata": json.dumps({"oscar_rehive_key": KEY})},
    ],
    ids=["amount", "text", "pairs", "nothing else", "in a list", "readable, but for its key"],
)
def test_p5_an_invoice_of_ours_that_cannot_be_read_is_not_taken_for_missing(
    client: Client, rehive_answers: Answers, row: Any
) -> None:
    """It would be made a second time. All that can be read come first, for one of them may be it."""
    rehive_answers.get(INVOICES_URL, json=page([row, {**INVOICE, "id": "i-2"}]))
    read = []

    with pytest.raises(NotAllReadable):
        read.extend(client.invoices())

    assert "i-2" in [invoice.id for invoice in read]


@pytest.mark.parametrize(
    ("sought", "is_there"),
    [
        (KEY, True),
        ("100001", True),
        ("100", False),
        ("0001", False),
        ("ff" * 16, False),
        ("(", False),
        ("", False),
    ],
)
def test_p5_who_says_what_is_sought_is_told_of_that_only(
    client: Client, rehive_answers: Answers, sought: str, is_there: bool
) -> None:
    """A staging shop may make its invoices in the same business."""
    row = {**UNREADABLE, "id": 7, "metadata": {"oscar_rehive_key": KEY}}
    rehive_answers.get(INVOICES_URL, json=page([row, INVOICE]))
    found = client.invoices(sought=[sought])

    assert next(found).id == INVOICE["id"]
    with pytest.raises(NotAllReadable) if is_there else contextlib.nullcontext():
        assert list(found) == []


def test_p5_a_reference_is_sought_as_it_is_written(client: Client, rehive_answers: Answers) -> None:
    hostile = 'ä"\\[1]'
    row = {**UNREADABLE, "request_reference": hostile}
    rehive_answers.get(INVOICES_URL, json=page([row]))

    with pytest.raises(NotAllReadable):
        list(client.invoices(sought=[hostile]))


def test_a_refund_that_cannot_be_read_is_not_left_out(
    client: Client, rehive_answers: Answers
) -> None:
    """P2: it is money that is missing."""
    url = CALLS["refunds"].url
    rehive_answers.get(url, json=page([{**REFUND, "amount": "5.00"}, REFUND]))

    assert isinstance(error_of(client, CALLS["refunds"]), Unintelligible)


def test_filters_go_along_with_every_page_and_change_no_page(
    client: Client, rehive_answers: Answers
) -> None:
    hostile = "1&id=2#/../ä"
    rehive_answers.get(REQUESTS_URL, json=page([INVOICE], next_url="https://evil.example/"))
    rehive_answers.get(REQUESTS_URL, json=page([INVOICE]))

    found = client.payment_requests(request_reference=hostile, page="7", page_size="9")

    assert len(list(found)) == 2
    assert [one.request.params for one in rehive_answers.calls] == [
        {"request_reference": hostile, "page": str(n), "page_size": str(PAGE_SIZE)} for n in (1, 2)
    ]


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_filter_is_not_sent_for_it_would_bring_the_whole_list(
    client: Client, rehive_answers: Answers, empty: str
) -> None:
    with pytest.raises(ValueError, match="request_reference is empty"):
        client.payment_requests(request_reference=empty)
    assert not rehive_answers.calls


def test_filtered_lists_are_waited_for_as_long_as_is_said(
    client: Client, rehive_answers: Answers
) -> None:
    """P11: a shopper waits meanwhile."""
    rehive_answers.get(REQUESTS_URL, json=page([]))

    assert list(client.payment_requests(timeouts=Timeouts(connect=1, read=3), id="7")) == []
    assert rehive_answers.calls[0].request.req_kwargs["timeout"] == (1, 3)


@pytest.mark.parametrize("answer", [{}, {"results": None}, {"results": {}}, "no"], ids=str)
@every_read
def test_peer_bug_19_a_list_of_another_shape_is_unintelligible(
    client: Client, rehive_answers: Answers, call: Call, answer: Any
) -> None:
    rehive_answers.get(call.url, json=enveloped(answer))

    assert isinstance(error_of(client, call), Unintelligible)
