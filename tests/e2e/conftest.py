"""Shops that run for the whole session, one for each kind, and shoppers in them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from oscar_rehive.simulator.process import SimulatorProcess
from tests.e2e import shops
from tests.e2e.shopper import Shopper
from tests.e2e.shops import Shop

_running: list[Shop] = []


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for shop in _running:
            if log := shop.log():
                report.sections.append((f"log of the shop at {shop.base_url}", log[-20_000:]))


@pytest.fixture(scope="session")
def start_shop(
    tmp_path_factory: pytest.TempPathFactory, shared_folder: Path
) -> Iterator[Callable[..., Shop]]:
    """Starts a shop with some switches of its environment, once in a session for each set of them."""
    started: dict[tuple[object, ...], Shop] = {}

    with ExitStack() as stack:

        def start(switches: dict[str, str], *, postgres: bool = False) -> Shop:
            key = (postgres, *sorted(switches.items()))
            if key not in started:
                folder = tmp_path_factory.mktemp("shop") / "var"
                database_url = ""
                if postgres:
                    server = os.environ["DATABASE_URL"]
                    database_url = stack.enter_context(shops.database_of_its_own(server))
                    shops.set_up(folder, database_url)
                else:
                    shutil.copytree(shops.template(shared_folder), folder)
                shop = Shop(folder, switches, database_url)
                started[key] = stack.enter_context(_running_shop(shop))
            return started[key]

        yield start


@contextmanager
def _running_shop(shop: Shop) -> Iterator[Shop]:
    try:
        shop.start()
        _running.append(shop)
        yield shop
    finally:
        if shop in _running:
            _running.remove(shop)
        shop.stop()


@pytest.fixture(scope="module")
def server() -> str:
    """The server of ``served_shop``; a module parametrises it for all of its tests."""
    return "waitress"


@pytest.fixture(scope="module")
def switches() -> dict[str, str]:
    """The switches of ``served_shop``; a module overrides it to get another shop than the usual."""
    return {}


@pytest.fixture(scope="module")
def served_shop(
    tmp_path_factory: pytest.TempPathFactory,
    shared_folder: Path,
    server: str,
    switches: dict[str, str],
) -> Iterator[Shop]:
    """A shop under the module's server, which must not have had an accident by the end."""
    folder = tmp_path_factory.mktemp("served") / "var"
    shutil.copytree(shops.template(shared_folder), folder)
    with _running_shop(Shop(folder, switches, server=server)) as shop:
        yield shop
        assert "Traceback" not in shop.log()


@pytest.fixture
def shop_kind() -> dict[str, str]:
    """The switches of the test's shop; parametrise it to get another one than the usual."""
    return {}


@pytest.fixture
def shop_without_webhook(
    request: pytest.FixtureRequest,
    start_shop: Callable[..., Shop],
    shop_kind: dict[str, str],
) -> Iterator[Shop]:
    """The test's shop, which must not have had an accident by the end of the test."""
    postgres = request.node.get_closest_marker("postgres") is not None
    shop = start_shop(shop_kind, postgres=postgres)
    for running in _running:
        running.mark_log()
    yield shop
    shop.rehive.clear_faults()
    assert "Traceback" not in shop.log()


@pytest.fixture
def shop(shop_without_webhook: Shop) -> Iterator[Shop]:
    """The test's shop, with its webhook registered at its Rehive."""
    with shop_without_webhook.webhook():
        yield shop_without_webhook


@pytest.fixture
def rehive(shop_without_webhook: Shop) -> SimulatorProcess:
    """The Rehive of the test's shop."""
    return shop_without_webhook.rehive


@pytest.fixture
def guest(shop_without_webhook: Shop) -> Shopper:
    """Somebody who buys without an account."""
    return Shopper(shop_without_webhook.base_url)


@pytest.fixture
def customer(shop_without_webhook: Shop) -> Shopper:
    """Somebody who has just registered, and is logged in."""
    shopper = Shopper(shop_without_webhook.base_url)
    shopper.register()
    return shopper


@pytest.fixture
def shopper(request: pytest.FixtureRequest) -> Shopper:
    """A guest, or the kind of shopper that the test is parametrised with."""
    return request.getfixturevalue(getattr(request, "param", "guest"))
