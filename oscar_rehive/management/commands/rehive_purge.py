"""``manage.py rehive_purge``: forget what is old, and whom one must forget."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import Error
from tqdm import tqdm

from oscar_rehive.cleaning import storable_text
from oscar_rehive.management.refusing import BROKEN_OFF, insist_on_settings, no_database
from oscar_rehive.payments import deliveries, personal
from oscar_rehive.payments.personal import Customer, NothingKept, Steps, StillNeeded

WRONG_USE = 2
NAMED_AT_MOST = 10


class Command(BaseCommand):
    """Exit code 0: done. 1: there is nothing about whoever was named, it is still needed, or nobody agreed;
    or settings or database cannot be used. 2: the arguments do not fit together."""

    help = (
        "Delete webhook deliveries that came longer ago than KEEP_DELIVERIES says. With --order or"
        " --email: remove what is kept about that customer, or show it. It can be broken off at any"
        " moment and started again. What was paid, and what happened, is never removed."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        whom = parser.add_mutually_exclusive_group()
        whom.add_argument(
            "--order", metavar="NUMBER", help="remove what is kept about its customer"
        )
        whom.add_argument(
            "--email",
            metavar="ADDRESS",
            help="the same for all orders of the customer with that mail address, guests' too",
        )
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--dry-run", action="store_true", help="only say how much that would be")
        how.add_argument(
            "--export",
            action="store_true",
            help="with --order or --email: print what is kept as JSON, and remove nothing",
        )
        parser.add_argument(
            "--no-input",
            "--noinput",
            action="store_false",
            dest="interactive",
            help="remove without asking",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._do(**options)
        except (NothingKept, StillNeeded) as refused:
            raise CommandError(str(refused)) from None
        except Error as error:
            raise CommandError(no_database(error)) from None
        except KeyboardInterrupt:
            raise CommandError(BROKEN_OFF) from None

    def _do(
        self,
        *,
        order: str | None,
        email: str | None,
        dry_run: bool,
        export: bool,
        interactive: bool,
        verbosity: int,
        **options: Any,
    ) -> None:
        customer = _customer(order, email)
        if customer is None:
            if export:
                raise CommandError(
                    "--export shows what is kept about one customer: add --order NUMBER or --email"
                    " ADDRESS.",
                    returncode=WRONG_USE,
                )
            told = self._forget_old(dry_run)
        elif export:
            self._export(customer)
            return
        else:
            personal.refuse_if_needed(customer)
            if interactive and not dry_run:
                _ask(customer)
            removed = personal.remove(customer, watch=_shown, dry_run=dry_run)
            told = f"{_named(customer)}: {removed}"
        if verbosity:
            would = " would do this, and has done nothing" if dry_run else ""
            self.stdout.write(f"rehive_purge{would}: {told}.")

    def _forget_old(self, dry_run: bool) -> str:
        insist_on_settings()
        if dry_run:
            number = deliveries.old_deliveries().count()
        else:
            number = 0
            with tqdm(unit="", leave=False, disable=None) as bar:
                for deleted in deliveries.forgetting():
                    number += deleted
                    bar.update(deleted)
        return f"old deliveries: {number} deleted"

    def _export(self, customer: Customer) -> None:
        # Piece by piece: what is kept about a customer of years need not be in memory as a whole.
        before = "["
        for one in personal.kept(customer):
            self.stdout.write(before + json.dumps(one, cls=DjangoJSONEncoder, indent=2))
            before = ", "
        self.stdout.write("]")


def _customer(order: str | None, email: str | None) -> Customer | None:
    if order is not None:
        if not _is_text(order):
            raise NothingKept(f"There is no order {order!r}.")
        return personal.who_placed(order.strip())
    if email is None:
        return None
    name, at, domain = email.strip().rpartition("@")
    if not (name and at and domain and _is_text(email)):
        raise CommandError(f"{email!r} is not a mail address.", returncode=WRONG_USE)
    return personal.who_has(email.strip())


def _is_text(typed: str) -> bool:
    """No database takes the bytes of another encoding than the terminal's."""
    return storable_text(typed) == typed


def _named(customer: Customer) -> str:
    named = ", ".join(str(payment) for payment in customer.payments[:NAMED_AT_MOST])
    more = len(customer.payments) - NAMED_AT_MOST
    orders = f"orders {named}{f' and {more} more' if more > 0 else ''}" if named else "no order"
    return f"{customer.address} ({orders})" if customer.address else orders


def _ask(customer: Customer) -> None:
    try:
        answer = input(
            f"This removes for good what is kept about {_named(customer)}; what was paid stays.\n"
            "Type 'yes' to go on: "
        )
    except EOFError:
        raise CommandError("There is nobody to ask; add --no-input. Nothing was removed.") from None
    if answer.strip().lower() != "yes":
        raise CommandError("Nothing was removed.")


def _shown(steps: Steps) -> Iterable[Sequence[int]]:
    # disable=None: a bar on a terminal, and nothing in a cron job's mail.
    return tqdm(steps, unit=" steps", leave=False, disable=None)
