"""What the admin's pages have in common."""

from __future__ import annotations

from typing import Any


class ReadOnly:
    """The admin is a back room, where rows are seen as they stand in the tables. Every change goes through
    the payment service, and what staff do is done at the desk (``dashboard/``)."""

    def has_add_permission(self, *args: Any) -> bool:
        return False

    def has_change_permission(self, *args: Any) -> bool:
        return False

    def has_delete_permission(self, *args: Any) -> bool:
        return False
