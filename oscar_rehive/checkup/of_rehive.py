"""What Rehive says: the business, and the webhook that is registered for it."""

from __future__ import annotations

from oscar_rehive import conf
from oscar_rehive.checkup.finding import Finding, error, good, warning
from oscar_rehive.payments.registering import registered_for
from oscar_rehive.rehive.client import Client
from oscar_rehive.rehive.exceptions import NotFound, RehiveError, Unauthorised

SETS_UP = "manage.py rehive_check --register-webhook"


def business(client: Client, business: conf.BusinessConfig) -> Finding:
    """It must be there, be verified, and invoice in the right currency."""
    name = f"business-{business.currency}"
    try:
        remote = client.business()
    except RehiveError as fault:
        mend = (
            "Check BUSINESS_ID, that the token belongs to it, and API_URL."
            if isinstance(fault, NotFound)
            else str(fault)
        )
        if isinstance(fault, (NotFound, Unauthorised)):
            mend += managed_by(client)
        return error(name, f"Business {business.business_id} cannot be read.", mend)
    if remote.currency.code != business.currency:
        return error(
            name,
            f"The business invoices in {remote.currency.code}, the shop sells in"
            f" {business.currency}.",
            f"Set OSCAR_DEFAULT_CURRENCY to {remote.currency.code}, if that is what the shop sells in;"
            " or use the BUSINESS_ID of another business. With several currencies, name each business"
            f' under its own in {conf.SETTING}["BUSINESSES"].',
        )
    if not remote.is_verified:
        return error(
            name,
            f"The business {remote.name} is {remote.status!r}, not verified.",
            "Customers cannot pay until Rehive has verified it: finish that in Rehive's app.",
        )
    return good(
        name,
        f"The token is good, and the business {remote.name or remote.id} is verified and invoices"
        f" in {remote.currency.code}.",
    )


def managed_by(client: Client) -> str:
    """A sentence that names the businesses of the token, where Rehive lists them; else nothing."""
    try:
        managed = [
            f"{one.name or 'a business'} in {one.currency.code}: {one.id}"
            for one in client.businesses()
        ]
    except RehiveError:
        return ""
    return (
        f" The token manages: {'; '.join(managed)}."
        if managed
        else " The token manages no business."
    )


def registration(client: Client, business: conf.BusinessConfig, url: str) -> Finding:
    """It must lead to this shop, once, with a secret that is let in."""
    name = f"webhook-registered-{business.currency}"
    secrets = business.webhook_secrets
    try:
        there = registered_for(client, url, conf.current().webhook_secrets)
    except RehiveError as fault:
        return warning(
            name,
            f"The webhooks registered for {business.currency} cannot be read or changed.",
            str(fault),
        )
    if there.good and secrets and not there.refused:
        if len(there.good) > 1:
            return warning(
                name,
                f"The webhook is registered {len(there.good)} times for {business.currency}: each change"
                " is told as often.",
                f"Run {SETS_UP}, which removes all but one.",
            )
        return good(name, f"The webhook is registered for {business.currency}.")
    if there.good or there.refused:
        return error(
            name,
            f"The webhook for {business.currency} is registered with another secret: its calls are"
            " refused."
            if secrets
            else f"A webhook is registered for {business.currency}, but WEBHOOK_SECRET is not set: its"
            " calls are refused.",
            f"Run {SETS_UP}, which replaces it."
            if secrets
            else "Set WEBHOOK_SECRET to the secret with which it is registered.",
        )
    elsewhere = ", ".join(sorted({hook.url for hook in (*there.elsewhere, *there.others)}))
    return error(
        name,
        f"No webhook is registered for {business.currency} at {url}"
        + (f"; there are others: {elsewhere}" if elsewhere else ""),
        f"Run {SETS_UP}, or enter the address in Rehive's app."
        if secrets
        else f"Set WEBHOOK_SECRET first; then run {SETS_UP}.",
    )
