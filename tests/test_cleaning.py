"""P9: a secret of this shop's is taken out of all that is stored, however it is written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from oscar_rehive.cleaning import REDACTED, without_secrets
from oscar_rehive.models import Delivery
from oscar_rehive.payments import deliveries
from oscar_rehive.payments.deliveries import MAX_KEPT_CHARACTERS, store
from oscar_rehive.rehive.exceptions import Unreachable

SECRET = 'Say "ä/\\😀" and\tenter'
TOKEN = "0123456789abcdefghijklmnopqrstuv"
ID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
def _ours(settings: Any) -> None:
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "TOKEN": TOKEN, "WEBHOOK_SECRET": SECRET}


def columns(delivery: Delivery) -> list[str]:
    """All that is kept of ``delivery`` as text."""
    delivery.refresh_from_db()
    fields = delivery._meta.concrete_fields
    return [text for one in fields if isinstance(text := getattr(delivery, one.attname), str)]


def by_number(text: str) -> str:
    """Each letter in the way in which JSON may write it by its number."""
    units = text.encode("utf-16-be").hex()
    return "".join(rf"\u{units[at : at + 4]}" for at in range(0, len(units), 4))


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        json.dumps(SECRET)[1:-1].replace("/", r"\/"),
        json.dumps(json.dumps(SECRET))[3:-3],
        json.dumps(json.dumps(json.dumps(SECRET)))[7:-7],
        by_number(SECRET),
        by_number(SECRET).upper().replace(r"\U", r"\u"),
        json.dumps(by_number(SECRET))[1:-1],
        TOKEN,
        by_number(TOKEN),
        by_number(TOKEN[:5]) + TOKEN[5:],
    ],
)
def test_however_json_writes_it(written: str) -> None:
    assert without_secrets(f"before {written} after {written}") == (
        f"before {REDACTED} after {REDACTED}"
    )


@pytest.mark.parametrize("kept", range(4, len(TOKEN)))
def test_where_the_end_of_the_text_has_cut_it(kept: int) -> None:
    assert without_secrets(f"cut: {TOKEN[:kept]}") == f"cut: {REDACTED}"
    assert without_secrets(f"cut: {TOKEN[:kept]}…") == f"cut: {REDACTED}"


@pytest.mark.parametrize("cut", range(1, 6))
def test_where_the_end_has_cut_a_letter_in_two(cut: int) -> None:
    assert without_secrets(by_number(TOKEN[:8])[:-cut]) == REDACTED


def test_what_only_begins_like_it_stays() -> None:
    assert without_secrets("0123456789 items") == "0123456789 items"
    assert without_secrets("in 2012") == "in 2012"


@pytest.mark.django_db
class TestOfADelivery:
    @pytest.mark.parametrize("secret", [TOKEN, SECRET])
    @pytest.mark.parametrize("before", ["", "x" * 100, "x" * 120, "x" * 240, "x" * 254])
    def test_no_column_has_it(self, secret: str, before: str) -> None:
        """Nor the part of it that the length of the column has left."""
        text = before + secret
        body = {"id": text, "data": {"id": ID, "request_reference": text, "status": text}}

        kept = columns(store(json.dumps(body).encode()))

        assert not [one for one in kept if secret[:5] in one]
        assert ID in kept

    @pytest.mark.parametrize("name", ["id", "request_reference", "innocent"])
    def test_nor_where_the_body_is_no_json(self, name: str) -> None:
        for written in (TOKEN, by_number(TOKEN)):
            kept = columns(store(f'{{"{name}": "{written}", {{'.encode()))

            assert not [one for one in kept if written[:5] in one]

    def test_an_id_that_is_a_secret_is_none(self) -> None:
        delivery = store(json.dumps({"data": {"id": TOKEN}}).encode())

        assert delivery.state == Delivery.State.UNUSABLE
        assert not [one for one in columns(delivery) if TOKEN in one]

    @pytest.mark.parametrize("left", range(4, len(TOKEN) + 1))
    def test_where_the_body_was_too_long(self, left: int) -> None:
        body = "x" * (MAX_KEPT_CHARACTERS - left) + TOKEN + "x"

        for written in (body, f'{{"data": "{body}"}}', "\0" * 100 + body[:MAX_KEPT_CHARACTERS]):
            kept = columns(store(written.encode(), fault="The body is larger than it may be."))

            assert not [one for one in kept if TOKEN[:4] in one]

    def test_nor_the_reason_why_it_waits_or_is_unusable(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What a proxy answers, or the shop's own code says."""
        for error in (Unreachable(f"Bad gateway: {TOKEN}"), ValueError(f"Secret {SECRET}")):

            def fail(*args: Any, error: Exception = error) -> None:
                raise error

            monkeypatch.setattr(deliveries, "_settle_hint", fail)
            delivery = store(json.dumps({"data": {"id": ID}}).encode())

            deliveries.work_on(delivery.remote_id)
            delivery.refresh_from_db()

            assert REDACTED in delivery.reason
            assert not [one for one in columns(delivery) if TOKEN in one or SECRET in one]
