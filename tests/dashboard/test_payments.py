"""The list of payments: what it is searched by and narrowed to, what it shows, sums and the file."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from datetime import timezone as zones
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from oscar.core.loading import get_model
from oscar.test.factories import BillingAddressFactory, ShippingAddressFactory, UserFactory

from oscar_rehive.dashboard import payments
from oscar_rehive.dashboard.listing import csv_line
from oscar_rehive.models import Attention, Delivery, Invoice, OrderPayment
from oscar_rehive.payments.cancelling import cancel_order
from oscar_rehive.payments.opening import open_invoice
from oscar_rehive.tokens import token_of
from tests.dashboard.conftest import Desk, desk_page, invoice_of, payment_of, said
from tests.steps import delivered, opened, settled

pytestmark = pytest.mark.django_db

Order = get_model("order", "Order")


@pytest.fixture
def orders(desk: Desk, rehive: Any, place_order: Any, paid: Any) -> dict[str, Any]:
    """One in each standing."""
    jane = UserFactory(first_name="Jane", last_name="van Doe", email="Jane@example.com")
    orders = {
        "new": place_order(total="7.00", guest_email="new@example.com"),
        "over": paid(more=250),
        "of jane": place_order(total="5.00", user=jane, guest_email=""),
        "ended": place_order(total="3.00"),
    }
    invoice = opened(orders["of jane"])
    rehive.outcome(invoice.remote_id, "fail")
    settled(invoice)
    cancel_order(orders["ended"].number, reason="so", source="staff")
    return orders


def found(desk: Desk, **query: str) -> set[str]:
    """The numbers of what is listed."""
    page = desk.page(f"{desk_page('payments')}?{'&'.join(f'{k}={v}' for k, v in query.items())}")
    return {one.get_text() for one in page.select("table.table-striped tbody tr td:first-child")}


def numbers(orders: dict[str, Any], *names: str) -> set[str]:
    return {orders[name].number for name in names}


class TestTheSearch:
    def test_finds_an_order(self, desk: Desk, orders: dict[str, Any]) -> None:
        for text in (orders["over"].number, f"%23{orders['over'].number}"):
            assert found(desk, q=text) == numbers(orders, "over")

    def test_finds_an_invoice_by_its_id_at_rehive(self, desk: Desk, orders: dict[str, Any]) -> None:
        assert found(desk, q=invoice_of(orders["over"]).remote_id) == numbers(orders, "over")

    def test_finds_the_orders_of_a_mail_address(self, desk: Desk, orders: dict[str, Any]) -> None:
        assert found(desk, q="new@example.com") == numbers(orders, "new")
        assert found(desk, q="jane@EXAMPLE.com") == numbers(orders, "of jane")

    def test_finds_those_of_a_customer(self, desk: Desk, orders: dict[str, Any]) -> None:
        for name in ("jane", "van", "Jane van Doe", "jane van"):
            assert found(desk, q=name) == numbers(orders, "of jane"), name

    @pytest.mark.parametrize("column", ["billing_address", "shipping_address"])
    def test_finds_those_of_a_guest(self, desk: Desk, orders: dict[str, Any], column: str) -> None:
        """Guests have a name only in their addresses: "Where is the payment of Mrs Hopper?" found nothing."""
        factory = {
            "billing_address": BillingAddressFactory,
            "shipping_address": ShippingAddressFactory,
        }
        address = factory[column](first_name="Grace", last_name="Hopper")
        Order.objects.filter(pk=orders["new"].pk).update(**{column: address})

        for name in ("hopper", "Grace", "grace hop"):
            assert found(desk, q=name) == numbers(orders, "new"), name
        page = desk.page(f"{desk_page('payments')}?q=hopper")
        assert "Grace Hopper" in page.select_one("table.table-striped tbody").get_text()

    def test_finds_an_old_payment_by_the_number_that_is_anothers_now(
        self, desk: Desk, orders: dict[str, Any]
    ) -> None:
        payment = payment_of(orders["over"])
        OrderPayment.objects.filter(pk=payment.pk).update(order_number="old", reference="4711")

        assert found(desk, q="4711") == {"old"}

    @pytest.mark.parametrize(
        "text", ["nobody", "nobody@example.com", "%20", "%00", "'", "%25", "@"]
    )
    def test_or_nothing(self, desk: Desk, orders: dict[str, Any], text: str) -> None:
        expected = numbers(orders, *orders) if text in ("%20", "%00") else set()

        assert found(desk, q=text) == expected


class TestFilters:
    @pytest.mark.parametrize(
        ("standing", "names"),
        [
            ("waiting", ("new", "of jane")),
            ("paid", ("over",)),
            ("ended", ("ended",)),
            ("cancelled", ()),
            ("nonsense", ("new", "over", "of jane", "ended")),
        ],
    )
    def test_by_standing(
        self, desk: Desk, orders: dict[str, Any], standing: str, names: tuple[str, ...]
    ) -> None:
        assert found(desk, standing=standing) == numbers(orders, *names)

    def test_by_paid_and_then_cancelled(self, desk: Desk, orders: dict[str, Any]) -> None:
        OrderPayment.objects.filter(paid_at__isnull=False).update(released_at=timezone.now())

        assert found(desk, standing="cancelled") == numbers(orders, "over")
        assert found(desk, standing="paid") == set()

    def test_by_attention(self, desk: Desk, orders: dict[str, Any]) -> None:
        assert found(desk, attention="waits") == numbers(orders, "over")
        Attention.objects.update(resolved_at=timezone.now())
        assert found(desk, attention="waits") == set()
        assert found(desk, attention="had") == numbers(orders, "over")

    def test_by_status_at_rehive(self, desk: Desk, orders: dict[str, Any]) -> None:
        assert found(desk, status="failed") == numbers(orders, "of jane")

    def test_by_currency_and_business(
        self, desk: Desk, orders: dict[str, Any], settings: Any
    ) -> None:
        Invoice.objects.filter(remote_status="failed").update(currency="EUR", business_id="other")
        business = invoice_of(orders["over"]).business_id
        assert not desk.page(desk_page("payments")).select("[name=business]"), "there is only one"
        both = {"USD": business, "EUR": "other"}
        settings.OSCAR_REHIVE = {
            **settings.OSCAR_REHIVE,
            "BUSINESSES": {
                currency: {"TOKEN": "t", "BUSINESS_ID": one} for currency, one in both.items()
            },
        }

        for typed in ("EUR", "eur", "%20Eur"):
            assert found(desk, currency=typed) == numbers(orders, "of jane"), typed
        assert found(desk, business=business) == numbers(orders, "over")

    def test_by_two_at_once_about_the_same_attempt(
        self, desk: Desk, orders: dict[str, Any]
    ) -> None:
        assert found(desk, status="failed", currency="USD") == numbers(orders, "of jane")
        assert found(desk, status="failed", currency="EUR") == set()

    def test_by_days(self, desk: Desk, orders: dict[str, Any]) -> None:
        today = timezone.localdate()
        long_ago = OrderPayment.objects.filter(pk=payment_of(orders["ended"]).pk)
        long_ago.update(created_at=timezone.now() - timedelta(days=40))
        day = today.isoformat()

        assert found(desk, date_from=day) == numbers(orders, "new", "over", "of jane")
        assert found(desk, date_to=(today - timedelta(days=2)).isoformat()) == numbers(
            orders, "ended"
        )

    def test_by_days_in_the_wrong_order_says_so(self, desk: Desk, orders: dict[str, Any]) -> None:
        page = desk.page(desk_page("payments") + "?date_from=2026-02-01&date_to=2026-01-01")

        assert said(page, ".text-danger") == "This day is before the first one."


class TestARow:
    def test_shows_customer_standing_and_money(self, desk: Desk, orders: dict[str, Any]) -> None:
        page = desk.page(f"{desk_page('payments')}?q={orders['over'].number}")
        row = page.select_one("table.table-striped tbody tr")

        text = " ".join(row.get_text(" ").split())
        assert "paid attention 24.90 USD 27.40 USD — overpaid guest@example.com" in text
        assert row.a["href"] == desk_page("payment", payment_of(orders["over"]).pk)

    def test_without_an_attempt_shows_what_the_order_costs(
        self, desk: Desk, orders: dict[str, Any]
    ) -> None:
        page = desk.page(f"{desk_page('payments')}?q={orders['new'].number}")

        assert "7.00 USD" in page.select_one("table.table-striped tbody").get_text()


class TestSums:
    def test_are_of_all_that_was_found_by_currency(
        self, desk: Desk, orders: dict[str, Any]
    ) -> None:
        Invoice.objects.filter(remote_status="failed").update(
            currency="EUR", recorded="5.00", refund_recorded="1.00"
        )
        rows = desk.page(desk_page("payments")).select("[data-sums] tbody tr")

        assert [" ".join(row.get_text(" ").split()) for row in rows] == [
            "5.00 EUR 1.00 EUR 4.00 EUR",
            "27.40 USD 0.00 USD 27.40 USD",
        ]

    def test_end_where_there_are_too_many(
        self, desk: Desk, orders: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(payments, "MOST", 3)

        page = desk.page(desk_page("payments"))

        assert page.select_one("[data-sums]") is None
        assert "The newest 3 payments" in page.get_text()


class TestTheFile:
    def rows(self, desk: Desk, query: str = "") -> list[list[str]]:
        answer = desk.get(f"{desk_page('payments')}?format=csv{query}")
        assert answer.headers["Content-Type"].startswith("text/csv")
        text = b"".join(answer.streaming_content).decode()
        return list(csv.reader(text.splitlines()))

    def test_has_all_that_was_found(
        self, desk: Desk, orders: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(payments, "AT_ONCE", 2)
        names, *rows = self.rows(desk)

        assert [row[0] for row in rows] == [one.number for one in reversed(orders.values())]
        over = dict(zip(names, rows[2], strict=True))
        assert over["status at Rehive"] == "overpaid"
        assert over["mail address"] == "guest@example.com"

    def test_can_be_summed_up_and_sorted_in_a_spreadsheet(
        self, desk: Desk, orders: dict[str, Any], settings: Any
    ) -> None:
        """Amounts were texts, "27.40 USD", and times had millionths of a second and another zone."""
        settings.TIME_ZONE = "Asia/Kolkata"
        payment = payment_of(orders["over"])
        moment = datetime(2026, 3, 1, 20, 30, 15, 123456, tzinfo=zones.utc)
        OrderPayment.objects.filter(pk=payment.pk).update(created_at=moment)

        names, row = self.rows(desk, f"&q={payment.order_number}")
        over = dict(zip(names, row, strict=True))

        amounts = [over[name] for name in ("currency", "asked", "received", "refunded")]
        assert amounts == ["USD", "24.90", "27.40", "0.00"]
        assert over["placed"] == "2026-03-02 02:00:15"

    def test_has_a_line_for_each_currency(self, desk: Desk, orders: dict[str, Any]) -> None:
        invoice = invoice_of(orders["over"])
        first = Invoice.objects.get(pk=invoice.pk)
        first.pk, first.attempt, first.key, first.remote_id = None, 0, uuid4(), None
        first.currency, first.recorded, first.pays = "EUR", Decimal("3.00"), None
        first.save()

        rows = self.rows(desk, f"&q={orders['over'].number}")[1:]

        assert [row[6:10] for row in rows] == [
            ["USD", "24.90", "27.40", "0.00"],
            ["EUR", "", "3.00", "0.00"],
        ]

    def test_begins_as_oscars_own_files_do(
        self, desk: Desk, orders: dict[str, Any], settings: Any
    ) -> None:
        """Excel takes a file without that mark for one in another encoding: "MÃ¼ller"."""
        settings.OSCAR_CSV_INCLUDE_BOM = True

        assert self.rows(desk)[0][0] == "\ufefforder"

    def test_is_narrowed_as_the_page_is(self, desk: Desk, orders: dict[str, Any]) -> None:
        assert [row[0] for row in self.rows(desk, "&standing=ended")[1:]] == [
            orders["ended"].number
        ]

    def test_holds_no_formula(self, desk: Desk, orders: dict[str, Any]) -> None:
        jane = orders["of jane"].user
        jane.first_name, jane.last_name = '=HYPERLINK("https://evil.example.com")', ""
        jane.save()

        (row,) = self.rows(desk, "&status=failed")[1:]

        assert row[3].startswith("'=")

    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            ("=1", "'=1"),
            ("\uff1d1", "'\uff1d1"),  # the wide letter
            ("\n=1", "'\n'=1"),
            (" =1", "' =1"),
            ("Jane;=1;@x", "Jane;'=1;'@x"),  # where a semicolon stands between cells
            ("Jane\t+1", "Jane\t'+1"),
            ("Jane Doe-Roe; jun. @ home", "Jane Doe-Roe; jun. @ home"),
        ],
    )
    def test_nor_what_a_spreadsheet_may_take_for_one(self, name: str, shown: str) -> None:
        (read,) = csv.reader(io.StringIO(csv_line([name]), newline=""))

        assert read == [shown]


def test_nobody_has_paid_yet(desk: Desk) -> None:
    assert "Nobody has chosen" in said(desk.page(desk_page("payments")), "[data-nothing]")


def test_raw_payloads_open_no_page_of_the_shoppers(
    desk: Desk, rehive: Any, place_order: Any, client: Any
) -> None:
    """Whoever may look at a payment may not cancel its order, with what stands in the return address."""
    payment = payment_of(place_order())
    token = token_of(payment)
    back = f"https://shop.example.com/rehive/return/{token}/"
    invoice = open_invoice(payment.order_number, return_url=back)
    delivered(client, invoice, return_url=back)

    at_rehive = desk.page(desk_page("invoice", invoice.pk)).select_one("pre").get_text()
    of_webhook = desk.page(desk_page("payment", payment.pk)).select_one("pre").get_text()

    assert "/rehive/return/[removed]/" in at_rehive
    assert "/rehive/return/[removed]/" in of_webhook
    assert token not in at_rehive + of_webhook


def test_nor_do_those_that_an_older_version_has_stored(
    desk: Desk, rehive: Any, place_order: Any, client: Any
) -> None:
    payment = payment_of(place_order())
    delivered(client, open_invoice(payment.order_number, return_url="https://shop.example.com/"))
    Delivery.objects.update(body=f"/rehive/return/{token_of(payment)}/")

    shown = desk.page(desk_page("payment", payment.pk)).select_one("pre").get_text()

    assert shown == "/rehive/return/[removed]/"
