"""The modes of a release: everybody may read its files (0444) and enter its directories (0755), nobody may write them.

A file's mode is not in its hash, and hard links share it between releases, so it is looked at in its own right.
"""

import os
import stat
from pathlib import Path

from registry.adapters import durable

FILE = 0o444
DIRECTORY = 0o755


def is_sealed(path: Path) -> bool:
    """Whether `path` is a regular file of mode `FILE`."""
    try:
        return path.lstat().st_mode == stat.S_IFREG | FILE
    except OSError:
        return False


def seal(path: Path) -> bool:
    """Give the regular file at `path`, whose bytes were found to be right, the mode `FILE`; whether it has it now.

    The inode keeps its place, so every release that shares the file is mended with it, and no room is needed.
    """
    if is_sealed(path):
        return True
    try:
        # why by descriptor: chmod follows links, and somebody could put one here meanwhile.
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if stat.S_ISREG(os.fstat(fd).st_mode):
            os.fchmod(fd, FILE)
            durable.sync(fd)
    except OSError:
        return False
    finally:
        os.close(fd)
    return is_sealed(path)


def unlock(root: Path) -> list[str]:
    """Give `root` and every directory below it the mode `DIRECTORY`; links are not followed.

    Returns:
        Those that had another one, relative to `root`.

    Raises:
        WriteFailed: The system would not do it.
    """
    changed = _unlock_one(root)
    found = ["."] if changed else []
    # why from the top: a directory that nobody may read is opened before the walk comes to it.
    with durable.explained(root):
        for place, directories, _ in os.walk(root, onerror=durable.refuse):
            paths = [Path(place, name) for name in directories]
            found += [path.relative_to(root).as_posix() for path in paths if _unlock_one(path)]
    return found


def _unlock_one(path: Path) -> bool:
    """Whether `path` is a directory that had another mode, which it has no more."""
    with durable.explained(path):
        mode = path.lstat().st_mode
        if not stat.S_ISDIR(mode) or mode & 0o777 == DIRECTORY:
            return False
        path.chmod(DIRECTORY)
    return True
