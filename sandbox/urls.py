"""Addresses of the sandbox shop."""

from django.apps import apps
from django.conf import settings
from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.urls import include, path
from django.views.static import serve

# What a shop that shows nothing to strangers must still show them.
SIGN_IN_PAGES = {
    "login",
    "register",
    "set_language",
    "password-reset",
    "password-reset-done",
    "password-reset-confirm",
    "password-reset-complete",
}

shop = [
    path("admin/", admin.site.urls),
    path("rehive/", include(apps.get_app_config("oscar_rehive").urls[0])),
    path("", include(apps.get_app_config("oscar").urls[0])),
]

urlpatterns = [
    path("i18n/", include("django.conf.urls.i18n")),
    # Called directly, because the helper static() serves nothing once DEBUG is off.
    path("media/<path:path>", serve, {"document_root": settings.MEDIA_ROOT}),
    *(i18n_patterns(*shop) if settings.I18N_PATTERNS else shop),
]


def open_to_strangers(patterns):
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            open_to_strangers(pattern.url_patterns)
        elif pattern.name in SIGN_IN_PAGES and getattr(pattern.callback, "login_required", True):
            pattern.callback.login_required = False


if settings.LOGIN_REQUIRED:
    open_to_strangers(urlpatterns)
