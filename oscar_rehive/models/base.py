"""What all models have in common."""

from __future__ import annotations

from typing import Any

from django.db import models

from oscar_rehive.databases import WrittenManager


class UnitsField(models.CharField):  # type: ignore[type-arg]  # django-stubs: not generic at run time before Django 6
    """A whole number of a currency's smallest units, exact at any size.

    12.34 of a currency with 18 decimals does not fit into a BIGINT, and SQLite turns decimals of
    that length into floats: kept as digits, handed out as ``int``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 40)
        super().__init__(*args, **kwargs)

    def from_db_value(self, value: str | None, *args: Any) -> int | None:
        return None if value is None else int(value)

    def to_python(self, value: Any) -> int | None:
        return None if value is None else int(value)

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else str(int(value))


class Row(models.Model):
    """A row of ours, read where it is written."""

    objects = WrittenManager()

    class Meta:
        abstract = True
        # From the other end of a relation, and anew, it is read there too.
        base_manager_name = "objects"
