"""Secrets that do not show themselves (promise P9).

Error pages, admin mails and error trackers print the local variables of every frame, those of
``requests`` and ``urllib3`` as well.
"""

from __future__ import annotations


class Secret(str):
    """A text that is what it is to whoever uses it, and asterisks to whoever prints variables."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'********'"


class SecretBytes(bytes):
    """The same in bytes, for a body that carries a secret."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "b'********'"
