"""Django system checks: each names what is wrong with the installation, and the hint how to mend it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections
from django.urls import NoReverseMatch, reverse

from oscar_rehive import conf
from oscar_rehive.background import workers_task
from oscar_rehive.databases import database_of
from oscar_rehive.rehive.wire import is_loopback, is_web_address
from oscar_rehive.simulator.demo import DEMO_TOKEN, DEMO_WEBHOOK_SECRET

INCLUDE = 'path("rehive/", include(apps.get_app_config("oscar_rehive").urls[0]))'


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
                    " Rehive: manage.py rehive_check --register-webhook does.",
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
    return [
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


@register(Tags.compatibility)
def check_workers(**kwargs: Any) -> list[CheckMessage]:
    """oscar_rehive.W010: a ``TASKS`` that has no place for our tasks. A warning, because each process then
    does by itself what follows a delivery."""
    try:
        task = workers_task("work_on_deliveries")
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
    try:
        reverse("oscar_rehive:webhook")
    except NoReverseMatch:
        return [
            Error(
                "The addresses of oscar_rehive are not part of the shop's URLconf.",
                hint=f"Add {INCLUDE} to it.",
                id="oscar_rehive.E003",
            )
        ]
    return []


@register(Tags.compatibility)
def check_order_of_apps(**kwargs: Any) -> list[CheckMessage]:
    """oscar_rehive.W004: Oscar's templates found before ours."""
    names = [config.name for config in apps.get_app_configs()]
    if "oscar" not in names or names.index("oscar_rehive") < names.index("oscar"):
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
    """oscar_rehive.W003: a checkout that does not know of Rehive, or only half."""
    return [
        Warning(
            message,
            hint='Put "oscar_rehive.checkout.apps.CheckoutConfig" where'
            ' "oscar.apps.checkout.apps.CheckoutConfig" stands in INSTALLED_APPS, or derive your'
            " PaymentMethodView, PaymentDetailsView and ThankYouView from those of"
            " oscar_rehive.checkout.views; the README says what else can be done.",
            id="oscar_rehive.W003",
        )
        for message in _faults_of_the_checkout()
    ]


def _faults_of_the_checkout() -> Iterator[str]:
    from oscar.core.loading import get_class

    from oscar_rehive.checkout import mixins, views

    def view(name: str) -> Any:
        return get_class("checkout.views", name)

    if not issubclass(view("PaymentDetailsView"), mixins.RehiveCheckoutMixin):
        yield "The checkout does not offer Rehive."
        return
    takes_no_details = issubclass(view("PaymentDetailsView"), views.PaymentDetailsView)
    if takes_no_details and not issubclass(view("PaymentMethodView"), mixins.PaymentMethodsMixin):
        # Each sends the shopper to the other, for ever.
        yield "The checkout's PaymentMethodView does not let the shopper choose Rehive."
    if not issubclass(view("ThankYouView"), views.ThankYouView):
        yield "The checkout's ThankYouView thanks for orders that are not paid yet."


TRIED_ON = ("postgresql", "mysql", "sqlite")
"""The databases, by Django's name for their kind, on which the promises are tried or argued for."""


@register(Tags.compatibility)
def check_routers(**kwargs: Any) -> list[CheckMessage]:
    """oscar_rehive.E004: orders in another database than their payments. Money would stand in one
    of the two and not in the other if the process died in between."""
    payments = _payments_database()
    elsewhere = {
        label: alias
        for label in ("order.Order", "payment.Source", "partner.StockRecord")
        if (alias := database_of(apps.get_model(label))) != payments
    }
    return [
        Error(
            f"{label} is written to the database {alias!r}, and payments are to {payments!r}: no"
            " transaction covers both.",
            hint="Let DATABASE_ROUTERS write both to the same database.",
            id="oscar_rehive.E004",
        )
        for label, alias in elsewhere.items()
    ]


@register(Tags.compatibility)
def check_database(**kwargs: Any) -> list[CheckMessage]:
    """oscar_rehive.E005, W005, W006: the kind of database, and how it keeps transactions apart, as far
    as the settings tell."""
    alias = _payments_database()
    connection: Any = connections[alias]
    if connection.vendor not in TRIED_ON:
        return [
            Warning(
                f"oscar_rehive has not been tried on {connection.vendor}, the database {alias!r}.",
                hint="Use PostgreSQL, MySQL, MariaDB or SQLite, or try it under load first.",
                id="oscar_rehive.W006",
            )
        ]
    level = connection.settings_dict.get("OPTIONS", {}).get("isolation_level")
    if connection.vendor == "mysql" and str(level).lower() == "read uncommitted":
        return [
            Error(
                f"The database {alias!r} reads what is not committed: what is decided about money"
                " could rest on what is rolled back.",
                hint='Take "isolation_level" out of its OPTIONS: Django\'s own is "read committed".',
                id="oscar_rehive.E005",
            )
        ]
    if connection.vendor == "postgresql" and _is_serializable(level):
        return [
            Warning(
                f"The database {alias!r} is SERIALIZABLE: no money is lost, but it refuses"
                " transactions that come close to each other, and they are done again.",
                hint='Take "isolation_level" out of its OPTIONS: oscar_rehive needs no more than'
                " READ COMMITTED.",
                id="oscar_rehive.W005",
            )
        ]
    return []


@register(Tags.database)
def check_tables(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """oscar_rehive.E006: tables without transactions. It asks the database, so it runs with
    ``migrate`` and ``check --database`` only."""
    alias = _payments_database()
    if alias not in (databases or ()):
        return []
    connection: Any = connections[alias]
    # Of the others: PostgreSQL and SQLite have them always, and for what Django does not know it would
    # make a table to find out.
    if connection.vendor != "mysql" or connection.features.supports_transactions:
        return []
    return [
        Error(
            f"The database {alias!r} makes tables without transactions (MyISAM): what a crash leaves"
            " half done stays so, and nothing keeps two payments apart.",
            hint="Set default_storage_engine to InnoDB, and convert the tables there are with ALTER"
            " TABLE … ENGINE=InnoDB.",
            id="oscar_rehive.E006",
        )
    ]


def _payments_database() -> str:
    from oscar_rehive.models import OrderPayment

    return database_of(OrderPayment)


def _is_serializable(level: Any) -> bool:
    # The number is another one with psycopg 2 than with psycopg 3; Django knows which.
    from django.db.backends.postgresql.psycopg_any import IsolationLevel

    return bool(level == IsolationLevel.SERIALIZABLE)


def _unsound() -> bool:
    return any(problem.fatal for problem in conf.problems())
