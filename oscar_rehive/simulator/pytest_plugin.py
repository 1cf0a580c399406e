"""The pytest fixture ``rehive_simulator``: a clean simulator of Rehive for each test.

One process serves the whole session. Override ``rehive_simulator_arguments`` to give it options
of the command ``rehive-simulator``, such as ``["--business", "shop:EUR"]``. A token of your own comes
from the environment variable ``REHIVE_SIMULATOR_TOKEN``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .process import SimulatorProcess


@pytest.fixture(scope="session")
def rehive_simulator_arguments() -> list[str]:
    """Options of the command for the session's simulator."""
    return []


@pytest.fixture(scope="session")
def rehive_simulator_process(rehive_simulator_arguments: list[str]) -> Iterator[SimulatorProcess]:
    """The session's simulator; tests use ``rehive_simulator``."""
    from .process import SimulatorError, SimulatorProcess

    process = SimulatorProcess(*rehive_simulator_arguments)
    try:
        process.start()
    except SimulatorError as error:
        pytest.fail(str(error), pytrace=False)
    yield process
    process.stop()


@pytest.fixture
def rehive_simulator(rehive_simulator_process: SimulatorProcess) -> SimulatorProcess:
    """The simulator without any invoices, webhooks or faults: a ``SimulatorProcess``."""
    rehive_simulator_process.reset()
    return rehive_simulator_process
