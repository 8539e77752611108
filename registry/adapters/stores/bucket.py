"""A store in a bucket: `blobs/sha256/ab/<64 hex>` below its prefix, as in a directory.

A service that checks the SHA-256 of what it is sent is believed, once it tells the right length; from any other, what
was written is read back. What this machine has read or sent is noted with the ETag that it had, so that it is not read
again; a blob that others sent is read once before it counts as being there.
"""

import hashlib
import io
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from registry.adapters import durable
from registry.adapters.buckets.bucket import PART_BYTES, Bucket, Look
from registry.adapters.buckets.faults import Uncertain
from registry.adapters.buckets.reader import Reader
from registry.adapters.stores.bucket_attic import COPIED_AT_MOST, BucketAttic, is_sound
from registry.adapters.stores.intake import look_at, refuse_change, refuse_other
from registry.adapters.stores.seen import Seen, is_settled, note_of
from registry.core.abreast import abreast
from registry.core.digest import Digest, DigestMismatch, check, digest_of
from registry.core.store import Premises, SourceChanged, digest_at, missing, place_of
from registry.core.tree import Entry, Tree, check_names, tree_of
from registry.ports import KnownFile, OpenFile

_BLOBS = "blobs/sha256"
_MOST_IN_MEMORY = 1 << 30
"""A blob that is asked for whole has no more bytes than this, whatever the service says."""

_LARGE_BYTES = 1024 * 1024
_LARGE_AT_ONCE = 4
_SMALL_AT_ONCE = 32
"""Small requests wait for the network, not for a core."""

_LIST_FROM = 500
"""From so many blobs on, listing everything costs less than asking for each."""

_BATCH = 8192

T = TypeVar("T")
U = TypeVar("U")


class NotKept(DigestMismatch):
    """The service said that it keeps a blob, and has other bytes."""


@dataclass(frozen=True, slots=True)
class BucketStore:
    """Blobs in `bucket`. Any number of machines may use it at once; `notes` is a file of this machine's own."""

    bucket: Bucket
    notes: Path

    @property
    def attic(self) -> BucketAttic:
        """What lies behind it: the trash, the quarantine."""
        return BucketAttic(self.bucket)

    def put(self, data: bytes) -> Digest:
        """Keep small `data`; a damaged blob of that name is healed."""
        digest = digest_of(data)
        self.put_files([_InMemory(digest, data)])
        return digest

    def put_files(self, files: Iterable[OpenFile]) -> Tree:
        """Keep each file and return the tree that they make. What is there, and was seen to be whole, is not sent.

        Raises:
            UnsafeName: A name could leave the tree, or two collide; nothing was sent.
            SourceChanged: A file was written while it was read.
            DigestMismatch: A `KnownFile` gave other bytes than it must.
            NotKept: The service kept other bytes than it was sent.
            BucketFault: The service did not do it.
        """
        listed = tuple(files)
        check_names([file.path for file in listed])
        entries: list[Entry] = []
        with self._noted() as notes:
            for start in range(0, len(listed), _BATCH):
                batch = listed[start : start + _BATCH]
                known = _each(lambda file: _identify(file, notes), batch, _size)
                self._send_all(batch, known, notes)
                entries += (Entry(path=f.path, size=k.size, digest=k.digest) for f, k in zip(batch, known, strict=True))
        return tree_of(entries)

    def open(self, digest: Digest) -> BinaryIO:
        """Open a blob for reading, unverified; raises `Missing`.

        One that was set aside is read where it is now, also if that happens while it is read.
        """
        key, look = self._find(digest)
        return cast("BinaryIO", self.bucket.reader(key, look, lambda: next(self.attic.graves(digest), None)))

    def get(self, digest: Digest) -> bytes:
        """Read a small blob, verified; raises `Missing` or `DigestMismatch`."""
        if (data := self.bucket.read(place_of(digest), _MOST_IN_MEMORY)) is None:
            data = self.bucket.read(self._find(digest)[0], _MOST_IN_MEMORY)
        if data is None:
            raise missing(digest)
        return check(data, digest)

    def digests(self) -> Iterator[Digest]:
        """Every blob that is here, in no order."""
        return iter(self._listed())

    def held(self, wanted: Mapping[Digest, int]) -> frozenset[Digest]:
        """Those of `wanted` that are here whole: of that size in bytes, and hashed now or when they had this ETag."""
        with self._noted() as notes:
            return self._held(wanted, notes)

    def premises(self) -> Premises:
        """What shows without reading a byte."""
        strays = tuple(key for key, _ in self.bucket.listed("blobs") if digest_at(key) is None)
        return Premises(strays, (), self.attic.trashed(), *self.attic.deletions())

    def collected(self) -> frozenset[Digest]:
        """What was deleted on purpose, here or where blobs were brought from."""
        return self.attic.collected()

    def note_collected(self, digests: Iterable[Digest]) -> None:
        """Note what was deleted on purpose where blobs were brought from."""
        self.attic.note_collected(digests)

    def seal(self, digests: Iterable[Digest]) -> None:
        """Let nobody write to these blobs any more: in a bucket that is a matter of its permissions."""

    def confirm(self) -> None:
        """Make the name of every blob durable: in a bucket it is with its bytes."""

    def _find(self, digest: Digest) -> tuple[str, Look]:
        """Where a blob is, and how it looks; raises `Missing`."""
        place = place_of(digest)
        if look := self.bucket.look(place):
            return place, look
        if found := next(self.attic.graves(digest), None):
            return found
        if look := self.bucket.look(place):  # why again: it may just have been brought back, and the trash emptied
            return place, look
        raise missing(digest)

    def _listed(self) -> dict[Digest, Look]:
        found = ((digest_at(key), look) for key, look in self.bucket.listed(_BLOBS))
        return {digest: look for digest, look in found if digest}

    def _held(self, wanted: Mapping[Digest, int], notes: Seen) -> frozenset[Digest]:
        if len(wanted) >= _LIST_FROM:
            looks = {digest: look for digest, look in self._listed().items() if digest in wanted}
        else:
            asked = _each(lambda digest: self.bucket.look(place_of(digest)), list(wanted), lambda _: 0)
            looks = {digest: look for digest, look in zip(wanted, asked, strict=True) if look}
        right = [digest for digest, look in looks.items() if look.size == wanted[digest]]
        known = {d for d in right if notes.find_at(self._place(d), looks[d].state) == d}
        unknown = [digest for digest in right if digest not in known]
        sound = _each(lambda digest: self._is_sound(digest, looks[digest]), unknown, wanted.__getitem__)
        found = [digest for digest, is_sound in zip(unknown, sound, strict=True) if is_sound]
        notes.note_at((self._place(digest), looks[digest].state, digest) for digest in found)
        return frozenset(known) | frozenset(found)

    def _is_sound(self, digest: Digest, look: Look) -> bool:
        """Whether the bytes of the blob that looks so are what its name says, by reading them."""
        return is_sound(self.bucket, place_of(digest), look=look, digest=digest)

    def _send_all(self, files: Sequence[OpenFile], known: Sequence[durable.Written], notes: Seen) -> None:
        """Bring what is not here, each content once."""
        unique = {one.digest: (file, one) for file, one in zip(files, known, strict=True)}
        held = self._held({digest: one.size for digest, (_, one) in unique.items()}, notes)
        lacking = [pair for digest, pair in unique.items() if digest not in held]
        looks = _each(lambda pair: self._send(*pair), lacking, lambda pair: pair[1].size)
        for (_, one), look in zip(lacking, looks, strict=True):
            notes.note_at([(self._place(one.digest), look.state, one.digest)])

    def _send(self, file: OpenFile, known: durable.Written) -> Look:
        """Bring one blob that is not here, or not whole; how it looks once it is."""
        key = place_of(known.digest)
        with file.open() as content:
            raw = getattr(content, "raw", content)
            is_copied = isinstance(raw, Reader) and self._can_copy(raw, known) and self.bucket.copy(raw.origin, key)
            is_new = is_copied or self._send_bytes(key, _checked(content, file, known), known.size)
        if not is_new:
            self.attic.keep_second(known.digest, datetime.now(UTC))
        return self._prove(known, must_read=is_copied or not self.bucket.checks_sha256)

    def _send_bytes(self, key: str, pieces: Iterable[bytes], size: int) -> bool:
        """Make `pieces` the blob; False if something else may have been in its place."""
        if size > PART_BYTES:
            is_new = self.bucket.look(key) is None
            self.bucket.stream(key, pieces, size)
            return is_new
        data = b"".join(pieces)
        with suppress(Uncertain):
            if self.bucket.create(key, data):
                return True
        # why over what is there: it was found not to be whole, or another writer is just bringing the same bytes.
        self.bucket.write(key, data)
        return False

    def _can_copy(self, content: Reader, known: durable.Written) -> bool:
        return content.origin.service == self.bucket.address.service and known.size <= COPIED_AT_MOST

    def _prove(self, known: durable.Written, *, must_read: bool) -> Look:
        """How the blob looks that was just written; refused if it is not whole."""
        look = self.bucket.look(place_of(known.digest))
        if look is None or look.size != known.size or (must_read and not self._is_sound(known.digest, look)):
            why = f"it has {look.size if look else 'no'} bytes of {known.size}, or others"
            mend = "run the same command again; if it stays so, the service cannot be used"
            raise NotKept(f"{self.bucket.address} did not keep {known.digest}", why=why, mend=mend)
        return look

    def _place(self, digest: Digest) -> str:
        address = self.bucket.address
        return f"{address.endpoint or ''} {address}/{place_of(digest)}"

    @contextmanager
    def _noted(self) -> Iterator[Seen]:
        """Open the notes; where they cannot be kept, there are none."""
        with suppress(durable.WriteFailed):
            durable.make_directory(self.notes.parent)
        with closing(Seen(self.notes)) as notes:
            yield notes


@dataclass(frozen=True, slots=True)
class _InMemory:
    """Bytes that are offered as a file."""

    digest: Digest
    data: bytes
    path: str = "blob"

    @property
    def size(self) -> int:
        return len(self.data)

    def open(self) -> BinaryIO:
        return io.BytesIO(self.data)


def _identify(file: OpenFile, notes: Seen) -> durable.Written:
    """The digest and size of `file`: as they are known, or noted, or by reading it."""
    if isinstance(file, KnownFile):
        return durable.Written(file.digest, file.size)
    with file.open() as content:
        before, began_ns = look_at(content), time.time_ns()
        if before and (digest := notes.find(before)):
            known = durable.Written(digest, before.st_size)
            refuse_change(file, known, (before, before))
            return known
        written = durable.pour(content)
        refuse_change(file, written, (before, look_at(content)))
    if before and is_settled(before, began_ns):
        notes.note_at([note_of(before, written.digest)])
    return written


def _checked(content: BinaryIO, file: OpenFile, known: durable.Written) -> Iterator[bytes]:
    """The bytes of `content` in pieces; where they are not the known ones, an error before the end."""
    hashed, size = hashlib.sha256(), 0
    while piece := _next_piece(content):
        hashed.update(piece)
        size += len(piece)
        if size > known.size:
            break
        yield piece
    written = durable.Written(Digest("sha256:" + hashed.hexdigest()), size)
    if isinstance(file, KnownFile):
        refuse_other(file, written)
    elif written != known:
        mend = "wait until nothing writes to it, and run the same command again"
        raise SourceChanged(f"{file.path} changed while it was read", why="it hashed otherwise before", mend=mend)


def _next_piece(content: BinaryIO) -> bytes:
    try:
        return content.read(_LARGE_BYTES)
    except OSError as error:
        raise durable.ReadFailed("the content could not be read", why=error.strerror or str(error)) from error


def _each(do: Callable[[T], U], things: Sequence[T], size_of: Callable[[T], int]) -> list[U]:
    """Do it with each of `things`, many at a time if they are small; the results in their order."""
    done: dict[int, U] = {}
    large = [place for place, thing in enumerate(things) if size_of(thing) >= _LARGE_BYTES]
    small = [place for place, thing in enumerate(things) if size_of(thing) < _LARGE_BYTES]
    for places, at_once in ((large, _LARGE_AT_ONCE), (small, _SMALL_AT_ONCE)):
        if places:
            found = abreast(lambda place: do(things[place]), places, at_once=min(at_once, len(places)))
            done.update(zip(places, found, strict=True))
    return [done[place] for place in range(len(things))]


def _size(file: OpenFile) -> int:
    return file.size
