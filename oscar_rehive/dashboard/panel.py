"""What the desk shows of one payment, on the order's page and on its own: read in a fixed number of
statements, however many attempts, refunds, facts and lines of history it has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from oscar_rehive import conf
from oscar_rehive.dashboard import rights, words
from oscar_rehive.models import Attention, Entry, Invoice, Note, OrderPayment, Refund
from oscar_rehive.payments.account import Account, account_of, excess_of
from oscar_rehive.payments.by_hand import why_not_closable
from oscar_rehive.payments.carrying_out import case_of
from oscar_rehive.payments.deciding import WaysOut, ways_out
from oscar_rehive.payments.plans import Plan
from oscar_rehive.payments.progress import FINAL, Progress, Stage, progress_from
from oscar_rehive.rehive.money import from_units
from oscar_rehive.tokens import token_of

MOST_ENTRIES = 100
"""Lines of history that are shown, the newest."""


@dataclass(frozen=True)
class Button:
    """A way to the page that asks once whether something is to be done."""

    label: str
    url: str
    is_grave: bool = False


@dataclass(frozen=True)
class Attempt:
    """An invoice and what became of it; amounts are texts with their currency."""

    invoice: Invoice
    asked: str
    received: str
    refunded: str
    ways: list[str]
    """How it was paid, as far as that is kept: the coin, and how much of it."""
    buttons: list[Button]


@dataclass(frozen=True)
class Fact:
    """A fact that waits for a person, or waited, with its ways out for who looks at it."""

    attention: Attention
    meaning: str
    notes: list[Note]
    buttons: list[Button]
    note_url: str

    @property
    def waits(self) -> bool:
        """Whether nobody has dealt with it yet."""
        return self.attention.resolved_at is None


@dataclass(frozen=True)
class Line:
    """A line of the history."""

    at: datetime
    told_by: str
    text: str
    amount: str


@dataclass(frozen=True)
class Panel:
    """A payment as who looks at it may see it."""

    payment: OrderPayment
    account: Account
    stage: str
    colour: str
    sentence: str
    sums: list[tuple[str, str]]
    attempts: list[Attempt]
    refunds: list[tuple[Refund, str]]
    facts: list[Fact]
    timeline: list[Line]
    is_cut: bool
    """Whether the history is longer than what is shown of it."""
    buttons: list[Button]
    pay_link: str
    url: str
    for_staff: bool


def panel_of(payment: OrderPayment, request: HttpRequest) -> Panel:
    """What of ``payment`` is to be shown to the user of ``request``, who may see it."""
    user = request.user
    plan = Plan(case_of(payment), Entry.Source.STAFF)
    account = account_of(plan)
    progress = progress_of(plan)
    entries = list(Entry.objects.filter(payment=payment).order_by("-pk")[: MOST_ENTRIES + 1])
    for_staff = rights.may(user, rights.VIEW)
    back = request.get_full_path()
    facts = facts_of(plan, plan.attentions, request) if for_staff else []
    return Panel(
        payment=payment,
        account=account,
        stage=progress.stage.value if progress else "gone",
        colour=words.COLOURS.get(progress.stage, "info") if progress else "warning",
        sentence=words.sentence(progress, account),
        sums=_sums(account),
        attempts=[_attempt(plan, one, user, back) for one in reversed(plan.invoices)],
        refunds=[(one, _refund(one)) for one in reversed(plan.refunds)],
        facts=sorted(facts, key=lambda fact: (not fact.waits, -fact.attention.pk)),
        timeline=[_line(entry, account.currency) for entry in entries[:MOST_ENTRIES]],
        is_cut=len(entries) > MOST_ENTRIES,
        buttons=_buttons(plan, progress, user, back),
        pay_link=pay_link(payment, request) if _may_pay(progress, user) else "",
        url=desk_url("payment", payment.pk),
        for_staff=for_staff,
    )


def progress_of(plan: Plan) -> Progress | None:
    """How far the order of ``plan`` is; None where it is gone."""
    if plan.order is None:
        return None
    return progress_from(plan.order, plan.payment, list(reversed(plan.invoices)))


def desk_url(name: str, *args: object, **query: str) -> str:
    """The address of a page of the desk, or nothing where the shop has not mounted them."""
    try:
        address = reverse(f"dashboard:rehive-{name}", args=args)
    except NoReverseMatch:
        return ""
    return f"{address}?{urlencode(query)}" if query else address


def pay_link(payment: OrderPayment, request: HttpRequest) -> str:
    """The whole address at which the order can be paid, or nothing where the plugin's own addresses are
    not mounted."""
    try:
        path = reverse("oscar_rehive:pay", args=[token_of(payment)])
    except NoReverseMatch:
        return ""
    base = conf.as_it_is().base_url
    return base.rstrip("/") + path if base else request.build_absolute_uri(path)


def facts_of(plan: Plan, attentions: Iterable[Attention], request: HttpRequest) -> list[Fact]:
    """``attentions``, which are all of ``plan``'s, with what the user of ``request`` can do about them."""
    notes = notes_of(attentions)
    return [fact_of(plan, one, notes[one.pk], request) for one in attentions]


def notes_of(attentions: Iterable[Attention]) -> dict[int, list[Note]]:
    """What staff have noted about each, oldest first, by primary key. One statement."""
    notes: dict[int, list[Note]] = defaultdict(list)
    for note in Note.objects.filter(attention__in=[one.pk for one in attentions]).order_by("pk"):
        notes[note.attention_id].append(note)
    return notes


def fact_of(plan: Plan, attention: Attention, notes: list[Note], request: HttpRequest) -> Fact:
    """``attention``, which is one of ``plan``'s, as the user of ``request`` may deal with it."""
    back = request.get_full_path()
    ways = _ways(ways_out(plan, attention), attention)
    buttons = [
        Button(label, desk_url("attention-decide", attention.pk, way, next=back), grave)
        for way, right, label, grave in ways
        if rights.may(request.user, right)
    ]
    return Fact(
        attention=attention,
        meaning=str(words.MEANINGS[Attention.Kind(attention.kind)]),
        notes=notes,
        buttons=[button for button in buttons if button.url],
        note_url=desk_url("attention-note", attention.pk, next=back)
        if rights.may(request.user, rights.RESOLVE)
        else "",
    )


def _ways(ways: WaysOut, attention: Attention) -> Iterable[tuple[str, str, str, bool]]:
    if ways.refund and attention.invoice is not None:
        amount = words.money(ways.refund, attention.invoice.currency)
        yield "refund", rights.REFUND, _("Refund %s to the payer") % amount, True
    if ways.accept:
        yield "accept", rights.ACCEPT, _("Let this payment pay the order"), False
    if ways.gone:
        yield "gone", rights.TAKE_FOR_GONE, _("Take the invoice for gone"), True
    if ways.resolve:
        yield "resolve", rights.RESOLVE, _("Dealt with"), False


def _sums(account: Account) -> list[tuple[str, str]]:
    shown: list[tuple[str, Decimal, bool]] = [
        (_("Order total"), account.total, True),
        (_("Received"), account.received, True),
        (_("Paid in other ways"), account.elsewhere, account.elsewhere > 0),
        (_("Missing"), account.missing, True),
        (_("Excess"), account.excess, account.excess > 0),
        (_("Refunded"), account.refunded, True),
        (_("Being refunded"), account.being_refunded, account.being_refunded > 0),
    ]
    return [
        (label, words.money(some, account.currency)) for label, some, is_shown in shown if is_shown
    ]


def _attempt(plan: Plan, invoice: Invoice, user: Any, back: str) -> Attempt:
    def money(units: int) -> str:
        return words.money(from_units(int(units), invoice.divisibility), invoice.currency)

    buttons: list[Button] = []
    left = plan.left(invoice)
    if left and invoice.remote_id and rights.may(user, rights.REFUND):
        excess = excess_of(plan, invoice)
        if 0 < excess < left:
            url = desk_url("refund", invoice.pk, of="excess", next=back)
            buttons.append(Button(_("Refund the excess of %s") % money(excess), url, True))
        buttons.append(Button(_("Refund …"), desk_url("refund", invoice.pk, next=back), True))
    if rights.may(user, rights.ACT) and not why_not_closable(invoice) and not invoice.close_due:
        url = desk_url("close", invoice.pk, next=back)
        buttons.append(Button(_("Close the invoice"), url, True))
    if invoice.remote_id and rights.may(user, rights.VIEW):
        buttons.append(Button(_("See it at Rehive"), desk_url("invoice", invoice.pk)))
    return Attempt(
        invoice=invoice,
        asked=money(invoice.amount),
        received=money(invoice.received),
        refunded=money(invoice.refunded),
        ways=[told for told in map(way_told, invoice.quotes) if told],
        buttons=[button for button in buttons if button.url],
    )


def way_told(quote: Any) -> str:
    """What is kept of a quote, in words: the payer's coin and how much of it; nothing where it says
    nothing."""
    try:
        code, places = quote["currency"]["code"], quote["currency"]["divisibility"]
        quoted, paid, pending = (
            words.money(from_units(quote[name] or 0, places), code)
            for name in ("amount", "total_paid", "total_pending")
        )
        has_pending = bool(quote["total_pending"])
    except (KeyError, TypeError, ValueError):
        return ""
    if has_pending:
        return _("%(paid)s of %(quoted)s paid, %(pending)s not confirmed yet") % {
            "paid": paid,
            "quoted": quoted,
            "pending": pending,
        }
    return _("%(paid)s of %(quoted)s paid") % {"paid": paid, "quoted": quoted}


def _refund(refund: Refund) -> str:
    invoice = refund.invoice
    return words.money(from_units(refund.amount, invoice.divisibility), invoice.currency)


def _line(entry: Entry, currency: str) -> Line:
    amount = words.booked(entry.amount, currency) if entry.amount is not None else ""
    text = entry.reason
    if entry.to_status:
        text = f"{text} ({entry.from_status or '–'} → {entry.to_status})"
    return Line(entry.at, entry.get_source_display(), text, amount)


def _may_pay(progress: Progress | None, user: Any) -> bool:
    return progress is not None and progress.is_payable and rights.may(user, rights.ACT)


def _buttons(plan: Plan, progress: Progress | None, user: Any, back: str) -> list[Button]:
    if not rights.may(user, rights.ACT):
        return []
    pk, made = plan.payment.pk, []
    if any(invoice.remote_id for invoice in plan.invoices):
        made.append(Button(_("Ask Rehive now"), desk_url("ask", pk, next=back)))
    if _may_pay(progress, user):
        made.append(Button(_("Mail the pay link"), desk_url("pay-link", pk, next=back)))
    if why_not_cancellable(plan, progress) == "":
        made.append(Button(_("Cancel the order"), desk_url("cancel", pk, next=back), True))
    return [button for button in made if button.url]


def why_not_cancellable(plan: Plan, progress: Progress | None) -> str:
    """Why the desk does not cancel the order, and what to do instead; nothing where it does."""
    if progress is None:
        return _("The order is gone.")
    if progress.stage is Stage.ENDING:
        return _("The order is being cancelled already, as soon as Rehive answers.")
    if plan.has_money() and not plan.payment.is_settled:
        return _(
            "Money for this order is here or on its way. Decide about that money first, or refund it."
        )
    # Also of what was paid in another way, or has another status by now: it would be left as it is.
    if plan.payment.is_settled or progress.stage in FINAL:
        return _(
            "Nothing is awaited for this order any more. Give it another status on its own page; what is"
            " paid can be refunded."
        )
    return ""
