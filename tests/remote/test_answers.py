"""Answers that nobody expects of a service, or of the library that speaks to it: they are told, nobody falls over."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from registry.adapters.buckets.faults import BucketFault, Uncertain
from registry.adapters.ledgers.bucket import BucketLedger
from registry.adapters.stores.bucket import BucketStore
from tests.remote.proxy import Answer, Proxy, error
from tests.remote.service import Service

pytestmark = pytest.mark.slow

SMALL = b"small blob"


@pytest.mark.parametrize("status", [409, 412])
def test_a_conflict_is_an_answer_to_a_creation_alone(behind: Service, proxy: Proxy, status: int) -> None:
    """Found by `lying bucket`, 409: whoever only looked, read or wrote anew fell over."""
    bucket = behind.open(behind.new_bucket(), timeout_s=3)
    ledger = BucketLedger(bucket, wait_s=0.001)
    proxy.mischief = lambda asked, forward: error(status, "ConditionalRequestConflict")
    for ask in (
        lambda: bucket.look("blob"),
        lambda: bucket.read("blob", 10),
        lambda: bucket.write("blob", b"x"),
        lambda: list(bucket.listed("blobs")),
        lambda: ledger.put_if_absent(0, b"x"),
        ledger.read,
    ):
        with pytest.raises(BucketFault):
            ask()

    assert not bucket.create("blob", b"x")


class PanicException(BaseException):
    """What a library in Rust raises when it gives up; it is no Exception, and cannot be imported."""


def test_a_library_that_gives_up_is_a_fault_of_the_bucket(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by `failing call`, write ENOSPC: whoever met it fell over; what was written is uncertain then."""

    def panic(*_: object, **__: object) -> None:
        raise PanicException("failed to wake I/O driver")

    bucket = service.open(service.new_bucket())
    monkeypatch.setattr("obstore.get", panic)
    monkeypatch.setattr("obstore.put", panic)
    with pytest.raises(BucketFault, match="could not read"):
        bucket.read("blob", 10)
    with pytest.raises(Uncertain, match="could not write"):
        bucket.create("blob", b"x")


def test_a_service_that_has_everything_fills_no_quarantine(behind: Service, proxy: Proxy, tmp_path: Path) -> None:
    """Found by `lying bucket`, 200: ever longer names were tried, until one was too long for a request."""
    store = BucketStore(behind.open(behind.new_bucket(), timeout_s=3), tmp_path / "notes")
    digest = store.put(SMALL)
    everything = Answer(200, {"ETag": '"0"', "Last-Modified": "Thu, 26 Nov 2026 00:00:00 GMT"}, b"")
    proxy.mischief = lambda asked, forward: everything if "/quarantine/" in asked.path else forward(asked)
    with pytest.raises(BucketFault, match="no free name"):
        store.attic.quarantine(digest, datetime.now(UTC))
