"""Nothing but `registry.adapters.durable` writes to disk in the adapters, and nothing at all in core and verbs."""

from pathlib import Path

import pytest

from tests.store.writing import writes_in

PACKAGE = Path(__file__).parents[2] / "registry"
ROOMS = ("adapters", "cli", "core", "verbs", "workspace")
MAY_WRITE = {
    "adapters/durable": "it is the one that does",
    "adapters/engines": "trainers and engines write models by their libraries, into places that nothing relies on",
    "adapters/sandbox.py": "what a program prints, in a directory that is removed at once",
    "workspace/imported.py": "what a DVC stage makes, which DVC hashes and makes again",
}
_STAGING = "in staging, which nobody reads before `durable.settle`"
KNOWN = {
    ("adapters/hosts/delivery.py", "os.link"): f"a second name {_STAGING}",
    ("adapters/hosts/delivery.py", "staged.chmod"): f"a directory {_STAGING}",
    ("adapters/hosts/directory.py", "link.symlink_to"): "made in staging, and shown by `durable.move`",
    ("adapters/hosts/filling.py", "directory.chmod"): f"a directory {_STAGING}",
    ("adapters/hosts/filling.py", "directory.mkdir"): f"a directory {_STAGING}",
    ("adapters/hosts/filling.py", "os.utime"): f"the time of a file {_STAGING}",
    ("adapters/hosts/folder.py", "staged.chmod"): f"a directory {_STAGING}",
    ("adapters/hosts/ground.py", "os.O_CREAT"): "the marker and lock of a host, which holds no bytes",
    ("adapters/hosts/ground.py", "os.O_RDWR"): "the same",
    ("adapters/hosts/modes.py", "os.fchmod"): "a mode put right through the open file, and synced",
    ("adapters/hosts/modes.py", "path.chmod"): "the mode of a directory, which each pull looks at again",
    ("adapters/keys.py", "directory.mkdir"): "where keys are; without it, no key is found and none is used",
    ("adapters/keys.py", "directory.parent.mkdir"): "the same",
    ("adapters/keys.py", "os.O_CREAT"): "a new key, fsynced; a crash in between leaves a file that `key new` refuses",
    ("adapters/keys.py", "os.O_EXCL"): "the same",
    ("adapters/keys.py", "os.O_WRONLY"): "the same",
    ("adapters/keys.py", "os.fdopen"): "the same",
    ("adapters/mirrors/tags.py", "lock.write_bytes"): "a scratch file that git reads at once",
    ("adapters/mirrors/tags.py", "tempfile.TemporaryDirectory"): "where that lies",
    ("adapters/sources/workspace.py", "tempfile.TemporaryDirectory"): "downloads on their way into the store",
    ("adapters/sources/workspace.py", "tempfile.mkdtemp"): "the same",
    ("adapters/stores/attic.py", "grave.rmdir"): "an empty directory of the trash; if it comes back, it is empty",
    ("adapters/stores/seen.py", "self._path.unlink"): "what was hashed before; a cache that costs time, no answer",
    ("cli/__init__.py", "os.O_WRONLY"): "to nowhere, when nobody reads what is printed",
}
"""Writes elsewhere that are harmless, and why. A new one must earn its line here."""
CACHE = "adapters/stores/seen.py"
"""The one user of a database: the cache of what was hashed. Nothing that lasts may lie in one."""


def test_only_the_durable_room_writes() -> None:
    """A write past it would not survive a power cut, or be seen half done; what is let pass is still there."""
    found, met = [], set()
    for path in sorted(path for room in ROOMS for path in (PACKAGE / room).rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        for write in () if name.startswith(tuple(MAY_WRITE)) else writes_in(path.read_text("utf-8")):
            place = (name, write.split()[1])
            met.add(place)
            if place not in KNOWN and not (name == CACHE and "sqlite3." in write):
                found.append(f"registry/{name}:{write}")

    assert [] == found
    assert set() == set(KNOWN) - met


@pytest.mark.parametrize(
    "lines",
    [
        *("open('x', 'w')", "open('x', mode='ab')", "path.open('r+b')", "os.fdopen(fd, 'wb')", "io.FileIO(fd, 'x')"),
        *("open(path, mode)", "open(path, 'w' if new else 'r')", "path.open(mode=mode)", "write = open"),
        *("path.write_text('x')", "path.write_bytes(b'x')", "Path.write_text(path, 'x')", "keep = path.write_bytes"),
        *(
            "path.rename(other)",
            "path.replace(other)",
            "path.unlink()",
            "path.mkdir()",
            "path.touch()",
            "path.chmod(0)",
        ),
        *("os.rename(a, b)", "os.replace(a, b)", "os.remove(a)", "os.pwrite(fd, b'', 0)", "os.ftruncate(fd, 0)"),
        *("os.copy_file_range(a, b, 1)", "os.sendfile(a, b, 0, 1)", "move = os.rename", "getattr(os, 'rename')(a, b)"),
        *("os.open(p, os.O_CREAT | os.O_EXCL)", "os.open(p, flags=os.O_RDWR)", "os.open(p, 65)", "os.open(p, flags)"),
        *("F = os.O_TRUNC\nos.open(p, F)", "from registry.adapters.durable.files import _NEW\nos.open(p, _NEW)"),
        *(
            "import os as o\no.rename(a, b)",
            "from os import rename",
            "from os import replace as swap",
            "from os import *",
        ),
        *("shutil.move(a, b)", "import shutil as s\ns.copyfile(a, b)", "from shutil import copytree as copy"),
        *("tempfile.mkstemp()", "from tempfile import NamedTemporaryFile", "import tempfile as t\nt.mkdtemp()"),
        *("sqlite3.connect('x')", "from sqlite3 import connect", "mmap.mmap(fd, 0)", "shelve.open('x')"),
        *("fcntl.ioctl(fd, 1, other)", "gzip.open('x', 'wb')", "zipfile.ZipFile('x', 'w')", "archive.extractall()"),
        *("__import__('os').rename(a, b)", "exec('x')", "save_file(tensors, path)", "numpy.savez(path)"),
    ],
)
def test_the_lint_finds(lines: str) -> None:
    """Each way to write that Python offers, under whatever name."""
    assert writes_in(lines)


READERS = (
    *("open('wax')", "path.open()", "open(fd, 'rb')", "os.open(p, os.O_RDONLY)", "store.open(digest)"),
    *("F = os.O_RDONLY | os.O_NOFOLLOW\nos.open(p, F)", "os.fdopen(fd, 'rb')", "text.replace('a', 'b')"),
    *("dataclasses.replace(one, size=1)", "now.replace(tzinfo=UTC)", "new.rename(name, folder)", "shutil.which('git')"),
    "def look(open: Open) -> None:\n    find(open)",
)


@pytest.mark.parametrize("lines", READERS)
def test_the_lint_leaves_readers_alone(lines: str) -> None:
    """Reading is free."""
    assert [] == writes_in(lines)
