"""What is known of a business's currency without asking Rehive: while an order is placed nobody may."""

from __future__ import annotations

from django.db import DatabaseError, transaction

from oscar_rehive import conf
from oscar_rehive.databases import database_of
from oscar_rehive.logs import Log
from oscar_rehive.models import Invoice
from oscar_rehive.payments.gateway import currency_key
from oscar_rehive.remembering import remembered

logger = Log(__name__)

# fmt: off
WITHOUT_DECIMALS = frozenset([
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG",
    "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF",
])
# fmt: on
"""The currencies that have no decimals by ISO 4217. Not by CLDR (Babel), which says so of twelve more
whose coins are out of use, such as ALL and LBP: there Rehive would not be offered although it can."""


def known_divisibility(business: conf.BusinessConfig) -> int | None:
    """Decimals of the smallest unit of the business's currency, as far as they are known here: from
    Rehive's last answer, from the newest invoice, or from ISO 4217. Raises nothing.

    None where nobody has told: it is then at least two, which are all that an Oscar total can have.
    """
    remembered = _remembered(business)
    if remembered is not None:
        return remembered
    invoiced = _of_newest_invoice(business)
    if invoiced is not None:
        return invoiced
    return 0 if business.currency in WITHOUT_DECIMALS else None


def _remembered(business: conf.BusinessConfig) -> int | None:
    code, divisibility = remembered(currency_key(business)) or ("", 0)
    return int(divisibility) if code == business.currency else None


def _of_newest_invoice(business: conf.BusinessConfig) -> int | None:
    made = Invoice.objects.filter(business_id=business.business_id, currency=business.currency)
    try:
        # A transaction of its own: on PostgreSQL a query that fails ends the request's.
        with transaction.atomic(using=database_of(Invoice)):
            return made.order_by("-pk").values_list("divisibility", flat=True).first()
    except DatabaseError as error:
        # Not migrated: the shop's other payment methods go on.
        logger.error("The invoices cannot be read: %s", error)
        return None
