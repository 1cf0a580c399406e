"""P9 where something goes wrong: neither Django's error page nor its mail to the admins shows the webhook's
secret, the probe's token, or what a delivery carried."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.test import RequestFactory
from django.utils.log import AdminEmailHandler
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from oscar_rehive import conf, tokens, webhooks
from oscar_rehive.models import Delivery, RefusedDeliveries
from oscar_rehive.payments import deliveries
from oscar_rehive.tokens import PROBE_HEADER, probe_token

pytestmark = pytest.mark.django_db

SECRET = "the-webhook-secret-0815"
TOKEN = "the-api-token-4711"
OTHER_SECRET = "another-secret-12"
IN_THE_BODY = f'{{"data": {{"id": "abc", "note": "{SECRET}", "api_key": "of-somebody-else"}}}}'


class AsBeforeDjango52(SafeExceptionReporterFilter):
    """What Django hid until 5.2: not the Authorization header."""

    hidden_settings = re.compile("API|TOKEN|KEY|SECRET|PASS|SIGNATURE|HTTP_COOKIE", re.IGNORECASE)


@pytest.fixture(params=[False, True], ids=["admin mail", "debug page"])
def debug(request: Any, settings: Any) -> bool:
    """A shop in production, and one whose error page shows everything."""
    settings.DEBUG = request.param
    settings.OSCAR_REHIVE = {
        **settings.OSCAR_REHIVE,
        "TOKEN": TOKEN,
        "WEBHOOK_SECRET": [SECRET, OTHER_SECRET],
    }
    return request.param


def broken(*args: Any, **kwargs: Any) -> Any:
    raise DatabaseError("the disk is full")


def shown_by_django(request: Any, view: Any = webhooks.webhook) -> str:
    """All that Django reports, as page and as mail, of what goes wrong in ``view``."""
    request.exception_reporter_filter = AsBeforeDjango52()
    try:
        view(request)
    except Exception:
        reporter = ExceptionReporter(request, *sys.exc_info(), is_email=False)
        reporter.filter = AsBeforeDjango52()
        return reporter.get_traceback_html() + reporter.get_traceback_text()
    raise AssertionError("nothing went wrong")


def called(rf: RequestFactory, authorization: str = f"Secret {SECRET}", body: str = "{}") -> Any:
    headers = {"Authorization": authorization, PROBE_HEADER: probe_token()}
    request = rf.post("/rehive/webhook/", body, content_type="application/json", headers=headers)
    assert request.headers["Authorization"] == authorization  # a middleware has looked at it
    return request


def nothing_secret(report: str, probe: str) -> None:
    assert "the disk is full" in report
    for secret in (SECRET, OTHER_SECRET, TOKEN, probe, "of-somebody-else"):
        assert secret not in report


class TestTheWebhook:
    @pytest.mark.parametrize("body", ["{}", "{", IN_THE_BODY, IN_THE_BODY[:-2]])
    def test_whose_delivery_cannot_be_stored(
        self, rf: RequestFactory, debug: bool, monkeypatch: pytest.MonkeyPatch, body: str
    ) -> None:
        monkeypatch.setattr(Delivery, "save", broken)
        monkeypatch.setattr(webhooks, "is_probe", lambda token: False)
        request = called(rf, body=body)
        probe = request.META["HTTP_X_OSCAR_REHIVE_PROBE"]

        nothing_secret(shown_by_django(request), probe)

    def test_whose_database_refuses_what_it_is_told(
        self, rf: RequestFactory, debug: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With all frames of Django's own in between."""
        from django.db.backends.utils import CursorWrapper

        request = called(rf, body=IN_THE_BODY)
        probe = request.META["HTTP_X_OSCAR_REHIVE_PROBE"]
        monkeypatch.setattr(webhooks, "is_probe", lambda token: False)
        monkeypatch.setattr(CursorWrapper, "_execute", broken)

        nothing_secret(shown_by_django(request), probe)

    @pytest.mark.parametrize("authorization", ["", f"Bearer {SECRET}", f"Token {TOKEN}"])
    def test_whose_refused_calls_cannot_be_counted(
        self,
        rf: RequestFactory,
        debug: bool,
        monkeypatch: pytest.MonkeyPatch,
        authorization: str,
    ) -> None:
        monkeypatch.setattr(RefusedDeliveries.objects, "filter", broken)
        request = called(rf, authorization)
        probe = request.META["HTTP_X_OSCAR_REHIVE_PROBE"]
        monkeypatch.setattr(webhooks, "is_probe", lambda token: False)

        nothing_secret(shown_by_django(request), probe)

    def test_that_cannot_compare_the_secrets(
        self, rf: RequestFactory, debug: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken_compare(header: str, secrets: list[str]) -> Any:
            raise DatabaseError("the disk is full")

        monkeypatch.setattr(webhooks, "authenticate", broken_compare)
        request = called(rf)
        probe = request.META["HTTP_X_OSCAR_REHIVE_PROBE"]

        nothing_secret(shown_by_django(request), probe)

    def test_that_cannot_look_at_the_probe(
        self, rf: RequestFactory, debug: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        request = called(rf, "Secret wrong")
        probe = request.META["HTTP_X_OSCAR_REHIVE_PROBE"]
        monkeypatch.setattr(tokens, "TimestampSigner", broken)

        nothing_secret(shown_by_django(request), probe)


def test_no_mail_about_work_that_fails_shows_a_secret(
    rf: RequestFactory,
    debug: bool,
    monkeypatch: pytest.MonkeyPatch,
    mailoutbox: list[Any],
    settings: Any,
) -> None:
    """The shop's own code may put anything into its message."""
    settings.ADMINS = [("a", "admin@example.com")]
    handler = AdminEmailHandler(include_html=True)
    deliveries.logger.logger.addHandler(handler)

    def fail(*args: Any) -> None:
        held_by_the_shop = SECRET  # noqa: F841  # a local variable, as the shop's own code has them
        raise RuntimeError(f"POST refused: Authorization: Secret {SECRET}, Token {TOKEN}")

    monkeypatch.setattr(deliveries, "_settle_hint", fail)
    try:
        deliveries.work_on(deliveries.store(b'{"data": {"id": "abc"}}').remote_id)
    finally:
        deliveries.logger.logger.removeHandler(handler)

    (mail,) = mailoutbox
    told = mail.body + "".join(part for part, _type in mail.alternatives)
    assert "RuntimeError: POST refused" in told
    assert SECRET not in told
    assert TOKEN not in told
    assert SECRET not in Delivery.objects.get().reason


@pytest.mark.parametrize("several", [False, True])
def test_settings_that_cannot_be_read_do_not_show_themselves(
    rf: RequestFactory, debug: bool, settings: Any, several: bool
) -> None:
    class Odd:
        def strip(self) -> str:
            raise DatabaseError("the disk is full")

        __str__ = strip

    ours = {"TOKEN": TOKEN, "WEBHOOK_SECRET": [SECRET, OTHER_SECRET], "BUSINESS_ID": Odd()}
    settings.OSCAR_REHIVE = {"BUSINESSES": {"USD": ours}} if several else ours

    report = shown_by_django(rf.get("/"), lambda request: conf.current())

    nothing_secret(report, SECRET)


def test_what_the_configuration_holds_hides_itself(settings: Any) -> None:
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "TOKEN": TOKEN, "WEBHOOK_SECRET": SECRET}
    config = conf.current()
    business = config.businesses["USD"]

    held = [business.token, business.webhook_secrets, config.webhook_secrets, conf.secrets()]

    assert (business.token, business.webhook_secrets) == (TOKEN, (SECRET,))
    assert not [one for one in (SECRET, TOKEN) if one in repr([config, business, held])]


def test_a_secret_in_a_log_is_removed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "TOKEN": TOKEN, "WEBHOOK_SECRET": SECRET}

    def fail(*args: Any) -> None:
        try:
            raise ImproperlyConfigured(f"with {TOKEN}")
        except ImproperlyConfigured as error:
            raise ValueError("odd") from error

    monkeypatch.setattr(deliveries, "_settle_hint", fail)
    with caplog.at_level(logging.ERROR):
        deliveries.work_on(deliveries.store(b'{"data": {"id": "abc"}}').remote_id)

    assert "ValueError: odd" in caplog.text
    assert TOKEN not in caplog.text
