"""Who does what in the stories of the demonstration, each through the real thing: the shop's pages, the
webhook's address, the desk, and the simulator over HTTP."""

import time
import uuid
from contextlib import contextmanager
from html.parser import HTMLParser

from django.conf import settings
from django.contrib.messages import WARNING, get_messages
from django.db import transaction
from django.test import Client
from django.urls import reverse
from oscar.core.loading import get_class, get_model

from oscar_rehive import conf
from oscar_rehive.models import Attention, Delivery, Invoice, OrderPayment
from oscar_rehive.payments.placing import expect_payment
from oscar_rehive.simulator.process import REQUEST_UPDATE
from oscar_rehive.tokens import payment_token

PATIENCE = 15
"""Seconds for what is done beside the requests."""


class Unexpected(Exception):
    """A page that answered otherwise than the story needs it to."""


class Browser(Client):
    """One that asks the shop by the name that it answers to."""

    def __init__(self):
        address = settings.SHOP_ADDRESS
        super().__init__(SERVER_NAME=address.hostname, SERVER_PORT=str(address.port or 80))

    def request(self, **request):
        answer = super().request(**request)
        if answer.status_code >= 400 and "HTTP_AUTHORIZATION" not in request:
            raise Unexpected(f"{request['PATH_INFO']} answered {answer.status_code}.")
        return answer


class Guest:
    """Somebody without an account, and their one order."""

    def __init__(self, rehive, name, email):
        self.rehive, self.name, self.email = rehive, name, email
        self.browser = Browser()

    # The shop

    def orders(self, upcs):
        """Place an order for one piece of each."""
        products = get_model("catalogue", "Product").objects
        with transaction.atomic():
            basket = get_model("basket", "Basket").objects.create()
            basket.strategy = get_class("partner.strategy", "Selector")().strategy()
            for upc in upcs:
                basket.add_product(products.get(upc=upc))
            method = get_class("shipping.repository", "Repository")().get_default_shipping_method(
                basket=basket
            )
            charge = method.calculate(basket)
            total = get_class("checkout.calculators", "OrderTotalCalculator")().calculate(
                basket, charge
            )
            order = get_class("order.utils", "OrderCreator")().place_order(
                basket=basket,
                total=total,
                shipping_method=method,
                shipping_charge=charge,
                shipping_address=self.address(),
                order_number=get_class("order.utils", "OrderNumberGenerator")().order_number(
                    basket
                ),
                status=conf.current().order_status.pending,
                guest_email=self.email,
            )
            expect_payment(str(order.number), language="en", order_key=str(order.pk))
            basket.submit()
        self.number = str(order.number)

    def address(self):
        first_name, last_name = self.name.split()
        address = get_model("order", "ShippingAddress")(
            first_name=first_name,
            last_name=last_name,
            line1="1 Type Street",
            line4="London",
            postcode="N1 9RT",
            country_id="GB",
        )
        address.save()
        return address

    @property
    def order(self):
        return get_model("order", "Order").objects.get(number=self.number)

    @property
    def total(self):
        return self.order.total_incl_tax

    @property
    def payment(self):
        return OrderPayment.objects.get(order_number=self.number)

    @property
    def invoice(self):
        """The newest attempt."""
        return Invoice.objects.filter(payment__order_number=self.number).latest("attempt")

    def page(self, name):
        return reverse(f"oscar_rehive:{name}", args=[payment_token(self.number)])

    def opens(self):
        """Go to Rehive's page."""
        self._to_rehive(self.browser.get(self.page("pay")))

    def tries_again(self):
        """Press the button for it."""
        self._to_rehive(self.browser.post(self.page("pay")))

    def _to_rehive(self, answer):
        if not answer.get("Location", "").startswith(self.rehive.origin):
            raise Unexpected(f"Order {self.number} was not led to Rehive's page.")

    def returns(self):
        """Come back to the shop."""
        self.browser.get(self.page("return"))

    def cancels(self):
        """Press the button for it."""
        self.browser.post(self.page("cancel"))

    # Rehive

    def does(self, outcome, *, invoice=None, **how):
        """Do something on Rehive's page."""
        self.rehive.outcome((invoice or self.invoice).remote_id, outcome, **how)

    def gets_it_back(self):
        """Rehive pays out what was asked for."""
        for refund in self.invoice.refunds.all():
            self.rehive.refund(refund.remote_id, "complete")

    @contextmanager
    def rehive_in_trouble(self):
        """Rehive fails at every question."""
        self.rehive.faults(**NO_CALLS, error_status={"value": 503, "methods": ["GET"]})
        try:
            yield
        finally:
            self.rehive.faults(**NO_CALLS)

    def is_told_of(self, invoice=None, *, with_secret=True):
        """Rehive calls the shop's webhook about an attempt."""
        remote = self.rehive.invoice((invoice or self.invoice).remote_id)
        body = {"id": uuid.uuid4().hex, "event": REQUEST_UPDATE, "company": "demo", "data": remote}
        self.is_told(body, with_secret=with_secret)

    def is_told(self, body, *, with_secret=True):
        """Anything is told to the shop's webhook."""
        secret = settings.REHIVE["WEBHOOK_SECRET"] if with_secret else "of another shop"
        newest = Delivery.objects.values_list("pk", flat=True).first() or 0
        self.browser.post(
            reverse("oscar_rehive:webhook"),
            body,
            content_type="application/json",
            headers={"Authorization": f"Secret {secret}"},
        )
        # Worked on after the answer.
        untried = Delivery.objects.filter(pk__gt=newest, state=Delivery.State.NEW, reason="")
        wait_until(lambda: not untried.exists())


NO_CALLS = {"webhook_drop": True}
"""Of the simulator: a shop that runs meanwhile would settle what a story settles in its own way."""


class Staff:
    """The shop's member of staff, at the desk."""

    def __init__(self, user):
        self.browser = Browser()
        self.browser.force_login(user)

    def presses(self, page, *args, **fields):
        """The button of a page that asks once, which sends along what the page has shown."""
        address = reverse(f"dashboard:{page}", args=args)
        asks = self.browser.post(address, fields) if fields else self.browser.get(address)
        sent = {**hidden_fields(asks.content.decode()), "sure": "yes"}
        done = self.browser.post(address, sent)
        refusals = [str(one) for one in get_messages(done.wsgi_request) if one.level >= WARNING]
        if refusals or done.status_code != 302:
            raise Unexpected(f"{address}: {' '.join(refusals) or 'it was not done'}")

    def asks(self, guest):
        self.presses("rehive-ask", guest.payment.pk)

    def refunds(self, guest, amount, reason):
        fields = {"of": "part", "amount": amount, "reason": reason, "key": str(uuid.uuid4())}
        self.presses("rehive-refund", guest.invoice.pk, **fields)

    def cancels(self, guest):
        """On Oscar's own page of the order."""
        status = conf.current().order_status.cancelled
        fields = {"order_action": "change_order_status", "new_status": status}
        self.browser.post(reverse("dashboard:order-detail", args=[guest.number]), fields)

    def notes(self, guest, text):
        fact = Attention.objects.get(payment=guest.payment)
        self.browser.post(
            reverse("dashboard:rehive-attention-note", args=[fact.pk]), {"text": text}
        )

    def decides(self, guest, way):
        fact = Attention.objects.get(payment=guest.payment)
        self.presses("rehive-attention-decide", fact.pk, way)


class _HiddenFields(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = {}

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "input" and attributes.get("type") == "hidden":
            self.found[attributes.get("name")] = attributes.get("value") or ""


def hidden_fields(page):
    """What the form of a page sends along unseen."""
    parser = _HiddenFields()
    parser.feed(page)
    return parser.found


def wait_until(is_so):
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > deadline:
            raise Unexpected(f"What follows a request was not done within {PATIENCE} seconds.")
        time.sleep(0.02)
