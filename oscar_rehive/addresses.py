"""Keeping the addresses of payments out of the shop's log and of what is stored: whoever has one opens that payment's pages."""

from __future__ import annotations

import logging
import re

WRITE_ADDRESSES = ("django.request", "django.security.csrf")
"""Django's loggers that write the path of whatever they refuse."""

# What Django has signed ends in 43 letters; before them may stand a time. In a path only: a coin's address may be
# as long. And not from each letter on: of a long word, 64 kB of a delivery took a minute.
_SIGNED = re.compile(r"(?<=/)[\w-]+(:[\w-]+)?:[\w-]{43}(?![\w-])", re.ASCII)
_SIGNATURE = re.compile(r":[\w-]{43}", re.ASCII)


def without_tokens(text: str) -> str:
    """``text`` without what makes an address in it that of a payment."""
    if not _SIGNATURE.search(
        text
    ):  # as in most texts; to look for it alone takes a tenth of the time
        return text
    return _SIGNED.sub("[removed]", text)


def _cleaned(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(
            without_tokens(one) if isinstance(one, str) else one for one in record.args
        )
    return True


def keep_out_of_the_log() -> None:
    """Django logs the address of each answer from 400 on, also of those that are given before or instead
    of a view of ours: a wrong method, a missing CSRF cookie, an error."""
    for name in WRITE_ADDRESSES:
        logging.getLogger(name).addFilter(_cleaned)
