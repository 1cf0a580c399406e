"""Differences between the Django versions that the plugin supports."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any

try:
    from django.contrib.auth.decorators import login_not_required
except ImportError:  # Django < 5.1, which has no LoginRequiredMiddleware either

    def login_not_required(view_func: Any) -> Any:  # type: ignore[misc]  # a stand-in
        """Leave the view as it is."""
        return view_func


@cache
def django_tasks() -> Any:
    """Django's tasks interface: its own from Django 6 on, the package below it, None where neither is. Loaded when
    it is wanted, for most shops have no workers."""
    for name in ("django.tasks", "django_tasks"):
        with suppress(ImportError):
            return import_module(name)
    return None


__all__ = ["django_tasks", "login_not_required"]
