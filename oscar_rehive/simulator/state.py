"""All that the simulator remembers, as one JSON document, and the file that may keep it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]

FORMAT = 1


@dataclass
class Record:
    """One invoice with all that belongs to it. ``invoice`` has the fields of the API."""

    number: int
    business_id: str
    invoice: Json
    transactions: list[Json] = field(default_factory=list)
    refunds: list[Json] = field(default_factory=list)
    logs: list[Json] = field(default_factory=list)
    # What each quote is worth in the invoice's own smallest units, by the quote's id.
    quote_worth: dict[str, int] = field(default_factory=dict)


@dataclass
class Webhook:
    """A registered webhook. ``failures`` counts 5xx answers in a row."""

    id: str
    url: str
    secret: str | None
    event: str
    failures: int = 0
    disabled: bool = False


@dataclass
class Delivery:
    """One message on its way to one webhook; it is forgotten when it has arrived or is given up.

    ``due`` is in milliseconds, None when held. ``lets_next_overtake`` is the fault
    ``webhook_reorder`` at work.
    """

    number: int
    webhook_id: str
    body: Json
    due: int | None
    attempts: int = 0
    sending: bool = False
    lets_next_overtake: bool = False


@dataclass
class State:
    """Everything there is. Insertion order is order of creation."""

    records: dict[str, Record] = field(default_factory=dict)
    webhooks: dict[str, Webhook] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)
    attempts: list[Json] = field(default_factory=list)
    answers: dict[str, Json] = field(default_factory=dict)
    clock_offset_ms: int = 0
    last_number: int = 0
    # Each with the business that it belongs to.
    payouts: list[Json] = field(default_factory=list)
    fee_per_mille: int = 0

    def to_json(self) -> Json:
        """This state as a JSON document."""
        return {"format": FORMAT} | asdict(self)

    @classmethod
    def from_json(cls, document: Any) -> State:
        """The state in that document; ``ValueError`` if it is none."""
        try:
            if document["format"] != FORMAT:
                raise ValueError(f"format {document['format']!r} is not {FORMAT}")
            state = cls(
                records={key: Record(**value) for key, value in document["records"].items()},
                webhooks={key: Webhook(**value) for key, value in document["webhooks"].items()},
                deliveries=[Delivery(**value) for value in document["deliveries"]],
                attempts=list(document["attempts"]),
                answers=dict(document["answers"]),
                clock_offset_ms=int(document["clock_offset_ms"]),
                last_number=int(document["last_number"]),
                # Not in files of before.
                payouts=list(document.get("payouts", [])),
                fee_per_mille=int(document.get("fee_per_mille", 0)),
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"unexpected content ({error})") from error
        for delivery in state.deliveries:
            # Nobody is sending it any more: that process has ended.
            delivery.sending = False
        return state


def read(path: Path) -> State:
    """The state in the file at ``path``; ``ValueError`` where it can't be understood."""
    return State.from_json(json.loads(path.read_text(encoding="utf-8")))


class StateFile:
    """A JSON file that holds the state over restarts."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> State:
        """The state in the file, or a fresh one if there is no file yet.

        ``ValueError`` for a file that can't be understood; it is left as it is.
        """
        try:
            return read(self.path)
        except FileNotFoundError:
            return State()

    def save(self, state: State) -> None:
        """Replace the file in one step: a crash leaves either the old state or the new one."""
        temporary = self.path.with_name(self.path.name + ".new")
        # It holds webhook secrets, so it is nobody else's to read.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(state.to_json(), file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.path)
