"""Files that are being made: locked while their maker lives, gone when it fails, and litter when it was killed."""

import errno
import fcntl
import io
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from registry.adapters.durable.copying import Written, clone, plain_file, pour
from registry.adapters.durable.locking import NO_LOCKS, open_to_lock
from registry.adapters.durable.sinks import Direct, write_all
from registry.adapters.durable.syncing import sync

_NAME = ".unfinished-"
_NAMES = _NAME + "[0-9a-f]" * 16
_NEW = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_RDWR
_OLD_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class Draft:
    """A file that was made, and that nobody looks for by the name that it has in the open `directory`."""

    directory: int
    name: str

    def link(self, name: str, directory: int) -> bool:
        """Show it as `name` below the open `directory`; False, and nothing changes, if that name is taken."""
        try:
            os.link(self.name, name, src_dir_fd=self.directory, dst_dir_fd=directory, follow_symlinks=False)
        except FileExistsError:
            # why: over a network the first try may have succeeded and only its answer been lost.
            return os.stat(self.name, dir_fd=self.directory, follow_symlinks=False).st_nlink > 1
        return True

    def rename(self, name: str, directory: int) -> None:
        """Show it as `name` below the open `directory`, in place of whatever had that name."""
        os.rename(self.name, name, src_dir_fd=self.directory, dst_dir_fd=directory)

    def remove(self) -> None:
        """Take the first name away, if it still stands."""
        with suppress(FileNotFoundError):
            os.unlink(self.name, dir_fd=self.directory)


@dataclass(frozen=True, slots=True)
class Temporary(Draft):
    """A file that is being made: `fd` is open for reading and writing, and locked while its maker lives."""

    fd: int

    def write(self, data: bytes) -> None:
        """Write all of `data`."""
        write_all(self.fd, data)

    def share(self, content: BinaryIO) -> bool:
        """Take over `content` without moving a byte, where the file system can; False, and nothing changed, elsewhere.

        The system writes the source out first; so whoever writes to it afterwards, even through a mapping, changes its
        times, and a caller who compares these may hash the source instead of the copy.
        """
        source = plain_file(content)
        return source is not None and content.tell() == 0 and clone(source, self.fd)

    def copy(self, content: BinaryIO) -> Written:
        """Take over `content` and hash it; what could be shared is hashed from our side, which nobody else writes."""
        if self.share(content):
            with io.FileIO(self.fd, closefd=False) as shared:
                return pour(shared)
        return pour(content, Direct(self.fd))

    def finish(self, mode: int) -> None:
        """Set its mode and make its bytes durable; the next step is to name it."""
        os.fchmod(self.fd, mode)
        sync(self.fd)

    def close(self) -> None:
        """Take the temporary name away, if it still stands, and close the file."""
        try:
            self.remove()
        finally:
            os.close(self.fd)  # why also then: while it is open it counts as being made, and nobody would sweep it.


def create(directory: int) -> Temporary:
    """Make an empty temporary file in the open `directory`; the caller closes it."""
    while True:
        name = new_name()
        fd = os.open(name, _NEW, 0o600, dir_fd=directory)
        # why: a sweeper may have taken it for litter between the two calls; then it is gone, so make another.
        if lock(fd) is not False and os.fstat(fd).st_nlink == 1:
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


def new_name() -> str:
    """A name that nothing has, and by which a crash's litter is known."""
    return _NAME + secrets.token_hex(8)


def strays(directory: Path) -> tuple[Path, ...]:
    """The unfinished files in `directory` that no living process is writing: a crash's harmless litter."""
    found = []
    for path in sorted(directory.glob(_NAMES)):
        with _claimed(path) as is_stray:
            if is_stray:
                found.append(path)
    return tuple(found)


def living(directory: Path) -> tuple[Path, ...]:
    """The unfinished files in `directory` whose makers live: those that are no strays."""
    dead = set(strays(directory))
    return tuple(path for path in sorted(directory.glob(_NAMES)) if path not in dead)


def sweep(directory: Path) -> int:
    """Remove the strays of `directory`; how many there were. What a living process writes is never touched."""
    removed = 0
    for path in directory.glob(_NAMES):
        with _claimed(path) as is_stray, suppress(FileNotFoundError, IsADirectoryError):
            if is_stray:
                _remove(path)
                removed += 1
    return removed


def _remove(path: Path) -> None:
    """Remove a file, or a directory of files."""
    if path.is_symlink() or not path.is_dir():
        path.unlink()
        return
    for inside in path.iterdir():
        inside.unlink()
    path.rmdir()


def lock(fd: int) -> bool | None:
    """Take the file's lock: True if we did, False if somebody has it, None where files cannot be locked."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in NO_LOCKS:
            return None
        raise
    return True


@contextmanager
def _claimed(path: Path) -> Iterator[bool]:
    """Hold the temporary file `path` if its maker is gone: the system drops a dead process's locks."""
    try:
        is_old = path.lstat().st_mtime < time.time() - _OLD_S
        fd = open_to_lock(path)
    except OSError as error:
        # why: the one thing without a lock that we make is a symlink, and it lives for a moment.
        yield error.errno == errno.ELOOP and is_old
        return
    try:
        locked = lock(fd)
        yield is_old if locked is None else locked
    finally:
        os.close(fd)
