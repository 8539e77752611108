"""The tree: a directory as a sorted list of names, sizes and digests, and the names that it may hold."""

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cached_property
from io import BytesIO
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from registry.core.canonical import MAX_INTEGER
from registry.core.digest import Digest, Sha256, digest_of
from registry.core.record import Record
from registry.errors import UsageError

_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))})
_DRIVE = re.compile(r"[A-Za-z]:")
_PLAIN_STEP = (
    rf"(?!(?i:{'|'.join(sorted(_DEVICES))})[./]|(?i:{'|'.join(sorted(_DEVICES))})\Z)(?:[\w-][\w.-]{{0,252}})?[\w-]"
)
_PLAIN = re.compile(rf"(?=.{{1,255}}\Z){_PLAIN_STEP}(?:/{_PLAIN_STEP}){{0,63}}", re.ASCII)
"""What nearly every name is, and what nothing can be said against."""

_ENTRY = re.compile(rb'\{"digest":"(sha256:[0-9a-f]{64})","path":"([^"\\\x00-\x1f]+)","size":(0|[1-9][0-9]{0,14})\}')
"""How nearly every file is spelled: what has this form has no other spelling."""

_spelled = json.JSONEncoder(ensure_ascii=False).encode


class UnsafeName(UsageError):
    """A file name could mean another place, or another file, on some machine."""


@dataclass(frozen=True, slots=True, kw_only=True, config=ConfigDict(extra="forbid", strict=True))
class Entry:
    """One regular file of a tree: relative POSIX path, size in bytes, digest of its bytes.

    It is checked as a record is, and takes a tenth of the memory: a tree may have hundreds of thousands.
    """

    path: str
    size: Annotated[int, Field(ge=0)]
    digest: Sha256


class Tree(Record):
    """A directory's content. Its digest is that of its canonical JSON; modes and times are not part of it."""

    form: Literal["registry.tree/1"] = "registry.tree/1"
    entries: tuple[Entry, ...]

    @model_validator(mode="after")
    def _is_plain(self) -> Self:
        paths = [entry.path for entry in self.entries]
        if paths != sorted(paths):
            raise ValueError("entries are not sorted by path")
        check_names(paths)
        return self

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a tree from its canonical bytes, as every record is read; long ones without a second copy in memory.

        Raises:
            NotCanonical, MalformedRecord: The bytes are not a tree's canonical JSON.
            UnsafeName: It holds a name that a tree cannot hold.
        """
        try:
            return cls(entries=_read_plainly(data))
        except ValueError:
            return super().parse(data)  # why: it reads every spelling, and tells what is wrong

    def canonical(self) -> bytes:
        """The one spelling, as of every record, without a dictionary for each of many files on the way."""
        if any(entry.size > MAX_INTEGER for entry in self.entries):
            return super().canonical()  # why: it tells what is wrong with such a number
        out = BytesIO()
        out.write(b'{"entries":')
        write_entries(self.entries, out)
        out.write(f',"form":"{self.form}"}}'.encode())
        return out.getvalue()

    @cached_property
    def digest(self) -> Digest:
        """The tree's identity."""
        return digest_of(self.canonical())

    @property
    def size(self) -> int:
        """Bytes in all files together."""
        return sum(entry.size for entry in self.entries)


def tree_of(entries: Iterable[Entry]) -> Tree:
    """Put `entries` in order and make a tree of them.

    Raises:
        UnsafeName: A name could leave the tree, or two names could collide.
    """
    return Tree(entries=tuple(sorted(entries, key=lambda entry: entry.path)))


def write_entries(entries: Iterable[Entry], out: BytesIO) -> None:
    """Spell `entries` as they stand in every record, one after the other."""
    comma = b"["
    for one in entries:
        out.write(comma + f'{{"digest":"{one.digest}","path":{_spelled(one.path)},"size":{one.size}}}'.encode())
        comma = b","
    out.write(b"[]" if comma == b"[" else b"]")


def _read_plainly(data: bytes) -> tuple[Entry, ...]:
    """The files of a tree of which each is spelled as nearly all are; raises ValueError for any other bytes."""
    start, end = b'{"entries":[', b'],"form":"registry.tree/1"}'
    place, found = len(start), list[Entry]()
    while one := _ENTRY.match(data, place):
        digest, path, size = one.groups()
        found.append(Entry(path=path.decode(), size=int(size), digest=Digest(digest.decode())))
        place = one.end() + 1
        if data[one.end() : place] != b",":
            break
    if not (found and data.startswith(start) and data[place - 1 :] == end):
        raise ValueError("it is spelled otherwise")
    return tuple(found)


def check_names(paths: Sequence[str]) -> None:
    """Refuse names that could leave a tree, or that collide on some file system.

    Raises:
        UnsafeName: The first such name, with the reason.
    """
    folded: dict[str, str] = {}
    for path in paths:
        check_name(path)
        if (spelling := _folded(path)) == path:
            spelling = path  # why: one string of two that are equal, for each of many names
        if (other := folded.get(spelling)) is not None:
            raise UnsafeName(
                f"{path!r} and {other!r} are one file", why="they differ in nothing, or only in case or accents"
            )
        folded[spelling] = path
    above: set[str] = set()
    for spelling, path in folded.items():
        parent = spelling.rpartition("/")[0]
        while parent and parent not in above:
            if parent in folded:
                raise UnsafeName(f"{folded[parent]!r} is a file and a directory", why=f"{path!r} lies below it")
            above.add(parent)
            parent = parent.rpartition("/")[0]


def check_name(path: str) -> None:
    """Refuse one name that is not a plain relative POSIX path.

    Raises:
        UnsafeName: The name, with the reason.
    """
    if not _PLAIN.fullmatch(path) and (fault := _fault_of(path)) is not None:
        raise UnsafeName(f"{path!r} cannot be a file of a tree", why=fault, mend="rename the file")


def _fault_of(path: str) -> str | None:
    """Why `path` is refused, or None."""
    if any(0xD800 <= ord(letter) <= 0xDFFF for letter in path):
        return "it is not UTF-8"
    if not 1 <= len(path.encode()) <= 1024:
        return "a path has 1 to 1024 bytes"
    if unicodedata.normalize("NFC", path) != path:
        return "it is not in Unicode normal form C"
    if path.startswith("/") or _DRIVE.match(path):
        return "it is absolute"
    if len(path.split("/")) > 64:
        return "it has more than 64 components"
    return next((fault for step in path.split("/") if (fault := _fault_of_step(step))), None)


def _fault_of_step(step: str) -> str | None:
    if step in ("", ".", ".."):
        return "it has an empty, '.' or '..' component"
    if "\\" in step or any(unicodedata.category(letter) == "Cc" for letter in step):
        return "it holds a backslash or a control character"
    if step[-1] in " .":
        return "a component ends in a dot or a space"
    if len(step.encode()) > 255:
        return "a component has more than 255 bytes"
    if step.split(".")[0].casefold() in _DEVICES:
        return "a component is a device name on Windows"
    return None


def _folded(path: str) -> str:
    """The spelling that a case-blind, accent-normalising file system would see."""
    return path.lower() if path.isascii() else unicodedata.normalize("NFC", path.casefold())
