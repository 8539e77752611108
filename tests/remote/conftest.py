"""One S3 server a worker, the keys that it takes from everybody, and a proxy that does mischief before it."""

from collections.abc import Iterator

import pytest

from tests.remote.proxy import Proxy
from tests.remote.service import KEYS, Service, running
from tests.store.conftest import in_memory

__all__ = ["in_memory"]


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """The server."""
    with running() as server:
        yield server


@pytest.fixture
def proxy(service: Service) -> Proxy:
    """A proxy that is still honest."""
    return Proxy(service.endpoint)


@pytest.fixture
def behind(service: Service, proxy: Proxy) -> Iterator[Service]:
    """The same server, seen through the proxy."""
    with proxy.running() as endpoint:
        yield Service(endpoint, service.numbers)


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT", "AWS_ALLOW_HTTP"):
        monkeypatch.delenv(name, raising=False)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
