"""When Rehive is down everybody is told so at once, and one call at a time finds out when it is back."""

from __future__ import annotations

import logging
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client as Browser
from oscar.core.prices import Price

from oscar_rehive.checkout.methods import Rehive
from oscar_rehive.models import Invoice
from oscar_rehive.payments import breaker
from oscar_rehive.payments.breaker import Outage, Way, after_failure, guarded, is_shut, way
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.rehive.client import Client as Rehives
from oscar_rehive.rehive.exceptions import (
    NotFound,
    Refused,
    Throttled,
    TooLarge,
    Unauthorised,
    Unintelligible,
    Unreachable,
)
from tests.steps import opened, payment_page

URL = "https://rehive.example/api/manager/"
SILENCE = Unreachable("hangs")


def failing(times: int, url: str = URL, outcome: Any = SILENCE) -> None:
    for _ in range(times):
        guarded(url, lambda: outcome)


class Sending:
    """An exchange that notes how often it was made."""

    def __init__(self, outcome: Any = "an answer") -> None:
        self.outcome, self.times = outcome, 0

    def __call__(self) -> Any:
        self.times += 1
        return self.outcome


# Deciding


def test_it_opens_after_a_few_failures_in_a_row_and_for_longer_each_time() -> None:
    outage: Outage | None = None
    now = 1000.0
    for _ in range(4):
        outage = after_failure(outage, now, of=Way.FREE)
        assert way(outage, now) is Way.FREE

    seconds = []
    how = Way.FREE
    for _ in range(6):
        outage = after_failure(outage, now, of=how)
        assert way(outage, now) is Way.SHUT
        seconds.append(outage.until - now)
        now, how = outage.until, way(outage, outage.until)
        assert how is Way.PROBE
    assert seconds == [5, 10, 20, 40, 60, 60]
    assert outage is not None
    assert outage.since == 1000


def test_what_was_sent_before_the_outage_was_known_makes_it_no_longer() -> None:
    known = Outage(since=1000, failures=5, until=1005)

    assert after_failure(known, 1007, of=Way.FREE) == known


def test_what_fails_again_and_again_is_one_failure() -> None:
    outage: Outage | None = None
    for _ in range(9):
        outage = after_failure(outage, 1000, of=Way.FREE, about="one")
    assert way(outage, 1000) is Way.FREE

    for number in range(4):
        outage = after_failure(outage, 1000, of=Way.FREE, about=f"other {number}")
    assert way(outage, 1004) is Way.SHUT
    # The same once more, which has found out: the others need not wait for longer because of it.
    for _ in range(3):
        outage = after_failure(outage, 1100, of=Way.PROBE, about="one")
    assert way(outage, 1105) is Way.PROBE


# Calls


def test_while_it_is_open_nothing_is_sent_and_nothing_may_have_happened() -> None:
    failing(5)

    told = guarded(URL, sending := Sending())

    assert isinstance(told, Unreachable)
    assert (told.may_have_happened, sending.times) == (False, 0)
    assert is_shut(URL)


def test_another_host_is_asked_all_the_same() -> None:
    failing(5)

    assert guarded("https://other.example/api/", Sending()) == "an answer"


@pytest.mark.parametrize(
    "answer",
    [
        "an answer",
        Refused("no", {}),
        NotFound("no"),
        Throttled(3),
        Unauthorised("no"),
        Unintelligible("no"),
        TooLarge("no"),
    ],
    ids=str,
)
def test_whatever_rehive_answers_it_is_there(answer: Any) -> None:
    for _ in range(3):
        failing(4)
        guarded(URL, lambda: answer)

    assert not is_shut(URL)


@pytest.mark.parametrize(
    "nothing",
    [Unreachable("503", was_answered=True), Unintelligible("a proxy", is_rehives=False)],
    ids=str,
)
def test_nothing_usable_is_as_good_as_nothing(nothing: Any) -> None:
    failing(5, outcome=nothing)

    assert is_shut(URL)


def test_a_silence_in_less_than_the_usual_time_says_nothing() -> None:
    failing(9, outcome=Unreachable("in a hurry", was_rushed=True))

    assert not is_shut(URL)


def test_one_that_was_noted_by_a_clock_that_was_wrong_shuts_nobody_out(moments: Any) -> None:
    """Nobody asked until that time had come, and no shopper could pay."""
    moments.go_by(3600)
    failing(5)
    moments.go_by(-3600)

    assert not is_shut(URL)
    assert guarded(URL, Sending()) == "an answer"


def test_one_at_a_time_finds_out_and_success_closes_it(moments: Any) -> None:
    failing(5)
    moments.go_by(5)
    assert not is_shut(URL)
    meanwhile = Sending()

    def find_out() -> str:
        assert is_shut(URL)
        assert isinstance(guarded(URL, meanwhile), Unreachable)
        return "it is back"

    assert guarded(URL, find_out) == "it is back"
    assert meanwhile.times == 0
    assert guarded(URL, meanwhile) == "an answer"
    failing(4)
    assert not is_shut(URL)


def test_a_failure_to_find_out_leaves_it_to_the_next_after_twice_the_time(moments: Any) -> None:
    failing(5)
    moments.go_by(5)
    failing(1)
    moments.go_by(9)
    assert is_shut(URL)
    moments.go_by(1)

    assert guarded(URL, Sending()) == "an answer"


def test_one_that_is_ended_while_it_finds_out_keeps_nobody_else_from_it(moments: Any) -> None:
    failing(5)
    moments.go_by(5)

    def ended() -> Any:
        raise SystemExit

    with pytest.raises(SystemExit):
        guarded(URL, ended)

    assert guarded(URL, Sending()) == "an answer"


def test_without_any_call_it_is_forgotten(monkeypatch: pytest.MonkeyPatch, moments: Any) -> None:
    """And so is the claim of a process that was killed."""
    kept: dict[str, float] = {}

    def noting(real: Any) -> Any:
        def note(key: str, value: Any, seconds: float) -> Any:
            kept[key.split(":")[1]] = seconds
            return real(key, value, seconds)

        return note

    for name in ("set", "add"):
        monkeypatch.setattr(cache, name, noting(getattr(cache, name)))
    failing(5)
    moments.go_by(5)
    failing(1)

    assert kept == {"outage": 600, "probe": 15}


# Pages and runs


@pytest.fixture
def waiting(rehive: Any, place_order: Any) -> Any:
    """An order whose invoice is open."""
    order = place_order()
    opened(order)
    return order


@pytest.fixture
def down(rehive: Any, waiting: Any) -> Any:
    """Rehive, of which it is known that it is down."""
    failing(5, rehive.api_url)
    return rehive


def requests(rehive: Any) -> int:
    return len(rehive.requests())


@pytest.mark.django_db(transaction=True)
def test_an_invoice_on_which_rehive_stumbles_is_in_nobody_s_way(
    rehive: Any,
    waiting: Any,
    place_order: Any,
    client: Browser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However often its page looks again."""
    remote_id, real = str(Invoice.objects.get().remote_id), Rehives._ask

    def stumbles(self: Rehives, method: str, url: str, **kwargs: Any) -> Any:
        if remote_id in url:
            return Unreachable("500", was_answered=True)
        return real(self, method, url, **kwargs)

    monkeypatch.setattr(Rehives, "_ask", stumbles)
    for _ in range(9):
        client.get(payment_page("return", waiting))

    assert client.get(payment_page("pay", place_order())).status_code == 302


@pytest.mark.django_db(transaction=True)
class TestPages:
    def test_a_page_says_so_without_asking(
        self, down: Any, waiting: Any, place_order: Any, client: Browser
    ) -> None:
        before, order = requests(down), place_order()

        page = client.get(payment_page("pay", order))
        assert page.status_code == 503
        assert "We could not reach Rehive" in page.content.decode()
        assert "try again" in page.content.decode()
        page = client.get(payment_page("return", waiting))
        assert "could not ask Rehive" in page.content.decode()
        assert client.get(payment_page("status", waiting)).json()["final"] is False

        assert requests(down) == before

    def test_reloads_make_no_attempts(self, down: Any, place_order: Any, client: Browser) -> None:
        """Else the shopper would have to wait for them when Rehive is back."""
        order = place_order()
        for _ in range(8):
            assert client.get(payment_page("pay", order)).status_code == 503

        assert not Invoice.objects.filter(payment__order_number=order.number).exists()

    def test_an_invoice_that_is_open_can_be_paid_all_the_same(
        self, down: Any, waiting: Any, client: Browser
    ) -> None:
        invoice = Invoice.objects.get()
        before = requests(down)

        page = client.get(payment_page("pay", waiting))

        assert page.headers["Location"] == invoice.redirect_url
        assert requests(down) == before

    def test_when_it_is_back_the_next_shopper_pays(
        self, down: Any, place_order: Any, client: Browser, moments: Any
    ) -> None:
        moments.go_by(5)

        assert client.get(payment_page("pay", place_order())).status_code == 302

    def test_a_run_asks_nothing_either(self, down: Any) -> None:
        before = requests(down)

        assert len(reconcile().failures) == 1
        assert requests(down) == before


@pytest.mark.django_db(transaction=True)
class TestTheCheckout:
    @pytest.fixture
    def api(self, rehive: Any) -> str:
        return str(rehive.api_url)

    def is_offered(self) -> bool:
        total = Price(currency="USD", excl_tax=Decimal(10), incl_tax=Decimal(10))
        return Rehive().is_available(None, total)  # type: ignore[arg-type]  # it looks at the total only

    def test_after_a_while_it_is_not_offered_until_it_is_back(
        self, api: str, moments: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "oscar_rehive")
        failing(5, api)
        moments.go_by(599)
        failing(1, api)
        assert self.is_offered()

        moments.go_by(2)
        assert not self.is_offered()
        assert (
            "Rehive is not offered at the checkout: it has not answered for 0:10:01." in caplog.text
        )

        moments.go_by(60)
        guarded(api, Sending())
        assert self.is_offered()

    def test_a_few_failures_long_ago_are_no_outage(self, api: str, moments: Any) -> None:
        failing(4, api)
        moments.go_by(3600)

        assert self.is_offered()

    @pytest.mark.parametrize(
        ("longest", "offered"), [(None, True), (30, False), (timedelta(hours=2), True)]
    )
    def test_after_how_long_is_the_shops_to_say(
        self, api: str, moments: Any, settings: Any, longest: Any, offered: bool
    ) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "OFFERED_DURING_OUTAGE": longest}
        failing(5, api)
        moments.go_by(3600)

        assert self.is_offered() is offered


def test_the_numbers_fit_each_other() -> None:
    assert breaker.PROBE_SECONDS > 2 + 5, "a call (P11)"
    assert breaker.REMEMBERED_SECONDS > 300, "from one run of reconcile to the next"
