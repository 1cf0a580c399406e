"""The same shop without the plugin, with Oscar's own checkout."""

from benchmarks.settings import *
from benchmarks.settings import INSTALLED_APPS

_OWN = "oscar.apps.checkout.apps.CheckoutConfig"
INSTALLED_APPS = [
    _OWN if app == "oscar_rehive.checkout.apps.CheckoutConfig" else app
    for app in INSTALLED_APPS
    if app not in ("oscar_rehive", "sandbox.shop")
]
ROOT_URLCONF = "benchmarks.urls_of_oscar"
