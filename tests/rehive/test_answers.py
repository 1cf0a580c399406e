"""What the client makes of answers: rehive-api.md, "Conventions of every endpoint"."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest
import responses
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oscar_rehive.rehive.answers import DEFAULT_WAIT_SECONDS, MAX_DEPTH, MAX_WAIT_SECONDS
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import (
    NotFound,
    Refused,
    RehiveError,
    Throttled,
    Unauthorised,
    Unintelligible,
    Unreachable,
)
from tests.rehive.calls import CALLS, Call, error_of, every_call
from tests.rehive.samples import (
    INVOICE,
    INVOICE_URL,
    INVOICES_URL,
    anything,
    enveloped,
    page,
)

Answers = responses.RequestsMock
HTML = "<html><body><h1>502 Bad Gateway</h1></body></html>"

one_mock_for_all_examples = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60
)


# What is made of answers


@every_call
@pytest.mark.parametrize("wrap", [enveloped, lambda data: data], ids=["envelope", "bare"])
def test_answers_come_in_an_envelope_or_bare(
    client: Client, rehive_answers: Answers, call: Call, wrap: Callable[[Any], Any]
) -> None:
    answer = call.answer["data"] if call.is_list else call.answer
    rehive_answers.add(call.method, call.url, **call.response(wrap(answer)))

    told = call.make(client)

    if call.is_list:
        assert len(told) == 1


@pytest.mark.parametrize("status", [400, 409, 422, 200, 201])
def test_an_error_envelope_is_a_refusal_with_its_field_errors(
    client: Client, rehive_answers: Answers, status: int
) -> None:
    """Also inside a 200."""
    fields = {"request_amount": ["Too small.", "Too odd."], "status": "Unknown."}
    answer = {"status": "error", "message": "Invalid input.", "data": fields}
    rehive_answers.post(INVOICES_URL, json=answer, status=status)

    error = error_of(client, CALLS["create_invoice"])

    assert isinstance(error, Refused)
    assert str(error) == (
        "Rehive refused: Invalid input. (request_amount: Too small. Too odd.; status: Unknown.)"
    )
    assert error.field_errors["request_amount"] == ["Too small.", "Too odd."]
    assert error.may_have_happened is False


@pytest.mark.parametrize(
    "answer",
    [
        {"status": "error"},
        {"status": "error", "message": None, "data": None},
        {"status": "error", "message": ["a"], "data": ["b"]},
        {"status": "error", "message": {}, "data": {"a": None, "b": {"c": [1]}, "d": [[]]}},
        {"detail": "Something else."},
        [],
        "no",
    ],
    ids=str,
)
def test_a_refusal_may_come_in_any_shape(
    client: Client, rehive_answers: Answers, answer: Any
) -> None:
    rehive_answers.get(INVOICE_URL, json=answer, status=400)

    assert isinstance(error_of(client), Refused)


JSON_ERROR = '{"status": "error", "message": "No."}'


@pytest.mark.parametrize(
    ("status", "body", "expected", "may_have_happened"),
    [
        (401, JSON_ERROR, Unauthorised, False),
        (403, JSON_ERROR, Unauthorised, False),
        (404, JSON_ERROR, NotFound, False),
        (409, JSON_ERROR, Refused, False),
        (429, JSON_ERROR, Throttled, False),
        (429, HTML, Throttled, False),
        (500, JSON_ERROR, Unreachable, True),
        (500, HTML, Unreachable, True),
        (502, HTML, Unreachable, True),
        (503, "", Unreachable, True),
        (504, HTML, Unreachable, True),
        (200, HTML, Unintelligible, True),
        (200, "", Unintelligible, True),
        (200, "null", Unintelligible, True),
        (200, "[]", Unintelligible, True),
        (200, "7", Unintelligible, True),
        (200, '"text"', Unintelligible, True),
        (200, "{}", Unintelligible, True),
        (200, '{"status": "success"}', Unintelligible, True),
        (200, '{"status": "success", "data": null}', Unintelligible, True),
        (200, '{"status": "success", "data": []}', Unintelligible, True),
        (200, '{"status": "success", "data": {"id"', Unintelligible, True),
        (200, "\xff\xfe", Unintelligible, True),
        (200, "[" * 100_000, Unintelligible, True),
        (200, '{"a":' * 100_000, Unintelligible, True),
        (200, "9" * 5_000, Unintelligible, True),
        (204, "", Unintelligible, True),
        (404, HTML, Unintelligible, True),
        (403, HTML, Unintelligible, True),
    ],
)
def test_every_answer_is_an_invoice_or_one_of_our_errors(
    client: Client,
    rehive_answers: Answers,
    status: int,
    body: str,
    expected: type[RehiveError],
    may_have_happened: bool,
) -> None:
    """P11, peer bug 19. The same for a read and for a write."""
    rehive_answers.get(INVOICE_URL, body=body, status=status)
    rehive_answers.post(INVOICES_URL, body=body, status=status)

    for call in (CALLS["invoice"], CALLS["create_invoice"]):
        error = error_of(client, call)
        assert type(error) is expected
        assert error.may_have_happened is may_have_happened
        assert "<html>" not in str(error)


@one_mock_for_all_examples
@given(
    st.integers(200, 599), st.binary(max_size=40) | anything.map(lambda v: json.dumps(v).encode())
)
def test_peer_bug_19_no_answer_raises_anything_but_our_errors(
    client: Client, rehive_answers: Answers, status: int, body: bytes
) -> None:
    rehive_answers.reset()
    rehive_answers.get(INVOICES_URL, body=body, status=status)
    rehive_answers.get(INVOICE_URL, body=body, status=status)

    for call in (CALLS["invoice"], CALLS["invoices"]):
        with contextlib.suppress(RehiveError):
            call.make(client)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("call", [CALLS["invoice"], CALLS["create_invoice"]], ids=["GET", "POST"])
def test_p9_redirects_are_not_followed_with_the_token(
    client: Client, rehive_answers: Answers, status: int, call: Call
) -> None:
    elsewhere = {"Location": "https://evil.example/"}
    rehive_answers.add(call.method, call.url, status=status, headers=elsewhere, body=HTML)
    rehive_answers.add(call.method, "https://evil.example/", json=INVOICE)

    assert isinstance(error_of(client, call), Unintelligible)
    assert len(rehive_answers.calls) == 1


@pytest.mark.parametrize("depth", [10, 50, 70, 500])
@pytest.mark.parametrize(("opening", "closing"), ["[]", ('{"a":', "}"), ('[{"a":', "}]")])
def test_p11_deep_metadata_of_a_stranger_hides_nothing_and_can_be_walked_through(
    client: Client, rehive_answers: Answers, depth: int, opening: str, closing: str
) -> None:
    """Some Pythons read what others run out of stack with, and so does whoever walks through it."""
    times = depth // 2 if opening == '[{"a":' else depth
    told = json.dumps(page([{**INVOICE, "id": "i-1", "metadata": {"a": "deep"}}, INVOICE]))
    deep = told.replace('"deep"', opening * times + "7" + closing * times)
    rehive_answers.get(INVOICES_URL, body=deep)

    theirs, ours = CALLS["invoices"].make(client)

    assert ours.id == INVOICE["id"]
    assert depth_of(theirs.metadata) <= MAX_DEPTH
    assert ("7" in str(theirs.metadata)) is (depth < MAX_DEPTH)


def depth_of(value: Any) -> int:
    inner = list(value.values()) if isinstance(value, dict) else value
    return 1 + max(map(depth_of, inner), default=0) if isinstance(inner, list) else 0


# What ends up in a log


HOSTILE = {
    "a line": "No.\r\nERROR Order 7 is paid",
    "an escape": "\x1b[2J\x1b]0;title\x07",
    "a NUL": "\0",
    "a direction": "\u202ecod.exe\u2066",
    "a separator": "\u2028\u2029\x85",
    "half a pair": "\ud800",
    "nothing to see": "\u200b\ufeff\xad",
    "a book": "x" * 100_000,
    "many lines": "\n" * 100_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("status", [200, 400, 422])
def test_p9_no_message_breaks_a_log_line(
    client: Client, rehive_answers: Answers, text: str, status: int
) -> None:
    fields = {text: [text, text], "a": text, "b": [{text: text}], **{f"n{n}": n for n in range(99)}}
    answer = {"status": "error", "message": text, "data": fields}
    rehive_answers.get(INVOICE_URL, json=answer, status=status)

    error = error_of(client)

    assert isinstance(error, Refused)
    told = [
        str(error),
        *error.field_errors,
        *(complaint for each in error.field_errors.values() for complaint in each),
    ]
    assert all(one.isprintable() and len(one) <= 1000 for one in told)
    assert len(told) < 500


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_p9_nor_does_one_about_a_currency(
    client: Client, rehive_answers: Answers, text: str
) -> None:
    odd = {**INVOICE, "request_currency": {"code": text or "?", "divisibility": -1}}
    rehive_answers.get(INVOICE_URL, json=odd)

    error = error_of(client)

    assert isinstance(error, Unintelligible)
    assert str(error).isprintable()
    assert len(str(error)) <= 1000


def test_letters_of_all_alphabets_may_be_in_a_message(
    client: Client, rehive_answers: Answers
) -> None:
    rehive_answers.get(INVOICE_URL, json={"status": "error", "message": "Сумма zu groß 金額 💸"})

    assert str(error_of(client)) == "Rehive refused: Сумма zu groß 金額 💸"


# Throttling


def in_future(seconds: float) -> str:
    return format_datetime(datetime.now(timezone.utc) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("retry_after", "message", "least", "most"),
    [
        ("7", "", 7, 7),
        (" 7 ", "", 7, 7),
        ("7", "Expected available in 99 seconds.", 7, 7),
        ("0", "", 1, 1),
        ("9" * 400, "", MAX_WAIT_SECONDS, MAX_WAIT_SECONDS),
        (600, "", 1, 600),
        (10**7, "", MAX_WAIT_SECONDS, MAX_WAIT_SECONDS),
        (-600, "", 1, 1),
        (None, "Request was throttled: … Expected available in 7 seconds.", 7, 7),
        (None, "Expected available in 99999999 seconds.", MAX_WAIT_SECONDS, MAX_WAIT_SECONDS),
        ("nonsense", "Expected available in 7 seconds.", 7, 7),
        *(
            (nonsense, "", DEFAULT_WAIT_SECONDS, DEFAULT_WAIT_SECONDS)
            for nonsense in (
                None,
                "nonsense",
                "-5",
                "1.5",
                "²",
                ",",
                "Wed, 21 Oct 2026 07:28:00 +99999999999999999",
                "Wed, 21 Oct 99999999999999999999 07:28:00 GMT",
                "Wed, 99 Oct 2026 07:28:00 GMT",
            )
        ),
    ],
)
def test_trap_retry_after_is_seconds_a_date_or_nonsense(
    client: Client,
    rehive_answers: Answers,
    retry_after: str | int | None,
    message: str,
    least: int,
    most: int,
) -> None:
    """A number stands for the date that is so many seconds away."""
    if isinstance(retry_after, int):
        retry_after = in_future(retry_after)
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    answer = {"status": "error", "message": message}
    rehive_answers.get(INVOICE_URL, json=answer, status=429, headers=headers)

    error = error_of(client)

    assert isinstance(error, Throttled)
    assert least <= error.wait <= most
    assert f"{error.wait} seconds" in str(error)


@one_mock_for_all_examples
@given(st.text(st.characters(min_codepoint=32, max_codepoint=255)))
def test_trap_no_retry_after_raises_anything_else(
    client: Client, rehive_answers: Answers, retry_after: str
) -> None:
    rehive_answers.reset()
    rehive_answers.get(INVOICE_URL, status=429, headers={"Retry-After": retry_after})

    error = error_of(client)

    assert isinstance(error, Throttled)
    assert 1 <= error.wait <= MAX_WAIT_SECONDS


@pytest.mark.parametrize(
    ("body", "was_answered"), [(JSON_ERROR, True), (HTML, False), ("", False)], ids=repr
)
def test_a_fault_is_rehives_own_or_that_of_something_in_front(
    client: Client, rehive_answers: Answers, body: str, was_answered: bool
) -> None:
    """Its own is replayed to the same idempotency key; behind a proxy's the request may go on."""
    rehive_answers.get(INVOICE_URL, body=body, status=500)

    error = error_of(client)

    assert isinstance(error, Unreachable)
    assert error.was_answered is was_answered
