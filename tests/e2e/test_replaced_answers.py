"""A delivery's work does not hang on its answer, which any middleware of the shop may replace (P7)."""

from __future__ import annotations

import pytest

from tests.e2e.expecting import expect_paid
from tests.e2e.replacing import REPLACED
from tests.e2e.shopper import Shopper
from tests.e2e.shops import Shop

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.parametrize("server", ["waitress", "uvicorn"], scope="module"),
]


@pytest.fixture(scope="module")
def switches() -> dict[str, str]:
    return {"TESTS_REPLACED_ANSWERS": "1"}


def test_a_delivery_whose_answer_is_replaced_is_worked_on(served_shop: Shop) -> None:
    guest = Shopper(served_shop.base_url)
    invoice_id = guest.buy().invoice_id
    served_shop.rehive.outcome(invoice_id, "pay")  # and the shopper does not come back

    assert served_shop.deliver(invoice_id).text == REPLACED

    served_shop.quiet()
    expect_paid(served_shop, guest)
