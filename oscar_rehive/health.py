"""How everything stands, as JSON for a monitor: the one list of checks, with a status code that it understands."""

from __future__ import annotations

from hmac import compare_digest

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from oscar_rehive import conf
from oscar_rehive.compat import login_not_required
from oscar_rehive.databases import outside_transactions
from oscar_rehive.noticing import notice_soon
from oscar_rehive.rehive.hiding import Secret

SCHEME = "bearer "


@login_not_required
@csrf_exempt
@never_cache
@outside_transactions
def health(request: HttpRequest) -> HttpResponse:
    """200: all is well, or what is to be done does not stop payments. 503: something must be done. 401: without the
    token of ``HEALTH_TOKEN``; 404 where there is none. Neither Rehive nor the shop's own address is called."""
    # First of all: whatever goes wrong later, no error page shows it (P9).
    shown = _taken_out(request)
    token = conf.as_it_is().health_token
    if not token:
        raise Http404
    if not _is_right(shown, token):
        answer = JsonResponse({"status": "unauthorised"}, status=401)
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer
    if request.method not in ("GET", "HEAD"):
        return JsonResponse({"status": "not allowed"}, status=405, headers={"Allow": "GET, HEAD"})
    notice_soon()
    # Here, for the checks are more than a shop's process should load before its first page.
    from oscar_rehive.checkup.monitoring import report

    is_well, told = report()
    answer = JsonResponse(told, status=200 if is_well else 503)
    # Else Django takes it for an error of its own, and mails ADMINS at each look of a monitor.
    answer._has_been_logged = True  # type: ignore[attr-defined]  # Django's own mark
    return answer


def _taken_out(request: HttpRequest) -> Secret:
    """The Authorization header, which is in the request no more."""
    request.__dict__.pop("headers", None)
    return Secret(request.META.pop("HTTP_AUTHORIZATION", ""))


def _is_right(shown: Secret, token: str) -> bool:
    given = Secret(shown[len(SCHEME) :].strip())
    is_right = compare_digest(given.encode("utf-8", "backslashreplace"), token.encode())
    return is_right and shown[: len(SCHEME)].lower() == SCHEME
