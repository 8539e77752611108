"""Whole files and directories, each in one durable step."""

import errno
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NoReturn

from registry.adapters.durable.copying import Written, pour
from registry.adapters.durable.sinks import Cached
from registry.adapters.durable.syncing import explained, folder, sync
from registry.adapters.durable.temporary import new_name, sweep, temporary

_NEW = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_WRONLY
_made: set[tuple[int, int]] = set()
"""Directories whose own names this process has made durable, as (device, inode)."""
_NOTHING_TO_SYNC = frozenset({errno.EINVAL, errno.EROFS, errno.ENOTSUP})


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
    replace_in_pieces(path, (data,), mode=mode)


def replace_in_pieces(path: Path, pieces: Iterable[bytes], *, mode: int = 0o644) -> None:
    """As `replace`, for content that nobody wants in memory as a whole: its `pieces` are written as they come."""
    with explained(path), folder(path.parent) as directory:
        sweep(path.parent)
        with temporary(directory) as new:
            for piece in pieces:
                new.write(piece)
            new.finish(mode)
            new.rename(path.name, directory)
        sync(directory)


def write_new(path: Path, content: BinaryIO, *, mode: int = 0o444, is_synced: bool = True) -> Written:
    """Copy `content` to the new file `path`, hashing what is written; for a directory that nobody reads yet.

    The file is durable, unless `is_synced` is False, because it is `synced_together` with others. Its name is not: call
    `settle` on the whole directory before it is shown.

    Raises:
        DiskFull: There is no room; nothing is left at `path`.
        WriteFailed: `path` exists, or the system would not do it; nothing of ours is left at `path`.
    """
    with explained(path):
        fd = os.open(path, _NEW, 0o600)
        try:
            written = pour(content, Cached(fd))
            os.fchmod(fd, mode)
            if is_synced:
                sync(fd)
        except BaseException:
            path.unlink()
            raise
        finally:
            os.close(fd)
    return written


def make_directory(path: Path, *, mode: int = 0o777) -> None:
    """Make `path` and what is missing above it, durably; a directory that is there stays as it is.

    One that is there may have been made by somebody who was killed before its name was durable, by another user too. So
    a process that meets it first makes its name durable, and those of the directories above it on the same disk.

    Raises:
        WriteFailed: The system would not do it, or something else has that name.
    """
    with explained(path):
        if not path.is_dir():
            make_directory(path.parent)
            with suppress(FileExistsError):
                path.mkdir(mode)
            with folder(path.parent) as parent:
                sync(parent)
            if not path.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, "it is not a directory")
        _confirm_above(path.absolute())


def confirm(path: Path) -> None:
    """Make the name `path` durable, for whoever found it and relies on it: its maker may not have got so far.

    A file that has its name has its bytes; whoever names one has made them durable before.
    """
    with folder(path.parent) as directory:
        try:
            sync(directory)
        except OSError as error:
            # why: a medium that cannot be written, or that cannot tell, has nothing that waits to be written.
            if error.errno not in _NOTHING_TO_SYNC:
                raise


def _confirm_above(path: Path) -> None:
    """Make the names of `path` and of the directories above it durable, up to where the disk is mounted."""
    for place in (path, *path.parents):
        found = place.stat()
        key = (found.st_dev, found.st_ino)
        if key in _made or place.is_mount():
            return
        try:
            confirm(place)
        except PermissionError:
            return  # why: what we may not even read cannot be made durable by us, and was not made by our kind.
        _made.add(key)


def refuse(error: OSError) -> NoReturn:
    """Raise what `os.walk` would pass over: a directory that cannot be listed, as if nothing were in it."""
    raise error


def settle(path: Path) -> None:
    """Make every name below the directory `path` durable; its files must be durable already.

    Raises:
        WriteFailed: The system would not do it, or not say what is below.
    """
    with explained(path):
        for place, _, _ in os.walk(path, topdown=False, onerror=refuse):
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


def move_all(moves: Iterable[tuple[Path, Path]]) -> None:
    """Give each source its target's name, replacing what had it; all are durable on return.

    However it ends, each file has its old or its new name. A source that is gone already is passed over.

    Raises:
        WriteFailed: The system would not do it; some may be moved.
    """
    touched: dict[Path, None] = {}
    for source, target in moves:
        with explained(target):
            with folder(source.parent) as left, folder(target.parent) as entered, suppress(FileNotFoundError):
                os.rename(source.name, target.name, src_dir_fd=left, dst_dir_fd=entered)
            touched |= {target.parent: None, source.parent: None}
    # why targets first: a name that is in neither place would be a loss, one that is in both is not.
    for place in touched:
        with explained(place), folder(place) as directory:
            sync(directory)


def remove_all(paths: Iterable[Path]) -> None:
    """Remove files for good, durably; one that is gone already is passed over.

    Raises:
        WriteFailed: The system would not do it; some may be gone.
    """
    touched: set[Path] = set()
    for path in paths:
        with explained(path):
            path.unlink(missing_ok=True)
        touched.add(path.parent)
    for place in touched:
        with explained(place), folder(place) as directory:
            sync(directory)


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


def seal(path: Path) -> None:
    """Let nobody write to the file `path` any more, durably; a link is not followed.

    Raises:
        WriteFailed: The system would not do it.
    """
    with explained(path):
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.fchmod(fd, 0o444)
            sync(fd)
        finally:
            os.close(fd)


def discard(path: Path) -> None:
    """Remove the file or directory `path`, also a read-only one; nothing is promised if the power fails meanwhile."""
    with explained(path):
        if not path.is_dir() or path.is_symlink():
            path.unlink(missing_ok=True)
            return
        for place, _, _ in os.walk(path):
            Path(place).chmod(0o700)
        shutil.rmtree(path)
