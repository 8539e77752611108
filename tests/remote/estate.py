"""A store in a bucket and a ledger about it, to be collected at any time and interrupted at any request."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import obstore
import pytest
from obstore.store import MemoryStore

from registry.adapters.buckets import bucket as client
from registry.adapters.buckets.address import parse_address
from registry.adapters.buckets.bucket import Bucket, Look
from registry.adapters.ledgers.memory import MemoryLedger
from registry.adapters.stores import bucket, bucket_attic
from registry.adapters.stores.bucket import BucketStore
from registry.adapters.stores.memory import MemoryStore as Memory
from registry.adapters.stores.recalling import RecallingStore
from registry.core.digest import Digest
from registry.core.ledger.entry import Register
from registry.core.manifest import Manifest
from registry.core.store import place_of
from registry.ports import Store
from registry.verbs.prove import prove
from tests.store.estate import Estate

REQUESTS = ("head", "list", "list_with_delimiter", "get", "put", "copy", "delete")
Step = tuple[str, str]
"""A request: what is asked, and of which object or folder."""


class Killed(BaseException):
    """The process was killed here."""


@dataclass(slots=True)
class FarEstate(Estate):
    """The same as an estate on a disk, in `bucket`; what this machine notes is below `root`."""

    bucket: Bucket = field(kw_only=True)
    copies: Store = field(default_factory=Memory)

    @property
    def store(self) -> BucketStore:  # type: ignore[override] # another kind of store
        """The store itself."""
        return BucketStore(self.bucket, self.root / "seen.sqlite")

    @property
    def grounds(self) -> RecallingStore:
        """The store of who decides on what is read."""
        return RecallingStore(self.store)

    def another(self) -> "FarEstate":
        """The same estate, as another process sees it."""
        desk = copy(self.desk)
        desk.tips = dict(desk.tips)
        return FarEstate(self.root, desk, self.days, list(self.models), bucket=self.bucket, copies=self.copies)

    def twin(self) -> "FarEstate":
        """An estate of its own in memory that is as this one is now."""
        twin = self.another()
        twin.root = self.root / uuid4().hex  # why: two buckets in memory give the same ETags to other bytes
        twin.bucket, twin.desk.ledger = memory_bucket(), MemoryLedger([*self.desk.ledger.read()])
        for key in self.keys():
            twin.bucket.write(key, self.bucket.read(key, 1 << 20) or b"")
        return twin

    def write_register(self, manifest: Manifest) -> None:
        """Make a model known as another process would."""
        desk = self.another().desk
        desk.write(Register(**desk.common(), model="pinned", manifest=manifest.digest, pins=manifest.pins))

    def decide(self, manifest: Manifest) -> None:
        """Prove a model and name it in the ledger, as a promotion does."""
        prove(manifest.digest, store=self.grounds)
        self.write_register(manifest)

    def damage(self, digest: Digest, data: bytes = b"bad") -> None:
        """Put other bytes in the place of a blob."""
        self.bucket.write(place_of(digest), data)

    def keys(self, *folders: str) -> list[str]:
        """What lies below `folders`, or everywhere."""
        listed = (self.bucket.listed(folder) for folder in folders or ("blobs", "trash", "quarantine"))
        return sorted(key for found in listed for key, _ in found)


def memory_bucket() -> Bucket:
    """A bucket in the memory of this process, by the same client; with conditions, as the services have them."""
    kept = MemoryStore()
    return Bucket(parse_address("s3://memory/registry", {}), kept, kept, kept, checks_sha256=True)


def remember(root: Path, bucket: Bucket) -> FarEstate:
    """A bucket in which `served` is served, and what nobody needs lies in its place or in the trash.

    `orphan` is in its place, old enough to be set aside; `deleted` has been in the trash for longer than the grace. The
    ledger names both since long ago, as it does old models.
    """
    estate = FarEstate(root, bucket=bucket)
    estate.add(adapter="deleted", name="old")
    estate.add(adapter="newer", name="old")
    estate.promote(estate.add(adapter="served"))
    estate.days = 20
    estate.gc()
    estate.make(adapter="orphan")
    estate.days = 60
    return estate


@contextmanager
def later(days: float) -> Iterator[None]:
    """What is written from now on, the service says to have been written so many days later."""
    start, real = datetime.now(UTC), client._look_of

    def look_of(found: Mapping[str, Any]) -> Look:
        look = real(found)
        return replace(look, modified=look.modified + timedelta(days=days)) if look.modified > start else look

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "_look_of", look_of)
        yield


@contextmanager
def at_each_request(act: Callable[[int, Step], None], *, after: bool = False) -> Iterator[list[Step]]:
    """Call `act` before (or `after`) each request, one by one; not at those that `act` makes itself."""
    steps: list[Step] = []
    busy = threading.Event()

    def stop_at(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def stopped(kept: object, path: str, *words: Any, **parts: Any) -> Any:
            if busy.is_set():
                return real(kept, path, *words, **parts)
            steps.append((name, path))
            answer = real(kept, path, *words, **parts) if after else None
            busy.set()
            try:
                act(len(steps) - 1, (name, path))
            finally:
                busy.clear()
            return answer if after else real(kept, path, *words, **parts)

        return stopped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bucket_attic, "each", lambda do, digests: [do(digest) for digest in digests])
        patch.setattr(bucket, "_each", lambda do, things, _: [do(thing) for thing in things])
        for name in REQUESTS:
            patch.setattr(obstore, name, stop_at(name, getattr(obstore, name)))
        yield steps
