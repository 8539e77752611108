"""A bucket on a real server keeps the contracts of a store and of a ledger, word for word."""

from pathlib import Path

import pytest

from registry.adapters.ledgers.bucket import BucketLedger
from registry.adapters.stores.bucket import BucketStore
from registry.core.digest import Digest
from registry.core.reach import Needed
from registry.core.store import place_of
from registry.ports import LedgerFile, Replica
from registry.testing.ledger import LedgerContract
from registry.testing.store import ReplicaContract
from registry.verbs.carry import Wanted, carry
from tests.remote.service import Service
from tests.remote.sides import Count

pytestmark = pytest.mark.slow


class TestBucketStore(ReplicaContract):
    @pytest.fixture(autouse=True)
    def _fresh(self, service: Service, tmp_path: Path) -> None:
        self.service, self.name, self.notes = service, service.new_bucket(), tmp_path / "cache" / "seen.sqlite"

    def open(self) -> Replica:
        return BucketStore(self.service.open(self.name), self.notes)

    def damage(self, digest: Digest, data: bytes) -> None:
        self.service.client.put_object(Bucket=self.name, Key=f"registry/{place_of(digest)}", Body=data)


def test_a_large_blob_goes_from_one_bucket_to_another(service: Service, tmp_path: Path) -> None:
    """It is sent in parts while it is read from where it is; both by the same client, in one process."""
    first, second = (BucketStore(service.open(service.new_bucket()), tmp_path / "seen") for _ in range(2))
    large = first.put(b"large" * 2_000_000)
    carry(Wanted((Needed(large, "weights"),)), source=first, target=second, records=(first,), meter=Count())

    assert b"large" * 2_000_000 == second.get(large)


class TestBucketLedger(LedgerContract):
    @pytest.fixture(autouse=True)
    def _fresh(self, service: Service) -> None:
        self.service, self.name = service, service.new_bucket()

    def open(self) -> LedgerFile:
        return BucketLedger(self.service.open(self.name))
