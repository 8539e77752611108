"""What a host has hashed before, and how each file looked then, so that an unchanged file need not be read again.

A file is believed by its stat only if device, inode, size and both times are those of the record, and it was recorded
only when the clock had moved past its times: whatever is written later has a later time. The record is a cache. When
it is lost or doubtful, files are hashed again.

Source: the "racy git" problem, git's Documentation/technical/racy-git.txt.
"""

import json
import os
import re
import stat
import struct
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from registry.adapters import durable
from registry.adapters.hosts.filling import WRITTEN_NS
from registry.core.canonical import NotCanonical
from registry.core.digest import Digest, Sha256, hex_of
from registry.core.record import Record
from registry.core.tree import Entry

_quoted = json.JSONEncoder(ensure_ascii=False).encode
_TICK_NS = 20 * 10**6  # why: file systems stamp with the kernel's tick, which is 1 to 10 ms.
PIECE_BYTES = 256 * 1024
_WRITTEN_AT_ONCE = 1024

_NUMBER = rb'"(-?[0-9]{1,20})"'
_FILE = re.compile(
    rb'\{"ctime_ns":N,"device":N,"digest":"sha256:([0-9a-f]{64})","inode":N,"mtime_ns":N,'
    rb'"path":("(?:[^"\\\x00-\x1f]|\\.)*"),"size":N\}(?:,(?=\{)|(?=\]))'.replace(b"N", _NUMBER)
)
"""A file as it is written down, and what follows it. A number is a string there: some are wider than JSON's may be."""

_NOTE = struct.Struct("<32s2Q3q")
_DIGEST = slice(32)


class Look(NamedTuple):
    """How a regular file looks without reading it."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


class HostRecord(Record):
    """The record as it is written down, but for its files, which are spelled and read one by one: there may be many.

    `history` has the releases in the order in which they became current.
    """

    form: Literal["registry.host/1"] = "registry.host/1"
    history: tuple[Sha256, ...] = ()
    files: tuple[()] = ()


@dataclass(slots=True)
class Book:
    """The record in use. Paths are relative to `root`, the host's directory.

    `known` has for each directory of a release what is noted of its files, by their names there: the digest and the
    look of each, packed, for there may be hundreds of thousands. `is_changed` says that it is not as it was read.
    """

    root: Path
    history: list[Digest] = field(default_factory=list)
    known: dict[str, dict[str, bytes]] = field(default_factory=dict)
    is_changed: bool = False

    def knows(self, path: str, entry: Entry) -> bool:
        """Whether the file at `path` was hashed as `entry` and still looks as it did then."""
        noted, look = self._note_of(path), look_at(self.root / path)
        return noted is not None and look is not None and noted == _packed(entry.digest, look)

    def holds(self, path: str, entry: Entry) -> bool:
        """Whether the file at `path` has the bytes of `entry`: by its stat if it is known, else by reading it."""
        if self.knows(path, entry):
            return True
        look = look_at(self.root / path)
        return look is not None and look.size == entry.size and self._read(path, entry)

    def add(self, path: str, entry: Entry) -> None:
        """Note the file at `path`, just written or linked as `entry`, unless somebody has written to it since."""
        look = look_at(self.root / path)
        if look is not None and (look.size, look.mtime_ns) == (entry.size, WRITTEN_NS):
            self._note(path, entry, look)

    def namesakes(self, entry: Entry) -> list[str]:
        """Where the bytes of `entry` were seen under its own name, in whichever release."""
        digest = _binary(entry.digest)
        return [_joined(place, entry.path) for place, files in self.known.items() if _has(files, entry.path, digest)]

    def by_digest(self, wanted: Collection[Digest]) -> dict[Digest, list[str]]:
        """Where files with the wanted bytes were seen."""
        digests = {_binary(digest): digest for digest in wanted}
        found: dict[Digest, list[str]] = {}
        for place, files in self.known.items():
            for name, noted in files.items():
                if (digest := digests.get(noted[_DIGEST])) is not None:
                    found.setdefault(digest, []).append(_joined(place, name))
        return found

    def noted(self, path: str) -> set[bytes]:
        """What is noted of the file at `path`, if it still looks so, for `refresh`; else nothing."""
        noted, look = self._note_of(path), look_at(self.root / path)
        return {noted} if noted is not None and look is not None and _look_in(noted) == look else set()

    def noted_in(self, place: str) -> set[bytes]:
        """The same of all known files in the directory `place` of a release."""
        return {noted for name in self.known.get(place, ()) for noted in self.noted(_joined(place, name))}

    def refresh(self, touched: set[bytes]) -> None:
        """Note the new times of change of files that lost or gained a name by our doing.

        A link changes a file's ctime and nothing else; where anything else changed too, somebody wrote, and the file
        is forgotten.

        Args:
            touched: From `noted`, taken just before the files were linked or unlinked; all names of one have one note.
        """
        for place, files in self.known.items():
            for name in [name for name, noted in files.items() if noted in touched]:
                noted, look = _look_in(files[name]), look_at(self.root / place / name)
                self.is_changed |= look != noted
                if look is not None and look[:4] == noted[:4]:
                    files[name] = _NOTE.pack(files[name][_DIGEST], *look)
                else:
                    del files[name]

    def forget(self, place: str) -> None:
        """Stop knowing the files in the directory `place` of a release."""
        self.is_changed |= self.known.pop(place, None) is not None

    def save(self, path: Path) -> None:
        """Write the record down once the clock has moved past every file in it; leave out what lies in the future."""
        newest = max((_look_in(noted).ctime_ns for files in self.known.values() for noted in files.values()), default=0)
        time.sleep(min(max(newest + _TICK_NS - time.time_ns(), 0), _TICK_NS) / 10**9)
        durable.replace_in_pieces(path, self._spelled(time.time_ns()), mode=0o644)

    def load(self, content: BinaryIO) -> None:
        """Read what was written down, a piece at a time.

        Raises:
            ValueError, NotCanonical: It is no record.
        """
        data, place = content.read(PIECE_BYTES), len(b'{"files":[')
        start = data[:place]
        while not data.startswith(b"]", place):
            if (one := _FILE.match(data, place)) is not None:
                self._load_one(*one.groups())
                place = one.end()
            elif len(data) - place < PIECE_BYTES and (more := content.read(PIECE_BYTES)):
                data, place = data[place:] + more, 0
            else:
                raise ValueError("it is spelled otherwise")
        self.history = list(HostRecord.parse(start + data[place:] + content.read()).history)

    def _load_one(self, *parts: bytes) -> None:
        ctime_ns, device, digest, inode, mtime_ns, quoted, size = parts
        place, name = _parted(json.loads(quoted))
        look = map(int, (device, inode, size, mtime_ns, ctime_ns))
        self.known.setdefault(place, {})[name] = _NOTE.pack(bytes.fromhex(digest.decode()), *look)

    def _spelled(self, now: int) -> Iterator[bytes]:
        """The one spelling of the record, as of every record, in pieces; what is not settled `now` is left out."""
        before, mark, after = HostRecord(history=tuple(self.history)).canonical().partition(b"[")
        before += mark
        files = self._settled(now)
        while some := b",".join(islice(files, _WRITTEN_AT_ONCE)):
            yield before + some
            before = b","
        yield after if before == b"," else before + after

    def _settled(self, now: int) -> Iterator[bytes]:
        for place, files in sorted(self.known.items()):
            for name in sorted(files):
                path, look = _joined(place, name), _look_in(files[name])
                if max(look.ctime_ns, look.mtime_ns) + _TICK_NS <= now and look_at(self.root / path) == look:
                    yield _spelled(path, files[name][_DIGEST], look)

    def _note_of(self, path: str) -> bytes | None:
        place, name = _parted(path)
        return self.known.get(place, {}).get(name)

    def _note(self, path: str, entry: Entry, look: Look) -> None:
        place, name = _parted(path)
        if name == entry.path:
            name = entry.path  # why: one string of two that are equal, for each of many names
        if (noted := _packed(entry.digest, look)) is not None:
            files = self.known.setdefault(place, {})
            self.is_changed |= files.get(name) != noted
            files[name] = noted

    def _read(self, path: str, entry: Entry) -> bool:
        """Hash the file. It becomes known only if nobody can have written to it since the hashing began."""
        started = time.time_ns()
        try:
            fd = os.open(self.root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return False
        with os.fdopen(fd, "rb", buffering=0) as content:
            before = _look_of(os.fstat(fd))
            with suppress(OSError, durable.ReadFailed):
                if durable.pour(content).digest != entry.digest or before != _look_of(os.fstat(fd)):
                    return False
                if before is not None and max(before.ctime_ns, before.mtime_ns) + _TICK_NS <= started:
                    self._note(path, entry, before)
                return True
        return False


def open_book(root: Path, path: Path) -> Book:
    """Read the record at `path`; one that is missing or unreadable is an empty one."""
    book = Book(root)
    try:
        with durable.open_plain(path) as content:
            book.load(content)
    except (OSError, ValueError, struct.error, NotCanonical):
        return Book(root)
    return book


def look_at(path: Path) -> Look | None:
    """The stat of the regular file at `path`; None if there is none, or something else."""
    try:
        return _look_of(path.lstat())
    except (OSError, ValueError):  # why both: a damaged record may name what can be no path
        return None


def _look_of(found: os.stat_result) -> Look | None:
    if not stat.S_ISREG(found.st_mode):
        return None
    return Look(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _spelled(path: str, digest: bytes, look: Look) -> bytes:
    return (
        f'{{"ctime_ns":"{look.ctime_ns}","device":"{look.device}","digest":"sha256:{digest.hex()}",'
        f'"inode":"{look.inode}","mtime_ns":"{look.mtime_ns}","path":{_quoted(path)},"size":"{look.size}"}}'
    ).encode()


def _parted(path: str) -> tuple[str, str]:
    """A path as (the directory of the release, the name there), so that many names share the directory's spelling."""
    cut = path.find("/", path.find("/") + 1)
    return path[: max(cut, 0)], path[cut + 1 :]


def _joined(place: str, name: str) -> str:
    return f"{place}/{name}" if place else name


def _binary(digest: Digest) -> bytes:
    return bytes.fromhex(hex_of(digest))


def _has(files: dict[str, bytes], name: str, digest: bytes) -> bool:
    return (noted := files.get(name)) is not None and noted[_DIGEST] == digest


def _packed(digest: Digest, look: Look) -> bytes | None:
    """What is noted of a file; None, so that it is hashed each time, if its times are of another age."""
    try:
        return _NOTE.pack(_binary(digest), *look)
    except struct.error:
        return None


def _look_in(noted: bytes) -> Look:
    return Look._make(_NOTE.unpack(noted)[1:])
