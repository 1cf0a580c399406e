"""A shop with a checkout of its own, to which the mixins were added."""

from __future__ import annotations

from typing import Any

from django.urls import include, path
from oscar.apps.checkout import views as oscar_views
from oscar.core.loading import get_model

from oscar_rehive.checkout.mixins import RehiveCheckoutMixin
from sandbox.urls import urlpatterns as sandbox_urls


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


own_checkout = [path("preview/", OwnPaymentDetailsView.as_view(preview=True), name="preview")]
urlpatterns = [path("checkout/", include((own_checkout, "own_checkout"))), *sandbox_urls]
