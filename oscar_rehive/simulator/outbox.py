"""Webhooks, and the queue of deliveries to them (rehive-api.md, "Webhooks").

Only decides what is to be sent and when; ``deliveries.py`` does the sending.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from .errors import not_found
from .faults import Faults
from .state import Delivery, State, Webhook
from .validation import clean_webhook

Json = dict[str, Any]

REQUEST_CREATE = "service_payment_requests.request.create"
REQUEST_UPDATE = "service_payment_requests.request.update"
COMPANY = "simulator"

ACCEPTED = (200, 201, 202)
RETRIES = 7
LONGEST_WAIT_MS = 3_600_000
FAILURES_TO_DISABLE = 20
OVERTAKING_MS = 30_000

_ATTEMPTS_KEPT = 1000


@dataclass(frozen=True)
class Letter:
    """What the sender needs for one attempt."""

    number: int
    url: str
    secret: str | None
    body: Json


@dataclass(frozen=True)
class Result:
    """How an attempt went: the answer's HTTP status and beginning, or why there is none."""

    status: int | None
    answer: str = ""
    error: str | None = None


class Outbox:
    """Webhooks and deliveries in ``state``. The caller holds the lock and tells the time."""

    def __init__(
        self, state: State, faults: Faults, next_number: Callable[[], int], retry_base_ms: int
    ) -> None:
        self._state = state
        self._faults = faults
        self._next_number = next_number
        self._retry_base_ms = retry_base_ms

    # Webhooks

    def create_webhook(self, body: Any) -> Json:
        """Register a webhook. ``url`` and ``event`` are required."""
        fields = clean_webhook(body, partial=False)
        webhook = Webhook(
            str(self._next_number()), fields["url"], fields.get("secret"), fields["event"]
        )
        self._state.webhooks[webhook.id] = webhook
        return _wire(webhook)

    def webhooks(self) -> list[Json]:
        """All webhooks, oldest first."""
        return [_wire(webhook) for webhook in self._state.webhooks.values()]

    def webhook(self, webhook_id: str) -> Json:
        """One webhook."""
        return _wire(self._webhook(webhook_id))

    def update_webhook(self, webhook_id: str, body: Any, *, partial: bool) -> Json:
        """Change a webhook; any change also enables it again."""
        webhook = self._webhook(webhook_id)
        fields = clean_webhook(body, partial=partial)
        webhook.url = fields.get("url", webhook.url)
        webhook.event = fields.get("event", webhook.event)
        webhook.secret = fields.get("secret", webhook.secret if partial else None)
        webhook.failures, webhook.disabled = 0, False
        return _wire(webhook)

    def delete_webhook(self, webhook_id: str) -> None:
        """Remove a webhook; what is on its way to it is dropped."""
        self._webhook(webhook_id)
        del self._state.webhooks[webhook_id]
        self._forget_waiting(webhook_id)

    def _webhook(self, webhook_id: str) -> Webhook:
        webhook = self._state.webhooks.get(webhook_id)
        if webhook is None:
            raise not_found("Webhook")
        return webhook

    # Deliveries

    def announce(self, event: str, invoice: Json, now: int) -> None:
        """Queue a message about this invoice, as it is now, for every webhook of that event."""
        for webhook in self._state.webhooks.values():
            if webhook.event != event or webhook.disabled:
                continue
            number = self._next_number()
            body = {"id": number, "event": event, "company": COMPANY, "data": deepcopy(invoice)}
            self._queue(Delivery(number, webhook.id, body, due=now), now)

    def _queue(self, delivery: Delivery, now: int) -> None:
        if self._faults.take("webhook_drop"):
            return
        queue = self._state.deliveries
        queue.append(delivery)
        if self._faults.take("webhook_hold"):
            delivery.due = None
        elif delay := self._faults.take("webhook_delay_ms"):
            delivery.due = now + delay
        if self._faults.take("webhook_double"):
            double = deepcopy(delivery)
            double.number = self._next_number()
            queue.append(double)
        overtaken = next(
            (d for d in self._waiting(delivery.webhook_id) if d.lets_next_overtake), None
        )
        if overtaken is not None:
            overtaken.lets_next_overtake = False
            overtaken.due = delivery.due
            queue.remove(overtaken)
            queue.append(overtaken)
        elif self._faults.take("webhook_reorder"):
            delivery.lets_next_overtake = True
            delivery.due = now + OVERTAKING_MS

    def claim(self, now: int, *, everything: bool) -> list[Letter]:
        """The deliveries to send now, in order; nobody else gets them until ``record``.

        With ``everything`` also those that are held, delayed, or waiting for their next try.
        """
        if everything:
            chosen = self._waiting()
        else:
            chosen = [d for d in self._waiting() if d.due is not None and d.due <= now]
            chosen.sort(key=lambda d: d.due or 0)
        letters = []
        for delivery in chosen:
            webhook = self._state.webhooks[delivery.webhook_id]
            delivery.sending = True
            letters.append(
                Letter(delivery.number, webhook.url, webhook.secret, deepcopy(delivery.body))
            )
        return letters

    def record(self, letter: Letter, result: Result, now: int) -> Json | None:
        """Note how an attempt went and plan the next one; returns the line of the log.

        None if the delivery is gone, because the simulator was reset in between.
        """
        delivery = next((d for d in self._state.deliveries if d.number == letter.number), None)
        if delivery is None:
            return None
        delivery.attempts += 1
        line = {
            "time": now,
            "id": letter.body["id"],
            "webhook_id": delivery.webhook_id,
            "url": letter.url,
            "event": letter.body["event"],
            "invoice_id": letter.body["data"]["id"],
            "invoice_status": letter.body["data"]["status"],
            "attempt": delivery.attempts,
            "status": result.status,
            "answer": result.answer,
            "error": result.error,
        }
        self._state.attempts.append(line)
        del self._state.attempts[:-_ATTEMPTS_KEPT]
        delivery.due = self._next_try(delivery, result, now)
        delivery.sending = False
        if delivery.due is None:
            self._state.deliveries.remove(delivery)
        return dict(line)

    def _next_try(self, delivery: Delivery, result: Result, now: int) -> int | None:
        webhook = self._state.webhooks.get(delivery.webhook_id)
        if webhook is not None:
            failed = result.status is not None and result.status >= 500
            webhook.failures = webhook.failures + 1 if failed else 0
            if webhook.failures >= FAILURES_TO_DISABLE:
                webhook.disabled = True
                self._forget_waiting(webhook.id)
        if result.status in ACCEPTED or delivery.attempts > RETRIES:
            return None
        if webhook is None or webhook.disabled:
            return None
        wait: int = min(self._retry_base_ms * 2 ** (delivery.attempts - 1), LONGEST_WAIT_MS)
        return now + wait

    def next_due(self) -> int | None:
        """When the next delivery is due, in milliseconds; None if nothing waits."""
        return min((d.due for d in self._waiting() if d.due is not None), default=None)

    def log(self) -> Json:
        """Every attempt, oldest first, and what is still to be sent."""
        return {
            "log": deepcopy(self._state.attempts),
            "pending": [
                {
                    "id": delivery.body["id"],
                    "webhook_id": delivery.webhook_id,
                    "event": delivery.body["event"],
                    "invoice_id": delivery.body["data"]["id"],
                    "invoice_status": delivery.body["data"]["status"],
                    "attempts": delivery.attempts,
                    "due": delivery.due,
                }
                for delivery in self._state.deliveries
            ],
        }

    def _waiting(self, webhook_id: str | None = None) -> list[Delivery]:
        return [
            delivery
            for delivery in self._state.deliveries
            if not delivery.sending and webhook_id in (None, delivery.webhook_id)
        ]

    def _forget_waiting(self, webhook_id: str) -> None:
        for delivery in self._waiting(webhook_id):
            self._state.deliveries.remove(delivery)


def _wire(webhook: Webhook) -> Json:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "secret": webhook.secret,
        "event": webhook.event,
    }
