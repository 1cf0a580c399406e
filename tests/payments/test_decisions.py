"""The status table of design.md, "What each status means here": for each word of Rehive, each way an order can
stand, and each thing that was known before, what is done. Pure: no database, no shop, no simulator.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from oscar_rehive.models import Invoice
from oscar_rehive.payments.plans import Case, Plan
from oscar_rehive.rehive.money import from_units
from oscar_rehive.rehive.statuses import Status
from oscar_rehive.rehive.wire import Quote
from tests.payments.cases import (
    CANCELLED,
    NOW,
    PENDING,
    SHIPPED,
    carried_out,
    case,
    changes_nothing,
    decide,
    gains,
    invoice,
    order,
    paid_payment,
    payment,
    quote,
    raised,
    remote,
    rows_of,
)

GIFT_CARD = {"total": "12.34", "covered": "2.34"}

# told | the attempt | the ledger gains | of it pays | the payment | the order | attention | at Rehive

PAYABLE = """
draft initiated processing received | open   | -     | -     | -     | -        | -                   | payable
underpaid                           | open   | 4.00  | -     | -     | -        | -                   | payable
paid complete late                  | paid   | 10.00 | 10.00 | paid  | paid     | -                   | over
overpaid                            | paid   | 12.50 | 10.00 | paid  | paid     | excess              | over
expired failed cancelled            | closed | -     | -     | -     | -        | -                   | over
mystery                             | open   | -     | -     | -     | -        | unknown_status      | payable
"""
STAFF_CANCELLED = """
draft initiated processing received | open   | -     | -     | -     | gives up | -                   | to close
underpaid                           | open   | 4.00  | -     | -     | gives up | -                   | to close
paid complete late                  | paid   | 10.00 | -     | ended | gives up | after_cancel        | over
overpaid                            | paid   | 12.50 | -     | ended | gives up | after_cancel excess | over
expired failed cancelled            | closed | -     | -     | ended | gives up | -                   | over
mystery                             | open   | -     | -     | -     | gives up | unknown_status      | to close
"""
CANCELLED_BEFORE = """
draft initiated processing received | open   | -     | -     | -     | -        | -                   | to close
underpaid                           | open   | 4.00  | -     | -     | -        | -                   | to close
paid complete late                  | paid   | 10.00 | -     | -     | -        | after_cancel        | over
overpaid                            | paid   | 12.50 | -     | -     | -        | after_cancel excess | over
expired failed cancelled            | closed | -     | -     | -     | -        | -                   | over
"""
MOVED_ON = """
draft initiated processing received | open   | -     | -     | -     | -        | -                   | to close
underpaid                           | open   | 4.00  | -     | -     | -        | -                   | to close
paid complete late                  | paid   | 10.00 | 10.00 | paid  | -        | moved_on            | over
overpaid                            | paid   | 12.50 | 10.00 | paid  | -        | excess moved_on     | over
expired failed cancelled            | closed | -     | -     | -     | -        | -                   | over
"""
DELETED = """
draft initiated processing received | open   | -     | -     | -     | -        | -                   | to close
underpaid                           | open   | -     | -     | -     | -        | -                   | to close
paid complete late                  | paid   | -     | -     | -     | -        | no_order            | over
overpaid                            | paid   | -     | -     | -     | -        | excess no_order     | over
expired failed cancelled            | closed | -     | -     | -     | -        | -                   | over
"""
PAID_ANOTHER_WAY = """
draft initiated processing received | open   | -     | -     | -     | -        | -                   | to close
underpaid                           | open   | 4.00  | -     | -     | -        | -                   | to close
paid complete late                  | paid   | 10.00 | -     | -     | -        | duplicate           | over
overpaid                            | paid   | 12.50 | -     | -     | -        | duplicate excess    | over
expired failed cancelled            | closed | -     | -     | -     | -        | -                   | over
"""
UNKNOWN_WHILE_OPEN = """
mystery                             | open   | -     | -     | -     | -        | unknown_status      | payable
"""
UNKNOWN_AND_GONE = """
mystery                             | open   | -     | -     | -     | -        | unknown_status      | to close
"""
UNKNOWN_OF_CLOSED = """
mystery                             | closed | -     | -     | -     | -        | unknown_status      | over
"""

NOT_PAID = "draft initiated processing received underpaid expired failed cancelled"
PAID_BY_IT = f"""
{NOT_PAID} | paid | -    | 10.00 | - | -        | backward                    | over
paid complete late | paid | -    | 10.00 | - | -        | -                           | over
overpaid           | paid | 2.50 | 10.00 | - | -        | excess                      | over
mystery            | paid | -    | 10.00 | - | -        | unknown_status              | over
"""
PAID_AND_DELETED = f"""
{NOT_PAID} | paid | -    | 10.00 | - | -        | backward                    | over
paid complete late | paid | -    | 10.00 | - | -        | -                           | over
overpaid           | paid | -    | 10.00 | - | -        | excess                      | over
mystery            | paid | -    | 10.00 | - | -        | unknown_status              | over
"""
PAID_AND_CANCELLED = f"""
{NOT_PAID} | paid | -    | 10.00 | - | gives up | after_cancel backward       | over
paid complete late | paid | -    | 10.00 | - | gives up | after_cancel                | over
overpaid           | paid | 2.50 | 10.00 | - | gives up | after_cancel excess         | over
mystery            | paid | -    | 10.00 | - | gives up | after_cancel unknown_status | over
"""
PAID_AND_PUT_BACK = f"""
{NOT_PAID} | paid | -    | 10.00 | - | -        | backward disagrees          | over
paid complete late | paid | -    | 10.00 | - | -        | disagrees                   | over
overpaid           | paid | 2.50 | 10.00 | - | -        | disagrees excess            | over
mystery            | paid | -    | 10.00 | - | -        | disagrees unknown_status    | over
"""
PAID_TWICE = f"""
{NOT_PAID} | paid | -    | 10.00 | - | -        | backward                    | over
paid complete late | paid | -    | 0.00  | - | -        | excess                      | over
overpaid           | paid | 2.50 | 0.00  | - | -        | excess                      | over
mystery            | paid | -    | 10.00 | - | -        | unknown_status              | over
"""

TABLE = {
    ("open", "pending"): PAYABLE,
    ("open", "gift card"): PAYABLE,
    ("open", "cancelled"): STAFF_CANCELLED,
    ("open", "moved on"): MOVED_ON + UNKNOWN_WHILE_OPEN,
    ("open", "deleted"): DELETED + UNKNOWN_AND_GONE,
    ("open", "paid elsewhere"): PAID_ANOTHER_WAY + UNKNOWN_WHILE_OPEN,
    ("open", "paid already"): PAID_ANOTHER_WAY + UNKNOWN_WHILE_OPEN,
    ("closed", "pending"): PAYABLE.replace(UNKNOWN_WHILE_OPEN.strip(), "") + UNKNOWN_OF_CLOSED,
    ("closed", "gift card"): PAYABLE.replace(UNKNOWN_WHILE_OPEN.strip(), "") + UNKNOWN_OF_CLOSED,
    ("closed", "cancelled"): CANCELLED_BEFORE + UNKNOWN_OF_CLOSED,
    ("closed", "moved on"): MOVED_ON + UNKNOWN_OF_CLOSED,
    ("closed", "deleted"): DELETED + UNKNOWN_OF_CLOSED,
    ("closed", "paid elsewhere"): PAID_ANOTHER_WAY + UNKNOWN_OF_CLOSED,
    ("closed", "paid already"): PAID_ANOTHER_WAY + UNKNOWN_OF_CLOSED,
    ("paid", "moved on"): PAID_BY_IT,
    ("paid", "deleted"): PAID_AND_DELETED,
    ("paid", "cancelled"): PAID_AND_CANCELLED,
    ("paid", "pending"): PAID_AND_PUT_BACK,
    ("paid", "paid elsewhere"): PAID_TWICE,
}


def stands(known: str, shop: str) -> Case:
    """An attempt that was ``known``, and an order that stands as ``shop`` says."""
    word = {"open": "initiated", "closed": "expired", "paid": "paid"}[known]
    ours = paid_payment() if known == "paid" else payment()
    if shop == "paid already":
        first, second = invoice("paid"), invoice(word, attempt=2)
        return case(first, second, order=order("Paid"), payment=paid_payment())
    if (known, shop) == ("closed", "cancelled"):
        ours = payment(closed_at=NOW, released_at=NOW, released={"status": CANCELLED})
    asked = invoice(word)
    if shop == "gift card":
        asked.total, asked.covered = order(**GIFT_CARD).total, order(**GIFT_CARD).covered
    orders = {
        "pending": order(),
        "gift card": order(**GIFT_CARD),
        "cancelled": order(CANCELLED),
        "moved on": order(SHIPPED),
        "deleted": None,
        "paid elsewhere": order("Paid" if known == "paid" else PENDING, covered="10.00"),
    }
    return case(asked, order=orders[shop], payment=ours)


QUOTES: dict[str, tuple[Quote, ...]] = {
    "processing": (quote(),),
    "received": (quote(pending=1000),),
    "underpaid": (quote(400),),
    "paid": (quote(1000),),
    "overpaid": (quote(1250),),
}


def rows() -> Iterator[Any]:
    for (known, shop), table in TABLE.items():
        for line in filter(None, table.splitlines()):
            words, *cells = (cell.strip() for cell in line.split("|"))
            for word in words.split():
                yield pytest.param(known, shop, word, cells, id=f"{known}, {shop}: {word}")


ROWS = tuple(rows())


def told(standing: Case, word: str) -> Any:
    return remote(word, *QUOTES.get(word, ()), attempt=standing.invoices[-1].attempt)


def what_is_done(plan: Plan) -> list[str]:
    """The plan's row, as it stands in the table."""
    mine, ours, was = plan.invoices[-1], plan.payment, plan.case.payment
    payable = mine.state in (Invoice.State.OPEN, Invoice.State.OPENING)
    ended = "ended" if ours.closed_at and not was.closed_at else "-"
    return [
        mine.state,
        " ".join(map(str, gains(plan))) or "-",
        "-" if mine.pays is None else str(from_units(mine.pays, 2)),
        "paid" if ours.paid_at and not was.paid_at else ended,
        "gives up" if plan.releases else plan.move.value if plan.move else "-",
        " ".join(raised(plan)) or "-",
        "to close" if mine.close_due else "payable" if payable else "over",
    ]


@pytest.mark.parametrize(("known", "shop", "word", "cells"), ROWS)
def test_what_rehives_word_does(known: str, shop: str, word: str, cells: list[str]) -> None:
    standing = stands(known, shop)

    plan = decide(standing, told(standing, word))

    assert what_is_done(plan) == cells
    assert not plan.holds
    # Only what was just paid has its mail to come (P3).
    mail_is_new = plan.payment.mail_due_at != standing.payment.mail_due_at
    assert mail_is_new == (cells[3] == "paid")


@pytest.mark.parametrize(("known", "shop", "word", "cells"), ROWS)
def test_p2_the_same_again_does_nothing_and_what_was_read_stays_as_it_was(
    known: str, shop: str, word: str, cells: list[str]
) -> None:
    standing = stands(known, shop)
    before = rows_of(standing)
    plan = decide(standing, told(standing, word))
    assert rows_of(standing) == before

    assert changes_nothing(decide(carried_out(plan), told(standing, word)))


def test_the_table_has_every_word_of_rehive() -> None:
    for known, shop in TABLE:
        words = {row.values[2] for row in ROWS if row.values[:2] == (known, shop)}
        assert words == {*(status.value for status in Status), "mystery"}
