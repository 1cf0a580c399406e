"""Places as many orders as each line of its standard input says, with Django's test client, and answers
with what they took: ``python -m benchmarks.placing_orders <oscar | rehive>``."""

from __future__ import annotations

import json
import sys
import time
from decimal import Decimal
from functools import partial
from typing import Any

COUNTRY = "GB"
PRICE = Decimal("12.34")
UPC = "the-only-one"


def make_goods() -> None:
    """Something to buy, and a country to send it to."""
    from oscar.test.factories import CountryFactory, create_product

    CountryFactory(iso_3166_1_a2=COUNTRY, is_shipping_country=True)
    create_product(upc=UPC, price=PRICE, num_in_stock=1_000_000)


def main(checkout: str) -> None:
    import django

    django.setup()

    from oscar.core.loading import get_class, get_model

    from benchmarks.shop import statements

    dispatcher = get_class("order.utils", "OrderDispatcher")
    dispatcher.send_order_placed_email_for_user = lambda *args, **kwargs: None
    dispatcher.send_order_placed_email_for_guest = lambda *args, **kwargs: None
    product = get_model("catalogue", "Product").objects.get(upc=UPC)
    if checkout == "rehive":
        # As every process knows that has opened an invoice within the hour.
        from oscar_rehive import conf
        from oscar_rehive.payments.gateway import divisibility_of

        divisibility_of(conf.current().businesses["USD"])
    for line in sys.stdin:
        guests = [_guest_about_to_order(product.pk, checkout) for _ in range(int(line) + 1)]
        # Of one more, because writing the statements down takes time as well.
        counted = statements(partial(_place, guests.pop(), checkout))
        before = time.process_time()
        for guest in guests:
            _place(guest, checkout)
        seconds = (time.process_time() - before) / len(guests)
        print(json.dumps({"cpu": seconds, "statements": len(counted)}), flush=True)


def _guest_about_to_order(product: int, checkout: str) -> Any:
    """In front of the page with the button that places the order."""
    from django.test import Client

    guest = Client(SERVER_NAME="127.0.0.1")
    _post(guest, f"/basket/add/{product}/", quantity=1)
    _post(guest, "/checkout/", username="guest@example.com", options="anonymous")
    _post(
        guest,
        "/checkout/shipping-address/",
        first_name="Barbara",
        last_name="Liskov",
        line1="1 Type Street",
        line4="London",
        postcode="N1 9RT",
        country=COUNTRY,
    )
    guest.get("/checkout/shipping-method/")
    guest.get("/checkout/payment-method/")
    if checkout == "rehive":
        _post(guest, "/checkout/payment-method/", method="rehive")
    return guest


def _place(guest: Any, checkout: str) -> None:
    went_to = _post(guest, "/checkout/preview/", action="place_order").headers["Location"]
    expected = "/rehive/pay/" if checkout == "rehive" else "/checkout/thank-you/"
    assert went_to.startswith(expected), went_to


def _post(guest: Any, address: str, **fields: Any) -> Any:
    answer = guest.post(address, fields)
    assert answer.status_code == 302, (address, answer.content.decode()[:2000])
    return answer


if __name__ == "__main__":
    main(sys.argv[1])
