"""Both stores keep the contract."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.adapters.stores.directory import DirectoryStore
from registry.adapters.stores.memory import MemoryStore
from registry.core.digest import Digest
from registry.core.store import place_of
from registry.ports import Replica
from registry.testing.store import ReplicaContract


class TestMemoryStore(ReplicaContract):
    @pytest.fixture(autouse=True)
    def _fresh(self) -> None:
        self.store = MemoryStore()

    def open(self) -> Replica:
        return self.store

    def damage(self, digest: Digest, data: bytes) -> None:
        self.store.blobs[digest] = data


class TestDirectoryStore(ReplicaContract):
    @pytest.fixture(autouse=True)
    def _fresh(self, tmp_path: Path) -> Iterator[None]:
        self.root = tmp_path / "store"
        yield
        left = [path.name for path in self.root.rglob(".unfinished-*")]
        assert left == [], "an unfinished file was left behind"

    def open(self) -> Replica:
        return DirectoryStore(self.root)

    def damage(self, digest: Digest, data: bytes) -> None:
        path = self.root / place_of(digest)
        path.chmod(0o644)
        path.write_bytes(data)
