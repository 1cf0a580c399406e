"""What the desk's pages have in common: who is let in, where they lead back to, and asking once."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.core.paginator import EmptyPage, Paginator
from django.db import OperationalError, ProgrammingError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.generic import View

from oscar_rehive.dashboard import rights
from oscar_rehive.dashboard.panel import desk_url
from oscar_rehive.logs import Log, about
from oscar_rehive.models import OrderPayment
from oscar_rehive.noticing import notice_soon
from oscar_rehive.payments.by_hand import NotClosable, NothingToSend
from oscar_rehive.payments.cancelling import NotCancellable
from oscar_rehive.payments.deciding import NotAcceptable
from oscar_rehive.payments.gateway import asks_rehive
from oscar_rehive.payments.mails import NotSent, send_confirmation_soon
from oscar_rehive.payments.people import who
from oscar_rehive.payments.refunding import NotRefundable
from oscar_rehive.rehive.exceptions import RehiveError

logger = Log(__name__)


REFUSALS = (
    NotAcceptable,
    NotCancellable,
    NotClosable,
    NotRefundable,
    NotSent,
    NothingToSend,
    RehiveError,
    ImproperlyConfigured,
)
"""What says of itself why nothing was done, or not yet all of it."""


class Pages(Paginator):  # type: ignore[type-arg]  # generic for mypy only
    """Of a list that gets shorter: who has dealt with the last fact of the last page comes back to a page."""

    def validate_number(self, number: Any) -> int:
        try:
            return super().validate_number(number)
        except EmptyPage:
            return self.num_pages


@method_decorator([never_cache, asks_rehive], name="dispatch")
class DeskPage(View):
    """A page for those who have ``right``. Outside of transactions also where it asks Rehive nothing, so that
    one whose tables are missing can say so."""

    right = rights.VIEW
    home = "attention"
    """Where it leads back to."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not self.is_let_in(request.user):
            raise PermissionDenied
        notice_soon()
        try:
            return super().dispatch(request, *args, **kwargs)
        except (ProgrammingError, OperationalError):
            logger.exception("A page of the desk cannot be shown")
            return render(request, "oscar_rehive/dashboard/out_of_order.html", status=503)

    def http_method_not_allowed(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Who had to sign in again after pressing a button comes without what was pressed."""
        if request.method != "GET":
            return super().http_method_not_allowed(request, *args, **kwargs)
        messages.warning(request, _("Nothing was done. Press the button again."))
        return redirect(way_back(request, desk_url(self.home)))

    def is_let_in(self, user: Any) -> bool:
        """Whether the page is for ``user``."""
        return rights.may(user, self.right)


def payment_or_404(request: HttpRequest, pk: int) -> OrderPayment:
    """The payment with that primary key, if the user of ``request`` may see it."""
    return get_object_or_404(rights.visible_to(request.user), pk=pk)


def way_back(request: HttpRequest, otherwise: str) -> str:
    """Where the visitor came from, as the address or the form tells; ``otherwise`` for what is not a page
    of this shop. A path: Django takes a word for the name of a page, and fails where there is none."""
    told = request.POST.get("next") or request.GET.get("next") or ""
    hosts = {request.get_host()}
    is_ours = url_has_allowed_host_and_scheme(told, hosts, require_https=request.is_secure())
    return told if is_ours and told.startswith("/") else otherwise


class Asked(DeskPage):
    """Something that is done to one payment, after its page has said what will happen and was asked to do
    it. Derived classes find what it is about, say what they do, and do it."""

    template_name = "oscar_rehive/dashboard/confirm.html"
    button: Any = ""
    """What its button is called."""
    is_grave = False

    payment: OrderPayment

    def find(self, pk: int) -> None:
        """Find what it is about, and so ``self.payment``; 404 where there is none."""
        self.payment = payment_or_404(self.request, pk)

    def question(self) -> str:
        """What will be done, with its amount and the order, as a sentence."""
        raise NotImplementedError

    def consequences(self) -> list[str]:
        """What will come of it, and what will not, as sentences."""
        return []

    def why_not(self) -> str:
        """Why it cannot be done now, and what to do instead; nothing where it can."""
        return ""

    def do(self, by: str) -> str:
        """Do it for ``by``, and say what came of it. May raise what is among ``REFUSALS``."""
        raise NotImplementedError

    def what_stands(self) -> str:
        """What came of it where Rehive did not do what it was asked for."""
        return ""

    def get(self, request: HttpRequest, pk: int, **kwargs: Any) -> HttpResponseBase:
        self.find(pk)
        return self.ask()

    def post(self, request: HttpRequest, pk: int, **kwargs: Any) -> HttpResponseBase:
        self.find(pk)
        return self.done()

    def ask(self, **more: Any) -> HttpResponse:
        """The page that asks."""
        why_not = self.why_not()
        context = {
            "payment": self.payment,
            "question": "" if why_not else self.question(),
            "consequences": [] if why_not else self.consequences(),
            "why_not": why_not,
            "button": self.button,
            "is_grave": self.is_grave,
            "back": self.back(),
            **more,
        }
        return render(self.request, self.template_name, context)

    def done(self) -> HttpResponseRedirect:
        """Where the visitor goes once it was done, or was refused, with what came of it."""
        with about(order_number=self.payment.order_number):
            try:
                messages.success(self.request, self.do(who(self.request.user)))
            except (RehiveError, ImproperlyConfigured) as error:
                messages.error(self.request, f"{error} {self.what_stands()}")
            except REFUSALS as error:
                messages.error(self.request, str(error))
            send_confirmation_soon(OrderPayment.objects.get(pk=self.payment.pk))
        return redirect(self.back())

    def back(self) -> str:
        """Where to go after."""
        return way_back(self.request, desk_url("payment", self.payment.pk))

    @property
    def of_order(self) -> str:
        """How sentences call the order."""
        return _("order %s") % self.payment.order_number
