"""What a command or a page mends of what the checks find."""

from __future__ import annotations

from collections.abc import Iterator

from oscar_rehive import conf
from oscar_rehive.checkup import of_webhook
from oscar_rehive.checkup.finding import Finding, error, good
from oscar_rehive.payments.gateway import client_for
from oscar_rehive.payments.registering import put_right, registered_for
from oscar_rehive.rehive.exceptions import RehiveError


def why_not_registrable() -> str:
    """What must be mended before a webhook can be registered; nothing where it can."""
    url = of_webhook.address()
    fatal = [one for one in conf.problems() if one.fatal]
    if fatal:
        return f"{fatal[0].message} {fatal[0].hint}"
    if not url:
        return (
            f"The webhook's address is not known: set {conf.SETTING}[\"BASE_URL\"], and include the plugin's"
            " addresses in the URLconf."
        )
    is_safe = of_webhook.is_safe(url)
    if not is_safe.is_good:
        return f"{is_safe.sentence} {is_safe.mend}"
    return "" if conf.current().webhook_secrets else "Set WEBHOOK_SECRET first."


def register_webhooks(*, anew: bool = False) -> Iterator[Finding]:
    """Put the registered webhooks of all businesses right, where that can be done; what came of it, of those where
    something had to be done. ``anew``: replace those that look right, too. Must not be called in a database
    transaction: Rehive is asked."""
    if why_not_registrable():
        return
    url, config = of_webhook.address(), conf.current()
    for business in config.businesses.values():
        if not business.webhook_secrets:
            continue
        name, client = f"webhook-registered-{business.currency}", client_for(business)
        try:
            there = registered_for(client, url, config.webhook_secrets)
            if put_right(client, there, url=url, secret=business.webhook_secrets[0], anew=anew):
                yield good(name, f"The webhook has now been registered for {business.currency}.")
        except RehiveError as fault:
            told = f"The webhook for {business.currency} could not be registered: {fault}"
            yield error(name, told, "Try again when Rehive can be asked.")
