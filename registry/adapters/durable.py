"""The one place that writes to disk. What it has returned from survives a power cut; what it raised from left nothing.

The recipe, for every file: hold the directory open; make a locked temporary file beside the final one (or in the area
that the caller names); write it; set its mode; fsync it; link it (never over anything) or rename it (over the old
one); fsync the directory; only then return. A failed fsync is final: the kernel may have dropped the bytes, so nothing
is tried again on that file and nothing is read back as proof.

Source: T. O. Pillai et al., All File Systems Are Not Created Equal, OSDI 2014; A. Rebello et al., Can Applications
Recover from fsync Failures?, USENIX ATC 2020.
"""

import errno
import fcntl
import hashlib
import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from registry.core.digest import Digest
from registry.errors import RegistryError

_UNFINISHED = ".unfinished-"
_UNFINISHED_FILES = _UNFINISHED + "[0-9a-f]" * 16
"""What unfinished files are called. One that no living process has locked is a crash's litter."""

CHUNK_BYTES = 1024 * 1024
"""How much is read, hashed and written at a time: enough to keep a core busy, little enough to stay in its cache."""

_NEW = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_RDWR
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS})
_OLD_S = 24 * 3600
_own = threading.local()


class WriteFailed(RegistryError):
    """Bytes could not be made durable; nothing was acknowledged, and what was there before still is."""


class DiskFull(WriteFailed):
    """There is no room for the bytes; nothing of them was kept."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was copied: the digest and the number of the bytes that passed."""

    digest: Digest
    size: int


def put_if_absent(path: Path, data: bytes, *, mode: int = 0o444) -> bool:
    """Make `data` the durable content of `path` if nothing is there; of racing writers exactly one wins.

    Returns:
        True if `path` is ours; False if something was there first, which is then durable too.

    Raises:
        DiskFull: There is no room.
        WriteFailed: The system would not do it; after a failed fsync `path` may or may not be there.
    """
    with explained(path), folder(path.parent) as directory:
        sweep(path.parent)
        with temporary(directory) as new:
            write(new.fd, data, mode=mode)
            is_ours = new.link(path.name, directory)
        sync(directory)
    return is_ours


def replace(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Make `data` the durable content of `path`: after a crash it has either the old bytes or these, whole.

    Raises:
        DiskFull: There is no room; the old content stays.
        WriteFailed: The system would not do it; the old content stays, unless the last step's fsync was what failed.
    """
    with explained(path), folder(path.parent) as directory:
        sweep(path.parent)
        with temporary(directory) as new:
            write(new.fd, data, mode=mode)
            new.rename(path.name, directory)
        sync(directory)


def write_new(path: Path, content: BinaryIO, *, mode: int = 0o444) -> Written:
    """Copy `content` to the new file `path`, hashing what is written; for a directory that nobody reads yet.

    The file is durable, its name is not: call `settle` on the whole directory before it is shown.

    Raises:
        DiskFull: There is no room; nothing is left at `path`.
        WriteFailed: `path` exists, or the system would not do it; nothing of ours is left at `path`.
    """
    with explained(path):
        fd = os.open(path, _NEW, 0o600)
        try:
            written = pour(content, fd)
            os.fchmod(fd, mode)
            sync(fd)
        except BaseException:
            path.unlink()
            raise
        finally:
            os.close(fd)
    return written


def make_directory(path: Path, *, mode: int = 0o777) -> None:
    """Make `path` and what is missing above it, durably; a directory that is there stays as it is.

    Raises:
        WriteFailed: The system would not do it, or something else has that name.
    """
    with explained(path):
        if path.is_dir():
            return
        make_directory(path.parent)
        with suppress(FileExistsError):
            path.mkdir(mode)
        with folder(path.parent) as parent:
            sync(parent)
        if not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "it is not a directory")


def settle(path: Path) -> None:
    """Make every name below the directory `path` durable; its files must be durable already."""
    with explained(path):
        for place, _, _ in os.walk(path, topdown=False):
            with folder(Path(place)) as directory:
                sync(directory)


def move(source: Path, target: Path) -> None:
    """Give `source` the name `target`, durably and in one step; a directory never replaces a filled one.

    Raises:
        WriteFailed: The system would not do it; for one, both must be on the same file system.
    """
    with explained(target), folder(source.parent) as left, folder(target.parent) as entered:
        os.rename(source.name, target.name, src_dir_fd=left, dst_dir_fd=entered)
        sync(entered)
        sync(left)


def point(link: Path, target: str) -> None:
    """Make the symlink `link` name `target`, durably and in one step, whatever it named before.

    Raises:
        WriteFailed: The system would not do it; `link` still names what it named.
    """
    with explained(link), folder(link.parent) as directory:
        name = _UNFINISHED + secrets.token_hex(8)
        os.symlink(target, name, dir_fd=directory)
        try:
            os.rename(name, link.name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            os.unlink(name, dir_fd=directory)
            raise
        sync(directory)


def discard(path: Path) -> None:
    """Remove the file or directory `path`, also a read-only one; nothing is promised if the power fails meanwhile."""
    with explained(path):
        if not path.is_dir() or path.is_symlink():
            path.unlink(missing_ok=True)
            return
        for place, _, _ in os.walk(path):
            Path(place).chmod(0o700)
        shutil.rmtree(path)


def strays(directory: Path) -> tuple[Path, ...]:
    """The unfinished files in `directory` that no living process is writing: a crash's harmless litter."""
    found = []
    for path in sorted(directory.glob(_UNFINISHED_FILES)):
        with _claimed(path) as is_stray:
            if is_stray:
                found.append(path)
    return tuple(found)


def sweep(directory: Path) -> int:
    """Remove the strays of `directory`; how many there were. What a living process writes is never touched."""
    removed = 0
    for path in directory.glob(_UNFINISHED_FILES):
        with _claimed(path) as is_stray, suppress(FileNotFoundError):
            if is_stray:
                path.unlink()
                removed += 1
    return removed


def pour(content: BinaryIO, fd: int | None = None) -> Written:
    """Read `content` to its end in large pieces, hash it, and write it to `fd` if there is one.

    One buffer a thread is used again and again, so memory does not grow with the content.
    """
    view: memoryview = _buffer()
    hashed, size = hashlib.sha256(), 0
    while count := _fill(content, view):
        hashed.update(view[:count])
        rest = view[: count if fd is not None else 0]
        while fd is not None and rest:
            rest = rest[os.write(fd, rest) :]
        size += count
    return Written(Digest("sha256:" + hashed.hexdigest()), size)


@dataclass(frozen=True, slots=True)
class Temporary:
    """A file that is being made: `fd` is open for reading and writing, and locked while its maker lives."""

    directory: int
    name: str
    fd: int

    def link(self, name: str, directory: int) -> bool:
        """Show it as `name` in the open `directory`; False, and nothing changes, if that name is taken."""
        try:
            os.link(self.name, name, src_dir_fd=self.directory, dst_dir_fd=directory, follow_symlinks=False)
        except FileExistsError:
            # why: over a network the first try may have succeeded and only its answer been lost.
            return os.fstat(self.fd).st_nlink > 1
        return True

    def rename(self, name: str, directory: int) -> None:
        """Show it as `name` in the open `directory`, in place of whatever had that name."""
        os.rename(self.name, name, src_dir_fd=self.directory, dst_dir_fd=directory)

    def close(self) -> None:
        """Take the temporary name away, if it still stands, and close the file."""
        with suppress(FileNotFoundError):
            os.unlink(self.name, dir_fd=self.directory)
        os.close(self.fd)


def create(directory: int) -> Temporary:
    """Make an empty temporary file in the open `directory`; the caller closes it."""
    while True:
        name = _UNFINISHED + secrets.token_hex(8)
        fd = os.open(name, _NEW, 0o600, dir_fd=directory)
        # why: a sweeper may have taken it for litter between the two calls; then it is gone, so make another.
        if _lock(fd) is not False and os.fstat(fd).st_nlink == 1:
            return Temporary(directory, name, fd)
        Temporary(directory, name, fd).close()


@contextmanager
def temporary(directory: int) -> Iterator[Temporary]:
    """A temporary file in the open `directory` that is gone afterwards, unless it was given a name."""
    new = create(directory)
    try:
        yield new
    finally:
        new.close()


@contextmanager
def folder(path: Path) -> Iterator[int]:
    """Hold the directory `path` open, so that what happens to its name meanwhile does not matter."""
    fd = os.open(path, _FOLDER)
    try:
        yield fd
    finally:
        os.close(fd)


def write(fd: int, data: bytes, *, mode: int) -> None:
    """Write all of `data`, set the mode, and make both durable."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
    os.fchmod(fd, mode)
    sync(fd)


def sync(fd: int) -> None:
    """Make a file or directory durable, down to the medium."""
    # why: on macOS fsync stops at the drive's cache.
    if full := getattr(fcntl, "F_FULLFSYNC", None):
        fcntl.fcntl(fd, full)
    else:
        os.fsync(fd)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Tell the system's refusals about `path` as what, why and how to mend it."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        if error.errno in _FULL:
            mend = "free some space and run the same command again; nothing half-written was kept"
            raise DiskFull(f"no room left to write {path}", why=why, mend=mend) from error
        mend = "after a fault of the disk, check it and run `registry verify`" if error.errno == errno.EIO else ""
        raise WriteFailed(f"{path} could not be written", why=why, mend=mend) from error


def _lock(fd: int) -> bool | None:
    """Take the file's lock: True if we did, False if somebody has it, None where files cannot be locked."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    return True


@contextmanager
def _claimed(path: Path) -> Iterator[bool]:
    """Hold the temporary file `path` if its maker is gone: the system drops a dead process's locks."""
    try:
        is_old = path.lstat().st_mtime < time.time() - _OLD_S
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        # why: the one thing without a lock that we make is a symlink, and it lives for a moment.
        yield error.errno == errno.ELOOP and is_old
        return
    try:
        locked = _lock(fd)
        yield is_old if locked is None else locked
    finally:
        os.close(fd)


def _buffer() -> memoryview:
    """This thread's own buffer."""
    if not hasattr(_own, "view"):
        _own.view = memoryview(bytearray(CHUNK_BYTES))
    view: memoryview = _own.view
    return view


def _fill(content: BinaryIO, view: memoryview) -> int:
    """Read the next bytes into `view`, without a copy where the stream can; how many, 0 at the end."""
    if readinto := getattr(content, "readinto", None):
        return int(readinto(view) or 0)
    data = content.read(len(view))
    view[: len(data)] = data
    return len(data)
