"""The same shop without the plugin, with Oscar's own checkout and dashboard."""

from benchmarks.settings import *
from benchmarks.settings import INSTALLED_APPS

_OWN = {
    "oscar_rehive.checkout.apps.CheckoutConfig": "oscar.apps.checkout.apps.CheckoutConfig",
    "oscar_rehive.dashboard.apps.DashboardConfig": "oscar.apps.dashboard.apps.DashboardConfig",
}
INSTALLED_APPS = [
    _OWN.get(app, app) for app in INSTALLED_APPS if app not in ("oscar_rehive", "sandbox.shop")
]
ROOT_URLCONF = "benchmarks.urls_of_oscar"
