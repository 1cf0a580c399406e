"""Deliveries: who may send them, and what can be made of them (rehive-api.md, "Webhooks")."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oscar_rehive.rehive.webhooks import Hint, UnusableDelivery, authenticate, load, read
from tests.rehive.samples import INVOICE, INVOICE_ID, SECRET, Json, anything, mangled

HEADER = f"Secret {SECRET}"

latin_1 = st.text(st.characters(max_codepoint=255))


def as_wsgi_hands_it_over(secret: str) -> str:
    return f"Secret {secret.encode().decode('latin-1')}"


# Who may send them


@pytest.mark.parametrize("header", [HEADER, f"secret {SECRET}", f"SECRET {SECRET}", f"{HEADER} "])
def test_the_secret_opens(header: str) -> None:
    assert authenticate(header, [SECRET])


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        "Secret",
        "Secret ",
        SECRET,
        f" {SECRET}",
        f"Secret{SECRET}",
        f"Token {SECRET}",
        f"Bearer {SECRET}",
        f"Basic {SECRET}",
        f"Secrets {SECRET}",
        f"Secret {SECRET}x",
        f"Secret x{SECRET}",
        f"Secret {SECRET[:-1]}",
        f"Secret {SECRET[1:]}",
        f"Secret {SECRET} {SECRET}",
        f"Secret {SECRET.upper()}",
        f'Secret "{SECRET}"',
        f"Secret {SECRET[:5]}\0{SECRET[5:]}",
        "Secret €",
        "Secret \udcff",
    ],
    ids=repr,
)
def test_p1_anything_else_does_not(header: str) -> None:
    assert not authenticate(header, [SECRET])


@pytest.mark.parametrize("secrets", [[], [""], ["", ""], [" "], ["\n"]], ids=repr)
@pytest.mark.parametrize("header", ["", "Secret", "Secret ", "Secret  ", "Secret \n", HEADER])
def test_peer_bug_24_without_a_secret_the_address_is_closed(
    header: str, secrets: list[str]
) -> None:
    """P9."""
    assert not authenticate(header, secrets)


@pytest.mark.parametrize("secret", ["old", "new"])
def test_while_secrets_are_changed_each_of_them_opens(secret: str) -> None:
    assert authenticate(f"Secret {secret}", ["", "new", "old"])
    assert authenticate(f"Secret {secret}", iter(["new", "old"]))
    assert not authenticate("Secret newold", ["new", "old"])


def test_a_text_is_no_list_of_secrets() -> None:
    """Taken for one, each of its letters would open."""
    with pytest.raises(TypeError):
        authenticate("Secret a", "a-secret")


@pytest.mark.parametrize(
    "secret", ["schlüssel", "ключ", "鍵", "🔑", "voilà", "À", "Ņ", "a\xa0", "with a space", "a?b"]
)
def test_peer_bug_8_a_secret_in_any_alphabet_opens(secret: str) -> None:
    assert authenticate(as_wsgi_hands_it_over(secret), [secret])
    assert not authenticate(as_wsgi_hands_it_over(secret) + "x", [secret])


@pytest.mark.parametrize("secret", [f"{SECRET}\n", f" {SECRET}", f"{SECRET}\r\n"], ids=repr)
def test_peer_bug_8_white_space_around_a_secret_does_not_matter(secret: str) -> None:
    """As it comes from a file; no header can end in it."""
    assert authenticate(HEADER, [secret])


def test_what_is_not_latin_1_matches_no_question_mark() -> None:
    assert not authenticate("Secret €€€€", ["????"])


@example("€", ["\udcff"])
@given(st.text(), st.lists(st.text(), max_size=3))
def test_p11_authenticating_never_fails(header: str, secrets: list[str]) -> None:
    assert authenticate(header, secrets) in (True, False)
    assert authenticate(f"Secret {header}", secrets) in (True, False)


@given(latin_1.filter(lambda text: text.encode("latin-1").strip() != SECRET.encode()))
def test_p1_nothing_but_the_secret_opens(other: str) -> None:
    assert not authenticate(f"Secret {other}", [SECRET])


# What can be made of them


PLATFORM_FORM: Json = {
    "id": 17,
    "event": "service_payment_requests.request.update",
    "company": "shop",
    "data": INVOICE,
}


@pytest.mark.parametrize(
    ("payload", "event_id"),
    [
        ({"data": INVOICE}, ""),
        (PLATFORM_FORM, "17"),
        ({**PLATFORM_FORM, "id": "e-17"}, "e-17"),
        ({**PLATFORM_FORM, "id": None}, ""),
        ({**PLATFORM_FORM, "id": True}, ""),
        ({**PLATFORM_FORM, "id": {"a": 1}}, ""),
        ({**PLATFORM_FORM, "brand_new": 1}, "17"),
    ],
    ids=["guide", "platform", "text id", "null id", "bool id", "object id", "new field"],
)
def test_both_documented_bodies_are_taken(payload: Json, event_id: str) -> None:
    hint = read(load(json.dumps(payload).encode()))

    assert hint == Hint(
        invoice_id=INVOICE_ID, reference="100001", status="underpaid", event_id=event_id
    )


@pytest.mark.parametrize("name", sorted(set(INVOICE) - {"id"}))
@pytest.mark.parametrize("value", [None, {}, [], 1.5], ids=repr)
def test_peer_bug_17_only_the_invoices_id_is_needed(name: str, value: Any) -> None:
    missing = {key: told for key, told in INVOICE.items() if key != name}

    assert read({"data": missing}).invoice_id == INVOICE_ID
    assert read({"data": {**INVOICE, name: value}}).invoice_id == INVOICE_ID


@pytest.mark.parametrize(
    "invoice_id",
    [None, "", 7, True, [], {}, [INVOICE_ID], "..", "../a", "a/b", "a\n", "a b", "a\0", "x" * 65],
    ids=repr,
)
def test_trap_an_id_of_none_names_no_invoice(invoice_id: Any) -> None:
    """Looked up, it once matched somebody else's."""
    with pytest.raises(UnusableDelivery, match="does not name an invoice's id"):
        read({"data": {**INVOICE, "id": invoice_id}})


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        "text",
        7,
        True,
        {},
        {"data": None},
        {"data": []},
        {"data": "{}"},
        INVOICE,
        [INVOICE],
    ],
    ids=lambda payload: str(payload)[:20],
)
def test_p7_another_shape_is_unusable_and_says_so(payload: Any) -> None:
    with pytest.raises(UnusableDelivery, match=r"^The body "):
        read(payload)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"data=1",
        b"<html>",
        b"\xff\xfe",
        b"\x80",
        b'{"data": "\xff"}',
        b"9" * 5_000,
        b"[" * 100_000,
        b'{"data":' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
    ],
    ids=lambda body: f"{body[:10]!r}x{len(body)}",
)
def test_p7_a_body_that_is_no_json_is_unusable_and_says_so(body: bytes) -> None:
    with pytest.raises(UnusableDelivery, match=r"^The body "):
        load(body)


def test_p9_a_reason_does_not_repeat_the_body() -> None:
    with pytest.raises(UnusableDelivery) as caught:
        load(f'{{"secret": "{SECRET}"'.encode())

    assert SECRET not in str(caught.value)


@given(
    st.binary()
    | anything.map(lambda value: json.dumps(value).encode())
    | mangled(PLATFORM_FORM).map(lambda value: json.dumps(value).encode())
)
def test_p7_no_body_raises_anything_but_unusable(body: bytes) -> None:
    with contextlib.suppress(UnusableDelivery):
        hint = read(load(body))
        assert all(type(told) is str for told in vars(hint).values())
        assert hint.invoice_id
