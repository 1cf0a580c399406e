"""What has happened to the orders of the demonstration: one for each state that the desk can show.

Each story is told by those who would do it: its shopper in the shop's own pages, the payer at the simulator,
staff at the desk.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.shop.cast import Guest, Staff


@dataclass(frozen=True)
class Story:
    """``shows`` is the state that comes of it; ``who`` orders ``goods``, and no other story is about them."""

    shows: str
    who: str
    goods: tuple[str, ...]
    happens: Callable[[Guest, Staff], None]

    @property
    def email(self):
        return f"{self.who.split()[0].lower()}@example.com"


def pays(guest, outcome="pay", **how):
    """Goes to Rehive's page, does something there, and comes back."""
    guest.opens()
    guest.does(outcome, **how)
    guest.returns()


def only_placed(guest, staff):
    """Closed the window before Rehive's page was there."""


def opened(guest, staff):
    guest.opens()


def chose_a_way(guest, staff):
    pays(guest, "start", currency="BTC")


def unconfirmed(guest, staff):
    guest.opens()
    guest.does("start", currency="BTC")
    guest.does("start")
    guest.returns()


def paid_a_part(guest, staff):
    pays(guest, "pay_less")


def paid(guest, staff):
    guest.opens()
    guest.does("pay")
    # Never came back: the webhook tells of it.
    guest.is_told_of()


def paid_in_bitcoin(guest, staff):
    pays(guest, currency="BTC")


def paid_after_a_failure(guest, staff):
    pays(guest, "fail")
    guest.tries_again()
    guest.does("pay")
    guest.returns()


def overpaid(guest, staff):
    pays(guest, "pay_more")


def overpaid_and_dealt_with(guest, staff):
    pays(guest, "pay_more")
    staff.notes(guest, "She called: keep the rest as a tip for whoever packs it.")
    staff.decides(guest, "resolve")


def late(guest, staff):
    pays(guest, "pay_late")


def expired(guest, staff):
    pays(guest, "expire")


def failed(guest, staff):
    pays(guest, "fail")


def cancelled_by_shopper(guest, staff):
    guest.opens()
    guest.cancels()


def paid_after_staff_cancelled(guest, staff):
    guest.opens()
    staff.cancels(guest)
    # Somebody has asked Rehive to close it meanwhile, perhaps, and the money was on its way before that.
    guest.does("pay", force=True)
    guest.is_told_of()


def part_refunded(guest, staff):
    guest.opens()
    guest.does("pay")
    guest.is_told_of()
    staff.refunds(guest, "12.00", "One of them was broken.")
    guest.gets_it_back()
    staff.asks(guest)


def refunded(guest, staff):
    pays(guest)
    staff.refunds(guest, str(guest.total), "Sent back within two weeks.")
    guest.gets_it_back()
    staff.asks(guest)


def refund_on_its_way(guest, staff):
    pays(guest)
    staff.refunds(guest, "20.00", "Came late, as a courtesy.")


def paid_twice(guest, staff):
    pays(guest, "fail")
    first = guest.invoice
    guest.tries_again()
    guest.does("pay")
    guest.returns()
    # What looked failed had come through after all.
    guest.does("pay", invoice=first, force=True)
    guest.is_told_of(first)


def edited(guest, staff):
    guest.opens()
    order = guest.order
    order.total_incl_tax += 10
    order.total_excl_tax += 10
    order.save()
    guest.does("pay")
    guest.returns()


def puzzling(guest, staff):
    pays(guest, "undocumented", force=True)


def a_delivery_waits(guest, staff):
    guest.opens()
    guest.does("pay")
    with guest.rehive_in_trouble():
        guest.is_told_of()


def deliveries_that_lead_nowhere(guest, staff):
    pays(guest)
    guest.is_told("What a proxy made of it: <html>")
    guest.is_told_of(with_secret=False)


STORIES = [
    Story("fully refunded", "Grace Hopper", ("scarf", "tote"), refunded),
    Story("part refunded", "Barbara Liskov", ("mug", "mug"), part_refunded),
    Story("a refund on its way", "Radia Perlman", ("record-player",), refund_on_its_way),
    Story("paid, told by the webhook", "Ada Lovelace", ("lamp",), paid),
    Story("paid in Bitcoin", "Hal Finney", ("record-player", "mug"), paid_in_bitcoin),
    Story("paid by a second attempt", "Joan Clarke", ("plant",), paid_after_a_failure),
    Story(
        "deliveries refused and unusable", "Edith Clarke", ("mug",), deliveries_that_lead_nowhere
    ),
    Story("a delivery that waits", "Karen Jones", ("tote",), a_delivery_waits),
    Story("cancelled by the shopper", "Jean Bartik", ("scarf",), cancelled_by_shopper),
    Story("attempt expired", "Annie Easley", ("tote", "tote"), expired),
    Story("attempt failed", "Mary Jackson", ("lamp",), failed),
    Story("not opened yet", "Kathleen Booth", ("mug",), only_placed),
    Story("open", "Evelyn Granville", ("plant", "tote"), opened),
    Story("a way of paying is chosen", "Frances Allen", ("mug", "plant"), chose_a_way),
    Story("received, unconfirmed", "Hedy Lamarr", ("lamp", "tote"), unconfirmed),
    Story("underpaid", "Adele Goldberg", ("scarf",), paid_a_part),
    Story("overpaid, dealt with", "Sophie Wilson", ("plant",), overpaid_and_dealt_with),
    Story("unknown status", "Shafi Goldwasser", ("mug",), puzzling),
    Story("late, held", "Katherine Johnson", ("lamp", "scarf"), late),
    Story("edited total", "Dorothy Vaughan", ("tote", "mug"), edited),
    Story("paid twice", "Lynn Conway", ("scarf", "mug"), paid_twice),
    Story(
        "paid after staff cancelled", "Anita Borg", ("plant", "plant"), paid_after_staff_cancelled
    ),
    Story("overpaid", "Margaret Hamilton", ("lamp", "mug"), overpaid),
]
