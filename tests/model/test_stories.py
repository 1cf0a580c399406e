"""Stories that the machine's rules can tell and seldom do: told each time, with the same promises."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.model.test_machine import EVENTS, SHARED, Machine

STORIES = [
    ["cash", "a day", "reconcile", "others give back"],
    ["gift card", "open", "pay"],
    ["gift card", "open", "others give back", "reconcile", "pay"],
    ["gift card", "pay", "others give back", "a day", "reconcile"],
    ["gift card", "pay less", "let expire", "pay"],
    ["pay", "cash", "a day", "reconcile"],
    ["open", "cash", "pay", "others give back"],
    ["cancel or take back", "reconcile", "cancel or take back", "pay"],
    ["ship", "cancel or take back", "stale save", "reconcile", "ship", "pay"],
    ["pay", "cancel or take back", "stale save", "reconcile", "cancel or take back"],
    ["pay", "old copy", "reconcile"],
    ["open", "let expire", "a copy lags", "return", "reconcile", "three minutes", "reconcile"],
    ["open", "pay", "a copy lags", "return", "return", "reconcile"],
    ["pay", "Rehive takes it back"],
    ["pay", "Rehive takes it back", "return", "three minutes", "return"],
    ["pay less", "let expire", "a copy lags", "open", "reconcile", "pay"],
    ["open", "delete", "reconcile"],
    ["pay less", "delete", "a day", "reconcile"],
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("clocks", [[], [60, -60], [-60, 60]], ids=["true", "ahead", "behind"])
@pytest.mark.parametrize("events", STORIES, ids=", ".join)
def test_it_keeps_the_promises(
    events: list[str], clocks: list[int], set_up_machine: Callable[[], None]
) -> None:
    set_up_machine()
    machine = Machine()
    # Beside the first another wants the same pieces, or there are more of them than it needs.
    machine.open_the_shop("accept", "0", clocks, SHARED if clocks else "0.03")
    machine.focus = machine.orders[0]
    for event in events:
        EVENTS[event](machine)
        machine.promises_hold()
    machine.focus = None
    machine.teardown()


@pytest.mark.django_db(transaction=True)
def test_pieces_that_somebody_else_has_by_now_are_not_held_again(
    set_up_machine: Callable[[], None],
) -> None:
    set_up_machine()
    machine = Machine()
    machine.open_the_shop("accept", "0", [], "0.03")
    first = machine.focus = machine.orders[0]
    machine.staff_decide(0, "Cancelled", False, True)
    machine.place(SHARED)
    machine.staff_decide(0, "Cancelled", False, True)

    machine.promises_hold()

    assert (first.pieces, first.not_held) == (2, 1)
    machine.focus = None
    machine.teardown()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("event", ["open", "pay less"])
def test_a_number_is_used_again(event: str, set_up_machine: Callable[[], None]) -> None:
    set_up_machine()
    machine = Machine()
    machine.open_the_shop("accept", "0", [], "0.03")
    machine.focus = machine.orders[0]
    EVENTS[event](machine)
    EVENTS["delete"](machine)
    machine.its_number_is_used_again()
    machine.promises_hold()
    machine.focus = machine.orders[0]
    # The oldest invoice of that number, which is the deleted order's.
    machine.payer(0, 0, "pay", None, False, False, False)
    machine.reconcile(None)
    machine.promises_hold()

    assert machine.orders[0].row().paid_at is None
    machine.focus = None
    machine.teardown()
