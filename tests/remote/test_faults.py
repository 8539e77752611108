"""A service that cannot be reached, or refuses: the error says which of them it is, at once, and what to look at."""

import socket
import time
from collections.abc import Iterator

import pytest

from registry.adapters.buckets import bucket as opening
from registry.adapters.buckets.faults import BucketFault, Forbidden
from registry.errors import RegistryError
from tests.remote.proxy import Proxy, error
from tests.remote.service import bucket_at, free_port


@pytest.fixture
def silent() -> Iterator[str]:
    """The endpoint of a server that takes what it is asked, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def _refusal(endpoint: str) -> RegistryError:
    with pytest.raises(RegistryError) as caught:
        list(bucket_at(f"s3://models?endpoint={endpoint}").listed("ledger"))
    return caught.value


@pytest.mark.slow
def test_a_service_that_is_not_there_is_told_from_a_name_that_is_none() -> None:
    """Nobody listens at that port; nobody has that name."""
    refused = _refusal(f"http://127.0.0.1:{free_port()}")
    unknown = _refusal("https://nowhere.invalid")

    assert "Connection refused" in refused.why
    assert "lookup" in unknown.why
    assert {BucketFault} == {type(refused), type(unknown)}
    assert "endpoint" in unknown.mend


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "AccessDenied"), (403, "InvalidAccessKeyId"), (403, "SignatureDoesNotMatch"), (400, "ExpiredToken")],
)
def test_what_the_credentials_do_not_allow_is_told_as_that(status: int, code: str) -> None:
    """Also where the service is asked for a list, of which the client says only that it failed."""
    proxy = Proxy("", lambda asked, forward: error(status, code))
    with proxy.running() as endpoint:
        found = _refusal(endpoint)

    assert isinstance(found, Forbidden)
    assert f"{code}: so it says" == found.why
    assert "credentials" in found.mend


def test_a_server_that_says_nothing_is_left_soon(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks a small question does not wait as long as a span of a large blob may take."""
    monkeypatch.setattr(opening, "SILENCE_S", 0.2)
    monkeypatch.setattr(opening, "PATIENCE_S", 0.5)
    began = time.monotonic()
    found = _refusal(silent)

    assert "no answer" in found.why
    assert time.monotonic() - began < opening.TIMEOUT_S / 10
