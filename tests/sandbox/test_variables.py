"""What is wrong with a variable is told in a sentence with its name, before anything is started."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from sandbox import variables
from tests.sandbox.conftest import Sandbox
from tests.sandbox.test_safety import REAL
from tests.sandbox.test_serve import free_port

pytestmark = pytest.mark.e2e

SECRET = "the-s3cret-0815"

BASE = "http://127.0.0.1:8000"

WRONG = [
    (variables.base_address, "http://127.0.0.1:99999"),
    (variables.base_address, "http://127.0.0.1:0"),
    (variables.base_address, "http://[::1"),
    (variables.base_address, f"{BASE}/shop"),
    (variables.base_address, f"{BASE}?a"),
    (variables.base_address, f"http://sam:{SECRET}@127.0.0.1:8000"),
    (variables.port, "abc"),
    (variables.port, "99999"),
    (partial(variables.number, least=10), "9"),
    (variables.minutes, "abc"),
    (variables.minutes, "nan"),
    (variables.minutes, "-5"),
    (variables.database, f"nonsense:{SECRET}"),
    (variables.database, f"postgres://sam:{SECRET}@127.0.0.1:port/shop"),
]


@pytest.mark.parametrize(("read", "value"), WRONG)
def test_what_cannot_be_used_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[str, Any], Any], value: str
) -> None:
    monkeypatch.setenv("SANDBOX_IT", value)

    with pytest.raises(ImproperlyConfigured, match="SANDBOX_IT") as refused:
        read("SANDBOX_IT", BASE)

    assert SECRET not in str(refused.value)


def refusal(sandbox: Sandbox, **variables: str) -> str:
    """What ``serve.py`` says when it does not start."""
    done = sandbox.run("serve.py", **variables)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stderr
    return str(done.stderr)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHOP_BASE_URL", f"http://sam:{SECRET}@127.0.0.1:8000"),
        ("DATABASE_URL", f"postgres://sam:{SECRET}@127.0.0.1:port/shop"),
        ("SANDBOX_VAR", "/dev/null/var"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(empty: Sandbox, name: str, value: str) -> None:
    assert name in refusal(empty, **{name: value})


def test_a_port_to_listen_at_that_is_none_is_named(empty: Sandbox) -> None:
    assert "SANDBOX_LISTEN" in refusal(empty, SANDBOX_LISTEN="127.0.0.1:99999")


def test_shop_and_simulator_at_the_same_port_are_told(empty: Sandbox) -> None:
    port = free_port()

    told = refusal(
        empty, SHOP_BASE_URL=f"http://127.0.0.1:{port}", SANDBOX_SIMULATOR_PORT=str(port)
    )

    assert f"both listen at port {port}" in told


class TestWithTheRealRehive:
    """Nothing that cannot take a payment, and nothing unsafe, is served."""

    @pytest.fixture
    def real(self, rehive_simulator) -> dict[str, str]:
        """Variables that are good, of a Rehive that answers."""
        return {
            **REAL,
            "REHIVE_API_URL": rehive_simulator.api_url,
            "REHIVE_PAYMENT_REQUESTS_URL": rehive_simulator.payment_requests_url,
            "REHIVE_TOKEN": rehive_simulator.token,
            "REHIVE_BUSINESS_ID": rehive_simulator.business_id,
            "SANDBOX_LISTEN": f"127.0.0.1:{free_port()}",
        }

    def test_a_blank_token_is_a_missing_one(self, empty: Sandbox, real: dict[str, str]) -> None:
        assert "REHIVE_TOKEN must be set too" in refusal(empty, **{**real, "REHIVE_TOKEN": " "})

    def test_an_address_that_is_none_is_refused(self, empty: Sandbox, real: dict[str, str]) -> None:
        told = refusal(empty, **{**real, "REHIVE_API_URL": "nonsense"})

        assert '"API_URL"] is not an absolute http(s) address' in told

    def test_a_token_that_rehive_refuses_is_told(
        self, empty: Sandbox, real: dict[str, str]
    ) -> None:
        told = refusal(empty, **{**real, "REHIVE_TOKEN": SECRET})

        assert "REHIVE_TOKEN can't be used" in told
        assert "401" in told

    def test_a_business_that_rehive_does_not_know_is_told(
        self, empty: Sandbox, real: dict[str, str]
    ) -> None:
        told = refusal(empty, **{**real, "REHIVE_BUSINESS_ID": "another"})

        assert "does not know REHIVE_BUSINESS_ID" in told

    def test_a_key_that_can_be_guessed_is_refused(
        self, empty: Sandbox, real: dict[str, str]
    ) -> None:
        assert "SANDBOX_SECRET_KEY" in refusal(empty, **real, SANDBOX_SECRET_KEY="guess")

    def test_what_is_weak_is_told(self, empty: Sandbox, real: dict[str, str]) -> None:
        """Here beside a token that is refused, so that it ends by itself."""
        weak = {"REHIVE_WEBHOOK_SECRET": "x", "SHOP_BASE_URL": "http://shop.example.com"}
        done = empty.run("serve.py", **{**real, **weak, "REHIVE_TOKEN": SECRET})

        assert "oscar_rehive.W009" in done.stdout
        assert "passwords and the webhook's secret go there in clear" in done.stdout
        assert "Traceback" not in done.stderr
