"""The sandbox's addresses as a shop with ``i18n_patterns`` has them."""

from django.conf.urls.i18n import i18n_patterns

from sandbox.urls import shop

urlpatterns = i18n_patterns(*shop)
