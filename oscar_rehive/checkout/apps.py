"""Drop-in for ``oscar.apps.checkout.apps.CheckoutConfig`` in ``INSTALLED_APPS``."""

from __future__ import annotations

from oscar.apps.checkout.apps import CheckoutConfig as OscarCheckoutConfig


class CheckoutConfig(OscarCheckoutConfig):
    """Oscar's checkout app, with the views of ``oscar_rehive.checkout.views`` before its own.

    Oscar's ``get_class`` looks in the package that the AppConfig of the label "checkout" names, so
    this one line in the settings is all that a shop without a checkout of its own needs.
    """

    name = "oscar_rehive.checkout"
