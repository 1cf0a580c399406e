"""Reading what Rehive sends: insist on the few guaranteed fields, shrug at the rest.

rehive-api.md: "Any field but id, status, request_amount and request_currency can be missing or
null; new ones can appear."
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from oscar_rehive.rehive import wire
from oscar_rehive.rehive.exceptions import Unintelligible
from tests.rehive.samples import (
    BUSINESS,
    INVOICE,
    INVOICE_ID,
    MOVEMENT,
    PAYOUT,
    QUOTE,
    REFUND,
    SCHEMA,
    SECRET,
    TRANSACTION,
    USD,
    WEBHOOK,
    Json,
    anything,
    mangled,
)


class _Missing:
    """A field that is not sent. Its name is the same in every process, as pytest-xdist needs it."""

    def __repr__(self) -> str:
        return "missing"


MISSING = _Missing()

SCHEMAS = yaml.safe_load(SCHEMA.read_text("utf-8"))["components"]["schemas"]

READERS: dict[str, tuple[Callable[[Any], Any], Json, set[str]]] = {
    "Business": (wire.read_business, BUSINESS, {"id", "currency"}),
    "Invoice": (
        wire.read_invoice,
        INVOICE,
        {"id", "status", "request_amount", "request_currency"},
    ),
    "Transaction": (wire.read_transaction, TRANSACTION, {"rehive_code"}),
    "Movement": (wire.read_movement, MOVEMENT, {"amount", "currency"}),
    "Payout": (wire.read_payout, PAYOUT, {"amount", "currency"}),
    "Refund": (wire.read_refund, REFUND, {"identifier", "amount"}),
    "Webhook": (wire.read_webhook, WEBHOOK, set()),
}


def fields_of(schema: Json) -> set[str]:
    if "$ref" in schema:
        return fields_of(SCHEMAS[schema["$ref"].rsplit("/", 1)[1]])
    found = set(schema.get("properties", ()))
    return found.union(*(fields_of(part) for part in schema.get("allOf", ())))


OPTIONAL = [
    pytest.param(reader, sample, name, id=f"{kind}.{name}")
    for kind, (reader, sample, guaranteed) in READERS.items()
    for name in sorted(fields_of(SCHEMAS[kind]) - guaranteed)
]
GUARANTEED = [
    pytest.param(reader, sample, name, id=f"{kind}.{name}")
    for kind, (reader, sample, guaranteed) in READERS.items()
    for name in sorted(guaranteed)
]
KINDS = [pytest.param(reader, sample, id=kind) for kind, (reader, sample, _) in READERS.items()]


def changed(sample: Json, name: str, value: Any) -> Json:
    copied = copy.deepcopy(sample)
    if value is MISSING:
        copied.pop(name, None)
    else:
        copied[name] = value
    return copied


def quoted(**changes: Any) -> Json:
    quote = copy.deepcopy(QUOTE)
    for name, value in changes.items():
        quote = changed(quote, name, value)
    return {**INVOICE, "payment_processor_quotes": [quote]}


@pytest.mark.parametrize("schema", READERS)
def test_the_samples_of_these_tests_have_every_documented_field(schema: str) -> None:
    assert fields_of(SCHEMAS[schema]) - set(READERS[schema][1]) <= {"id"}, "a refund has one id"


@pytest.mark.parametrize("value", [MISSING, None], ids=["missing", "null"])
@pytest.mark.parametrize(("read", "sample", "name"), OPTIONAL)
def test_peer_bug_17_any_other_field_can_be_missing_or_null(
    read: Callable[[Any], Any], sample: Json, name: str, value: Any
) -> None:
    read(changed(sample, name, value))


@pytest.mark.parametrize("value", [MISSING, None], ids=["missing", "null"])
@pytest.mark.parametrize("name", sorted(SCHEMAS["Quote"]["properties"]))
def test_peer_bug_17_a_quote_that_tells_little_spoils_no_invoice(name: str, value: Any) -> None:
    (quote,) = wire.read_invoice(quoted(**{name: value})).quotes

    untold = {"amount": 0, "total_paid": 0, "total_pending": 0, "status": ""}
    for field, expected in untold.items():
        assert getattr(quote, field) == (expected if field == name else QUOTE[field])
    assert quote.currency.code == ("" if name == "currency" else "BTC")


@pytest.mark.parametrize("value", [MISSING, None, [], {}, 1.5, True, ""], ids=repr)
@pytest.mark.parametrize(("read", "sample", "name"), GUARANTEED)
def test_guaranteed_fields_are_insisted_on(
    read: Callable[[Any], Any], sample: Json, name: str, value: Any
) -> None:
    if (read, name, value) == (wire.read_invoice, "status", ""):
        return  # an unknown word like any other: a person is told
    with pytest.raises(Unintelligible):
        read(changed(sample, name, value))


def test_an_empty_status_is_a_status() -> None:
    assert wire.read_invoice(changed(INVOICE, "status", "")).status == ""


@pytest.mark.parametrize(("read", "sample"), KINDS)
def test_new_fields_are_ignored(read: Callable[[Any], Any], sample: Json) -> None:
    told = read({**sample, "brand_new": {"of": ["any", "kind"]}})

    assert dataclasses.replace(told, **_raw(told, None)) == dataclasses.replace(
        read(sample), **_raw(told, None)
    )


@pytest.mark.parametrize(("read", "sample"), KINDS)
@pytest.mark.parametrize("payload", [None, [], "text", 7, 7.5, True, [INVOICE]], ids=type)
def test_anything_but_an_object_is_unintelligible(
    read: Callable[[Any], Any], sample: Json, payload: Any
) -> None:
    with pytest.raises(Unintelligible):
        read(payload)


@pytest.mark.parametrize(("read", "sample"), KINDS)
@given(st.data())
def test_p11_readers_raise_nothing_but_unintelligible(
    read: Callable[[Any], Any], sample: Json, data: st.DataObject
) -> None:
    try:
        told = read(data.draw(mangled(sample) | anything))
    except Unintelligible:
        return
    if isinstance(told, wire.RemoteInvoice):
        assert all(type(amount) is int and 0 <= amount < 10**36 for amount in _amounts(told))


@pytest.mark.parametrize(("read", "sample"), KINDS)
def test_what_was_read_cannot_be_changed(read: Callable[[Any], Any], sample: Json) -> None:
    told = read(sample)

    for field in dataclasses.fields(told):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(told, field.name, None)


@pytest.mark.parametrize("kind", ["Business", "Invoice", "Transaction", "Refund"])
def test_what_rehive_told_is_kept_beside_what_was_understood(kind: str) -> None:
    read, sample, _ = READERS[kind]

    assert read(sample).raw == sample
    assert "ann@example.com" not in repr(read(sample)), "a payer's data does not belong into logs"


def test_a_movement_tells_its_fee_and_the_invoice_that_it_pays() -> None:
    told = wire.read_movement(MOVEMENT)

    assert (told.amount, told.fee, told.invoice_id) == (1000, 15, INVOICE_ID)
    assert wire.read_movement({**MOVEMENT, "total_amount": None}).fee is None
    assert wire.read_movement({**MOVEMENT, "amount": -7}).amount == -7
    for metadata in (None, [], {"service_payment_requests": None}, {"service_bitcoin": {}}):
        assert wire.read_movement({**MOVEMENT, "metadata": metadata}).invoice_id == ""


def test_p9_the_secret_of_a_registered_webhook_is_not_shown() -> None:
    read = wire.read_webhook(WEBHOOK)

    assert read.secret == SECRET
    assert SECRET not in repr(read)


def test_an_invoice_is_read_in_full() -> None:
    told = wire.read_invoice(INVOICE)

    assert (told.id, told.status, told.amount) == (INVOICE_ID, "underpaid", 1234)
    assert told.currency == wire.Currency("USD", 2)
    assert told.reference == "100001"
    assert told.redirect_url == INVOICE["redirect_url"]
    assert told.metadata == {"oscar_rehive_attempt": 1}
    assert (told.refunded, told.updated) == (True, 1_800_000_000_500)
    (quote,) = told.quotes
    assert (quote.amount, quote.total_paid, quote.total_pending) == (20_000, 10_000, 5_000)
    assert quote.currency == wire.Currency("BTC", 8)
    assert quote.raw == QUOTE


@pytest.mark.parametrize(
    "amount", [True, False, -1, 12.0, 12.5, "1234", "12.34", [1234], 10**36, float("nan")], ids=repr
)
def test_p2_only_a_whole_number_of_units_is_an_amount(amount: Any) -> None:
    with pytest.raises(Unintelligible, match="request_amount"):
        wire.read_invoice({**INVOICE, "request_amount": amount})
    # One odd quote would keep a paid invoice from ever being understood: it counts as nothing.
    (quote,) = wire.read_invoice(quoted(total_paid=amount)).quotes
    assert quote.total_paid == 0
    with pytest.raises(Unintelligible, match="refund's amount"):
        wire.read_refund({**REFUND, "amount": amount})


def test_p2_the_largest_order_in_the_finest_currency_is_an_amount() -> None:
    number = 9_999_999_999_99 * 10**16

    assert wire.read_invoice({**INVOICE, "request_amount": number}).amount == number


@pytest.mark.parametrize("divisibility", [None, MISSING, "2", 2.0, True], ids=repr)
def test_peer_bug_14_a_divisibility_that_is_not_told_is_never_assumed(divisibility: Any) -> None:
    currency = changed(USD, "divisibility", divisibility)

    assert (
        wire.read_invoice({**INVOICE, "request_currency": currency}).currency.divisibility is None
    )
    assert wire.read_business({**BUSINESS, "currency": currency}).currency.divisibility is None


@pytest.mark.parametrize("divisibility", [-1, 19, 10**30])
def test_peer_bug_14_an_impossible_divisibility_is_unintelligible(divisibility: int) -> None:
    currency = {**USD, "divisibility": divisibility}

    with pytest.raises(Unintelligible, match="between 0 and 18"):
        wire.read_invoice({**INVOICE, "request_currency": currency})


@pytest.mark.parametrize("divisibility", [0, 2, 8, 18])
def test_peer_bug_14_every_possible_divisibility_is_kept(divisibility: int) -> None:
    currency = {**USD, "divisibility": divisibility}

    told = wire.read_invoice({**INVOICE, "request_currency": currency})

    assert told.currency.divisibility == divisibility


@pytest.mark.parametrize(
    "hostile",
    ["../x", "..", "a/b", "a%2Fb", "a?b=c", "a#b", "a b", "a\n", "\r\nX: y", "", "ä", "x" * 65],
)
def test_an_id_that_could_reach_another_address_is_unintelligible(hostile: str) -> None:
    with pytest.raises(Unintelligible, match="without a usable id"):
        wire.read_invoice({**INVOICE, "id": hostile})


@pytest.mark.parametrize(
    "address",
    [
        "https://pay.rehive.example/?request=1",
        "http://127.0.0.1:5000/",
        "https://pay.bücher.example",
    ],
)
def test_a_web_address_can_be_handed_to_a_browser(address: str) -> None:
    assert wire.read_invoice({**INVOICE, "redirect_url": address}).has_usable_redirect_url


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/pay/1",
        "//pay.example/1",
        "pay.example/1",
        "javascript:alert(1)",
        "JaVaScRiPt://pay.example/%0aalert(1)",
        "data:text/html,x",
        "ftp://pay.example/",
        "https://",
        "https:///pay",
        "https://?request=1",
        "https://[::1",
        "https://pay.example:port/",
        "https://pay.example:99999/",
        "https://pay.example/\r\nSet-Cookie: a=b",
        "https://pay.example/\n",
        "\nhttps://pay.example/",
        " https://pay.example/",
        "https://pay.example/a b",
        "https://pay.example/\t",
        "https://pay.example/\0",
        "https://pay.example/\x7f",
        "https://pay.example/\u2028",
        "https://pay.example/\ud800",
    ],
)
def test_trap_no_redirect_to_anything_but_a_web_address(address: str) -> None:
    """``urlsplit`` accepts CR and LF; Django then answers 500 on the redirect."""
    assert not wire.read_invoice({**INVOICE, "redirect_url": address}).has_usable_redirect_url


@given(st.text())
def test_p11_looking_at_an_address_never_fails(text: str) -> None:
    for address in (text, f"https://{text}", f"http://[{text}"):
        assert wire.is_web_address(address) in (True, False)


@pytest.mark.parametrize("user", ["{}", "", {}, {"id": "u1"}, None], ids=repr)
def test_the_guides_user_as_a_string_is_no_trouble(user: Any) -> None:
    wire.read_invoice({**INVOICE, "user": user})


def test_the_guides_capital_p_is_no_trouble() -> None:
    guides = changed(INVOICE, "primary_payment_processor", MISSING)

    assert wire.read_invoice({**guides, "Primary_payment_processor": {"id": "p1"}}).amount == 1234


@pytest.mark.parametrize("metadata", [None, MISSING, [], "text", 7], ids=repr)
def test_metadata_that_is_no_object_is_none(metadata: Any) -> None:
    assert wire.read_invoice(changed(INVOICE, "metadata", metadata)).metadata == {}


@pytest.mark.parametrize("refunded", [None, MISSING, False, "true", 1], ids=repr)
def test_refunded_is_believed_only_when_it_says_so(refunded: Any) -> None:
    assert wire.read_invoice(changed(INVOICE, "refunded", refunded)).refunded is False


@pytest.mark.parametrize("updated", [None, MISSING, "soon", 1.5, True, -1, 2**63], ids=repr)
def test_p6_a_time_of_change_that_is_none_is_not_told(updated: Any) -> None:
    assert wire.read_invoice(changed(INVOICE, "updated", updated)).updated is None


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"identifier": "r1"}, "r1"),
        ({"id": "r2"}, "r2"),
        ({"id": 7}, "7"),
        ({"identifier": None, "id": "r2"}, "r2"),
        ({"identifier": "r1", "id": "r2"}, "r1"),
    ],
)
def test_a_refund_is_known_by_identifier_or_id(told: Json, expected: str) -> None:
    assert wire.read_refund({"amount": 1, **told}).id == expected


@pytest.mark.parametrize(
    ("status", "verified"), [("verified", True), (MISSING, True), (None, True), ("pending", False)]
)
def test_a_business_takes_payments_once_it_is_verified(status: Any, verified: bool) -> None:
    assert wire.read_business(changed(BUSINESS, "status", status)).is_verified is verified


def test_half_letters_are_not_handed_on() -> None:
    """JSON can say them; a page or a terminal that is to show them fails."""
    half = "\ud83d"
    told = {"code": f"B{half}", "divisibility": 2}

    named = {"name": f"A{half}\x1b[2J\n", "status": half, "currency": told}
    business = wire.read_business({**BUSINESS, **named})
    invoice = wire.read_invoice({**INVOICE, "status": half, "request_reference": half})

    assert (business.name, business.status, business.currency.code) == ("A??[2J ", "?", "B?")
    assert (invoice.status, invoice.reference) == ("?", "?")


def _amounts(told: wire.RemoteInvoice) -> list[int]:
    return [
        told.amount,
        *(
            amount
            for quote in told.quotes
            for amount in (quote.amount, quote.total_paid, quote.total_pending)
        ),
    ]


def _raw(told: Any, value: Any) -> Json:
    return {"raw": value} if hasattr(told, "raw") else {}
