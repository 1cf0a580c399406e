"""Refunds from the desk: how much, asked once more, and what is told of what came of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from oscar_rehive.models import Invoice, Refund
from oscar_rehive.payments import refunding
from tests.dashboard.conftest import (
    Desk,
    desk_page,
    invoice_of,
    messages,
    said,
)
from tests.steps import opened

pytestmark = pytest.mark.django_db

QUESTION = "[data-question]"
WHY_NOT = "[data-why-not]"


class TestRefunding:
    def asked(self, desk: Desk, order: Any, **fields: str) -> Any:
        """The page that asks once more, after the form was filled in."""
        self.address = desk_page("refund", invoice_of(order).pk)
        return desk.send(
            desk.page(self.address).select_one("form[method=post]:has([name=of])"),
            self.address,
            **fields,
        )

    def test_of_a_part(self, desk: Desk, paid: Any) -> None:
        order = paid()

        page = self.asked(desk, order, of="part", amount="12", reason="broken")
        question = said(page, QUESTION)
        after = desk.send(page.select_one("#rehive-sure"), self.address)

        assert question == f"Refund 12.00 USD of 24.90 USD to the payer of order {order.number}."
        assert "A refund of 12.00 USD was asked for" in messages(after)
        refund = Refund.objects.get()
        assert (refund.amount, refund.reason, refund.requested_by) == (1200, "broken", "sam")

    def test_of_all_that_is_left(self, desk: Desk, paid: Any) -> None:
        page = self.asked(desk, paid(), of="all")

        assert said(page, QUESTION).startswith("Refund 24.90 USD of 24.90 USD")
        desk.send(page.select_one("#rehive-sure"), self.address)
        assert Refund.objects.get().amount == 2490

    def test_of_what_was_too_much(self, desk: Desk, paid: Any) -> None:
        order = paid(more=250)
        address = desk.goes(desk.panel(order), "Refund the excess of 2.50 USD")
        form = desk.page(address).select_one("form[method=post]:has([name=of])")
        assert form.select_one("[checked]")["value"] == "excess"

        page = desk.send(form, address, of="excess")

        assert said(page, QUESTION).startswith("Refund 2.50 USD of 27.40 USD")
        desk.send(page.select_one("#rehive-sure"), address)
        assert Refund.objects.get().amount == 250

    def test_is_asked_for_once_by_a_double_click(self, desk: Desk, paid: Any) -> None:
        order = paid()
        form = self.asked(desk, order, of="part", amount="2.50").select_one("#rehive-sure")

        desk.send(form, self.address)
        after = desk.send(form, self.address)

        assert [one.amount for one in Refund.objects.all()] == [250]
        assert "asked for already" in messages(after)

    def test_is_not_asked_for_without_the_second_page(self, desk: Desk, paid: Any) -> None:
        self.asked(desk, paid(), of="all")

        assert not Refund.objects.exists()

    @pytest.mark.parametrize(
        ("amount", "says"),
        [
            ("", "Enter how much is to go back."),
            ("0", "above zero"),
            ("-1", "above zero"),
            ("1.005", "at most 2 decimals"),
            ("0.005", "at most 2 decimals"),
            ("24.91", "At most 24.90 USD can go back."),
            ("much", "Enter a number alone, with a point: 12.50"),
            ("1,50", "Enter a number alone, with a point: 12.50"),
            ("$5", "Enter a number alone, with a point: 12.50"),
        ],
    )
    def test_says_what_is_wrong_with_an_amount(
        self, desk: Desk, paid: Any, amount: str, says: str
    ) -> None:
        page = self.asked(desk, paid(), of="part", amount=amount)

        assert says in said(page, ".errorlist")
        assert page.select_one("#rehive-sure") is None

    @pytest.mark.parametrize("of", ["excess", "all"])
    def test_heeds_an_amount_that_was_typed_beside_another_choice(
        self, desk: Desk, paid: Any, of: str
    ) -> None:
        """Who typed 1.00 without choosing "another amount" was asked about all of it."""
        page = self.asked(desk, paid(more=250), of=of, amount="1.00")

        assert "Choose “Another amount”" in said(page, ".errorlist")
        assert page.select_one("#rehive-sure") is None

    @pytest.mark.parametrize(
        ("currency", "divisibility", "amount", "says"),
        [
            ("BTC", 8, "0.00000001", ""),
            ("BTC", 8, "0.000000001", "BTC has at most 8 decimals."),
            ("JPY", 0, "1", ""),
            ("JPY", 0, "1.0", ""),
            ("JPY", 0, "0.5", "JPY has no decimals."),
            ("ETH", 18, "0.000000000000000001", ""),
        ],
    )
    def test_takes_any_number_of_smallest_units(
        self,
        desk: Desk,
        paid: Any,
        monkeypatch: pytest.MonkeyPatch,
        currency: str,
        divisibility: int,
        amount: str,
        says: str,
    ) -> None:
        order = paid()
        received = 10 * 10**divisibility
        Invoice.objects.update(currency=currency, divisibility=divisibility, received=received)
        given: list[Decimal] = []
        monkeypatch.setattr(refunding, "refund", lambda invoice, amount, **of: given.append(amount))

        page = self.asked(desk, order, of="part", amount=amount)

        if says:
            assert says in said(page, ".errorlist")
        else:
            # With the decimals of its currency, as all other amounts are written.
            written = f"{Decimal(amount):.{divisibility}f} {currency}"
            assert said(page, QUESTION).startswith(f"Refund {written} of 10")
            after = desk.send(page.select_one("#rehive-sure"), self.address)
            assert f"A refund of {written} was asked for" in messages(after)
            assert given == [Decimal(amount)]

    def test_says_that_a_reason_is_too_long(self, desk: Desk, paid: Any) -> None:
        page = self.asked(desk, paid(), of="all", reason="x" * 201)

        assert "at most 200 characters" in said(page, ".errorlist")

    def test_takes_nothing_for_granted_when_it_is_sent(self, desk: Desk, paid: Any) -> None:
        order = paid()
        form = self.asked(desk, order, of="part", amount="1.00").select_one("#rehive-sure")

        after = desk.send(form, self.address, amount="99.00")

        assert "At most 24.90 USD" in messages(after)
        assert not Refund.objects.exists()

    def test_is_refused_where_nothing_is_left(
        self, desk: Desk, rehive: Any, place_order: Any
    ) -> None:
        invoice = opened(place_order())

        assert "Nothing of this invoice is left" in said(
            desk.page(desk_page("refund", invoice.pk)), WHY_NOT
        )

    @pytest.mark.parametrize(
        ("fault", "says"),
        [
            ({"error_status": 500}, "No money went back."),
            ({"lose_answer": {"value": True, "methods": ["POST"]}}, "and is not sent again."),
        ],
    )
    def test_says_whether_money_went_where_rehive_does_not_answer(
        self, desk: Desk, rehive: Any, paid: Any, fault: dict[str, Any], says: str
    ) -> None:
        """ "Rehive did not answer" alone left the owner to guess whether to press again."""
        page = self.asked(desk, paid(), of="part", amount="1.00")
        rehive.faults(**fault)

        assert says in messages(desk.send(page.select_one("#rehive-sure"), self.address))

    def test_tells_when_rehive_refuses(self, desk: Desk, rehive: Any, paid: Any) -> None:
        order = paid()
        form = self.asked(desk, order, of="all").select_one("#rehive-sure")
        rehive.faults(error_status=500)

        assert "Rehive" in messages(desk.send(form, self.address))
