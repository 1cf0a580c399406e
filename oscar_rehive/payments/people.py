"""What the history calls those who decide."""

from __future__ import annotations

from typing import Any

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
