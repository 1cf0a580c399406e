"""Django system checks: each names what is wrong with the installation, and the hint how to mend it. Those
of databases and of what is for sale have modules of their own."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.urls import NoReverseMatch, reverse

from oscar_rehive import conf
from oscar_rehive.background import workers_task
from oscar_rehive.mounting import (
    CHECKOUT,
    INCLUDE,
    OSCARS_CHECKOUT,
    has_oscars_checkout,
    is_included,
    stands_behind_oscar,
)
from oscar_rehive.rehive.wire import is_loopback, is_web_address
from oscar_rehive.simulator.demo import DEMO_TOKEN, DEMO_WEBHOOK_SECRET


@register(Tags.compatibility)
def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """oscar_rehive.E001, W001: the setting ``OSCAR_REHIVE``."""
    messages: list[CheckMessage] = []
    for problem in conf.problems():
        if problem.fatal:
            messages.append(Error(problem.message, hint=problem.hint, id="oscar_rehive.E001"))
        else:
            messages.append(Warning(problem.message, hint=problem.hint, id="oscar_rehive.W001"))
    return messages


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
SHORTEST_SECRET = 16
"""Characters of a webhook secret. Whoever guesses it can have the shop ask Rehive, again and again."""


@register(Tags.security)
def check_tokens(**kwargs: Any) -> list[CheckMessage]:
    """oscar_rehive.E007: a token that no request can carry: every call to Rehive would fail."""
    return [
        Error(
            f"The TOKEN of the business for {currency} has a blank, or a character that is no"
            " printable ASCII.",
            hint="Copy it again from Rehive's app, alone and whole; beware of dots that stand for the"
            " rest of it.",
            id="oscar_rehive.E007",
        )
        for currency, business in conf.as_it_is().businesses.items()
        if not (business.token.isascii() and business.token.isprintable()) or " " in business.token
    ]


@register(Tags.security)
def check_addresses(**kwargs: Any) -> list[CheckMessage]:
    """oscar_rehive.W007: the token on its way in clear. A warning, because it may be a network of
    one's own, as between containers. Of the shop's own address ``rehive_check`` tells."""
    addresses = [
        address
        for business in conf.as_it_is().businesses.values()
        for address in (
            ("API_URL", business.api_url),
            ("PAYMENT_REQUESTS_URL", business.payment_requests_url),
        )
    ]
    return [
        Warning(
            f"{key} is {address}: the token goes there in clear, for everybody on the way to read.",
            hint=f"Begin {key} with https://.",
            id="oscar_rehive.W007",
        )
        for key, address in dict.fromkeys(addresses)
        if is_web_address(address)
        and urlsplit(address).scheme == "http"
        and not _stays_here(address)
    ]


@register(Tags.security)
def check_secrets(**kwargs: Any) -> list[CheckMessage]:
    """oscar_rehive.W008, W009: secrets that are none."""
    messages: list[CheckMessage] = []
    for currency, business in conf.as_it_is().businesses.items():
        if not _stays_here(business.api_url):
            published = {
                "TOKEN": business.token == DEMO_TOKEN,
                "WEBHOOK_SECRET": DEMO_WEBHOOK_SECRET in business.webhook_secrets,
            }
            messages += [
                Warning(
                    f"The {key} of the business for {currency} is the demonstration's, which everybody"
                    f" can read, and API_URL leads elsewhere: {business.api_url}",
                    hint=f"Use a {key} of your own.",
                    id="oscar_rehive.W008",
                )
                for key, is_published in published.items()
                if is_published
            ]
        if any(len(secret) < SHORTEST_SECRET for secret in business.webhook_secrets):
            messages.append(
                Warning(
                    f"A WEBHOOK_SECRET of the business for {currency} is shorter than"
                    f" {SHORTEST_SECRET} characters: it can be guessed.",
                    hint="Make a long random one, for instance with"
                    " python -c 'import secrets; print(secrets.token_urlsafe(32))', and give it to"
                    " Rehive: manage.py rehive_setup does.",
                    id="oscar_rehive.W009",
                )
            )
        if any(map(_CONTROL.search, business.webhook_secrets)):
            messages.append(
                Warning(
                    f"A WEBHOOK_SECRET of the business for {currency} has a line's end or another control"
                    " character in it, which no request can carry: every delivery would be refused.",
                    hint="Copy it again, alone and in one line. Several secrets go into a list.",
                    id="oscar_rehive.W009",
                )
            )
    return messages


def _stays_here(address: str) -> bool:
    """Whether ``address`` leads to this very machine."""
    return is_web_address(address) and is_loopback(urlsplit(address).hostname or "")


@register(Tags.compatibility)
def check_payment_methods(**kwargs: Any) -> list[CheckMessage]:
    """oscar_rehive.E002: the payment methods."""
    from oscar_rehive.checkout.methods import load_method

    messages: list[CheckMessage] = []
    paths: dict[str, str] = {}
    for path in conf.payment_methods():
        try:
            code = load_method(path).code
        except (ImportError, TypeError) as error:
            messages.append(
                Error(
                    f"The payment method {path!r} cannot be used: {error}",
                    hint=f'Correct the dotted path in {conf.SETTING}["PAYMENT_METHODS"]; the class'
                    " derives from oscar_rehive.checkout.methods.PaymentMethod and has a code and a title.",
                    id="oscar_rehive.E002",
                )
            )
            continue
        if code in paths:
            messages.append(
                Error(
                    f"The payment methods {paths[code]!r} and {path!r} have the same code {code!r}.",
                    hint="Name each method once, and give it a code of its own: it is what the shopper's"
                    " choice says.",
                    id="oscar_rehive.E002",
                )
            )
        paths.setdefault(code, path)
    return messages


@register(Tags.compatibility)
def check_pipeline(**kwargs: Any) -> list[CheckMessage]:
    """oscar_rehive.W002: the order statuses that payments need. A warning, because the shop runs:
    payments are recorded and raise attention until the pipeline allows the statuses."""
    if _unsound():
        return []
    words = conf.current().order_status
    pipeline = apps.get_model("order", "Order").pipeline
    known = {*pipeline, *(after for following in pipeline.values() for after in following)}
    unknown = [word for word in (words.pending, words.paid, words.cancelled) if word not in known]
    misspelt = {
        word: close[0]
        for word in unknown
        if (close := difflib.get_close_matches(word, known - set(unknown), n=1))
    }
    if misspelt:
        return [
            Warning(
                f"No order can be {word!r}: OSCAR_ORDER_STATUS_PIPELINE has no such status.",
                hint=f'Did you mean {close!r}? Correct {conf.SETTING}["ORDER_STATUS"] or the pipeline.',
                id="oscar_rehive.W002",
            )
            for word, close in misspelt.items()
        ]
    messages: list[CheckMessage] = [
        Warning(
            f"An order cannot go from {words.pending!r} to {status!r}: OSCAR_ORDER_STATUS_PIPELINE"
            " does not allow it.",
            hint=f'Add {{"{words.pending}": ("{words.paid}", "{words.cancelled}"),'
            f' "{words.paid}": ("{words.cancelled}",), "{words.cancelled}": ()}} to it, or name your'
            f' own statuses in {conf.SETTING}["ORDER_STATUS"].',
            id="oscar_rehive.W002",
        )
        for status in (words.paid, words.cancelled)
        if status != words.pending and status not in pipeline.get(words.pending, ())
    ]
    # Misspelt where it is led to, in the pipeline and the setting alike: what is paid goes no further.
    if not messages and words.paid not in pipeline:
        messages += [
            Warning(
                f"Paid orders become {words.paid!r}, from which OSCAR_ORDER_STATUS_PIPELINE leads nowhere.",
                hint=f"Did you mean {close!r}? Else add {words.paid!r} to it as a key.",
                id="oscar_rehive.W002",
            )
            for close in difflib.get_close_matches(words.paid, pipeline, n=1)
        ]
    return messages


@register(Tags.compatibility)
def check_workers(**kwargs: Any) -> list[CheckMessage]:
    """oscar_rehive.W010: a ``TASKS`` that has no place for our tasks. A warning, because each process then
    does by itself what follows a delivery."""
    try:
        task = workers_task("work_on_deliveries")
        if task is not None:
            task.get_backend().validate_task(task)
    except Exception as error:  # each backend has its own
        return [
            Warning(
                f"Workers cannot be told of deliveries: {error}",
                hint='TASKS needs a backend "default" with a queue "default": the one must be installed,'
                " and the other among its QUEUES.",
                id="oscar_rehive.W010",
            )
        ]
    if task is None or type(task.get_backend()).__name__ != "DummyBackend":
        return []
    return [
        Warning(
            "TASKS names the DummyBackend, which does no work: what a delivery tells waits for"
            " rehive_reconcile.",
            hint="Keep it to tests. Without TASKS each process does the work by itself.",
            id="oscar_rehive.W010",
        )
    ]


@register(Tags.urls)
def check_urls(**kwargs: Any) -> list[CheckMessage]:
    """oscar_rehive.E003: the include of the plugin's addresses."""
    from oscar_rehive.webhooks import webhook

    if is_included():
        return []
    try:
        reverse(webhook)
    except NoReverseMatch:
        what, hint = "The addresses of oscar_rehive are not part of the shop's URLconf.", ""
    else:
        what = "The addresses of oscar_rehive are in the shop's URLconf without their namespace."
        hint = " in the place of what is there"
    return [Error(what, hint=f"Add {INCLUDE} to it{hint}.", id="oscar_rehive.E003")]


@register(Tags.compatibility)
def check_base_url(**kwargs: Any) -> list[CheckMessage]:
    """oscar_rehive.W012: the shop's own address. Without it that is taken from the request, where a proxy may
    have put an inner host; and nobody can look whether Rehive reaches the webhook."""
    if _unsound() or conf.current().base_url:
        return []
    return [
        Warning(
            "The shop's public address is not known: shoppers are sent back from Rehive to whatever host"
            " their request names.",
            hint=f'Set {conf.SETTING}["BASE_URL"], for instance "https://shop.example.com".',
            id="oscar_rehive.W012",
        )
    ]


@register(Tags.compatibility)
def check_order_of_apps(**kwargs: Any) -> list[CheckMessage]:
    """oscar_rehive.W004: Oscar's templates found before ours."""
    if not stands_behind_oscar():
        return []
    return [
        Warning(
            "oscar_rehive stands behind Oscar in INSTALLED_APPS: the order pages show no button to pay.",
            hint='Put "oscar_rehive" before "oscar.config.Shop".',
            id="oscar_rehive.W004",
        )
    ]


@register(Tags.compatibility)
def check_checkout(**kwargs: Any) -> list[CheckMessage]:
    """oscar_rehive.E008, W003: a checkout that does not know of Rehive, or only half. An error, because Oscar's
    own takes no payment at all: its orders go out unpaid."""
    hint = (
        f'Put "{CHECKOUT}" where "{OSCARS_CHECKOUT}" stands in INSTALLED_APPS, or derive your'
        " PaymentMethodView, PaymentDetailsView and ThankYouView from those of"
        " oscar_rehive.checkout.views; the README says what else can be done."
    )
    return [
        Error(what, hint=hint, id="oscar_rehive.E008")
        if is_fatal
        else Warning(what, hint=hint, id="oscar_rehive.W003")
        for what, is_fatal in faults_of_the_checkout()
    ]


def faults_of_the_checkout() -> Iterator[tuple[str, bool]]:
    """What is wrong with the checkout, and whether nobody can pay with it."""
    from oscar.core.loading import get_class

    from oscar_rehive.checkout import mixins, views

    def view(name: str) -> Any:
        return get_class("checkout.views", name)

    if not issubclass(view("PaymentDetailsView"), mixins.RehiveCheckoutMixin):
        if has_oscars_checkout():
            yield (
                "The checkout is still Oscar's own, which takes no payment: orders go out unpaid.",
                True,
            )
        else:
            yield (
                "The checkout does not offer Rehive: what it does not take itself goes out unpaid.",
                True,
            )
        return
    takes_no_details = issubclass(view("PaymentDetailsView"), views.PaymentDetailsView)
    if takes_no_details and not issubclass(view("PaymentMethodView"), mixins.PaymentMethodsMixin):
        # Each sends the shopper to the other, for ever.
        yield "The checkout's PaymentMethodView does not let the shopper choose Rehive.", True
    if not issubclass(view("ThankYouView"), views.ThankYouView):
        yield "The checkout's ThankYouView thanks for orders that are not paid yet.", False


def _unsound() -> bool:
    return any(problem.fatal for problem in conf.problems())
