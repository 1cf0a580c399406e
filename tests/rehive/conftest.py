"""A client, and Rehive's answers by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import responses
import trustme

from oscar_rehive.rehive.client import Client
from tests.rehive.samples import API, BUSINESS_ID, PAYMENT_REQUESTS, TOKEN
from tests.rehive.servers import Serve, serving


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def make_client() -> Callable[..., Client]:
    def make(
        *,
        api_url: str = API,
        payment_requests_url: str = PAYMENT_REQUESTS,
        token: str = TOKEN,
        business_id: str = BUSINESS_ID,
    ) -> Client:
        return Client(
            api_url=api_url,
            payment_requests_url=payment_requests_url,
            token=token,
            business_id=business_id,
        )

    return make


@pytest.fixture
def client(make_client: Callable[..., Client]) -> Client:
    return make_client()


@pytest.fixture
def rehive_answers() -> Iterator[responses.RequestsMock]:
    """Add the answers that Rehive is to give; any other request fails the test."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers that answer as told."""
    with serving() as start:
        yield start


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key with its certificate of localhost, made for this run."""
    made = tmp_path_factory.mktemp("tls") / "localhost.pem"
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(made)
    authority.cert_pem.write_to_path(made.with_suffix(".crt"))
    return made


@pytest.fixture
def certificate(tls: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A certificate of localhost, which clients trust."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls.with_suffix(".crt")))
    return tls
