"""Hashing a second way while a file is read."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.adapters.sources.observed import Observed, git_blob, md5
from registry.adapters.stores.directory import DirectoryStore


@dataclass
class Source:
    """A file that counts how often it is opened."""

    data: bytes
    where: Path | None = None
    path: str = "x"
    opened: list[BinaryIO] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes in it."""
        return len(self.data)

    def open(self) -> BinaryIO:
        """A plain file, or a stream that is none."""
        found = io.FileIO(self.where) if self.where else io.BytesIO(self.data)
        self.opened.append(cast("BinaryIO", found))
        return self.opened[-1]


def all_at_once(content: BinaryIO) -> bytes:
    """One call."""
    return content.read()


def in_pieces(content: BinaryIO) -> bytes:
    """Until there is no more."""
    return b"".join(iter(lambda: content.read(7), b""))


def into_a_buffer(content: BinaryIO) -> bytes:
    """As a store does it."""
    buffer, found = bytearray(5), b""
    while count := content.readinto(buffer):  # type: ignore[attr-defined] # every raw stream has it
        found += buffer[:count]
    return found


READERS = [all_at_once, in_pieces, into_a_buffer]


@pytest.mark.parametrize("read", READERS)
@given(data=st.binary(max_size=60))
def test_any_way_of_reading_gives_the_bytes_and_the_hash(read: Callable[[BinaryIO], bytes], data: bytes) -> None:
    """Whatever the pieces."""
    source = Source(data)
    seen = Observed(source, md5)
    with seen.open() as content:
        assert data == read(content)

    assert seen.found == hashlib.md5(data, usedforsecurity=False).hexdigest()
    assert len(source.opened) == 1


@pytest.mark.parametrize("read", READERS)
def test_a_plain_file_stays_one(tmp_path: Path, read: Callable[[BinaryIO], bytes]) -> None:
    """So that a store may look at it, and share its blocks."""
    data = b"0123456789" * 300_000
    (tmp_path / "x").write_bytes(data)
    source = Source(data, tmp_path / "x")
    seen = Observed(source, git_blob(len(data)))
    content = seen.open()

    assert isinstance(content, io.FileIO)
    if read is not into_a_buffer:
        assert data == read(content)
        content.close()
    assert seen.found == hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    assert all(one.closed for one in source.opened)


def test_a_reading_that_was_left_or_wound_back_does_not_count(tmp_path: Path) -> None:
    """The hash is of the whole file or it is computed anew."""
    (tmp_path / "x").write_bytes(b"abc")
    seen = Observed(Source(b"abc", tmp_path / "x"), md5)
    with seen.open() as content:
        content.read(1)
    left = seen.found
    with seen.open() as content:
        content.read(3)
        content.seek(0)
        content.read()
    wound_back = seen.found

    assert {left, wound_back} == {hashlib.md5(b"abc", usedforsecurity=False).hexdigest()}


def test_a_store_that_knows_the_file_need_not_read_it(tmp_path: Path) -> None:
    """The hash is there all the same."""
    (tmp_path / "x").write_bytes(b"abc")
    store = DirectoryStore(tmp_path / "store")
    for _ in range(2):
        seen = Observed(Source(b"abc", tmp_path / "x"), md5)
        store.put_files([seen])

        assert seen.found == hashlib.md5(b"abc", usedforsecurity=False).hexdigest()
