"""How a shop takes the plugin in: its place among the apps and in the URLconf."""

from __future__ import annotations

from django.apps import apps
from django.urls import NoReverseMatch, reverse

CHECKOUT = "oscar_rehive.checkout.apps.CheckoutConfig"
OSCARS_CHECKOUT = "oscar.apps.checkout.apps.CheckoutConfig"
DASHBOARD = "oscar_rehive.dashboard.apps.DashboardConfig"
OSCARS_DASHBOARD = "oscar.apps.dashboard.apps.DashboardConfig"
INCLUDE = 'path("rehive/", include(apps.get_app_config("oscar_rehive").urls[0]))'


def is_included() -> bool:
    """Whether the shop's URLconf has the plugin's addresses, with their namespace."""
    try:
        reverse("oscar_rehive:webhook")
    except NoReverseMatch:
        return False
    return True


def stands_behind_oscar() -> bool:
    """Whether Oscar's templates are found before ours."""
    names = [config.name for config in apps.get_app_configs()]
    return "oscar" in names and names.index("oscar_rehive") > names.index("oscar")


def has_oscars_checkout() -> bool:
    """Whether the checkout is Oscar's own, as it comes."""
    return apps.is_installed("oscar.apps.checkout")
