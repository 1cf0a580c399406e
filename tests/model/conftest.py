"""The shop of the stories."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from oscar.core.loading import get_model

from tests.model.people import PIPELINE
from tests.model.test_machine import Machine
from tests.model.world import BUSINESS_ID


@pytest.fixture
def set_up_machine(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Make the shop ready for a ``Machine``, which changes the settings by itself as well."""

    def set_up(**changes: str) -> None:
        settings.OSCAR_REHIVE = {**settings.OSCAR_REHIVE, "BUSINESS_ID": BUSINESS_ID, **changes}

    monkeypatch.setattr(get_model("order", "Order"), "pipeline", PIPELINE)
    monkeypatch.setattr(Machine, "set_up", staticmethod(set_up))
    return set_up
