"""Holding a directory, so that others leave it alone: a lock of the system, which goes with the process that has it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from registry.adapters import durable


def claim(fd: int) -> bool:
    """Take the lock of an open file or directory alone, without waiting; False if somebody has it, shared or not."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def held_alone(path: Path) -> Iterator[bool]:
    """Hold the directory `path` alone meanwhile; False if somebody has a lease on it, or may have."""
    if path.is_symlink() or not path.is_dir():
        yield True  # why: litter that is no directory cannot be leased.
        return
    with durable.folder(path) as fd:
        try:
            is_free = claim(fd)
        except OSError as error:
            if error.errno not in durable.NO_LOCKS:
                raise
            is_free = False  # why: NFS locks no directory alone, so nobody can be asked.
        yield is_free
