"""How everything stands, as JSON for a monitor: the one list of checks, with a status code that it understands."""

from __future__ import annotations

from collections.abc import Callable
from hmac import compare_digest
from threading import Event
from typing import TYPE_CHECKING, Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from oscar_rehive import conf
from oscar_rehive.background import Lane
from oscar_rehive.cleaning import without_secrets
from oscar_rehive.compat import login_not_required
from oscar_rehive.databases import outside_transactions
from oscar_rehive.logs import Log
from oscar_rehive.noticing import notice_soon
from oscar_rehive.rehive.hiding import Secret

if TYPE_CHECKING:
    from oscar_rehive.checkup import Finding, Severity

logger = Log(__name__)

SCHEME = "bearer "

SECONDS = 5.0
"""A database that does not answer is an answer, too: monitors give up after ten, as a rule."""

LANE = Lane("the monitor", at_once=1)
"""A thread of its own: nothing else bounds the time of a database that hangs."""


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
    from oscar_rehive.checkup import Severity, findings

    found = _in_time(lambda: list(findings(ask=False)))
    worst = _worst(found)
    answer = JsonResponse(
        {"status": worst.value, "checks": [_told(one) for one in found]},
        status=503 if worst is Severity.ERROR else 200,
    )
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


def _in_time(look: Callable[[], list[Finding]]) -> list[Finding]:
    """What ``look`` finds; or that it could not be found out, or not in time."""
    done = Event()
    found: list[Finding] = []

    def work() -> None:
        try:
            found.extend(look())
        except Exception:  # whatever it is, the monitor is told that it is not well
            logger.exception("The checks cannot be made")
        finally:
            done.set()

    if LANE.do(work) and done.wait(SECONDS) and found:
        return list(found)

    from oscar_rehive.checkup.finding import error

    return [
        error(
            "checks",
            f"The checks could not be made within {SECONDS:.0f} seconds.",
            "See the shop's log, and whether its database answers.",
        )
    ]


def _worst(found: list[Finding]) -> Severity:
    from oscar_rehive.checkup import Severity

    severities = {one.severity for one in found}
    return next(one for one in reversed(Severity) if one in severities)


def _told(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.name,
        "severity": finding.severity.value,
        "sentence": without_secrets(finding.sentence),
        "mend": without_secrets(finding.mend),
    }
