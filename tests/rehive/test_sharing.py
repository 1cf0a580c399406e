"""Questions asked at the same moment are asked once, and nobody gets an answer that was sent for before he
asked (P6)."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from oscar_rehive.rehive import sharing
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.deadlines import seconds_left, within
from oscar_rehive.rehive.exceptions import Refused, Throttled, Unreachable
from oscar_rehive.rehive.sharing import Questions
from tests.rehive.samples import INVOICE, INVOICE_ID, enveloped
from tests.rehive.servers import Serve, Server, answer

PATIENT = 30.0
WHAT = "the question"


class Exchange:
    """One that is under way until it is let through."""

    def __init__(self, outcome: Any = "an answer") -> None:
        self.outcome = outcome
        self.times = 0
        self.is_under_way, self.may_end = threading.Event(), threading.Event()

    def __call__(self) -> Any:
        self.times += 1
        self.is_under_way.set()
        assert self.may_end.wait(PATIENT)
        if isinstance(self.outcome, SystemExit):
            raise self.outcome
        return self.outcome


class Crowd:
    """Threads that ask while a first one, whose exchange is ``old``, has been on its way for a while."""

    def __init__(self, questions: Questions, pool: ThreadPoolExecutor) -> None:
        self.questions, self._pool = questions, pool
        self.old = Exchange("an old answer")
        self.first = self.asks(self.old)
        assert self.old.is_under_way.wait(PATIENT)

    def asks(self, send: Callable[[], Any]) -> Future[Any]:
        return self._pool.submit(lambda: self.questions.ask(WHAT, send, PATIENT))

    def come(self, send: Callable[[], Any], how_many: int) -> list[Future[Any]]:
        """So many more: all of them wait, one for the first and the others for that one."""
        leader = waits_for(self.questions._sent[WHAT], 1)
        asked = [self.asks(send)]
        leader()
        if how_many == 1:
            return asked
        others = waits_for(self.questions._gathering[WHAT], how_many - 1)
        asked += [self.asks(send) for _ in range(how_many - 1)]
        others()
        return asked


def waits_for(question: Any, how_many: int) -> Callable[[], None]:
    """A function that returns when so many threads wait for the end of ``question``."""
    waiting, real = threading.Semaphore(0), question.is_over.wait

    def wait(seconds: float) -> bool:
        waiting.release()
        return bool(real(PATIENT))  # and not just for the moment that one gathers others

    question.is_over.wait = wait

    def all_there() -> None:
        for _ in range(how_many):
            assert waiting.acquire(timeout=PATIENT)

    return all_there


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture
def crowd(pool: ThreadPoolExecutor) -> Iterator[Crowd]:
    crowd = Crowd(Questions(), pool)
    yield crowd
    crowd.old.may_end.set()


def test_all_who_come_meanwhile_ask_once_and_after_they_came(crowd: Crowd) -> None:
    new = Exchange("a new answer")
    new.may_end.set()
    crowd_of_five = crowd.come(new, 5)
    assert new.times == 0
    crowd.old.may_end.set()

    assert crowd.first.result(PATIENT) == "an old answer"
    assert [one.result(PATIENT) for one in crowd_of_five] == ["a new answer"] * 5
    assert new.times == 1


def test_nobody_joins_one_that_was_sent(crowd: Crowd) -> None:
    """Neither the first, nor the one after that."""
    second, third = Exchange("second"), Exchange("third")
    (other,) = crowd.come(second, 1)
    crowd.old.may_end.set()
    assert second.is_under_way.wait(PATIENT)
    third.may_end.set()
    joins = waits_for(crowd.questions._sent[WHAT], 1)
    last = crowd.asks(third)
    joins()
    second.may_end.set()

    assert (other.result(PATIENT), last.result(PATIENT)) == ("second", "third")


def test_who_comes_when_it_is_over_asks_at_once(crowd: Crowd) -> None:
    crowd.old.may_end.set()
    crowd.first.result(PATIENT)

    assert crowd.questions.ask(WHAT, lambda: "another", PATIENT) == "another"
    assert crowd.questions._sent == crowd.questions._gathering == {}, "nothing piles up"


def test_another_question_is_asked_at_once(crowd: Crowd) -> None:
    assert crowd.questions.ask("something else", lambda: "at once", PATIENT) == "at once"


def test_one_that_hangs_is_waited_for_a_moment(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "GATHERING_SECONDS", 0.01)

    assert crowd.questions.ask(WHAT, lambda: "meanwhile", PATIENT) == "meanwhile"
    assert not crowd.first.done()


@pytest.mark.parametrize("error", [Unreachable("hangs"), Throttled(7), Refused("no", {"a": ["b"]})])
def test_each_has_an_error_of_his_own(crowd: Crowd, error: Exception) -> None:
    one, other = crowd.come(lambda: error, 2)
    crowd.old.may_end.set()

    told = other.result(PATIENT)
    assert one.result(PATIENT) is error
    assert told is not error
    assert (type(told), str(told), vars(told)) == (type(error), str(error), vars(error))


def test_p11_each_waits_no_longer_than_his_own_time(crowd: Crowd) -> None:
    crowd.come(lambda: "later", 1)
    waited: list[float] = []
    other = crowd.questions._gathering[WHAT].is_over
    other.wait = lambda seconds=None: bool(waited.append(seconds or 0))  # type: ignore[method-assign]  # a stand-in

    with within(0):
        told = crowd.questions.ask(WHAT, lambda: "never sent", PATIENT)

    assert waited == [0]
    assert isinstance(told, Unreachable)
    assert not told.may_have_happened


def test_p11_what_is_sent_after_a_wait_has_what_is_left(crowd: Crowd) -> None:
    (other,) = crowd.come(seconds_left, 1)
    crowd.old.may_end.set()

    assert other.result(PATIENT) <= PATIENT


def test_the_haste_of_one_is_not_the_failure_of_another(crowd: Crowd) -> None:
    """A webhook's worker waits three seconds, and a shopper seven."""
    outcomes: Iterator[Any] = iter([Unreachable("in a hurry", was_rushed=True), "after a while"])
    hasty, other = crowd.come(lambda: next(outcomes), 2)
    crowd.old.may_end.set()

    assert isinstance(hasty.result(PATIENT), Unreachable)
    assert other.result(PATIENT) == "after a while"


def test_nobody_waits_for_one_that_was_ended(crowd: Crowd) -> None:
    ended = Exchange(SystemExit())
    one, other = crowd.come(ended, 2)
    ended.may_end.set()
    crowd.old.may_end.set()

    for each in (one, other):
        with pytest.raises(SystemExit):
            each.result(PATIENT)
    assert crowd.questions.ask(WHAT, lambda: "as usual", PATIENT) == "as usual"


# A client's


def test_of_a_crowd_two_requests_reach_rehive(
    serve: Serve, make_client: Callable[..., Client], pool: ThreadPoolExecutor
) -> None:
    may_answer, is_asked = threading.Event(), threading.Event()

    def handle(connection: socket.socket) -> Any:
        is_asked.set()
        assert may_answer.wait(PATIENT)
        return answer(connection, json.dumps(enveloped(INVOICE)).encode())

    server: Server = serve(handle)
    client = make_client(api_url=server.url)

    def ask() -> str:
        return client.invoice(INVOICE_ID).id

    asked = [pool.submit(ask)]
    assert is_asked.wait(PATIENT)
    leader = waits_for(next(iter(client._questions._sent.values())), 1)
    asked.append(pool.submit(ask))
    leader()
    others = waits_for(next(iter(client._questions._gathering.values())), 4)
    asked += [pool.submit(ask) for _ in range(4)]
    others()
    may_answer.set()

    assert [one.result(PATIENT) for one in asked] == [INVOICE_ID] * 6
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda client: client.invoice("another"), id="another invoice"),
        pytest.param(lambda client: list(client.refunds(INVOICE_ID)), id="its refunds"),
        pytest.param(
            lambda client: client.update_invoice(INVOICE_ID, {}, idempotency_key="k"), id="a write"
        ),
    ],
)
def test_what_is_not_the_same_waits_for_nobody(
    serve: Serve,
    make_client: Callable[..., Client],
    pool: ThreadPoolExecutor,
    ask: Callable[[Client], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sharing, "GATHERING_SECONDS", PATIENT)
    both = threading.Barrier(2)

    def handle(connection: socket.socket) -> Any:
        both.wait(PATIENT)
        return answer(connection, json.dumps(enveloped(INVOICE)).encode())

    client = make_client(api_url=serve(handle).url)
    first = pool.submit(client.invoice, INVOICE_ID)
    other = pool.submit(ask, client)

    assert first.result(PATIENT).id == INVOICE_ID
    other.exception(PATIENT)
