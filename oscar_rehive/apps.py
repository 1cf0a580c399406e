"""The plugin's Django app."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class OscarRehiveConfig(AppConfig):
    """Mount it with ``path("rehive/", include(apps.get_app_config("oscar_rehive").urls[0]))``."""

    name = "oscar_rehive"
    verbose_name = _("Rehive payments")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from oscar_rehive import (  # each of the checks registers itself
            addresses,
            checks,
            checks_of_databases,  # noqa: F401
            checks_of_goods,  # noqa: F401
            numbers,
            signals,
        )

        addresses.keep_out_of_the_log()
        # Here and not with the first payment, whose transaction others wait for.
        post_migrate.connect(signals.make_types, sender=self, dispatch_uid=checks.__name__)
        if numbers.ARE_KEPT:
            from oscar_rehive import collecting  # noqa: F401  # registers itself

    @property
    def urls(self) -> tuple[list[Any], None, None]:
        """URL patterns in Oscar's form.

        The namespace is nested inside, because including only ``urls[0]`` drops the one that
        stands beside it, and every ``reverse("oscar_rehive:…")`` with it.
        """
        from django.urls import include, path

        from oscar_rehive.urls import urlpatterns

        return [path("", include((urlpatterns, "oscar_rehive")))], None, None
