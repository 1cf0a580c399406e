"""The one error of the simulator: a request that Rehive would refuse."""

from __future__ import annotations

from typing import Any


class RehiveError(Exception):
    """A refusal, as the API tells it (rehive-api.md, "Conventions of every endpoint").

    ``status`` is the HTTP status, ``message`` one sentence for a person, ``fields`` the messages
    of each wrong field.
    """

    def __init__(
        self, status: int, message: str, fields: dict[str, list[str]] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.fields = fields or {}

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        body: dict[str, Any] = {"status": "error", "message": self.message}
        if self.fields:
            body["data"] = self.fields
        return body


def invalid(fields: dict[str, list[str]]) -> RehiveError:
    """A 400 for wrong fields; the message repeats the first of them."""
    name, messages = next(iter(fields.items()))
    return RehiveError(400, f"{name}: {messages[0]}", fields)


def not_found(what: str) -> RehiveError:
    """A 404 for an object that is not there, or not this business's."""
    return RehiveError(404, f"{what} not found.")
