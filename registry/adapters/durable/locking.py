"""Locks of the system: they are held by an open file, and go with the process that has it, however it ends."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from registry.adapters.durable.syncing import explained
from registry.errors import ConflictError, RegistryError

# why EBADF: over NFS, what is open for reading alone cannot be locked alone.
NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EBADF})
_PLAIN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NOT_TO_WRITE = frozenset({errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS})
_POLL_S = 0.02
_LONG_S = 60.0
"""How long a writer waits for a collector: it works for seconds, unless somebody has stopped it."""


class Busy(ConflictError):
    """Somebody else is at work, and did not finish in time."""


class CannotLock(RegistryError):
    """The file system has no locks, so nobody can be kept out of a place on it."""


@contextmanager
def held_with_others(path: Path, *, wait_s: float = _LONG_S) -> Iterator[None]:
    """Hold the lock file `path` together with others.

    Where files cannot be locked, nothing is held: then nobody can hold it alone either.

    Raises:
        Busy: Somebody held it alone all the time.
    """
    with _opened(path) as fd:
        with suppress(CannotLock):
            _claim(fd, path, fcntl.LOCK_SH, wait_s=wait_s)
        yield


@contextmanager
def held_alone(path: Path, *, wait_s: float) -> Iterator[None]:
    """Hold the lock file `path` alone.

    Raises:
        Busy: Others held it all the time.
        CannotLock: The file system has no locks.
    """
    with _opened(path) as fd:
        _claim(fd, path, fcntl.LOCK_EX, wait_s=wait_s)
        yield


def _claim(fd: int, path: Path, kind: int, *, wait_s: float) -> None:
    until = time.monotonic() + wait_s
    while not _is_claimed(fd, path, kind):
        if time.monotonic() >= until:
            mend = "wait until it is done, and run the same command again"
            raise Busy(f"somebody is at work in {path.parent}", why=f"waited {wait_s:g} s", mend=mend)
        time.sleep(_POLL_S)


def _is_claimed(fd: int, path: Path, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in NO_LOCKS:
            raise CannotLock(f"{path} cannot be locked", why=error.strerror or str(error)) from None
        raise
    return True


def open_to_lock(path: Path, flags: int = 0) -> int:
    """Open the file or directory `path` to lock it: for writing too where we may, since NFS asks for that."""
    try:
        return os.open(path, os.O_RDWR | _PLAIN | flags, 0o666)
    except OSError as error:
        if error.errno not in _NOT_TO_WRITE:
            raise
        return os.open(path, os.O_RDONLY | _PLAIN | flags, 0o666)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    with explained(path):
        # why its bytes do not matter: it has none; the lock is the open file, and a lock file is never removed.
        fd = open_to_lock(path, os.O_CREAT)
    try:
        yield fd
    finally:
        os.close(fd)
