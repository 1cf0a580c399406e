"""Admin pages: the payments with their history, what needs attention, the webhook inbox."""

from oscar_rehive.admin.attention import AttentionAdmin
from oscar_rehive.admin.deliveries import DeliveryAdmin, RefusedDeliveriesAdmin
from oscar_rehive.admin.payments import InvoiceAdmin, OrderPaymentAdmin, RefundAdmin

__all__ = [
    "AttentionAdmin",
    "DeliveryAdmin",
    "InvoiceAdmin",
    "OrderPaymentAdmin",
    "RefundAdmin",
    "RefusedDeliveriesAdmin",
]
