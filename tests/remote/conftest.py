"""One S3 server a worker, and the keys that it takes from everybody."""

from collections.abc import Iterator

import pytest

from tests.remote.service import KEYS, Service, running


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """The server."""
    with running() as server:
        yield server


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT", "AWS_ALLOW_HTTP"):
        monkeypatch.delenv(name, raising=False)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
