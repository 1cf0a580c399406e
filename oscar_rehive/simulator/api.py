"""The API of Rehive over HTTP, at the paths of ``rehive.openapi.yaml``."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from flask import Blueprint, Response, g, request

from .errors import RehiveError, invalid
from .rules import Rehive
from .validation import page_numbers

Json = dict[str, Any]
View = Callable[..., Any]

PREFIXES = ("/business/", "/payment-requests/")
LONGEST_IDEMPOTENCY_KEY = 99


def blueprint(
    rehive: Rehive,
    tokens: Sequence[str],
    managed: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> Blueprint:
    """The API of that ``rehive``, for requests that carry one of the tokens. ``managed`` are the ids of the
    businesses that a token may manage; one that is not in it may manage them all."""
    api = Blueprint("api", __name__)
    businesses = "/business/manager/businesses/<business_id>/"
    invoices = f"{businesses}invoices/"
    invoice = f"{invoices}<invoice_id>/"
    webhooks = "/payment-requests/user/webhooks/"

    @api.before_request
    def check_token() -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        given = token.strip().encode()
        if scheme.lower() != "token" or not given:
            raise RehiveError(401, "Authentication credentials were not provided.")
        known = next((one for one in tokens if hmac.compare_digest(given, one.encode())), None)
        if known is None:
            raise RehiveError(401, "Invalid token.")
        g.managed = managed.get(known)
        wanted = (request.view_args or {}).get("business_id")
        if wanted is not None and g.managed is not None and wanted not in g.managed:
            raise RehiveError(403, "You do not have permission to perform this action.")

    def reads(path: str, read: View) -> None:
        """``GET`` answers with ``read(*ids)``."""

        def view(**ids: str) -> Response:
            return answer(200, success(read(**ids)))

        api.add_url_rule(path, f"read {path}", view, methods=["GET"])

    def lists(path: str, read: View) -> None:
        """``GET`` answers with one page of ``read``."""

        def view(**ids: str) -> Response:
            page, size = page_numbers(request.args.get("page"), request.args.get("page_size"))
            return answer(200, success(read(**ids, page=page, page_size=size)))

        api.add_url_rule(path, f"list {path}", view, methods=["GET"])

    def writes(method: str, path: str, status: int, write: View) -> None:
        """``method`` answers with ``write(*ids, body=...)``, once for each idempotency key."""

        def view(**ids: str) -> Response:
            body = request_json()

            def perform() -> Json:
                try:
                    return {"status": status, "body": success(write(**ids, body=body))}
                except RehiveError as error:
                    return {"status": error.status, "body": error.body()}

            key = idempotency_key()
            scope = None if key is None else f"{method} {request.path} {key}"
            kept, replayed = rehive.once(scope, perform)
            response = answer(kept["status"], kept["body"])
            if replayed:
                response.headers["Idempotent-Replayed"] = "true"
            return response

        api.add_url_rule(path, f"{method} {path}", view, methods=[method])

    @api.get("/business/manager/businesses/")
    def list_businesses() -> Response:
        page, size = page_numbers(request.args.get("page"), request.args.get("page_size"))
        return answer(200, success(rehive.list_businesses(g.managed, page, size)))

    reads(businesses, rehive.business)
    lists(invoices, rehive.invoices)
    writes("POST", invoices, 201, rehive.create_invoice)
    reads(invoice, rehive.invoice)
    writes("PATCH", invoice, 200, rehive.update_invoice)
    lists(f"{invoice}transactions/", rehive.transactions)
    lists(f"{businesses}transactions/", rehive.movements)
    lists(f"{businesses}payouts/", rehive.payouts)
    lists(f"{invoice}refunds/", rehive.refunds)
    writes("POST", f"{invoice}refunds/", 201, rehive.create_refund)
    lists(f"{invoice}logs/", rehive.logs)
    lists(webhooks, rehive.webhooks)
    writes("POST", webhooks, 201, rehive.create_webhook)
    reads(f"{webhooks}<webhook_id>/", rehive.webhook)
    writes("PATCH", f"{webhooks}<webhook_id>/", 200, rehive.update_webhook)
    writes("PUT", f"{webhooks}<webhook_id>/", 200, rehive.replace_webhook)

    @api.get("/payment-requests/user/requests/")
    def payment_requests() -> Response:
        page, size = page_numbers(request.args.get("page"), request.args.get("page_size"))
        return answer(200, success(rehive.payment_requests(request.args.to_dict(), page, size)))

    @api.delete(f"{webhooks}<webhook_id>/")
    def delete_webhook(webhook_id: str) -> Response:
        rehive.delete_webhook(webhook_id)
        return Response(status=204)

    return api


def success(data: Json) -> Json:
    """The envelope of a success."""
    return {"status": "success", "data": data}


def answer(status: int, body: Json) -> Response:
    """A JSON answer."""
    return Response(json.dumps(body), status, mimetype="application/json")


def request_json() -> Any:
    """The JSON body of the request; a 415 or 400 if there is none."""
    if request.mimetype != "application/json":
        raise RehiveError(415, f"Unsupported media type {json.dumps(request.mimetype)} in request.")
    try:
        return json.loads(request.get_data().decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise RehiveError(400, f"JSON parse error - {error}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def idempotency_key() -> str | None:
    """The request's ``Idempotency-Key``; a 400 if it has 100 characters or more."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and len(key) > LONGEST_IDEMPOTENCY_KEY:
        raise invalid({"Idempotency-Key": ["It must be shorter than 100 characters."]})
    return key or None
