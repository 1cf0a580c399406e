"""The simulator as one WSGI application: API, hosted page, control page and control API."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from . import api, control, pages, strangers
from .deliveries import Sender
from .errors import RehiveError
from .faulty import FaultyApi, RequestLog
from .rules import Rehive

LONGEST_BODY = 2_000_000


def create_app(
    rehive: Rehive,
    sender: Sender,
    tokens: Sequence[str],
    managed: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> Flask:
    """The application over these rules; ``tokens`` open the API, each for the businesses that it has
    ``managed``."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = LONGEST_BODY
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    strangers.keep_out(app, rehive.origin)
    requests = RequestLog()
    app.register_blueprint(api.blueprint(rehive, tokens, managed))
    app.register_blueprint(control.blueprint(rehive, sender, requests))
    app.register_blueprint(pages.blueprint(rehive, sender, requests, tokens))
    app.register_error_handler(RehiveError, refuse)
    app.register_error_handler(HTTPException, refuse_http)
    app.wsgi_app = FaultyApi(  # type: ignore[method-assign]  # Flask's documented way to wrap it
        app.wsgi_app, rehive.faults, requests, rehive.now
    )
    return app


def refuse(error: RehiveError) -> Response:
    """Answer in the envelope on the APIs, with a page elsewhere."""
    if request.path.startswith((*api.PREFIXES, "/simulator/")):
        return api.answer(error.status, error.body())
    return pages.error_page(error.status, error.message)


def refuse_http(error: HTTPException) -> Response:
    """The same for what Flask refuses: unknown addresses, wrong methods, bodies too large."""
    response = refuse(RehiveError(error.code or 500, error.description or error.name))
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response
