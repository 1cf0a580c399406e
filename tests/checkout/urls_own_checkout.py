"""A shop with a checkout of its own, to which the mixin was added. Beside Rehive it takes bank transfers,
in its own step and without a class in ``PAYMENT_METHODS``."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import include, path
from oscar.apps.checkout import views as oscar_views
from oscar.core.loading import get_model

from oscar_rehive.checkout.mixins import RehiveCheckoutMixin
from sandbox.urls import urlpatterns as sandbox_urls


class OwnPaymentMethodView(oscar_views.PaymentMethodView):
    def post(self, request: HttpRequest) -> HttpResponse:
        self.checkout_session.pay_by(request.POST["method"])
        return redirect("checkout:preview")


class OwnPaymentDetailsView(RehiveCheckoutMixin, oscar_views.PaymentDetailsView):
    """Books loyalty points beside any payment, and has an initial status of its own."""

    def handle_payment(self, order_number: Any, total: Any, **kwargs: Any) -> None:
        super().handle_payment(order_number, total, **kwargs)
        source_type, _ = get_model("payment", "SourceType").objects.get_or_create(
            code="points", defaults={"name": "Points"}
        )
        self.add_payment_source(
            get_model("payment", "Source")(
                source_type=source_type, currency=total.currency, label="Loyalty points"
            )
        )

    def get_initial_order_status(self, basket: Any) -> str:
        return super().get_initial_order_status(basket) or "Being processed"


own_checkout = [
    path("payment-method/", OwnPaymentMethodView.as_view(), name="payment-method"),
    path("preview/", OwnPaymentDetailsView.as_view(preview=True), name="preview"),
]
urlpatterns = [path("checkout/", include((own_checkout, "own_checkout"))), *sandbox_urls]
