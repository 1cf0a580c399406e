"""The webhook's address: who may call, and what is kept of the call (test_webhook_work.py: what is
done about it)."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse

from oscar_rehive import webhooks
from oscar_rehive.models import Delivery, RefusedDeliveries

pytestmark = pytest.mark.django_db

ADDRESS = "/rehive/webhook/"
SECRET = "the-webhook-secret"
UNKNOWN = {"data": {"id": "00000000-0000-4000-8000-000000000000", "status": "paid"}}

Post = Callable[..., Any]


@pytest.fixture
def post(client: Client, settings: Any) -> Post:
    """Posts a body (JSON, or bytes as they are) to the webhook, with the right secret."""
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "WEBHOOK_SECRET": SECRET}

    def post(body: Any, authorization: str | None = f"Secret {SECRET}", **kwargs: Any) -> Any:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {} if authorization is None else {"Authorization": authorization}
        headers |= kwargs.pop("headers", {})
        return client.post(ADDRESS, raw, content_type="application/json", headers=headers, **kwargs)

    return post


class TestWhoMayCall:
    @pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete", "options"])
    def test_only_post_is_taken(self, client: Client, method: str) -> None:
        answer = getattr(client, method)(ADDRESS)

        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
        assert not RefusedDeliveries.objects.exists()

    @pytest.mark.parametrize(
        "authorization",
        [
            None,
            "",
            "Secret",
            "Secret ",
            "Secret wrong",
            SECRET,
            f"Token {SECRET}",
            f"Bearer {SECRET}",
            f"Secret {SECRET}x",
            f"Secret {SECRET[:-1]}",
            f"Secret {SECRET.upper()}",
            "Secret \xe4\xf6\xfc",
            "Secret " + "x" * 10_000,
        ],
    )
    def test_p9_strangers_are_counted_and_nothing_of_them_is_kept(
        self, post: Post, authorization: str | None
    ) -> None:
        answers = [post(UNKNOWN, authorization) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [401] * 3
        assert not Delivery.objects.exists()
        assert RefusedDeliveries.objects.get().count == 3
        assert SECRET not in answers[0].content.decode()

    @pytest.mark.parametrize("secret", ["", " ", [], [""], None])
    def test_p9_and_bug24_without_a_secret_the_address_is_closed(
        self, post: Post, settings: Any, secret: Any
    ) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "WEBHOOK_SECRET": secret}

        for authorization in (None, "", "Secret ", "Secret", "Secret None", "Secret []"):
            assert post(UNKNOWN, authorization).status_code == 401

        assert not Delivery.objects.exists()

    @pytest.mark.parametrize("setting", [None, {"TOKE": 1}, {"BUSINESSES": 5}])
    def test_broken_settings_close_the_address_and_do_not_break_it(
        self, post: Post, settings: Any, setting: Any
    ) -> None:
        """A 5xx would make Rehive disable the webhook for good."""
        settings.OSCAR_REHIVE = setting

        assert post(UNKNOWN).status_code == 401

    @pytest.mark.parametrize("secret", ["new", "old", "the-euros"])
    def test_any_of_the_secrets_of_any_business_opens_it(
        self, post: Post, settings: Any, secret: str
    ) -> None:
        shared, other = {"TOKEN": "t", "BUSINESS_ID": "b"}, {"TOKEN": "t", "BUSINESS_ID": "e"}
        settings.OSCAR_REHIVE = {
            "WEBHOOK_SECRET": ["new", "old"],
            "BUSINESSES": {"USD": shared, "EUR": {**other, "WEBHOOK_SECRET": "the-euros"}},
        }

        assert post(UNKNOWN, f"Secret {secret}").status_code == 200

    def test_the_secret_of_another_alphabet_matches(self, post: Post, settings: Any) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "WEBHOOK_SECRET": "пароль"}
        as_wsgi_hands_it_over = "пароль".encode().decode("latin-1")

        answer = post(UNKNOWN, None, HTTP_AUTHORIZATION=f"Secret {as_wsgi_hands_it_over}")

        assert answer.status_code == 200

    def test_neither_csrf_nor_a_login_stands_in_the_way(
        self, post: Post, client: Client, settings: Any
    ) -> None:
        pytest.importorskip("django", minversion="5.1")
        client.handler.enforce_csrf_checks = True
        settings.MIDDLEWARE = [
            *settings.MIDDLEWARE,
            "django.contrib.auth.middleware.LoginRequiredMiddleware",
        ]

        assert post(UNKNOWN).status_code == 200

    def test_the_call_of_rehive_check_is_not_counted_among_the_refused(self, post: Post) -> None:
        from oscar_rehive.tokens import PROBE_HEADER, probe_token

        assert post({}, None, headers={PROBE_HEADER: probe_token()}).status_code == 401
        assert not RefusedDeliveries.objects.exists()

        assert post({}, None, headers={PROBE_HEADER: "forged"}).status_code == 401
        assert RefusedDeliveries.objects.get().count == 1

    @pytest.mark.parametrize(
        ("authorization", "status", "arrived"),
        [(f"Secret {SECRET}", 200, "yes"), ("Secret wrong", 401, "yes"), (None, 401, "no")],
    )
    def test_a_probe_is_told_what_came_through_with_a_proof_and_is_not_stored(
        self, post: Post, authorization: str | None, status: int, arrived: str
    ) -> None:
        from oscar_rehive.tokens import ARRIVED_HEADER, PROBE_HEADER, probe_token, proof_of

        probe = probe_token()
        answer = post(UNKNOWN, authorization, headers={PROBE_HEADER: probe})

        assert answer.status_code == status
        assert answer.headers[PROBE_HEADER] == proof_of(probe)
        assert answer.headers[ARRIVED_HEADER] == arrived
        assert not Delivery.objects.exists()
        assert not RefusedDeliveries.objects.exists()

    @pytest.mark.parametrize("probe", ["", "forged", "probe:forged:too"])
    def test_nobody_else_is_given_a_proof(self, post: Post, probe: str) -> None:
        from oscar_rehive.tokens import ARRIVED_HEADER, PROBE_HEADER

        for authorization in (f"Secret {SECRET}", None):
            answer = post(UNKNOWN, authorization, headers={PROBE_HEADER: probe})
            assert not {PROBE_HEADER, ARRIVED_HEADER} & set(answer.headers)
        assert Delivery.objects.count() == RefusedDeliveries.objects.get().count == 1


class TestP7WhatCannotBeUsedIsKeptWithItsReason:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"", "not JSON"),
            (b"{", "not JSON"),
            (b"\xff\xfe\x00", "not JSON"),
            (b"\x00\x00\x00", "not JSON"),
            (b'{"data": \x00}', "not JSON"),
            (b"9" * 5000, "not JSON"),
            (b"[" * 100_000, "nested too deeply"),
            (b'{"data":' * 100_000, "nested too deeply"),
            (b"null", "not a JSON object"),
            (b"[]", "not a JSON object"),
            (b'"paid"', "not a JSON object"),
            (b"NaN", "not a JSON object"),
            ({}, 'no object under "data"'),
            ({"data": None}, 'no object under "data"'),
            ({"data": [UNKNOWN["data"]]}, 'no object under "data"'),
            ({"data": "{}"}, 'no object under "data"'),
            ({"data": {}}, "invoice's id"),
            # Trap: looking up an id of None once matched somebody else's invoice.
            ({"data": {"id": None}}, "invoice's id"),
            ({"data": {"id": ""}}, "invoice's id"),
            ({"data": {"id": 5}}, "invoice's id"),
            ({"data": {"id": True}}, "invoice's id"),
            ({"data": {"id": ["x"]}}, "invoice's id"),
            ({"data": {"id": "../../businesses"}}, "invoice's id"),
            ({"data": {"id": "x" * 65}}, "invoice's id"),
            ({"data": {"id": "nul\0"}}, "invoice's id"),
            (b'{"data": {"id": "\\ud800"}}', "invoice's id"),
        ],
    )
    def test_a_body_that_names_no_invoice(self, post: Post, body: Any, reason: str) -> None:
        answer = post(body)

        kept = Delivery.objects.get()
        assert answer.status_code == 400
        assert kept.state == Delivery.State.UNUSABLE
        assert reason in kept.reason
        assert kept.reason == answer.json()["message"]

    @pytest.mark.parametrize(
        "data",
        [
            {"request_reference": "nul\0 and \ud800", "status": "paid\0"},
            {"request_reference": {"a": 1}, "status": ["paid"], "metadata": "x"},
            {"request_reference": None, "status": None, "payment_processor_quotes": None},
            {"request_reference": 10**400, "request_amount": 1e300},
            {"request_reference": "x" * 100_000},
            {"nul\0key": "\udfff", "deep": json.loads("[" * 500 + "]" * 500)},
        ],
    )
    def test_wrong_types_and_texts_that_no_database_takes_are_stored(
        self, post: Post, data: dict[str, Any]
    ) -> None:
        """PostgreSQL refuses NUL and halves of surrogate pairs (traps.md)."""
        answer = post({"id": {"not": "a text"}, "data": {**UNKNOWN["data"], **data}})

        kept = Delivery.objects.get()
        assert answer.status_code == 200
        assert kept.remote_id == UNKNOWN["data"]["id"]
        for text in (kept.body, kept.reference, kept.event_id, kept.reason):
            assert "\0" not in text
            text.encode()

    @pytest.mark.parametrize(
        "body",
        [
            b"[" * 100_000,
            b'{"data":' * 100_000,
            b"[" * 20_000 + b"]" * 20_000,
            b'{"data":' * 5_000 + b"1" + b"}" * 5_000,
            b'{"id": "\\ud800"}'.ljust(webhooks.MAX_BODY_BYTES + 1, b"\0"),
            b"9" * 5000,
            b"NaN",
            b"\xff\x00<script>",
        ],
        ids=lambda body: repr(body[:20]),
    )
    def test_and_is_shown_whatever_it_is(
        self, post: Post, admin_client: Client, body: bytes
    ) -> None:
        assert post(body).status_code in (400, 413)

        kept = Delivery.objects.get()
        page = admin_client.get(reverse("admin:oscar_rehive_delivery_change", args=[kept.pk]))
        assert page.status_code == 200
        assert kept.reason

    def test_an_invoice_that_is_not_ours(self, rehive: Any, post: Post) -> None:
        assert post(UNKNOWN).status_code == 200

        kept = Delivery.objects.get()
        assert (kept.state, kept.reason) == ("unusable", "This shop has no such invoice.")
        assert kept.done_at is not None

    def test_the_largest_body_is_taken_and_a_larger_one_is_not_read_to_its_end(
        self, post: Post, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(webhooks, "MAX_BODY_BYTES", 1000)
        body = json.dumps(UNKNOWN).encode()

        assert post(body.ljust(1000)).status_code == 200
        assert post(body.ljust(1001)).status_code == 413
        assert [kept.state for kept in Delivery.objects.order_by("pk")] == ["unusable"] * 2
        assert "larger than 1000 bytes" in Delivery.objects.first().reason

    def test_django_s_own_limit_does_not_swallow_a_delivery(
        self, post: Post, settings: Any
    ) -> None:
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10

        assert post(UNKNOWN).status_code == 200

    def test_a_body_that_breaks_off(self, post: Post, rf: RequestFactory) -> None:
        request = rf.post(ADDRESS, headers={"Authorization": f"Secret {SECRET}"})

        def broken(*args: Any) -> bytes:
            raise OSError("gone")

        request.read = broken  # type: ignore[method-assign]  # a stand-in
        answer = webhooks.webhook(request)

        assert answer.status_code == 400
        assert Delivery.objects.get().reason == "The body broke off."


class TestP7ABodyInChunks:
    """Such a request has no length, for which Django reads nothing of it."""

    def answer(
        self, rf: RequestFactory, body: bytes, *, at_most: int = 10**9, **environ: Any
    ) -> Any:
        class Input(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                return super().read(min(size, at_most))

        headers = {"Authorization": f"Secret {SECRET}", "Transfer-Encoding": "chunked"}
        request = rf.post(ADDRESS, content_type="application/json", headers=headers)
        del request.META["CONTENT_LENGTH"]
        environ = {**request.META, "wsgi.input": Input(body), **environ}
        return webhooks.webhook(type(request)(environ))

    @pytest.mark.parametrize("length", [{}, {"CONTENT_LENGTH": ""}])
    @pytest.mark.parametrize("at_most", [1, 7, 10**9])
    def test_is_read_where_the_server_says_that_its_input_ends(
        self, post: Post, rf: RequestFactory, length: dict[str, str], at_most: int
    ) -> None:
        body = json.dumps(UNKNOWN).encode()

        answer = self.answer(rf, body, at_most=at_most, **length, **{"wsgi.input_terminated": True})

        assert answer.status_code == 200
        assert Delivery.objects.get().remote_id == UNKNOWN["data"]["id"]

    def test_is_read_up_to_the_limit(
        self, post: Post, rf: RequestFactory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(webhooks, "MAX_BODY_BYTES", 1000)
        body = json.dumps(UNKNOWN).encode()

        for size, status in ((1000, 200), (1001, 413), (100_000, 413)):
            answer = self.answer(rf, body.ljust(size), **{"wsgi.input_terminated": True})
            assert answer.status_code == status

    def test_is_not_waited_for_where_nobody_knows_its_end(
        self, post: Post, rf: RequestFactory
    ) -> None:
        """A server that does not say so may wait for ever for more."""
        answer = self.answer(rf, json.dumps(UNKNOWN).encode())

        assert answer.status_code == 400
        assert "not JSON" in Delivery.objects.get().reason

    def test_with_a_length_is_read_to_that_length(self, post: Post, rf: RequestFactory) -> None:
        body = json.dumps(UNKNOWN).encode()
        ends = {"wsgi.input_terminated": True, "CONTENT_LENGTH": str(len(body))}

        assert self.answer(rf, body + b"the next request", **ends).status_code == 200

    def test_that_breaks_off(self, post: Post, rf: RequestFactory) -> None:
        class Broken(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                raise OSError("no more data")

        ends = {"wsgi.input_terminated": True, "wsgi.input": Broken()}

        assert self.answer(rf, b"", **ends).status_code == 400
        assert Delivery.objects.get().reason == "The body broke off."


@pytest.mark.parametrize(
    "secrets",
    [
        {"secret": "hush-hush"},
        {"webhook_secret": "hush-hush", "Authorization": "Token hush-hush"},
        {"user": {"token": "hush-hush", "api_key": "hush-hush", "password": ["hush-hush"]}},
        {"list": [{"apikey": {"x": "hush-hush"}}]},
    ],
)
def test_bug25_and_p9_what_could_be_a_secret_is_not_stored(
    post: Post, secrets: dict[str, Any]
) -> None:
    post({"data": {**UNKNOWN["data"], **secrets}, **secrets})

    kept = Delivery.objects.get()
    assert "hush-hush" not in kept.body
    assert "[removed]" in kept.body
    assert UNKNOWN["data"]["id"] in kept.body


@pytest.mark.parametrize(
    "body",
    [
        pytest.param('{"secret": "%s", "data": ', id="broken JSON"),
        pytest.param('{"data": {"id": "abc", "note": "Secret %s"}}', id="innocent name"),
        pytest.param('{"data": {"id": "abc", "headers": [["x", "%s"]]}}', id="list"),
        pytest.param('{"data": {"id": "abc", "%s": 1}}', id="as a name"),
        pytest.param('"%s"', id="alone"),
    ],
)
def test_bug25_and_p9_our_own_secrets_are_removed_wherever_they_stand(
    post: Post, settings: Any, body: str
) -> None:
    for ours in (SECRET, settings.OSCAR_REHIVE["TOKEN"]):
        post((body % ours).encode())

    kept = Delivery.objects.all()
    assert kept.count() == 2
    assert not any(
        ours in one.body + one.reason
        for one in kept
        for ours in (SECRET, settings.OSCAR_REHIVE["TOKEN"])
    )
