"""The page that tells whether everything goes on by itself, and what mends it.

It looks at what the shop knows; Rehive, and the shop's own address, are asked when somebody presses the button.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from oscar_rehive import conf
from oscar_rehive.checkup import Finding, Severity, findings, of_webhook
from oscar_rehive.checkup.mending import register_webhooks, why_not_registrable
from oscar_rehive.cleaning import without_secrets
from oscar_rehive.dashboard import rights
from oscar_rehive.dashboard.figures import figures
from oscar_rehive.dashboard.pages import DeskPage
from oscar_rehive.dashboard.panel import Button, desk_url
from oscar_rehive.logs import Log
from oscar_rehive.payments.people import who
from oscar_rehive.remembering import forget, remember, remembered

logger = Log(__name__)

ASKED = "oscar_rehive:health:asked"
ASKED_FOR = timedelta(days=1)
"""How long the page remembers what it was told when somebody asked."""

COLOURS = {Severity.GOOD: "success", Severity.WARNING: "warning", Severity.ERROR: "danger"}
SIGNS = {Severity.GOOD: "fa-check", Severity.WARNING: "fa-exclamation", Severity.ERROR: "fa-times"}


@dataclass(frozen=True)
class Row:
    """A finding as it is shown, with the button that mends it, if there is one."""

    finding: Finding
    colour: str
    sign: str
    word: str
    button: Button | None


@dataclass(frozen=True)
class Asked:
    """What all checks found when somebody had them made (UTC)."""

    at: datetime
    by: str
    found: list[Finding]


class HealthPage(DeskPage):
    """What its pages have in common."""

    home = "health"

    def show(self, request: HttpRequest, asked: Asked | None) -> HttpResponse:
        """The page, with what was found when Rehive was ``asked``."""
        config, may_act = conf.as_it_is(), rights.may(request.user, rights.ACT)
        found = [_clean(one) for one in findings(ask=False)]
        known = {one.name for one in found}
        more = [] if asked is None else [one for one in asked.found if one.name not in known]
        context = {
            "rows": _rows(found, may_act),
            "asked": asked,
            "asked_rows": _rows(more, may_act),
            "is_well": all(one.is_good for one in (*found, *more)),
            "figures": figures(),
            "url": of_webhook.address(),
            "tell": config.tell,
            "has_monitor": bool(config.health_token),
            "check_url": desk_url("health-check") if may_act else "",
            "register_url": desk_url("health-register") if may_act else "",
        }
        return render(request, "oscar_rehive/dashboard/health.html", context)


class HealthView(HealthPage):
    """How everything stands, as far as the shop knows by itself."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        return self.show(request, _asked_before())


class CheckView(HealthPage):
    """Asks Rehive and the shop's own address, and shows what came of it."""

    right = rights.ACT

    def post(self, request: HttpRequest) -> HttpResponseBase:
        found = [_clean(one) for one in findings()]
        asked = Asked(timezone.now(), who(request.user), found)
        # Shown here and not after a redirect, which another process may answer that has no cache in common with
        # this one.
        told = [(one.name, one.severity.value, one.sentence, one.mend) for one in found]
        remember(ASKED, (asked.at.timestamp(), asked.by, told), ASKED_FOR.total_seconds())
        return self.show(request, asked)


class RegisterView(HealthPage):
    """Registers the webhook anew, after it has said what that does."""

    right = rights.ACT

    def get(self, request: HttpRequest) -> HttpResponseBase:
        why_not = why_not_registrable()
        context = {
            "question": _("Register the webhook at Rehive anew: %s") % of_webhook.address(),
            "consequences": [
                _(
                    "From then on Rehive tells of each change there, with the secret of WEBHOOK_SECRET."
                ),
                _(
                    "What is registered at that address by now is deleted after that: nothing is told twice."
                ),
                _(
                    "Webhooks that lead elsewhere are left as they are. No order and no money is touched."
                ),
            ],
            "why_not": why_not,
            "button": _("Register the webhook again"),
            "is_grave": False,
            "back": desk_url("health"),
        }
        return render(request, "oscar_rehive/dashboard/confirm_of_health.html", context)

    def post(self, request: HttpRequest) -> HttpResponseBase:
        why_not = why_not_registrable()
        if why_not:
            messages.error(request, why_not)
        else:
            logger.info("%s has the webhook registered anew.", who(request.user))
            forget(ASKED)  # by now it is another one
        for one in register_webhooks(anew=True):
            say = messages.success if one.is_good else messages.error
            say(request, _clean(one).sentence)
        return redirect(desk_url("health"))


def _rows(found: Iterable[Finding], may_act: bool) -> list[Row]:
    words = {
        Severity.GOOD: _("well"),
        Severity.WARNING: _("to be mended"),
        Severity.ERROR: _("to be mended now"),
    }
    return [
        Row(
            one,
            COLOURS[one.severity],
            SIGNS[one.severity],
            words[one.severity],
            None if one.is_good else _button(one, may_act),
        )
        # What must be mended first; else in their own order.
        for one in sorted(found, key=lambda one: -list(Severity).index(one.severity))
    ]


def _button(finding: Finding, may_act: bool) -> Button | None:
    is_of_webhook = finding.name == "webhook-calls" or finding.name.startswith("webhook-registered")
    if finding.name == "attention":
        return Button(_("Look at it"), desk_url("attention"))
    if is_of_webhook and may_act and not why_not_registrable():
        return Button(_("Register the webhook again"), desk_url("health-register"))
    return None


def _asked_before() -> Asked | None:
    known: Any = remembered(ASKED)
    if not known:
        return None
    at, by, told = known
    return Asked(
        datetime.fromtimestamp(at, timezone.get_current_timezone()),
        by,
        [Finding(name, Severity(severity), what, mend) for name, severity, what, mend in told],
    )


def _clean(finding: Finding) -> Finding:
    """As it may be shown and kept: a database's own words are part of some (P9)."""
    return Finding(
        finding.name,
        finding.severity,
        without_secrets(finding.sentence),
        without_secrets(finding.mend),
    )
