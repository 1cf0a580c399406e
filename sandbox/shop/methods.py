"""The shop's second way of paying, beside Rehive."""

from oscar.core.loading import get_model

from oscar_rehive.checkout.methods import PaymentMethod


class CashOnDelivery(PaymentMethod):
    code = "cash-on-delivery"
    title = "Cash on delivery"
    description = "Pay the courier in cash when your parcel arrives."

    def is_available(self, request, total):
        # Nothing is delivered in person when all of the basket is digital.
        return request.basket.is_shipping_required()

    def handle_payment(self, view, order_number, total):
        source_type, _ = get_model("payment", "SourceType").objects.get_or_create(
            code=self.code, defaults={"name": self.title}
        )
        view.add_payment_source(
            get_model("payment", "Source")(
                source_type=source_type,
                currency=total.currency,
                amount_allocated=total.incl_tax,
            )
        )
