"""The sandbox with the real Rehive can be met by strangers; the demonstration cannot."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from sandbox.safety import secret_key
from tests.sandbox.conftest import Sandbox

pytestmark = pytest.mark.e2e

REAL = {
    "REHIVE_API_URL": "https://rehive.example.com/api/",
    "REHIVE_PAYMENT_REQUESTS_URL": "https://requests.example.com/api/",
    "REHIVE_TOKEN": "a-token-of-its-own",
    "REHIVE_BUSINESS_ID": "a-business",
    "REHIVE_WEBHOOK_SECRET": "a-secret-of-its-own",
    "SHOP_BASE_URL": "https://shop.example.com",
}
SETTINGS = """
from django.conf import settings
print(settings.DEBUG, settings.ALLOWED_HOSTS, settings.SESSION_COOKIE_SECURE)
print(settings.SECRET_KEY)
"""
WHO_GETS_IN = """
from django.contrib.auth import authenticate
from sandbox.shop.accounts import PASSWORDS
for email, password in PASSWORDS.items():
    print(email, authenticate(None, username=email, password=password) is not None)
"""


@pytest.fixture(params=["manage.py", "serve.py"])
def refused(request: pytest.FixtureRequest, empty: Sandbox) -> Any:
    """What the sandbox says when it does not start with these variables."""

    def refused(**variables: str) -> str:
        done = empty.run(request.param, "check", **variables)
        assert done.returncode == 1, done.stdout
        assert "Traceback" not in done.stderr
        return str(done.stderr)

    return refused


@pytest.mark.parametrize("host", ["shop.example.com", "0.0.0.0:8000", "192.168.1.5", "10.0.0.1"])
def test_a_demonstration_where_others_reach_it_is_refused(refused: Any, host: str) -> None:
    told = refused(SHOP_BASE_URL=f"http://{host}")

    assert f"SHOP_BASE_URL is http://{host}" in told
    assert "Leave SHOP_BASE_URL out" in told
    assert "set REHIVE_API_URL" in told


@pytest.mark.parametrize("host", ["*", ".example.com", "*.example.com", "a b"])
def test_a_base_url_is_one_host_and_no_pattern(refused: Any, host: str) -> None:
    """ALLOWED_HOSTS would let in everybody's."""
    assert "must look like" in refused(**{**REAL, "SHOP_BASE_URL": f"https://{host}"})


def test_pages_for_developers_are_refused_where_others_reach_them(refused: Any) -> None:
    assert "Leave SANDBOX_DEBUG out" in refused(**REAL, SANDBOX_DEBUG="1")


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.168.1.5"])
def test_a_demonstration_does_not_listen_to_others(empty: Sandbox, host: str) -> None:
    done = empty.run("serve.py", SANDBOX_LISTEN=f"{host}:8000")

    assert done.returncode == 1
    assert "SANDBOX_LISTEN" in done.stderr
    assert "share the network of its host" in done.stderr


def test_a_token_that_no_request_can_carry_is_refused(empty: Sandbox) -> None:
    """The README's "…" left in its place, say."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    listen = {"SANDBOX_LISTEN": f"127.0.0.1:{port}"}

    done = empty.run("serve.py", **{**REAL, **listen, "REHIVE_TOKEN": "…"})

    assert done.returncode == 1
    assert "oscar_rehive.E007" in done.stderr
    assert "Traceback" not in done.stderr


def test_with_the_real_rehive_it_is_safe_by_itself(empty: Sandbox) -> None:
    settings, key = empty.python(SETTINGS, **REAL)

    assert settings == "False ['shop.example.com'] True"
    assert len(key) >= 50
    assert empty.python(SETTINGS, **REAL)[1] == key
    assert (empty.var / "secret-key").stat().st_mode & 0o077 == 0


def test_the_folder_that_it_makes_is_nobody_elses_to_read(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "new" / "var")
    sandbox.python(SETTINGS)

    assert sandbox.var.stat().st_mode & 0o077 == 0


def test_the_key_is_made_once_and_left_as_it_is(tmp_path: Path) -> None:
    first = secret_key(tmp_path)

    assert secret_key(tmp_path) == first
    assert os.listdir(tmp_path) == ["secret-key"]


def test_of_two_that_make_the_key_at_once_one_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def late(part: str, file: Path) -> None:
        file.write_text("of the other")
        link(part, file)

    monkeypatch.setattr(os, "link", late)

    assert secret_key(tmp_path) == "of the other"
    assert os.listdir(tmp_path) == ["secret-key"]


def test_known_passwords_are_gone_with_the_real_rehive_and_back_without(ready: Sandbox) -> None:
    known = ["customer@example.com True", "staff@example.com True"]
    assert ready.python(WHO_GETS_IN) == known

    done = ready.manage("setup_sandbox", **REAL)

    assert ready.python(WHO_GETS_IN, **REAL) == [line.replace("True", "False") for line in known]
    assert "staff@example.com has lost its password" in done.stdout
    assert "sandbox/manage.py createsuperuser" in done.stdout
    assert "staff-demo" not in done.stdout

    assert ready.manage("setup_sandbox").returncode == 0
    assert ready.python(WHO_GETS_IN) == known


def test_a_staff_account_of_ones_own_stays(ready: Sandbox) -> None:
    ready.manage("setup_sandbox", **REAL)
    made = ready.manage(
        *("createsuperuser", "--noinput", "--username", "sam", "--email", "sam@example.com"),
        DJANGO_SUPERUSER_PASSWORD="a-password-of-its-own",
        **REAL,
    )
    assert made.returncode == 0, made.stderr

    done = ready.manage("setup_sandbox", **REAL)

    assert "createsuperuser" not in done.stdout


# Some servers import an ASGI application in their event loop.
IN_A_LOOP = """
import asyncio
async def serve(): import sandbox.asgi
asyncio.run(serve())
"""


@pytest.mark.parametrize("served_by", ["import sandbox.wsgi", IN_A_LOOP], ids=["WSGI", "ASGI"])
def test_whatever_serves_it_takes_the_known_passwords_away(ready: Sandbox, served_by: str) -> None:
    served = ready.python(f"{served_by}\n{WHO_GETS_IN}", **REAL)

    assert served == ["customer@example.com False", "staff@example.com False"]
