"""What ``rehive_setup`` must know first: the token, the shop's address, and which business is meant."""

from __future__ import annotations

import contextlib
import getpass
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from django.conf import settings
from django.db import DatabaseError

from oscar_rehive import conf
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.rehive.exceptions import NotFound, Unauthorised
from oscar_rehive.rehive.hiding import Secret
from oscar_rehive.rehive.wire import Business, is_web_address
from oscar_rehive.shop import goods

TOKEN_VARIABLE = "REHIVE_TOKEN"  # noqa: S105 -- the name of it
SECRET_VARIABLE = "REHIVE_WEBHOOK_SECRET"  # noqa: S105


class Stuck(Exception):
    """The command cannot go on: ``what`` is wrong, and how to ``mend`` it."""

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(what)
        self.what, self.mend = what, mend


def the_token() -> Secret:
    """From the environment, from the settings, or asked for where somebody sits at a terminal."""
    known = [one.token for one in conf.as_it_is().businesses.values() if one.token]
    token = os.environ.get(TOKEN_VARIABLE, "").strip() or next(iter(known), "")
    if not token and sys.stdin.isatty():
        # Ctrl-D is no answer.
        with contextlib.suppress(EOFError):
            token = getpass.getpass(
                "Permanent API token of a manager or service user at Rehive: "
            ).strip()
    if not token:
        raise Stuck(
            "There is no token.",
            f"Put a permanent API token of a manager or service user into the environment variable"
            f" {TOKEN_VARIABLE}, or run this in a terminal, where it is asked for.",
        )
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise Stuck(
            "The token has a blank, or a character that is no printable ASCII.",
            "Copy it again from Rehive's app, alone and whole; beware of dots that stand for the rest of it.",
        )
    return Secret(token)


def the_address(given: str) -> str:
    """The shop's public address: as given, from the settings, or asked for."""
    address = given.strip() or conf.as_it_is().base_url
    if not address and sys.stdin.isatty():
        with contextlib.suppress(EOFError):
            address = input("The shop's public address, such as https://shop.example.com: ").strip()
    if not address:
        raise Stuck(
            "The shop's public address is not known.",
            "Give it with --base-url, such as --base-url https://shop.example.com",
        )
    return insist_on_address(address).rstrip("/")


def insist_on_address(address: str) -> str:
    """``address``; raises ``Stuck`` where it is none."""
    if not is_web_address(address) or {"?", "#"} & set(address):
        raise Stuck(
            f"{address} is not the address of a service.",
            "Give an absolute one without query or fragment, such as https://shop.example.com",
        )
    return address


def the_businesses(account: conf.BusinessConfig, named: Sequence[str]) -> list[Business]:
    """The businesses that this shop is to use: those with the ids ``named``, those of the settings, or those that
    invoice in what the shop sells in. Raises ``Stuck`` and ``RehiveError``."""
    configured = [one for one in conf.as_it_is().businesses.values() if one.business_id]
    if named or not configured:
        managed = _managed(account, named)
        return [_of(managed, one) for one in named] or _fitting(managed)
    chosen = []
    for one in configured:
        # Each may have a token of its own; one from the environment is for all.
        token = account.token if os.environ.get(TOKEN_VARIABLE, "").strip() else one.token
        own = replace(account, token=token or account.token)
        chosen.append(_of(_managed(own, [one.business_id]), one.business_id))
    return chosen


def _of(managed: Mapping[str, Business], business_id: str) -> Business:
    if business_id not in managed:
        raise Stuck(
            f"The token does not manage the business {business_id}. It manages {_listed(managed)}.",
            "Give one of these with --business, or take the token of a manager of the other.",
        )
    return managed[business_id]


def _managed(account: conf.BusinessConfig, wanted: Sequence[str]) -> dict[str, Business]:
    try:
        managed = {one.id: one for one in client_for(account).businesses()}
    except Unauthorised as refused:
        if not refused.is_forbidden:
            raise Stuck(
                "Rehive does not accept the token (401).",
                f"Copy it again from Rehive's app, into the environment variable {TOKEN_VARIABLE}, which comes"
                f" before TOKEN in {conf.SETTING}. It must be a permanent API token: that of a login ends after"
                " ten hours. For a service that is not the live one, give --api-url.",
            ) from None
    except NotFound:
        pass
    else:
        if not managed:
            raise Stuck(
                "The token manages no business.",
                "Make the token for a manager of the business, in Rehive's app.",
            )
        return managed
    # Whether each token may list them is not documented; one by one they can be read in any case.
    if not wanted:
        raise Stuck(
            "Rehive does not tell which businesses the token manages.",
            "Give the id of the business, which Rehive's app shows, with --business.",
        )
    found = {}
    for business_id in wanted:
        try:
            found[business_id] = client_for(with_id(account, business_id)).business()
        except (NotFound, Unauthorised):
            raise Stuck(
                f"The token does not manage the business {business_id}, or Rehive does not know it.",
                "Correct the id, which Rehive's app shows, or take the token of a manager of that business.",
            ) from None
    return found


def with_id(
    account: conf.BusinessConfig, business_id: str, currency: str = ""
) -> conf.BusinessConfig:
    """The business of that id, of the same account."""
    return replace(account, business_id=business_id, currency=currency)


def _fitting(managed: Mapping[str, Business]) -> list[Business]:
    """Those that invoice in what the shop sells in; the only one in any case."""
    if len(managed) == 1:
        return list(managed.values())
    currencies = _currencies()
    fitting = [one for one in managed.values() if one.currency.code in currencies]
    if len({one.currency.code for one in fitting}) < len(fitting):
        raise Stuck(
            f"The token manages several businesses for one currency: {_listed(managed)}.",
            "Say with --business which it shall be; once for each currency.",
        )
    if not fitting:
        raise Stuck(
            f"No business of the token invoices in {' or '.join(currencies)}, which this shop sells in. It"
            f" manages {_listed(managed)}.",
            "Say with --business which it shall be, and price the products in its currency.",
        )
    return sorted(fitting, key=lambda one: currencies.index(one.currency.code))


def _currencies() -> list[str]:
    default = str(getattr(settings, "OSCAR_DEFAULT_CURRENCY", ""))
    try:
        on_sale = list(goods.currencies_on_sale())
    except DatabaseError:  # not migrated yet, say
        on_sale = []
    return on_sale or [default]


def _listed(managed: Mapping[str, Business]) -> str:
    return "; ".join(
        f"{one.id} ({one.name or 'no name'}, {one.currency.code})" for one in managed.values()
    )
