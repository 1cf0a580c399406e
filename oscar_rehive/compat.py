"""Differences between the Django versions that the plugin supports."""

from __future__ import annotations

from typing import Any

try:
    from django.contrib.auth.decorators import login_not_required
except ImportError:  # Django < 5.1, which has no LoginRequiredMiddleware either

    def login_not_required(view_func: Any) -> Any:  # type: ignore[misc]  # a stand-in
        """Leave the view as it is."""
        return view_func


__all__ = ["login_not_required"]
