"""The shopper's pages: pay, return, status, cancel. Each works without JavaScript and without the
session of the browser that placed the order."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.generic import View

from oscar_rehive import conf
from oscar_rehive.compat import login_not_required
from oscar_rehive.databases import outside_transactions
from oscar_rehive.logs import Log, about
from oscar_rehive.models import Entry, Invoice, OrderPayment
from oscar_rehive.noticing import notice_soon
from oscar_rehive.payments.adopting import NotOpened
from oscar_rehive.payments.budget import is_to_wait
from oscar_rehive.payments.cancelling import (
    NotCancellable,
    cancel_order,
    claim_basket,
    finish,
)
from oscar_rehive.payments.clocks import is_over
from oscar_rehive.payments.gateway import PAGE_SECONDS, BusinessNotUsable
from oscar_rehive.payments.mails import send_confirmation_soon
from oscar_rehive.payments.opening import Busy, NotPayable, open_invoice
from oscar_rehive.payments.progress import Progress, Stage, progress_of
from oscar_rehive.payments.settling import refresh
from oscar_rehive.rehive.deadlines import within
from oscar_rehive.rehive.exceptions import NotFound, Refused, RehiveError, Throttled, Unauthorised
from oscar_rehive.remembering import claim
from oscar_rehive.shop.shopper import (
    is_being_ordered,
    order_of_basket,
    order_path,
    refill_basket,
)
from oscar_rehive.tokens import read_payment_token, read_placed_token, token_of

logger = Log(__name__)

UNTIL_MENDED = (
    NotOpened,
    BusinessNotUsable,
    ImproperlyConfigured,
    Unauthorised,
    NotFound,
    Refused,
)
"""What trying again does not help against: somebody must change the settings, here or at Rehive."""

ASK_AGAIN_AFTER = timedelta(seconds=3)
"""The pages of one order ask Rehive no more often than this, however many of them are open and however
often they are loaded: one payment address would else use up what Rehive lets the whole shop ask."""

LOOK_AGAIN_SECONDS = 4
"""A little longer, after which a page that was not the one to ask looks again."""


@method_decorator([login_not_required, never_cache, outside_transactions], name="dispatch")
class PaymentPage(View):
    """A page about one order's payment, found by the token in its address.

    ``outside_transactions``: these pages talk to Rehive, and with ATOMIC_REQUESTS they would do so
    inside a transaction (P8).
    """

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        notice_soon()
        self.token: str = kwargs.pop("token")
        self.looks_again = ""
        number = read_payment_token(self.token)
        at_first = None if number is None else progress_of(number)
        if number is not None and at_first is not None:
            self.number, self.at_first = number, at_first
            with within(PAGE_SECONDS), about(order_number=number):
                response = super().dispatch(request, *args, **kwargs)
            if self.looks_again:
                response.headers["Refresh"] = f"{LOOK_AGAIN_SECONDS}; url={self.looks_again}"
        elif number is None:
            response = _not_found(request, _("This payment address is not valid."))
        else:
            # Its payer may be coming back from Rehive's page, having paid.
            text = _(
                "This order is no longer in the shop. If you have paid, please contact us with order"
                " number %(number)s; the money is not lost."
            )
            response = _not_found(request, text % {"number": _number_once(number)})
        # The token in the address must not leave for other sites, nor for search engines.
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["X-Robots-Tag"] = "noindex"
        # Nor into the log: Django writes the address of every answer from 400 on.
        response._has_been_logged = True  # type: ignore[attr-defined]  # django.utils.log.log_response
        return response

    def progress(self) -> Progress:
        """Where the payment stands now."""
        progress = progress_of(self.number)
        if progress is None:
            raise Http404(_("This order does not exist any more."))
        return progress

    def may_ask(self) -> bool:
        """Whether this page is the one whose turn it is to ask Rehive; no page asks about an order that is
        finished."""
        if self.at_first.is_final:
            return False
        due = is_over("page_asked_at", ASK_AGAIN_AFTER)
        payment = OrderPayment.objects.filter(due, order_number=self.number)
        return bool(payment.update(page_asked_at=timezone.now()))

    def may_click(self) -> bool:
        """Whether a click on this page's button is a person's, and no reload: a script clicks as easily as
        it loads, and each click may cost several calls."""
        name = f"oscar_rehive:click:{type(self).__name__}:{self.at_first.payment.pk}"
        return claim(name, ASK_AGAIN_AFTER.total_seconds())

    def ask_rehive(self) -> bool:
        """Settle what Rehive says now; False when it could not be asked."""
        progress = self.progress()
        invoice = progress.invoice
        if invoice is not None and is_to_wait(invoice.business_id):
            return False
        try:
            if progress.stage is Stage.ENDING:
                finish(self.number, Entry.Source.RETURN)
            elif invoice and invoice.remote_id and invoice.state != Invoice.State.PAID:
                refresh(invoice, Entry.Source.RETURN)
        except (RehiveError, ImproperlyConfigured, OperationalError) as error:
            logger.warning("Order #%s: %s", self.number, error)
            return False
        except Exception:
            # A receiver of the shop's own, say. Reconcile meets it too; the shopper gets the page.
            logger.exception("Order #%s: what Rehive says could not be settled", self.number)
            return False
        return True

    def show(
        self, request: HttpRequest, *, trouble: str = "", status: int = 200, then: str = "return"
    ) -> HttpResponse:
        """The page that tells how things are, with ``trouble`` if something could not be done;
        ``then`` is where it goes when it need not wait any longer."""
        progress = self.progress()
        context = {
            "progress": progress,
            "order": progress.order,
            "invoice": progress.invoice,
            "trouble": trouble,
            "pay_url": reverse("oscar_rehive:pay", args=[self.token]),
            "return_url": reverse("oscar_rehive:return", args=[self.token]),
            "then_url": reverse(f"oscar_rehive:{then}", args=[self.token]),
            "status_url": reverse("oscar_rehive:status", args=[self.token]),
            "cancel_url": reverse("oscar_rehive:cancel", args=[self.token]),
            "order_url": order_path(self.number, request.user.pk),
            "refresh_seconds": 5,
            "basket_waits": progress.stage is Stage.CANCELLED
            and progress.payment.paid_at is None
            and progress.payment.released_at is not None
            and not progress.payment.basket_given_back,
        }
        return render(request, "oscar_rehive/return.html", context, status=status)

    def and_mail(self, response: HttpResponseBase) -> HttpResponseBase:
        """``response``, and the confirmation, if it is due, while the shopper reads that."""
        send_confirmation_soon(OrderPayment.objects.get(order_number=self.number))
        return response


class PayView(PaymentPage):
    """Opens the order's invoice, or finds the open one, and goes to Rehive's page. Reload, double
    click, a second tab and the back button all end at the same invoice."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        before = self.at_first.invoice
        is_click = request.method == "POST" and self.may_click()
        may_ask = is_click or self.may_ask()
        try:
            if may_ask:
                self.ask_rehive()
            invoice = open_invoice(
                self.number, return_url=self._return_url(request), may_ask=may_ask
            )
        except NotPayable:
            return self.and_mail(redirect("oscar_rehive:return", token=self.token))
        except Busy:
            self.looks_again = request.path
            return self.show(request, then="pay")
        except UNTIL_MENDED as error:
            logger.error("Order #%s cannot be paid: %s", self.number, error)
            return self.show(
                request,
                trouble=_(
                    "Rehive cannot take this payment at the moment. Your order is safe. Please choose"
                    " another payment method, or contact us."
                ),
                status=503,
            )
        except RehiveError as error:
            logger.warning("Order #%s: no invoice yet: %s", self.number, error)
            if isinstance(error, Throttled):
                self.looks_again = (
                    request.path
                )  # a minute at the most, and nobody need press a button
            return self.show(
                request,
                trouble=_(
                    "We could not reach Rehive. Nothing has been charged and your order is safe."
                    " Please try again in a moment."
                ),
                status=503,
            )
        except Exception:
            # A deadlock, a cache that is down, the shop's own code: in the middle of paying nobody
            # should meet the server's error page.
            logger.exception("Order #%s: no invoice yet", self.number)
            return self.show(
                request,
                trouble=_(
                    "Your payment could not be started. Nothing has been charged and your order is"
                    " safe. Please try again in a moment."
                ),
                status=503,
            )
        is_new = before is None or before.pk != invoice.pk
        if is_new or is_click:
            # Who pays at once comes back within seconds, and is to see that.
            OrderPayment.objects.filter(pk=invoice.payment_id).update(page_asked_at=None)
        return redirect(invoice.redirect_url)

    post = get

    def _return_url(self, request: HttpRequest) -> str:
        path = reverse("oscar_rehive:return", args=[self.token])
        base = conf.current().base_url
        if not base:
            return request.build_absolute_uri(path)
        # Behind a proxy the request may carry an inner host, or a forged one.
        if request.is_secure():
            base = base.replace("http://", "https://", 1)
        return base.rstrip("/") + path


class ReturnView(PaymentPage):
    """Where Rehive sends the shopper back, whatever happened there. Nothing in the request is
    trusted: Rehive is asked."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        trouble = ""
        if not self.may_ask():
            if not self.progress().is_final:
                self.looks_again = request.path
        elif not self.ask_rehive():
            trouble = (
                _("We could not reach Rehive yet; the cancellation is finished as soon as we can.")
                if self.progress().stage is Stage.ENDING
                else _(
                    "We could not ask Rehive about your payment yet. You need not do anything: if you"
                    " have paid, we keep asking, and send you a mail once it is confirmed."
                )
            )
        return self.and_mail(self.show(request, trouble=trouble))


class StatusView(PaymentPage):
    """What the return page asks while it waits, as JSON: ``{"stage", "final"}``."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        if self.may_ask():
            self.ask_rehive()
        progress = self.progress()
        return self.and_mail(
            JsonResponse({"stage": progress.stage.value, "final": progress.is_final})
        )


class CancelView(PaymentPage):
    """Cancels the unpaid order and gives the shopper the basket back, to change it or to pay in
    another way."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Typed, or out of the browser's history: nothing is cancelled without a press of the button,
        which is on the page that is shown."""
        response = self.show(request, status=405)
        response.headers["Allow"] = "POST, OPTIONS"
        return response

    def post(self, request: HttpRequest) -> HttpResponseBase:
        if not self.at_first.is_final and not self.may_click():
            return redirect("oscar_rehive:return", token=self.token)
        try:
            done = cancel_order(
                self.number, reason="The shopper cancelled it.", source=Entry.Source.CHECKOUT
            )
        except NotCancellable:
            if self.progress().stage is Stage.CANCELLED:
                return self._give_basket_back(request)
            messages.warning(
                request,
                _("This order cannot be cancelled: a payment has arrived or is on its way."),
            )
            return redirect("oscar_rehive:return", token=self.token)
        except (RehiveError, ImproperlyConfigured) as error:
            logger.warning("Order #%s: not cancelled yet: %s", self.number, error)
            done = False
        except Exception:
            logger.exception("Order #%s: not cancelled yet", self.number)
            done = False
        if not done:
            return redirect("oscar_rehive:return", token=self.token)
        return self._give_basket_back(request)

    def _give_basket_back(self, request: HttpRequest) -> HttpResponse:
        basket = request.basket  # type: ignore[attr-defined]  # set by Oscar's BasketMiddleware
        if basket.pk is None:
            basket.save()  # here, for what is done under the lock may be rolled back and repeated
        refilled = claim_basket(self.number, lambda: refill_basket(self.number, basket))
        if refilled is None:
            return redirect("oscar_rehive:return", token=self.token)
        if not refilled.left_out:
            messages.info(
                request,
                _("Order %(number)s was cancelled, and its items are back in your basket.")
                % {"number": self.number},
            )
        else:
            messages.warning(
                request,
                _("Order %(number)s was cancelled. Not available any more: %(titles)s.")
                % {"number": self.number, "titles": ", ".join(refilled.left_out)},
            )
        if not refilled.put_back:
            return redirect("oscar_rehive:return", token=self.token)
        another_way = request.POST.get("then") == "pay"
        return redirect("checkout:index" if another_way else "basket:summary")


@method_decorator([login_not_required, never_cache], name="dispatch")
class PlacedView(View):
    """Where the loser of a double click on "place order" waits for the winner's order (peer bug 21),
    and goes on to where the winner went."""

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        basket_id = read_placed_token(token)
        if basket_id is None:
            return _not_found(request, _("This address is not valid (any more)."))
        order = order_of_basket(basket_id)
        if order is not None:
            order_id, number = order
            progress = progress_of(number)
            if progress is not None:
                return redirect("oscar_rehive:pay", token=token_of(progress.payment))
            # The winner may not have been answered yet, and its session not be saved; the token was
            # given to this browser alone.
            request.session["checkout_order_id"] = order_id
            return redirect("checkout:thank-you")
        if is_being_ordered(basket_id):
            return render(request, "oscar_rehive/placing.html", {"refresh_seconds": 2})
        messages.warning(request, _("Your order was not placed. Please try again."))
        return redirect("basket:summary")


def _number_once(number: str) -> str:
    """The number that the shopper knows of the payment whose number is ``number`` now."""
    payments = OrderPayment.objects.filter(order_number=number)
    return payments.values_list("reference", flat=True).first() or number


def _not_found(request: HttpRequest, text: str) -> HttpResponse:
    return render(request, "oscar_rehive/not_found.html", {"text": text}, status=404)
