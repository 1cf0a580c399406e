"""The demonstration: orders in every state that the desk can show, for ``setup_sandbox --demo``."""

import logging
from contextlib import contextmanager, suppress
from http.client import HTTPException

from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import override_settings
from oscar.core.loading import get_model

from oscar_rehive.models import OrderPayment
from oscar_rehive.simulator.process import SimulatorError, SimulatorProcess
from sandbox.shop.accounts import STAFF_EMAIL
from sandbox.shop.cast import NO_CALLS, Guest, Staff, Unexpected, wait_until
from sandbox.shop.stories import STORIES

NOTE = "Made by setup_sandbox --demo: {}."


class Impossible(Exception):
    """The demonstration cannot be made; the message says what to do."""


def insist_on_simulator():
    """Raise ``Impossible`` where Rehive is the real one."""
    if not settings.USES_SIMULATOR:
        raise Impossible(
            "The demonstration is for the simulator: it would make two dozen invoices and refunds at"
            f" {settings.REHIVE['API_URL']}. Leave REHIVE_API_URL out, and give the demonstration"
            " a folder and a database of its own (SANDBOX_VAR, DATABASE_URL)."
        )


def fill():
    """Tell each story that has not been told in this shop yet; returns the number of each story's order, what
    that shows, and whether it is new. Raises ``Impossible``."""
    insist_on_simulator()
    rehive = running_simulator()
    staff = get_user_model().objects.get(email=STAFF_EMAIL)
    told = {story: order_of(story) for story in STORIES}
    new = [story for story in STORIES if told[story] is None]
    if new:
        with rehearsed(rehive):
            told |= {story: tell(story, rehive, staff) for story in new}
    return [(told[story], story.shows, story in new) for story in STORIES]


def summary(told):
    """What ``fill`` returned, in lines for people."""
    new = sum(is_new for *_, is_new in told)
    first = f"The demonstration: {len(told)} orders ({new or 'none'} new)."
    return "\n".join([first, *(f"  #{number:<9} {shows}" for number, shows, _ in told)])


def running_simulator():
    rehive = SimulatorProcess()
    # Somebody else has started it.
    rehive.origin = f"http://127.0.0.1:{settings.SIMULATOR_PORT}"
    try:
        rehive.invoices()
    except (OSError, HTTPException, ValueError, SimulatorError) as error:
        raise Impossible(
            f"No simulator answers at {rehive.origin}/. Start the sandbox with the demonstration in it:"
            ' "make sandbox DEMO=1"; or start it as usual and run this again in another terminal.'
        ) from error
    return rehive


@contextmanager
def rehearsed(rehive):
    """Nobody but the story has a say meanwhile, and nothing is printed of what the stories are about."""
    rehive.faults(**NO_CALLS)
    logging.disable(logging.WARNING)
    try:
        # What the stories ask in seconds, people ask in a day.
        unlimited = {**settings.OSCAR_REHIVE, "CALLS_PER_MINUTE": 1_000_000}
        keeping = "sandbox.shop.mail.Keeping"
        with override_settings(OSCAR_REHIVE=unlimited, EMAIL_BACKEND=keeping):
            yield
            due = OrderPayment.objects.filter(mail_due_at__isnull=False, mail_sent_at=None)
            with suppress(Unexpected):  # reconcile sends what is left
                wait_until(lambda: not due.exists())
    finally:
        logging.disable(logging.NOTSET)
        rehive.clear_faults()


def order_of(story):
    """The number of the order about which the story was told to its end, or None."""
    notes = get_model("order", "OrderNote").objects.filter(message=NOTE.format(story.shows))
    return notes.values_list("order__number", flat=True).first()


def tell(story, rehive, staff):
    guest = Guest(rehive, story.who, story.email)
    guest.orders(story.goods)
    try:
        story.happens(guest, Staff(staff))
    except (Unexpected, SimulatorError) as error:
        raise Impossible(f'The story "{story.shows}" went wrong: {error}') from error
    # Last of all: one that was broken off is told anew.
    guest.order.notes.create(message=NOTE.format(story.shows), note_type="System")
    return guest.number
