"""The mixin for a shop with a checkout of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from oscar.apps.checkout.exceptions import FailedPreCondition
from oscar.core.loading import get_model

from oscar_rehive import conf
from oscar_rehive.checkout.methods import (
    PaymentMethod,
    Rehive,
    all_methods,
    available_methods,
    to_pay,
)
from oscar_rehive.databases import database_of
from oscar_rehive.logs import Log
from oscar_rehive.models import OrderPayment
from oscar_rehive.payments.placing import expect_payment
from oscar_rehive.payments.progress import progress_of
from oscar_rehive.shop.shopper import basket_just_ordered, number_of_order
from oscar_rehive.tokens import placed_token, token_of

if TYPE_CHECKING:
    from oscar.apps.checkout.views import PaymentDetailsView as _View
else:
    _View = object

Basket = get_model("basket", "Basket")

logger = Log("oscar.checkout")


class BasketAlreadySubmitted(Exception):
    """Another request is placing this basket's order."""

    def __init__(self, basket_id: int) -> None:
        super().__init__(f"Basket {basket_id} is being ordered by another request.")
        self.basket_id = basket_id


class PaymentMethodsMixin(_View):
    """What both the payment-method step and the preview need to know."""

    def check_pre_conditions(self, request: HttpRequest) -> None:
        """The back button of Rehive's page leads here, with a basket that is empty: the shopper goes
        to the order that waits, to pay it or to get the basket back, not to "you need to add some
        items" (peer bug 20)."""
        if _is_empty(request):
            number = number_of_order(request.session.get("checkout_order_id"))
            waits_at = page_of_unpaid(number) if number else None
            if waits_at is not None:
                raise FailedPreCondition(url=waits_at)
        super().check_pre_conditions(request)

    def get_payment_methods(self, total: Any) -> list[PaymentMethod]:
        """The payment methods that can be chosen for ``total``; none where nothing is to be paid."""
        if to_pay(total) is None:
            return []
        return available_methods(self.request, total)

    def get_chosen_method(self, total: Any) -> PaymentMethod | None:
        """The method that the shopper chose, or the only one there is where none was chosen."""
        methods = self.get_payment_methods(total)
        code = self.checkout_session.payment_method()
        if not code:
            return methods[0] if len(methods) == 1 else None
        return next((method for method in methods if method.code == code), None)


class RehiveCheckoutMixin(PaymentMethodsMixin):
    """Adds the chosen payment method, and Rehive among them, to a ``PaymentDetailsView``::

    class PaymentDetailsView(RehiveCheckoutMixin, checkout_views.PaymentDetailsView): ...
    """

    _method: PaymentMethod | None = None
    _payment: OrderPayment | None = None

    def check_payment_data_is_captured(self, request: HttpRequest) -> None:
        """Oscar's check is an empty hook: the step could be skipped by typing the address."""
        super().check_payment_data_is_captured(request)
        total = self.build_submission()["order_total"]
        if to_pay(total) is None or self.get_chosen_method(total):
            return
        if self.is_paid_the_shops_way():
            return
        raise FailedPreCondition(
            url=reverse("checkout:payment-method"),
            message=_("What you chose to pay with is not available for this order any more.")
            if self.checkout_session.payment_method()
            else _("Please choose how to pay"),
        )

    def is_paid_the_shops_way(self) -> bool:
        """Whether the code that ``pay_by()`` kept is none of ``PAYMENT_METHODS``: a step of the shop's
        own has kept it, and how that order is paid is none of our business."""
        code = self.checkout_session.payment_method()
        # Ours stays ours where PAYMENT_METHODS cannot be read: nobody else would take the payment.
        return bool(code) and code not in [Rehive.code, *(method.code for method in all_methods())]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        total = context.get("order_total")
        context["payment_method"] = self.get_chosen_method(total)
        context["payment_methods"] = self.get_payment_methods(total)
        context["nothing_to_pay"] = to_pay(total) is None
        return context

    def check_pre_conditions(self, request: HttpRequest) -> None:
        """A second "place order" that comes when the first has emptied the basket goes where the
        first one went, not to "you need to add some items" (peer bug 21)."""
        placing = request.method == "POST" and request.POST.get("action") == "place_order"
        if placing and _is_empty(request):
            basket_id = basket_just_ordered(
                user_id=request.user.pk, cookie=request.COOKIES.get(_basket_cookie(), "")
            )
            if basket_id is not None:
                raise FailedPreCondition(url=_placed_url(basket_id))
        super().check_pre_conditions(request)

    def submit(self, *args: Any, **kwargs: Any) -> HttpResponse:
        order_total = kwargs.get("order_total")
        self._method = self.get_chosen_method(order_total)
        try:
            response: HttpResponse = super().submit(*args, **kwargs)
        except BasketAlreadySubmitted as submitted:
            # This request's copy of the session is older than the winner's; saving it would take
            # the winner's order from its session.
            self.request.session.modified = False
            return HttpResponseRedirect(_placed_url(submitted.basket_id))
        return response

    def freeze_basket(self, basket: Any) -> None:
        """Freeze the basket if nobody else did: one basket is one order number, and the loser of a
        double click would thaw what the winner has submitted (peer bug 21)."""
        open_baskets = Basket._default_manager.filter(
            pk=basket.pk, status__in=Basket.editable_statuses
        )
        if not open_baskets.update(status=Basket.FROZEN):
            raise BasketAlreadySubmitted(basket.pk)
        super().freeze_basket(basket)

    def handle_payment(self, order_number: Any, total: Any, **kwargs: Any) -> None:
        super().handle_payment(order_number, total, **kwargs)
        if self._method is not None:
            self._method.handle_payment(self, str(order_number), total)

    def get_initial_order_status(self, basket: Any) -> str | None:
        if isinstance(self._method, Rehive):
            return conf.current().order_status.pending
        status: str | None = super().get_initial_order_status(basket)
        return status

    def place_order(self, *args: Any, **kwargs: Any) -> Any:
        """Place the order and note that it is to be paid, both or neither: Oscar's own transaction
        covers the order but not its payment sources."""
        with transaction.atomic(using=database_of(OrderPayment)):
            order = super().place_order(*args, **kwargs)
            if isinstance(self._method, Rehive):
                language = translation.get_language() or ""
                self._payment = expect_payment(
                    str(order.number), language=language, order_key=str(order.pk)
                )
        return order

    def handle_successful_order(self, order: Any) -> HttpResponse:
        if not isinstance(self._method, Rehive):
            response: HttpResponse = super().handle_successful_order(order)
            return response
        # No confirmation mail here: it goes out when the order is paid. And nothing that can fail,
        # for Oscar answers any exception by thawing the submitted basket.
        self.checkout_session.flush()
        self.request.session["checkout_order_id"] = order.id
        assert self._payment is not None  # place_order has noted it
        to_payment = redirect("oscar_rehive:pay", token=token_of(self._payment))
        try:
            self.send_signal(self.request, to_payment, order)
        except Exception:
            logger.exception("Order #%s: a receiver of post_checkout failed", order.number)
        return to_payment


def _is_empty(request: HttpRequest) -> bool:
    """Whether nothing is in the basket. Its lines are read for that, which are needed anyway and which it
    keeps: without them each look at ``is_empty``, Oscar's own included, counts them in the database."""
    basket: Any = request.basket  # type: ignore[attr-defined]  # Oscar's BasketMiddleware
    return not basket.all_lines() or bool(basket.is_empty)


def page_of_unpaid(number: str) -> str | None:
    """The address of the page on which order ``number`` waits for its payment; None if it does not."""
    progress = progress_of(number)
    if progress is None or progress.is_final:
        return None
    return reverse("oscar_rehive:return", args=[token_of(progress.payment)])


def _placed_url(basket_id: int) -> str:
    return reverse("oscar_rehive:placed", args=[placed_token(basket_id)])


def _basket_cookie() -> str:
    name: str = getattr(settings, "OSCAR_BASKET_COOKIE_OPEN", "oscar_open_basket")
    return name
