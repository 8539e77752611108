"""Files and directories of a file system, never through a symlink and never anything but regular files."""

import errno
import io
import os
import stat
import struct
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from registry.adapters.durable import pour
from registry.core.abreast import abreast
from registry.core.pin import Source
from registry.core.reference import NothingThere
from registry.core.tree import Entry, Tree, UnsafeName, check_name, check_names, tree_of
from registry.errors import ConflictError, RegistryError
from registry.ports import Found

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# why: without O_NONBLOCK, opening a FIFO that took a file's place would wait for ever.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_KINDS = {stat.S_IFLNK: "a symlink", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
# why: this is how the system says that something of another kind, or nothing, stands there now.
_REPLACED = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO}
_LOOK = struct.Struct("=QQQq")
_last = threading.local()
"""What each thread has opened last."""
_RELINK = "put the file there; for DVC: `dvc config cache.type reflink,hardlink,copy && dvc checkout --relink`"


class Unreadable(RegistryError):
    """A file or directory is there, but the system does not let us read it."""


@dataclass(frozen=True, slots=True, eq=False)
class Folder:
    """The directory that `steps` lead to from `top`, as it was met by one walk."""

    top: Path
    steps: tuple[str, ...]

    def open(self) -> int:
        """Its descriptor, each step without following a symlink. It stays open until this thread wants another.

        A tree may have very many files, and each has the same way.
        """
        held = getattr(_last, "held", None)
        if held is None or held.folder is not self:
            _last.held = held = _Held(self, _open_below(self.top, self.steps, _DIRECTORY))
        return held.handle


class _Held:
    """A directory that is open as long as this object is there."""

    def __init__(self, folder: Folder, handle: int) -> None:
        self.folder, self.handle = folder, handle

    def __del__(self) -> None:
        os.close(self.handle)


@dataclass(frozen=True, slots=True)
class PathFile:
    """A regular file in `folder`, as it was seen when the directory was walked.

    `own_name` is what it is called there, None if `path` ends so; `look` is packed, since a tree may have very many.
    """

    folder: Folder
    path: str
    look: bytes
    own_name: str | None = None

    @property
    def name(self) -> str:
        """What it is called in its directory."""
        return self.own_name or self.path.rpartition("/")[2]

    @property
    def size(self) -> int:
        """Bytes that it had when it was seen."""
        return self.seen[2]

    @property
    def seen(self) -> tuple[int, int, int, int]:
        """Its device, inode, size and time of change."""
        device, inode, size, mtime_ns = _LOOK.unpack(self.look)
        return device, inode, size, mtime_ns

    @property
    def place(self) -> Path:
        """Where it lies."""
        return self.folder.top.joinpath(*self.folder.steps, self.name)

    def open(self) -> BinaryIO:
        """Open it, each step without following a symlink; raises ConflictError if it is not the file that was seen."""
        try:
            handle = os.open(self.name, _FILE, dir_fd=self.folder.open())
        except OSError as error:
            raise failed(self.path, error, str(self.place)) from None
        if _seen(os.fstat(handle)) != self.seen:
            os.close(handle)
            raise _changed(self.path, "another file took its place, or it was written to")
        return cast("BinaryIO", io.FileIO(handle, closefd=True))

    def unchanged(self) -> bool:
        """Whether the file is still the one that was seen."""
        try:
            return _seen(os.lstat(self.place)) == self.seen
        except OSError:
            return False


def find_path(root: Path, location: str) -> Found:
    """Find the files at `location`, a path that counts from `root` unless it is absolute.

    Raises:
        NothingThere: Nothing is there, or only empty directories.
        UnsafeName: A symlink, device, FIFO, socket or `.git` on the way or inside, or a name that a tree cannot hold.
        Unreadable: The rights to read it are missing, or the disk fails.
    """
    files = files_at(root, location)
    return Found(files, Source(kind="path", location=location), lambda tree: check_unchanged(files))


def tree_at(directory: Path) -> Tree:
    """The tree of the files in `directory`, hashed where they lie, as many at a time as there are cores.

    Raises:
        NothingThere, UnsafeName, Unreadable: As `find_path`.
        ConflictError: A file was written to meanwhile.
    """
    if not directory.is_dir():
        raise NothingThere(f"there is no directory {directory}", mend="name one that is there")
    files = files_at(directory, "")
    tree = tree_of(abreast(_hashed, files, at_once=os.cpu_count() or 1))
    check_unchanged(files)
    return tree


def _hashed(file: PathFile) -> Entry:
    with file.open() as content:
        found = pour(content)
    return Entry(path=file.path, size=found.size, digest=found.digest)


def check_unchanged(files: Sequence[PathFile]) -> None:
    """Raise ConflictError if a file was changed since it was seen."""
    for file in files:
        if not file.unchanged():
            raise _changed(file.path, "it was written to while it was read")


def files_at(root: Path, location: str) -> Sequence[PathFile]:
    """The files at `location`, sorted by path; one file is called by its own name. Raises as `find_path`."""
    walk = _Walk(location, *_split(root, location))
    files = sorted(walk.files(), key=lambda file: file.path)
    if not files:
        raise NothingThere(f"{location} is empty", why="an artefact has at least one file")
    check_names([file.path for file in files])
    return files


def seen_at(top: Path, steps: tuple[str, ...], path: str) -> PathFile:
    """The regular file that `steps` lead to from `top`, to be called `path`. Raises UnsafeName as `find_path`."""
    return _file(Folder(top, steps[:-1]), steps[-1], os.lstat(top.joinpath(*steps)), path=path)


def failed(path: str, error: OSError, place: str = "") -> RegistryError:
    """The complaint that what was listed a moment ago cannot be opened; `place` is all of its path."""
    why = error.strerror or str(error)
    if error.errno in _REPLACED:
        return _changed(path, why)
    mend = (
        f"give yourself the right to read it: `chmod -R u+rX {place or path}`"
        if isinstance(error, PermissionError)
        else ""
    )
    return Unreadable(f"{path} cannot be read", why=why, mend=mend or "run it again when the disk can be read")


def _split(root: Path, location: str) -> tuple[Path, tuple[str, ...]]:
    """Where to start, and the steps from there; only the start may be reached through symlinks."""
    if "\0" in location:
        raise UnsafeName(f"{location!r} is not a path")
    full = Path(os.path.normpath(root / location))
    if full.is_relative_to(root):
        return root, full.relative_to(root).parts
    return full.parent, (full.name,) if full.name else ()


@dataclass(frozen=True, slots=True)
class _Walk:
    """One look at a location: `steps` lead to it from `top`."""

    location: str
    top: Path
    steps: tuple[str, ...]

    def files(self) -> Iterator[PathFile]:
        try:
            handle = _open_below(self.top, self.steps[:-1], _DIRECTORY)
        except OSError as error:
            raise _unreachable(self.location, error) from None
        try:
            yield from self._last(handle)
        finally:
            os.close(handle)

    def _last(self, handle: int) -> Iterator[PathFile]:
        """The file, or the files of the directory, that the last step names."""
        if not self.steps:
            yield from self._inside(handle, ())
            return
        try:
            status = os.stat(self.steps[-1], dir_fd=handle, follow_symlinks=False)
        except OSError as error:
            raise _unreachable(self.location, error) from None
        if stat.S_ISDIR(status.st_mode):
            yield from self._below(handle, self.steps[-1], ())
        else:
            yield _file(Folder(self.top, self.steps[:-1]), self.steps[-1], status, path=self.steps[-1])

    def _below(self, handle: int, name: str, inside: tuple[str, ...]) -> Iterator[PathFile]:
        try:
            below = os.open(name, _DIRECTORY, dir_fd=handle)
        except OSError as error:
            raise failed(self._spoken(inside), error) from None
        try:
            yield from self._inside(below, inside)
        finally:
            os.close(below)

    def _inside(self, handle: int, inside: tuple[str, ...]) -> Iterator[PathFile]:
        try:
            with os.scandir(handle) as children:
                seen = {child.name: child.stat(follow_symlinks=False) for child in children}
        except OSError as error:
            raise failed(self._spoken(inside), error) from None
        folder = Folder(self.top, (*self.steps, *inside))
        for name, status in sorted(seen.items()):
            steps = (*inside, name)
            path = "/".join(steps)
            check_name(path)
            if name == ".git":
                mend = "pin it as git+PATH@REVISION, or remove .git"
                raise UnsafeName(f"{path!r} is a git repository", why="its history is not content", mend=mend)
            if stat.S_ISDIR(status.st_mode):
                yield from self._below(handle, name, steps)
            else:
                yield _file(folder, name, status, path=path)

    def _spoken(self, inside: tuple[str, ...]) -> str:
        """A directory of the location, as people write it."""
        return "/".join((self.location.rstrip("/"), *inside))


def _file(folder: Folder, name: str, status: os.stat_result, *, path: str) -> PathFile:
    """The file `name` in `folder`, called `path`."""
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "a device")
        mend = _RELINK if stat.S_ISLNK(status.st_mode) else ""
        raise UnsafeName(
            f"{'/'.join((*folder.steps, name))!r} is {kind}", why="only regular files are pinned", mend=mend
        )
    own_name = None if path.rpartition("/")[2] == name else name
    return PathFile(folder, path, _LOOK.pack(*_seen(status)), own_name)


def _open_below(top: Path, steps: tuple[str, ...], flags: int = _FILE) -> int:
    """Open what `steps` lead to from `top`, without following a symlink at any step."""
    handle = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for number, step in enumerate(steps, start=1):
        try:
            following = os.open(step, flags if number == len(steps) else _DIRECTORY, dir_fd=handle)
        finally:
            os.close(handle)
        handle = following
    return handle


def _seen(status: os.stat_result) -> tuple[int, int, int, int]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _unreachable(location: str, error: OSError) -> RegistryError:
    if isinstance(error, FileNotFoundError):
        return NothingThere(f"there is no {location}", mend="paths count from the directory of registry.toml")
    if error.errno not in _REPLACED:
        return failed(location, error)
    # why: with O_NOFOLLOW a symlink answers ELOOP, or ENOTDIR where a directory was wanted.
    return UnsafeName(f"{location} cannot be reached", why=f"{error.strerror}; symlinks are not followed")


def _changed(path: str, why: str) -> ConflictError:
    return ConflictError(f"{path} changed while it was pinned", why=why, mend="run it again when nothing writes there")
