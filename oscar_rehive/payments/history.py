"""Where facts that a person must look at are also logged."""

from __future__ import annotations

from oscar_rehive.logs import Log
from oscar_rehive.models import Attention
from oscar_rehive.payments.watching import fields_of

logger = Log(__name__)


def log_attention(attention: Attention) -> None:
    """A shop's error tracker may be the first to see it: nobody looks at a list every day."""
    logger.warning(
        "Order #%s needs attention: %s",
        attention.payment.order_number,
        attention.reason,
        extra=fields_of(attention.invoice) if attention.invoice else None,
    )
