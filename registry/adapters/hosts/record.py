"""What a host has hashed before, and how each file looked then, so that an unchanged file need not be read again.

A file is believed by its stat only if device, inode, size and both times are those of the record, and it was recorded
only when the clock had moved past its times: whatever is written later has a later time. The record is a cache. When
it is lost or doubtful, files are hashed again.

Source: the "racy git" problem, git's Documentation/technical/racy-git.txt.
"""

import dataclasses
import json
import os
import stat
import time
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from registry.adapters import durable
from registry.adapters.hosts.filling import WRITTEN_NS
from registry.core.canonical import NotCanonical
from registry.core.digest import Digest, Sha256
from registry.core.record import Record
from registry.core.tree import Entry

Number = Annotated[str, Field(pattern=r"^-?[0-9]{1,20}$")]
"""A whole number as a string: nanoseconds since 1970 are wider than JSON's integers may be."""

_quoted = json.JSONEncoder(ensure_ascii=False).encode
_TICK_NS = 20 * 10**6  # why: file systems stamp with the kernel's tick, which is 1 to 10 ms.


class Look(NamedTuple):
    """How a regular file looks without reading it."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid", strict=True))
class KnownFile:
    """A file whose bytes were hashed: its path below the host's directory, their digest, and its stat."""

    path: str
    digest: Sha256
    device: Number
    inode: Number
    size: Number
    mtime_ns: Number
    ctime_ns: Number


class HostRecord(Record):
    """The record as it is written down. `history` has the releases in the order in which they became current."""

    form: Literal["registry.host/1"] = "registry.host/1"
    history: tuple[Sha256, ...] = ()
    files: tuple[KnownFile, ...] = ()

    def canonical(self) -> bytes:
        """The one spelling, as of every record, without a dictionary for each of many files on the way."""
        out = BytesIO()
        comma = b'{"files":['
        for one in self.files:
            out.write(comma + _spelled(one).encode())
            comma = b","
        history = ",".join(f'"{digest}"' for digest in self.history)
        out.write((b"" if self.files else comma) + f'],"form":"{self.form}","history":[{history}]}}'.encode())
        return out.getvalue()


@dataclasses.dataclass(slots=True)
class Book:
    """The record in use. Paths are relative to `root`, the host's directory."""

    root: Path
    history: list[Digest] = dataclasses.field(default_factory=list)
    known: dict[str, tuple[Digest, Look]] = dataclasses.field(default_factory=dict)

    def knows(self, path: str, entry: Entry) -> bool:
        """Whether the file at `path` was hashed as `entry` and still looks as it did then."""
        noted = self.known.get(path)
        return noted is not None and noted == (entry.digest, look_at(self.root / path))

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
            self.known[path] = (entry.digest, look)

    def by_digest(self) -> dict[Digest, list[str]]:
        """Where files were seen, by the digest of their bytes."""
        found: dict[Digest, list[str]] = {}
        for path, (digest, _) in self.known.items():
            found.setdefault(digest, []).append(path)
        return found

    def below(self, directory: str) -> list[str]:
        """The known paths in `directory`."""
        return [path for path in self.known if path.startswith(f"{directory}/")]

    def inode(self, path: str) -> set[tuple[int, int]]:
        """The (device, inode) of `path` if it still looks as it was noted, for `refresh`; else nothing."""
        noted = self.known.get(path)
        return {noted[1][:2]} if noted is not None and look_at(self.root / path) == noted[1] else set()

    def refresh(self, inodes: set[tuple[int, int]]) -> None:
        """Note the new times of change of files that lost or gained a name by our doing.

        A link changes a file's ctime and nothing else; where anything else changed too, somebody wrote, and the file
        is forgotten.

        Args:
            inodes: From `inode`, taken just before the files were linked or unlinked.
        """
        for path, (digest, noted) in list(self.known.items()):
            if (noted.device, noted.inode) in inodes:
                look = look_at(self.root / path)
                if look is not None and look[:4] == noted[:4]:
                    self.known[path] = (digest, look)
                else:
                    del self.known[path]

    def forget(self, path: str) -> None:
        """Stop knowing `path`."""
        self.known.pop(path, None)

    def save(self, path: Path) -> None:
        """Write the record down once the clock has moved past every file in it; leave out what lies in the future."""
        newest = max((look.ctime_ns for _, look in self.known.values()), default=0)
        time.sleep(min(max(newest + _TICK_NS - time.time_ns(), 0), _TICK_NS) / 10**9)
        now = time.time_ns()
        settled = [
            _written(place, digest, look)
            for place, (digest, look) in sorted(self.known.items())
            if max(look.ctime_ns, look.mtime_ns) + _TICK_NS <= now and look_at(self.root / place) == look
        ]
        record = HostRecord(history=tuple(self.history), files=tuple(settled))
        durable.replace(path, record.canonical(), mode=0o644)

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
                    self.known[path] = (entry.digest, before)
                return True
        return False


def open_book(root: Path, path: Path) -> Book:
    """Read the record at `path`; one that is missing or unreadable is an empty one."""
    try:
        record = HostRecord.parse(durable.read_plain(path))
    except (OSError, NotCanonical):
        return Book(root)
    known = {
        file.path: (
            file.digest,
            Look(int(file.device), int(file.inode), int(file.size), int(file.mtime_ns), int(file.ctime_ns)),
        )
        for file in record.files
    }
    return Book(root, list(record.history), known)


def look_at(path: Path) -> Look | None:
    """The stat of the regular file at `path`; None if there is none, or something else."""
    try:
        return _look_of(path.lstat())
    except OSError:
        return None


def _look_of(found: os.stat_result) -> Look | None:
    if not stat.S_ISREG(found.st_mode):
        return None
    return Look(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _spelled(one: KnownFile) -> str:
    return (
        f'{{"ctime_ns":"{one.ctime_ns}","device":"{one.device}","digest":"{one.digest}","inode":"{one.inode}",'
        f'"mtime_ns":"{one.mtime_ns}","path":{_quoted(one.path)},"size":"{one.size}"}}'
    )


def _written(path: str, digest: Digest, look: Look) -> KnownFile:
    device, inode, size, mtime_ns, ctime_ns = map(str, look)
    return KnownFile(
        path=path, digest=digest, device=device, inode=inode, size=size, mtime_ns=mtime_ns, ctime_ns=ctime_ns
    )
