"""The webhook as it is registered at Rehive: which ones are this shop's, and how to put them right."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from oscar_rehive.rehive.client import INVOICE_CHANGED, Client
from oscar_rehive.rehive.wire import Webhook


@dataclass(frozen=True)
class Registered:
    """The registered webhooks that tell of invoices. ``good``: at our address, with a secret that we let in
    (or that Rehive does not tell), the one to keep first. ``refused``: at our address, with another one.
    ``elsewhere``: with our secret at another address. ``others`` are somebody else's."""

    good: tuple[Webhook, ...]
    refused: tuple[Webhook, ...]
    elsewhere: tuple[Webhook, ...]
    others: tuple[Webhook, ...]


def registered_for(client: Client, url: str, secrets: Collection[str]) -> Registered:
    """How the webhooks of the token's user stand to the address ``url`` and to ``secrets``, all that the shop
    lets in: businesses of one user see the same webhooks. Raises ``RehiveError``."""
    sorted_: dict[str, list[Webhook]] = {"good": [], "refused": [], "elsewhere": [], "others": []}
    for hook in client.webhooks():
        if hook.event == INVOICE_CHANGED:
            sorted_[_kind(hook, url, secrets)].append(hook)
    # First the one that is surely good, and of these the one with the newest secret.
    order = [*secrets, None]
    sorted_["good"].sort(key=lambda hook: order.index(hook.secret))
    return Registered(**{kind: tuple(hooks) for kind, hooks in sorted_.items()})


def _kind(hook: Webhook, url: str, secrets: Collection[str]) -> str:
    if hook.url == url:
        return "good" if hook.secret is None or hook.secret in secrets else "refused"
    return "elsewhere" if hook.secret in secrets else "others"


def put_right(
    client: Client,
    there: Registered,
    *,
    url: str,
    secret: str,
    moved: Collection[Webhook] = (),
    anew: bool = False,
) -> bool:
    """Have one webhook at ``url``, and none that is refused, none twice, and none of ``moved``. Returns whether
    it is a new one, as it is in any case with ``anew``: Rehive disables a webhook without telling.
    Raises ``RehiveError``."""
    keeps = () if anew else there.good[:1]
    if not keeps:
        client.create_webhook(url=url, secret=secret)
    # After the new one is there: in between Rehive calls twice rather than not at all.
    for hook in (*there.good[len(keeps) :], *there.refused, *moved):
        client.delete_webhook(hook.id)
    return not keeps
