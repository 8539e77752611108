"""Copying: what was hashed is what lies on the disk, whatever the size, the stream, the file system or the fault."""

import errno
import fcntl
import io
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.adapters import durable
from registry.core.digest import digest_of

PIECE = durable.PIECE_BYTES
SIZES = [0, 1, 4095, 4096, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 5 * PIECE, 9 * PIECE + 4097]


def bytes_of(size: int) -> bytes:
    """`size` bytes of which no two pieces, and no two blocks, are alike."""
    block = b"".join(number.to_bytes(4, "little") for number in range(1024))
    return b"".join(number.to_bytes(8, "little") + block[8:] for number in range(size // 4096 + 1))[:size]


def copy(content: io.IOBase, place: Path) -> tuple[durable.Written, bytes]:
    """Copy `content` as the store does, and read the copy."""
    with durable.folder(place) as directory, durable.temporary(directory) as new:
        written = new.copy(content)  # type: ignore[arg-type] # any stream will do
        new.finish(0o444)
        return written, (place / new.name).read_bytes()


@pytest.mark.parametrize("size", SIZES)
def test_a_copy_has_the_bytes_that_were_hashed(size: int, tmp_path: Path) -> None:
    """Sizes around a block, a piece and the ring of pieces; past the page cache, and through it."""
    data = bytes_of(size)

    written, copied = copy(io.BytesIO(data), tmp_path)

    assert durable.Written(digest_of(data), size) == written
    assert data == copied
    assert written == durable.write_new(tmp_path / "new", io.BytesIO(data))
    assert data == (tmp_path / "new").read_bytes()


class Halting(io.RawIOBase):
    """A stream that gives `step` bytes at a time, as a pipe or a network may."""

    def __init__(self, data: bytes, step: int) -> None:
        self.content, self.step = io.BytesIO(data), step

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self.content.readinto(memoryview(buffer)[: self.step])


@settings(max_examples=15, deadline=None)
@given(size=st.integers(0, 3 * PIECE), step=st.integers(1000, 2 * PIECE))
def test_how_a_stream_is_cut_does_not_matter(size: int, step: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Short reads make no short pieces, which could not be written past the page cache."""
    data = bytes_of(size)

    written, copied = copy(Halting(data, step), tmp_path_factory.mktemp("cut"))

    assert (durable.Written(digest_of(data), size), data) == (written, copied)


@pytest.mark.parametrize("refused", ["the flag", "the write"])
def test_a_file_system_without_direct_writes_gets_the_bytes_all_the_same(
    refused: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some refuse the flag, some the first write, for their blocks are larger than ours."""
    real_fcntl, real_write = fcntl.fcntl, os.write

    def no_flag(fd: int, command: int, value: int = 0) -> int:
        if command == fcntl.F_SETFL and value & os.O_DIRECT:
            raise OSError(errno.EINVAL, "it has none")
        return real_fcntl(fd, command, value)

    def no_write(fd: int, data: memoryview) -> int:
        if real_fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT:
            raise OSError(errno.EINVAL, "not on this boundary")
        return real_write(fd, data)

    monkeypatch.setattr(*((fcntl, "fcntl", no_flag) if refused == "the flag" else (os, "write", no_write)))
    data = bytes_of(3 * PIECE + 5)

    assert (durable.Written(digest_of(data), len(data)), data) == copy(io.BytesIO(data), tmp_path)


def test_short_writes_are_carried_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may take less than it was given, also off the boundary that direct writes need."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[: max(1, len(data) // 3)]))
    data = bytes_of(2 * PIECE + 3)

    assert (durable.Written(digest_of(data), len(data)), data) == copy(io.BytesIO(data), tmp_path)


@pytest.mark.parametrize("failing", [1, 2, 5, 9])
def test_a_write_that_fails_behind_the_reading_is_told(
    failing: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second thread's fault is the copy's: it is raised, whichever piece it was, and nothing of it is kept."""
    real, count = os.write, 0

    def write(fd: int, data: memoryview) -> int:
        nonlocal count
        count += 1
        if count == failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, data)

    monkeypatch.setattr(os, "write", write)

    with pytest.raises(durable.DiskFull), durable.explained(tmp_path):
        copy(io.BytesIO(bytes_of(8 * PIECE + 1)), tmp_path)
    assert [] == list(tmp_path.iterdir())


def test_a_reading_that_fails_stops_the_writing(tmp_path: Path) -> None:
    """What cannot be read to its end is no copy, and its file is gone."""

    class Failing(Halting):
        def readinto(self, buffer: Any) -> int:
            if self.content.tell() > 4 * PIECE:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return super().readinto(buffer)

    with pytest.raises(durable.ReadFailed):
        copy(Failing(bytes_of(8 * PIECE), PIECE), tmp_path)
    assert [] == list(tmp_path.iterdir())
