"""What somebody was told by the page that asks is what is decided about. Found by review: what had grown, or
what a colleague had done, since the page was loaded was decided about unseen."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.core import mail
from oscar.core.loading import get_model

from oscar_rehive.models import Attention, Invoice, Refund
from oscar_rehive.payments import deciding
from oscar_rehive.payments.deciding import NotAcceptable, accept, give_back
from oscar_rehive.payments.refunding import refund
from tests.dashboard.conftest import Desk, desk_page, invoice_of, messages, payment_of, said
from tests.steps import opened, settled

pytestmark = pytest.mark.django_db

SURE = "form:has([name=sure])"
CHANGED = "This has changed since: look at it again."


@pytest.fixture
def excess(rehive: Any, place_order: Any) -> Invoice:
    """Of an order over 10.00 for which 12.50 came."""
    invoice = opened(place_order(total="10.00"))
    rehive.outcome(invoice.remote_id, "pay_more", amount=1250)
    return settled(invoice)


def grows(rehive: Any, invoice: Invoice) -> None:
    """50.00 more come: the fact is the same, and tells of 52.50 now."""
    rehive.outcome(invoice.remote_id, "pay_more", amount=5000, force=True)
    settled(invoice)


class TestAFactThatHasGrownSince:
    """It was noted as dealt with, and is not raised again: nobody would have heard of 50.00."""

    def waits(self) -> bool:
        return Attention.objects.filter(resolved_at=None).exists()

    def test_is_not_dealt_with(self, desk: Desk, rehive: Any, excess: Invoice) -> None:
        url = desk_page("attention-decide", Attention.objects.get().pk, "resolve")
        form = desk.page(url).select_one(SURE)
        grows(rehive, excess)

        assert messages(desk.send(form, url)).startswith(CHANGED)
        assert self.waits()
        desk.sure(url)  # after a second look
        assert not self.waits()

    def test_nor_among_others(self, desk: Desk, rehive: Any, excess: Invoice, paid: Any) -> None:
        paid(more=100)
        page = desk.page(desk_page("attention"))
        url = desk_page("attention-dealt-with")
        chosen = [one["value"] for one in page.select("[name=fact]")]
        token = page.select_one("#rehive-dealt-with [name=csrfmiddlewaretoken]")["value"]
        asked = desk.client.post(url, {"csrfmiddlewaretoken": token, "fact": chosen})
        form = BeautifulSoup(asked.content, "html.parser").select_one(SURE)
        assert "2.50 USD more than due" in asked.content.decode()
        grows(rehive, excess)

        after = messages(desk.send(form, url))

        assert "1 fact was dealt with." in after
        assert "1 fact has changed since: look at it again." in after
        assert Attention.objects.get(resolved_at=None).invoice_id == excess.pk

    def test_while_its_refund_is_asked_for_stays_for_the_rest(
        self, rehive: Any, excess: Invoice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def and_meanwhile(*args: Any, **kwargs: Any) -> None:
            asked(*args, **kwargs)
            grows(rehive, excess)

        asked = deciding.refund_decided
        monkeypatch.setattr(deciding, "refund_decided", and_meanwhile)

        give_back(Attention.objects.get(), by="ann", agreed=Decimal("2.50"))

        assert Refund.objects.get().amount == 250
        assert self.waits()

    def test_does_not_pay_the_order(self, held: Invoice) -> None:
        seen = held.attentions.get()
        Attention.objects.update(subject="grown")

        with pytest.raises(NotAcceptable, match="changed since"):
            accept(seen, by="ann")

    def test_what_a_colleague_dealt_with_is_his(self, desk: Desk, excess: Invoice) -> None:
        """It was told that it was noted for whoever came second, too."""
        url = desk_page("attention-decide", Attention.objects.get().pk, "resolve")
        form = desk.page(url).select_one(SURE)
        deciding.resolve(Attention.objects.get(), by="kim")

        assert "decided already, by kim" in messages(desk.send(form, url))


def test_no_more_is_forgiven_than_was_said(desk: Desk, held: Invoice) -> None:
    """The order was edited since: 90.00 of it would have been forgiven unseen."""
    url = desk_page("attention-decide", held.attentions.get().pk, "accept")
    form = desk.page(url).select_one(SURE)
    get_model("order", "Order").objects.update(total_incl_tax="100.00")

    page = desk.send(form, url)

    assert "waits for 100.00 by now, and no longer for 10.00" in messages(page)
    assert "which waits for 100.00 USD" in said(desk.page(url), "[data-question]")
    held.payment.refresh_from_db()
    assert held.payment.paid_at is None


class TestARefund:
    def sure(self, desk: Desk, url: str, amount: str) -> Any:
        form = desk.page(url).select_one("form[method=post]:has([name=of])")
        return desk.send(form, url, of="part", amount=amount).select_one(SURE)

    def test_that_two_colleagues_mean_is_one(self, desk: Desk, paid: Any) -> None:
        """Each was told "10.00 of 24.90": the second was 10.00 of 14.90, and the payer had 20.00."""
        invoice = invoice_of(paid())
        url = desk_page("refund", invoice.pk)
        mine, his = (self.sure(desk, url, "10.00") for _ in range(2))

        desk.send(his, url)
        page = desk.send(mine, url)

        assert "By now 14.90 USD is left of it" in messages(page)
        assert Refund.objects.get().amount == 1000

    @pytest.mark.parametrize("left", ["", "x", "9" * 300, "9" * 5000])
    def test_is_made_of_what_was_told(self, desk: Desk, paid: Any, left: str) -> None:
        url = desk_page("refund", invoice_of(paid()).pk)

        desk.send(self.sure(desk, url, "10.00"), url, left=left)

        assert not Refund.objects.exists()

    def test_by_code_of_the_shops_own_needs_no_page(self, paid: Any) -> None:
        invoice = invoice_of(paid())

        for _ in range(2):
            refund(invoice, Decimal("10.00"), reason="", by="a script")

        assert Refund.objects.count() == 2


def test_a_double_click_sends_one_mail(desk: Desk, place_order: Any) -> None:
    url = desk_page("pay-link", payment_of(place_order()).pk)
    form = desk.page(url).select_one(SURE)

    desk.send(form, url)
    again = desk.send(form, url)

    assert "sent a moment ago" in messages(again)
    assert len(mail.outbox) == 1
