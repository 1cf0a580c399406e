"""What the tests of the desk share: members of staff with some rights, and what they press."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from oscar.test.factories import UserFactory

from oscar_rehive.dashboard import rights
from oscar_rehive.models import Invoice, OrderPayment
from tests.steps import opened, settled

EVERYTHING = (
    rights.VIEW,
    rights.ACT,
    rights.REFUND,
    rights.ACCEPT,
    rights.TAKE_FOR_GONE,
    rights.RESOLVE,
)
OF_OSCAR = "order"
"""What Oscar wants of staff who look at an order: since 4.2 less than this."""


OF_REPORTS = "analytics"
"""The same of who looks at its reports."""


class Desk:
    """A member of staff at the desk, with a browser that insists on CSRF."""

    def __init__(self, *permissions: str, **columns: Any) -> None:
        self.user = UserFactory(**{"is_staff": True, "username": "sam", **columns})
        for permission in permissions:
            label, _, codename = permission.partition(".")
            found = Permission.objects.filter(content_type__app_label=label)
            if codename:
                found = found.filter(codename=codename)
            assert found
            self.user.user_permissions.add(*found)
        self.client = Client(enforce_csrf_checks=True)
        self.client.force_login(self.user)

    def get(self, url: str) -> Any:
        return self.client.get(url)

    def page(self, url: str) -> BeautifulSoup:
        answer = self.get(url)
        assert answer.status_code == 200, answer.status_code
        return BeautifulSoup(answer.content, "html.parser")

    def order(self, order: Any) -> BeautifulSoup:
        """Oscar's own page of the order."""
        return self.page(reverse("dashboard:order-detail", args=[order.number]))

    def panel(self, order: Any) -> Any:
        """What the plugin adds to that, or None."""
        return self.order(order).select_one("[data-rehive-panel]")

    def goes(self, page: Any, label: str) -> str:
        """The address behind the button with that label."""
        return next(one["href"] for one in page.select("a.btn") if label in one.get_text())

    def send(self, form: Any, url: str, **fields: str) -> BeautifulSoup:
        """The page after the form was sent with these fields changed."""
        told: dict[str, Any] = {}
        for one in form.select("input[name]"):
            told.setdefault(one["name"], []).append(one.get("value", ""))
        for radio in form.select("input[type=radio]"):
            del radio["checked"]
        where = form.get("action") or url
        answer = self.client.post(where, {**told, **fields}, follow=True)
        assert answer.status_code == 200, answer.status_code
        return BeautifulSoup(answer.content, "html.parser")

    def sure(self, url: str) -> BeautifulSoup:
        """Ask for the page that asks, and say yes; the page after that."""
        return self.send(self.page(url).select_one("#rehive-sure"), url)


def said(page: Any, what: str = "[data-sentence]") -> str:
    """The text of one element, in one line."""
    return " ".join(page.select_one(what).get_text().split())


def messages(page: Any) -> str:
    """What came of it."""
    return " ".join(" ".join(one.get_text().split()) for one in page.select(".alert"))


@pytest.fixture
def desk(db: None) -> Desk:
    """Somebody with all rights."""
    return Desk(OF_OSCAR, *EVERYTHING)


@pytest.fixture
def reader(db: None) -> Desk:
    """Somebody who may see payments, and Oscar's reports."""
    return Desk(OF_OSCAR, OF_REPORTS, rights.VIEW)


@pytest.fixture
def paid(rehive: Any, place_order: Any) -> Callable[..., Any]:
    """Places an order over 24.90 that is paid, with ``more`` smallest units beyond."""

    def paid(more: int = 0) -> Any:
        order = place_order(total="24.90")
        invoice = opened(order)
        if more:
            rehive.outcome(invoice.remote_id, "pay_more", amount=2490 + more)
        else:
            rehive.outcome(invoice.remote_id, "pay")
        settled(invoice)
        order.refresh_from_db()
        return order

    return paid


def payment_of(order: Any) -> OrderPayment:
    return OrderPayment.objects.get(order_number=order.number)


def invoice_of(order: Any) -> Invoice:
    return Invoice.objects.filter(payment__order_number=order.number).latest("attempt")


def desk_page(name: str, *args: Any) -> str:
    return reverse(f"dashboard:rehive-{name}", args=args)
