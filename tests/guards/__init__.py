"""The guards of the service, and what each is replaced by to show that a test notices it; see
``tests/mutations.py``."""

from __future__ import annotations

from tests.guards.at_the_desk import AT_THE_DESK
from tests.guards.base import ROOT, Mutation
from tests.guards.deciding import DECIDING
from tests.guards.doing import DOING
from tests.guards.setting_up import SETTING_UP
from tests.guards.telling import TELLING

__all__ = ["MUTATIONS", "ROOT", "Mutation"]

MUTATIONS: tuple[Mutation, ...] = (
    *AT_THE_DESK,
    *DECIDING,
    *DOING,
    *SETTING_UP,
    *TELLING,
)
