"""Who may do what in the admin, and what the history calls them.

Each button has a permission of its own, and none of them works without the permission to view what it is
about: who may not see an invoice does not decide about its money either.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from oscar_rehive.cleaning import storable_text
from oscar_rehive.payments.deciding import KNOWN_AGAIN

MOST_CHARACTERS = 150


def who(user: Any) -> str:
    """What the history calls ``user``, never nothing: a shop's own user model may name its users by a
    number, a UUID or an object, or let the name be empty."""
    name = user.get_username()
    text = "" if name is None else storable_text(str(name)).strip()
    if not text or text == KNOWN_AGAIN:  # what Rehive itself resolves has that name
        text = f"user {user.pk}"
    return text[:MOST_CHARACTERS]


def may_see_invoices(request: HttpRequest) -> bool:
    """Whether the visitor may look at invoices; as everywhere in the admin, who may change may look."""
    return _has(request, "view_invoice") or _has(request, "change_invoice")


def may_refund(request: HttpRequest) -> bool:
    """Whether the visitor may give money back, on whichever page."""
    return _has(request, "add_refund") and may_see_invoices(request)


def may_accept(request: HttpRequest) -> bool:
    """Whether the visitor may let money that waits pay its order."""
    return _has(request, "accept_attention") and may_see_invoices(request)


def may_take_for_gone(request: HttpRequest) -> bool:
    """Whether the visitor may say that an invoice is gone, after which nothing waits for it."""
    return _has(request, "take_for_gone_attention") and may_see_invoices(request)


def may_resolve(request: HttpRequest) -> bool:
    """Whether the visitor may note that a fact was dealt with, which moves no money."""
    return _has(request, "resolve_attention")


def _has(request: HttpRequest, permission: str) -> bool:
    return request.user.has_perm(f"oscar_rehive.{permission}")
