"""Whole files and directories, each in one durable step."""

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from registry.adapters.durable.copying import Written, pour
from registry.adapters.durable.syncing import explained, folder, sync
from registry.adapters.durable.temporary import new_name, sweep, temporary

_NEW = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_WRONLY


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
            new.write(data)
            new.finish(mode)
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
            new.write(data)
            new.finish(mode)
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
        name = new_name()
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
