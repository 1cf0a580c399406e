"""Small things that called a person for nothing, or called nobody for ever: dust, an empty status, answers
that make no sense, and a create that Rehive answered with a fault (P7)."""

from __future__ import annotations

from typing import Any

import pytest
from oscar.core.loading import get_model

from oscar_rehive.models import Attention, Invoice
from oscar_rehive.payments.reconciling import reconcile
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import Unreachable
from oscar_rehive.rehive.wire import RemoteInvoice
from tests.steps import (
    in_the_ledger,
    opened,
    payable_at,
    settled,
    stands_as,
    waiting_for_a_person,
    window_over,
)

pytestmark = pytest.mark.django_db(transaction=True)

StockRecord = get_model("partner", "StockRecord")


@pytest.fixture
def order(place_order: Any) -> Any:
    return place_order(total="10.00", in_stock=5)


@pytest.fixture
def invoice(rehive: Any, order: Any) -> Invoice:
    return opened(order)


class TestDust:
    """10.00 USD are 20,000 satoshis here, of which one is worth a twentieth of a cent."""

    @pytest.fixture
    def quoted(self, rehive: Any, invoice: Invoice) -> int:
        """How many satoshis are asked for."""
        rehive.outcome(invoice.remote_id, "start", currency="BTC")
        (quote,) = rehive.invoice()["payment_processor_quotes"]
        return int(quote["amount"])

    def test_one_satoshi_too_many_calls_nobody(
        self, rehive: Any, order: Any, invoice: Invoice, quoted: int
    ) -> None:
        rehive.outcome(invoice.remote_id, "pay_more", currency="BTC", amount=quoted + 1)
        assert rehive.invoice()["status"] == "overpaid"

        for _ in range(2):
            settled(invoice)

        assert (stands_as(order), in_the_ledger(order)) == ("Being processed", 10)
        assert not Attention.objects.exists()

    @pytest.mark.parametrize(("currency", "units"), [("BTC", 30_000), ("USD", 1250)])
    def test_a_real_excess_that_comes_after_it_does(
        self, rehive: Any, invoice: Invoice, quoted: int, currency: str, units: int
    ) -> None:
        rehive.outcome(invoice.remote_id, "pay_more", currency="BTC", amount=quoted + 1)
        settled(invoice)
        assert not Attention.objects.exists()

        rehive.outcome(invoice.remote_id, "pay_more", currency=currency, amount=units, force=True)
        settled(invoice)

        assert Attention.objects.get().kind == "excess"


def rehive_sends(monkeypatch: pytest.MonkeyPatch, data: Any = None, **changes: Any) -> None:
    """From now on Rehive tells each invoice as ``data``, or with these fields changed, by itself and in its
    list."""
    real = Client._send

    def changed(told: Any) -> Any:
        return {**told, **changes} if data is None else data

    def send(self: Client, method: str, url: str, **kwargs: Any) -> Any:
        answer = real(self, method, url, **kwargs)
        if method == "GET" and url.endswith("/invoices/"):
            answer["data"]["results"] = [changed(row) for row in answer["data"]["results"]]
        elif method == "GET" and "/invoices/" in url:
            answer["data"] = changed(answer["data"])
        return answer

    monkeypatch.setattr(Client, "_send", send)


class TestAnEmptyStatus:
    def test_calls_a_person_once_and_fails_no_run(
        self, order: Any, invoice: Invoice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rehive_sends(monkeypatch, status="")

        for _ in range(3):
            assert reconcile().failures == []

        assert [one.kind for one in Attention.objects.all()] == ["unknown_status"]

    def test_nobody_knows_what_it_means_so_the_clock_waits(
        self, rehive: Any, order: Any, invoice: Invoice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as empty:
            rehive_sends(empty, status="")
            window_over(order)
            for _ in range(2):
                reconcile()
            assert waiting_for_a_person() == ["unknown_status"]
            assert (rehive.invoice()["status"], stands_as(order)) == ("initiated", "Pending")

        rehive.outcome(invoice.remote_id, "pay")
        reconcile()

        assert (stands_as(order), waiting_for_a_person()) == ("Being processed", [])


class TestAnswersThatMakeNoSense:
    @pytest.fixture(
        params=[{"nonsense": 1}, ["a list"], "a text"], ids=["object", "list", "text"], autouse=True
    )
    def nonsense(self, request: pytest.FixtureRequest) -> Any:
        return request.param

    def test_p7_a_person_is_called_once(
        self, order: Any, invoice: Invoice, nonsense: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rehive_sends(monkeypatch, nonsense)
        window_over(order)

        for _ in range(3):
            reconcile()
        assert [one.kind for one in Attention.objects.all()] == ["unreadable"]
        for _ in range(2):
            reconcile()

        (attention,) = Attention.objects.all()
        assert (attention.invoice, attention.resolved_at) == (invoice, None)
        assert (stands_as(order), StockRecord.objects.get().num_allocated) == ("Pending", 1)

    def test_and_need_not_come_when_they_make_sense_again(
        self,
        rehive: Any,
        order: Any,
        invoice: Invoice,
        nonsense: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with monkeypatch.context() as senseless:
            rehive_sends(senseless, nonsense)
            for _ in range(3):
                reconcile()
            assert waiting_for_a_person() == ["unreadable"]

        rehive.outcome(invoice.remote_id, "pay")
        reconcile()

        assert (stands_as(order), waiting_for_a_person()) == ("Being processed", [])


class TestACreateThatRehiveAnsweredWithAFault:
    """The business has thousands of invoices: no shopper can wait for a look through all of them."""

    @pytest.fixture
    def no_look(self, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
        """Undone, the list can be read."""

        def endless(*args: Any, **kwargs: Any) -> Any:
            raise Unreachable("The list is long.")

        monkeypatch.setattr(Client, "invoices", endless)
        return monkeypatch

    @pytest.fixture
    def made_all_the_same(self, rehive: Any, order: Any, no_look: pytest.MonkeyPatch) -> str:
        """The id of an invoice that Rehive made before it answered with its fault."""
        real = Client.create_invoice

        def create(*args: Any, **kwargs: Any) -> RemoteInvoice:
            no_look.setattr(Client, "create_invoice", real)
            real(*args, **kwargs)
            raise Unreachable("trouble of its own (status 500)", was_answered=True)

        no_look.setattr(Client, "create_invoice", create)
        with pytest.raises(Unreachable):
            opened(order)
        made: str = rehive.invoice()["id"]
        return made

    @pytest.mark.parametrize("faults", [1, 3])
    def test_the_next_click_makes_another(
        self, rehive: Any, order: Any, no_look: pytest.MonkeyPatch, faults: int
    ) -> None:
        rehive.faults(error_status={"value": 500, "methods": ["POST"], "times": faults})
        for _ in range(faults):
            with pytest.raises(Unreachable):
                opened(order)

        invoice = opened(order)

        assert payable_at(rehive, order) == [invoice.remote_id]
        keys = {request["idempotency_key"] for request in rehive.requests()} - {None}
        assert len(keys) == faults + 1, "to the same key Rehive would repeat its fault"

    def test_p5_the_first_is_closed_if_it_was_made_all_the_same(
        self, rehive: Any, order: Any, made_all_the_same: str, no_look: pytest.MonkeyPatch
    ) -> None:
        invoice = opened(order)
        assert invoice.remote_id != made_all_the_same
        no_look.undo()

        for _ in range(2):
            reconcile()

        assert payable_at(rehive, order) == [invoice.remote_id]
        assert rehive.invoice(made_all_the_same)["status"] == "cancelled"
        assert not Attention.objects.exists()

    def test_p2_if_that_one_was_paid_it_pays_the_order(
        self, rehive: Any, order: Any, made_all_the_same: str, no_look: pytest.MonkeyPatch
    ) -> None:
        opened(order)
        rehive.outcome(made_all_the_same, "pay")
        no_look.undo()

        for _ in range(2):
            reconcile()

        assert (stands_as(order), in_the_ledger(order)) == ("Being processed", 10)
        assert payable_at(rehive, order) == []
