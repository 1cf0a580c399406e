"""Whatever is posted to the webhook: it is answered, stored with its reason, without a secret, and shown (P7, P9,
P11). ``REHIVE_FUZZ`` says how many deliveries are tried."""

from __future__ import annotations

import json
import os
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oscar_rehive import webhooks
from oscar_rehive.models import Delivery, RefusedDeliveries
from oscar_rehive.payments import deliveries

pytestmark = pytest.mark.django_db

EXAMPLES = int(os.environ.get("REHIVE_FUZZ", "200"))
SECRET = 'fuzz-secret/"ä"-0815'
TOKEN = "4711deadbeef4711cafe4711"
LIMIT, KEPT = 20_000, 2_000
"""Smaller than they are, so that much is larger than that."""

letters = st.characters(codec=None)  # halves of surrogate pairs and NUL among them
words = st.one_of(
    st.text(letters, max_size=20),
    st.sampled_from([SECRET, TOKEN, TOKEN[:9], f"Secret {SECRET}", json.dumps(SECRET), "x" * 250]),
    st.builds(lambda before, word: "y" * before + word, st.integers(0, 300), st.just(TOKEN)),
)
numbers = st.one_of(
    st.integers(), st.floats(), st.integers(-(10**400), 10**400), st.booleans(), st.none()
)
ids = st.one_of(st.uuids().map(str), words, numbers)
values = st.recursive(
    st.one_of(words, numbers),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(words | st.just("token"), inner, max_size=4)
    ),
    max_leaves=12,
)
plausible = st.fixed_dictionaries(
    {},
    optional={
        "id": ids,
        "event": values,
        "data": st.one_of(
            values,
            st.fixed_dictionaries(
                {"id": ids},
                optional={"request_reference": values, "status": values, "metadata": values},
            ),
        ),
    },
)


def as_json(value: Any, ascii_only: bool) -> bytes:
    return json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")


jsons = st.builds(as_json, st.one_of(plausible, values), st.booleans())
deep = st.builds(
    lambda opening, depth, closing: opening * depth + b"1" + closing * depth,
    st.sampled_from([b"[", b'{"data":', b'{"data":{"id":"x"},"a":', b"[[{},"]),
    st.integers(0, 6000),
    st.sampled_from([b"", b"]", b"}"]),
)


def mutated(body: bytes, at: int, cut: int, put: bytes) -> bytes:
    at %= len(body) + 1
    return body[:at] + put + body[at + cut :]


pieces = st.one_of(
    st.binary(max_size=8),
    st.sampled_from(
        [
            b"\0" * LIMIT,
            b"\xff\xfe",
            b"\xef\xbb\xbf",
            b'\\ud800"',
            b"1e9999",
            b"NaN",
            b"9" * 5000,
            TOKEN.encode(),
            SECRET.encode(),
            json.dumps(SECRET).encode(),
            json.dumps(json.dumps(SECRET)).encode(),
            "".join(f"\\u{ord(letter):04X}" for letter in SECRET).encode(),
            b"\\" * 100,
            b"[" * 3000,
            b" " * (LIMIT + 1),
        ]
    ),
)
bodies = st.one_of(
    jsons,
    deep,
    st.binary(max_size=200),
    st.builds(mutated, jsons | deep, st.integers(0, 10**6), st.integers(0, 9), pieces),
    st.builds(lambda body, size: body.ljust(size, b"\0"), jsons, st.integers(0, LIMIT + 9)),
    st.builds(
        lambda size, secret: b"z" * size + secret.encode(),
        st.integers(KEPT - 40, KEPT + 9) | st.integers(LIMIT - 40, LIMIT + 9),
        st.sampled_from([SECRET, TOKEN]),
    ),
)


@pytest.fixture
def shop(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "TOKEN": TOKEN, "WEBHOOK_SECRET": SECRET}
    monkeypatch.setattr(webhooks, "MAX_BODY_BYTES", LIMIT)
    monkeypatch.setattr(deliveries, "MAX_KEPT_CHARACTERS", KEPT)


def post(client: Client, body: bytes, authorization: str = f"Secret {SECRET}") -> Any:
    as_wsgi_hands_it_over = authorization.encode("utf-8", "surrogatepass").decode("latin-1")
    return client.post(
        "/rehive/webhook/",
        body,
        content_type="application/json",
        headers={"Authorization": as_wsgi_hands_it_over},
    )


# As many as JSON within JSON within JSON writes; more of them are no way of writing a letter.
ESCAPE = r"(?<!\\)\\{1,8}(?!\\)"


def secret_in(text: str) -> bool:
    """Whether a secret can be read from ``text``, also by who reads JSON's escapes, or at its end."""
    read = re.sub(ESCAPE + "u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
    for one in (text, read, re.sub(ESCAPE, "", read)):
        for secret in (SECRET, TOKEN):
            if secret in one or any(one.endswith(secret[:left]) for left in range(6, len(secret))):
                return True
    return False


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(body=bodies)
def test_any_body(shop: None, client: Client, admin_client: Client, body: bytes) -> None:
    Delivery.objects.all().delete()

    answer = post(client, body)

    assert answer.status_code in (200, 400, 413)
    kept = Delivery.objects.get()
    assert kept.state == Delivery.State.UNUSABLE  # there is no invoice at all in this shop
    assert kept.reason
    columns = [str(getattr(kept, field.attname)) for field in kept._meta.concrete_fields]
    assert [text for text in columns if secret_in(text)] == []
    assert not secret_in(answer.content.decode())
    page = admin_client.get(reverse("admin:oscar_rehive_delivery_change", args=[kept.pk]))
    assert page.status_code == 200


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    authorization=st.one_of(
        st.text(letters, max_size=40),
        st.builds(lambda scheme, rest: f"{scheme} {rest}", st.sampled_from(["Secret", "x"]), words),
    )
)
def test_any_authorization(shop: None, client: Client, authorization: str) -> None:
    known = authorization.strip().lower().startswith("secret ") and SECRET in authorization
    if known:
        return
    Delivery.objects.all().delete()
    RefusedDeliveries.objects.all().delete()

    assert post(client, b"{}", authorization).status_code == 401

    assert not Delivery.objects.exists()
    assert RefusedDeliveries.objects.get().count == 1
