"""A middleware of somebody else's, as shops have them for their headers, formats or error pages."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

REPLACED = "Another answer."


def replace_answers(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """What the webhook answers is dropped, unclosed, and another answer is given in its place."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.path.endswith("/webhook/"):
            return HttpResponse(REPLACED, status=response.status_code)
        return response

    return middleware
