"""What lies behind a store in a bucket: trash, quarantine, and the list of what was deleted, as behind a directory.

    trash/20261126T101500Z/<hex>  set aside by a collector at that time; still read where a blob is missed
    quarantine/<hex>.<time>       damaged, moved out of its place, never deleted
    collected.json                what was deleted for good, on purpose

Nobody can be kept out of a bucket, and a service cannot move an object. So two rules take the place of a lock:

- A blob leaves its place only after it was copied to the trash (or the quarantine) just now, and only if nobody has
  written to it since it was judged. Whoever saw it in its place before finds it there for a whole grace.
- What lies in the trash is deleted only after the grace, and only if no root reached it in a ledger that was read when
  the grace was over. Nothing else is ever deleted: a blob that is brought back is copied.

So what a writer has seen in its place can only be lost to it if it needs longer than a grace to name it in the ledger.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO, cast

from registry.adapters import durable
from registry.adapters.buckets.bucket import Bucket, Look
from registry.adapters.buckets.faults import BucketFault, Changed, Gone, TooLong, Uncertain
from registry.adapters.buckets.reader import Origin
from registry.core.abreast import abreast
from registry.core.digest import Digest, hex_of
from registry.core.store import (
    COLLECTED,
    CollectedList,
    Lying,
    Stock,
    Unlisted,
    buried_at,
    deletions,
    digest_at,
    grave_of,
    place_of,
    stamp,
)
from registry.errors import ConflictError

COPIED_AT_MOST = 5 * 10**9
"""What S3 copies within the service in one request, in bytes; what is larger passes through this machine."""

_SAME_MOMENT = 20
"""Copies of one blob that came into the quarantine in one second; a service that has more says yes to everything."""

_AT_ONCE = 16
_TRIES = 3
_TURNS = 50
_MOST_LIST_BYTES = 1 << 28
_PIECE_BYTES = 1024 * 1024


class Crowded(ConflictError):
    """Others write to an object all the time."""


@dataclass(slots=True, eq=False)
class BucketAttic:
    """What lies behind the store in `bucket`; any number of collectors and writers may be at work."""

    bucket: Bucket
    _blobs: dict[Digest, Look] = field(default_factory=dict)
    _graves: dict[Digest, list[str]] = field(default_factory=dict)

    @contextmanager
    def stocktaking(self) -> Iterator[Callable[[], Stock]]:
        """What it gives says what is here; nobody is kept out."""
        yield self._stock

    def set_aside(self, digests: Sequence[Digest], at: datetime) -> None:
        """Copy blobs into the trash and take them out of their places, unless somebody has written to one meanwhile."""
        each(lambda digest: self._set_aside(digest, at), digests)

    def bring_back(self, digests: Sequence[Digest]) -> None:
        """Copy sound blobs from the trash to their places, if nothing lies there; what is gone is passed over."""
        each(self._bring_back, digests)

    def purge(self, digests: Sequence[Digest], *, known: Sequence[Digest]) -> None:
        """Delete from the trash, for good, what lay there when stock was taken; the `known` are written down first.

        Of a blob that was in its place then, only if it is there still, and unchanged: it may be needed.
        """
        if known:
            self.note_collected(known)
        each(self._purge, digests)

    def quarantine(self, digest: Digest, at: datetime) -> str | None:
        """Move a damaged blob from its place, or else the trash, into the quarantine, unless it was mended."""
        source, before = place_of(digest), self.bucket.look(place_of(digest))
        if before is None:
            source, before = next(self.graves(digest), (source, None))
        target = self._free(f"quarantine/{hex_of(digest)}.{stamp(at)}")
        if before is None or not self._copy(source, before, target):
            return None
        kept = self.bucket.look(target)
        # why the copy: what was read is then what is deleted, if it still looks as it did before.
        if kept is None or is_sound(self.bucket, target, look=kept, digest=digest):
            return None
        return target if self._clear(source, before, copy=target) else None

    def _free(self, name: str) -> str:
        """A key at which nothing is, `name` or one that is longer: an only copy is never replaced by another."""
        for key in (name + "+" * count for count in range(_SAME_MOMENT)):
            if self.bucket.look(key) is None:
                return key
        why = f"the service has, or says that it has, {_SAME_MOMENT} copies of one moment"
        raise BucketFault(f"there is no free name for {name}", why=why, mend="look into the quarantine")

    def keep_second(self, digest: Digest, at: datetime) -> None:
        """Leave a copy of a blob that has just healed a damaged one in the trash.

        Somebody may have set the damaged one aside or into the quarantine, and be about to delete what is in its place.
        """
        if look := self.bucket.look(place_of(digest)):
            self._copy(place_of(digest), look, grave_of(digest, at))

    def graves(self, digest: Digest) -> Iterator[tuple[str, Look]]:
        """Where a blob lies in the trash and how it looks, the newest first."""
        for folder in reversed(self.bucket.folders("trash")):
            key = f"{folder}/{hex_of(digest)}"
            if buried_at(key) and (look := self.bucket.look(key)):
                yield key, look

    def trashed(self) -> frozenset[Digest]:
        """Every blob in the trash."""
        return frozenset(digest for digest, _, _ in self._buried())

    def collected(self) -> frozenset[Digest]:
        """What was deleted on purpose; nothing if the list is lost or damaged: then it counts as missing."""
        return self.deletions()[0]

    def deletions(self) -> tuple[frozenset[Digest], str | None]:
        """What was deleted on purpose, and why that cannot be known, if it cannot."""
        return deletions(self.bucket.read(COLLECTED, _MOST_LIST_BYTES), f"{self.bucket.address}/{COLLECTED}")

    def note_collected(self, digests: Iterable[Digest]) -> None:
        """Add to what was deleted on purpose; who adds at the same time does not lose what the other added.

        Raises:
            Unlisted: The list is damaged.
            Crowded: Others added to it all the time.
        """
        wanted = set(digests)
        for _ in range(_TURNS):
            look = self.bucket.look(COLLECTED)
            before, why = self.deletions()
            if why:
                raise Unlisted(why)
            listed = CollectedList(digests=tuple(sorted(before | wanted)))
            if wanted <= before or self.bucket.replace(COLLECTED, listed.canonical(), look):
                return
        why = f"somebody was quicker {_TURNS} times, or the service says so"
        raise Crowded(f"{COLLECTED} could not be added to", why=why, mend="run the same command again")

    def _stock(self) -> Stock:
        # why the places first: a blob that is set aside meanwhile is seen in one of both
        self._blobs = {digest: look for key, look in self.bucket.listed("blobs") if (digest := digest_at(key))}
        blobs = {digest: Lying(look.size, look.modified) for digest, look in self._blobs.items()}
        trash: dict[Digest, Lying] = {}
        self._graves = {}
        for digest, key, lying in sorted(self._buried(), key=lambda found: found[2].since):
            self._graves.setdefault(digest, []).append(key)
            trash[digest] = lying
        return Stock(blobs, trash, frozenset(), *self.deletions())

    def _set_aside(self, digest: Digest, at: datetime) -> None:
        judged, grave = self._blobs[digest], grave_of(digest, at)
        if self._copy(place_of(digest), judged, grave):
            self._clear(place_of(digest), judged, copy=grave)

    def _bring_back(self, digest: Digest) -> None:
        if self.bucket.look(place_of(digest)) is None:
            # why read first: what somebody puts there at this moment must not be replaced by other bytes.
            sound = ((k, look) for k, look in self.graves(digest) if is_sound(self.bucket, k, look=look, digest=digest))
            if found := next(sound, None):
                self._copy(*found, place_of(digest))

    def _purge(self, digest: Digest) -> None:
        judged = self._blobs.get(digest)
        if judged is None or judged.is_same(self.bucket.look(place_of(digest))):
            for key in self._graves[digest]:
                self.bucket.delete(key)

    def _copy(self, source: str, look: Look, target: str) -> bool:
        """Copy an object; False if it was not there, or another one came."""
        if look.size <= COPIED_AT_MOST:
            return self.bucket.copy(Origin(self.bucket.address.service, self.bucket.address.at(source)), target)
        try:
            with self.bucket.reader(source, look) as content:
                self.bucket.stream(target, iter(lambda: content.read(_PIECE_BYTES), b""), look.size)
        except (Gone, Changed):
            return False
        return True

    def _clear(self, place: str, judged: Look, *, copy: str) -> bool:
        """Delete what is in a place if its copy is whole and nobody has written there since; False if not."""
        for attempt in range(_TRIES):
            if not judged.is_same(self.bucket.look(place)):
                return attempt > 0
            # why the last look before: if this process slept for a grace, another one may have emptied the trash.
            if (kept := self.bucket.look(copy)) is None or kept.size != judged.size:
                return False
            try:
                self.bucket.delete(place)
            except Uncertain:
                if attempt == _TRIES - 1:
                    raise
            else:
                return True
        return False

    def _buried(self) -> Iterator[tuple[Digest, str, Lying]]:
        """Whatever lies in the trash, where, and since when: of its name and the service's clock, the later counts."""
        for key, look in self.bucket.listed("trash"):
            if found := buried_at(key):
                yield found[0], key, Lying(look.size, max(found[1], look.modified))


def is_sound(bucket: Bucket, key: str, *, look: Look, digest: Digest) -> bool:
    """Whether the object that looks so has the bytes that `digest` says, by reading them."""
    try:
        with bucket.reader(key, look) as content:
            return durable.pour(cast("BinaryIO", content)).digest == digest
    except (TooLong, Changed):
        return False


def each(do: Callable[[Digest], None], digests: Sequence[Digest]) -> None:
    """Do it with each, many at a time."""
    for _ in abreast(do, digests, at_once=_AT_ONCE):
        pass
