"""The checkout views that stand before Oscar's own where ``checkout.apps.CheckoutConfig`` is used."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import NoReverseMatch, reverse_lazy
from django.utils.translation import gettext as _
from oscar.apps.checkout import views as oscar_views

from oscar_rehive.checkout.forms import PaymentMethodForm
from oscar_rehive.checkout.methods import Rehive, all_methods
from oscar_rehive.checkout.mixins import PaymentMethodsMixin, RehiveCheckoutMixin, page_of_unpaid
from oscar_rehive.logs import Log

logger = Log("oscar_rehive.checkout")


class PaymentMethodView(PaymentMethodsMixin, oscar_views.PaymentMethodView):
    """The step to choose how to pay; it steps aside when there is only one way."""

    template_name = "oscar_rehive/checkout/payment_method.html"
    success_url = reverse_lazy("checkout:preview")

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        methods = self._methods()
        if not methods:
            self._tell_that_nothing_is_offered()
            return redirect("basket:summary")
        if len(methods) == 1:
            # Over what was chosen before and is not available any more: the preview would send the
            # shopper here again, for ever.
            self.checkout_session.pay_by(methods[0].code)
            response: HttpResponse = self.get_success_response()
            return response
        chosen = self.checkout_session.payment_method()
        return self._show(PaymentMethodForm(methods, initial={"method": chosen}))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form = PaymentMethodForm(self._methods(), request.POST)
        if not form.is_valid():
            return self._show(form)
        self.checkout_session.pay_by(form.cleaned_data["method"])
        response: HttpResponse = self.get_success_response()
        return response

    def _methods(self) -> list[Any]:
        return self.get_payment_methods(self.build_submission()["order_total"])

    def _tell_that_nothing_is_offered(self) -> None:
        """To the shopper, with what another basket would get by with; and to the owner, who sees a sale less and
        would never know why."""
        total = self.build_submission()["order_total"]
        methods = all_methods()
        reasons = [why for method in methods if (why := method.why_not(total))]
        text = _("There is no way to pay for this basket at the moment. Please contact us.")
        messages.error(self.request, " ".join([text, *reasons]))
        logger.warning(
            "A shopper was turned away: there is no way to pay for the basket. Rehive: %s.",
            next(
                (_obstacle(one, total) for one in methods if isinstance(one, Rehive)), "not offered"
            ),
        )

    def _show(self, form: PaymentMethodForm) -> HttpResponse:
        response: HttpResponse = self.render_to_response(self.get_context_data(form=form))
        return response


def _obstacle(method: Rehive, total: Any) -> str:
    try:
        return method.obstacle(total)
    except (ImproperlyConfigured, NoReverseMatch) as error:
        return str(error).rstrip(".")


class PaymentDetailsView(RehiveCheckoutMixin, oscar_views.PaymentDetailsView):
    """Preview and placing. There are no payment details to enter here: Rehive's page takes them."""

    template_name_preview = "oscar_rehive/checkout/preview.html"

    def is_paid_the_shops_way(self) -> bool:
        """Never here: the step above keeps codes of ``PAYMENT_METHODS`` only, and for one that was
        taken from there while a shopper held it nobody would take the payment."""
        return False

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.preview:
            return redirect("checkout:payment-method")
        response: HttpResponse = super().get(request, *args, **kwargs)
        return response

    def render_payment_details(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """A method that could not take the payment has no page of details to go back to: the
        preview shows its error."""
        response: HttpResponse = self.render_preview(request, **kwargs)
        return response


class ThankYouView(oscar_views.ThankYouView):
    """Thanks for an order that waits for its payment would be untrue: "no payment was required", "a
    confirmation has been sent"."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        order = self.get_object()
        waits_at = page_of_unpaid(str(order.number)) if order is not None else None
        if waits_at is not None:
            return redirect(waits_at)
        response: HttpResponse = super().get(request, *args, **kwargs)
        return response
