"""Whether a directory may be a host's, asked before anything in it is touched.

A pull removes what dead pulls and old releases left, so it must never work in a directory that somebody else filled.
A directory is a host's if it is missing, if it is empty, or if it says so: by the file `MARKER`, which is the first
thing that is made in it and never goes, or by a record of the ledger that somebody wrote to bind it beforehand.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from registry.adapters import durable
from registry.adapters.hosts.lease import claim
from registry.core.bundle.trust import SeenLedger
from registry.core.canonical import NotCanonical
from registry.errors import ConflictError, UsageError

RELEASES = "releases"
STAGING = "staging"
MARKER = ".registry-host"
SEEN = "seen.json"

_NO_CONTENT = frozenset({"lost+found"})  # why: a new disk of its own is mounted with this in it.


class HostBusy(ConflictError):
    """Another pull into the same directory is under way."""


class NotAHost(UsageError):
    """The directory is something else than a host's."""


def read_seen(path: Path) -> SeenLedger:
    """Read a record of the ledger; one that a person made may end with a newline.

    Raises:
        OSError, NotCanonical: It cannot be read, or is no such record.
    """
    return SeenLedger.parse(durable.read_plain(path).removesuffix(b"\n"))


def check_ground(path: Path) -> None:
    """Refuse the directory `path` if it is somebody else's; nothing is changed.

    Raises:
        NotAHost: It holds something, and nothing that says it is a host's; or a place of a host is something else.
        WriteFailed: The system would not let it be looked at.
    """
    try:
        with durable.explained(path):
            names = {one.name for one in path.iterdir()} - _NO_CONTENT if _exists(path) else set()
    except durable.WriteFailed as error:
        if path.is_dir():
            raise
        raise _not_a_host(path, "it is no directory") from error
    # why after the names: a pull that began meanwhile made its marker before anything else.
    if names and not _is_marked(path):
        _check_bound(path, names)
    check_places(path)


def check_places(path: Path) -> None:
    """Refuse where one of a host's own directories is a link or no directory: what it leads to is not ours to clean.

    Raises:
        NotAHost: One is.
    """
    for name in (RELEASES, STAGING):
        mode = _mode(path / name)
        if mode is not None and not stat.S_ISDIR(mode):
            raise _not_a_host(path, f"{name} in it is {'a link' if stat.S_ISLNK(mode) else 'no directory'}")
    mode = _mode(path / "current")
    if mode is not None and not stat.S_ISLNK(mode):
        raise _not_a_host(path, f"{path / 'current'} is not a symlink")


@contextmanager
def marked(path: Path) -> Iterator[None]:
    """Make the directory `path` a host's, and keep every other pull out meanwhile.

    Its marker and its lock are one file, made in one step: however early a pull dies, it leaves nothing, an empty
    directory, or a host.

    Raises:
        HostBusy: Another pull is under way.
        WriteFailed: The system would not do it.
    """
    durable.make_directory(path)
    with durable.explained(path / MARKER):
        fd = os.open(path / MARKER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with durable.explained(path / MARKER), durable.folder(path) as directory:
            durable.sync(directory)  # why: nothing else of ours may outlive a power cut that the marker does not.
        if not claim(fd):
            mend = "wait until it is done, then pull again"
            raise HostBusy(f"another pull into {path} is under way", mend=mend)
        yield
    finally:
        os.close(fd)


def _check_bound(path: Path, names: set[str]) -> None:
    """Refuse a filled directory without a marker unless a record of the ledger is in it."""
    try:
        read_seen(path / SEEN)
    except FileNotFoundError:
        some = ", ".join(sorted(names)[:3])
        raise _not_a_host(path, f"other things are in it: {some}{', …' if len(names) > 3 else ''}") from None
    except (OSError, NotCanonical) as error:
        raise _not_a_host(path, f"other things are in it, and its {SEEN} cannot be read: {error}") from error


def _not_a_host(path: Path, why: str) -> NotAHost:
    mend = "nothing was touched; name a directory that is missing or empty, or move that away"
    return NotAHost(f"{path} is not a host's directory", why=why, mend=mend)


def _is_marked(path: Path) -> bool:
    mode = _mode(path / MARKER)
    return mode is not None and stat.S_ISREG(mode)


def _exists(path: Path) -> bool:
    return _mode(path) is not None


def _mode(path: Path) -> int | None:
    """The type and mode of `path` itself, links not followed; None if there is nothing."""
    try:
        with durable.explained(path):
            return path.lstat().st_mode
    except durable.WriteFailed as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            return None
        raise
