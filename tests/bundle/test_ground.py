"""Whose directory it is: a pull cleans up after itself, and must never take somebody's files for its own."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.adapters.hosts.directory import HostDirectory
from registry.adapters.hosts.ground import MARKER, NotAHost
from registry.core.bundle.trust import SeenLedger
from registry.core.digest import digest_of
from registry.ports import Delivered
from registry.testing.host import FIRST, SECOND, opener, tree_of_files

HEX = "0123456789abcdef"


def deliver(path: Path, files: dict[str, bytes] = FIRST) -> Delivered:
    """Deliver `files` into the directory `path`, and keep no older release."""
    host = HostDirectory(path, keep=1)
    with host.hold():
        return host.deliver(tree_of_files(files), opener(files))


def everything(root: Path) -> dict[str, tuple[int, bytes | str]]:
    """Every name below `root`: its mode, and its bytes or where it leads."""
    return {
        path.relative_to(root).as_posix(): (
            path.lstat().st_mode,
            str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else b"",
        )
        for path in root.rglob("*")
    }


def keep(path: Path, data: str = "precious") -> None:
    """Write a file and what is missing above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(data)


def link(path: Path) -> None:
    """A link to a directory with names as ours in it."""
    victim = path.parent.parent / "victim"
    keep(victim / HEX / "f")
    keep(victim / (HEX * 4) / "f")
    path.symlink_to(victim)


FOREIGN: dict[str, Callable[[Path], None]] = {
    "a staging of somebody else": lambda path: keep(path / "staging" / "f"),
    "a staging with names as ours": lambda path: keep(path / "staging" / HEX / "f"),
    "a staging that is a link": lambda path: link(path / "staging"),
    "releases that are a link": lambda path: link(path / "releases"),
    "releases with names as ours": lambda path: keep(path / "releases" / (HEX * 4) / "f"),
    "an empty staging": lambda path: (path / "staging").mkdir(),
    "a project": lambda path: keep(path / "registry.toml"),
    "a lock file": lambda path: keep(path / "lock", ""),
    "a hidden file": lambda path: keep(path / ".gitkeep", ""),
    "a seen.json of somebody else": lambda path: keep(path / "seen.json", "{}"),
    "a marker that is a directory": lambda path: (path / MARKER).mkdir(),
    "a marker that is a link": lambda path: (path / MARKER).symlink_to("nowhere"),
    "a current of somebody else": lambda path: keep(path / "current" / "f"),
    "a link called current": lambda path: (path / "current").symlink_to("releases/" + HEX * 4),
}


@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN)
def test_a_directory_of_somebody_else_is_not_touched(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Whatever it holds, however much it looks like ours: code 2, and every byte and mode is as it was."""
    path = tmp_path / "h"
    path.mkdir()
    make(path)
    before = everything(tmp_path)
    with pytest.raises(NotAHost) as refused:
        deliver(path)

    assert refused.value.exit_code == 2
    assert everything(tmp_path) == before


@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_what_is_no_directory_is_not_touched(tmp_path: Path, kind: str) -> None:
    """A name that is taken by something else is told as such."""
    path = tmp_path / "h"
    if kind == "file":
        path.write_text("precious")
    else:
        path.symlink_to("nowhere")
    before = everything(tmp_path)
    with pytest.raises(NotAHost):
        deliver(path)

    assert everything(tmp_path) == before


@pytest.mark.parametrize("name", ["staging", "releases"])
@pytest.mark.parametrize("kind", ["link", "file", "while it is held"])
def test_a_bent_place_of_a_host_is_not_followed(tmp_path: Path, name: str, kind: str) -> None:
    """Also where the directory is a host's, a link in place of one of its own leads to what is not ours."""
    path = tmp_path / "h"
    deliver(path)
    host = HostDirectory(path)

    def bend() -> None:
        (path / name).rename(path / "away")
        if kind == "file":
            (path / name).write_text("precious")
        else:
            link(path / name)

    if kind != "while it is held":
        bend()
        before = everything(tmp_path)
        with pytest.raises(NotAHost):
            deliver(path, SECOND)
    else:
        with host.hold():
            bend()
            before = everything(tmp_path)
            with pytest.raises(NotAHost):
                host.deliver(tree_of_files(SECOND), opener(SECOND))

    assert everything(tmp_path) == before


def test_only_what_we_make_is_cleaned_away(tmp_path: Path) -> None:
    """In a host's staging, what has no name of ours stays; what a dead pull left goes."""
    deliver(tmp_path)
    keep(tmp_path / "staging" / "notes.txt")
    keep(tmp_path / "staging" / "deep" / "f")
    keep(tmp_path / "staging" / HEX / "deep" / "f")
    keep(tmp_path / "releases" / "notes.txt")
    deliver(tmp_path, SECOND)

    assert {"notes.txt", "deep"} == {path.name for path in (tmp_path / "staging").iterdir()}
    assert (tmp_path / "releases" / "notes.txt").read_text() == "precious"


def bind(path: Path) -> None:
    """Write the record that binds a new host to a ledger."""
    digest = digest_of(b"genesis")
    (path / "seen.json").write_bytes(SeenLedger(genesis=digest, index=0, entry=digest).canonical())


def half_made(path: Path) -> None:
    """What a pull leaves that died while it wrote down how far the ledger was seen."""
    (path / MARKER).touch()
    (path / ".0123456789abcdef.tmp").touch()


def elsewhere(path: Path) -> None:
    """A link to an empty directory, which the person who pulls has named."""
    path.rmdir()
    (path.parent / "e").mkdir()
    path.symlink_to("e")


OURS: dict[str, Callable[[Path], None]] = {
    "missing": Path.rmdir,
    "empty": lambda _: None,
    "a new disk": lambda path: (path / "lost+found").mkdir(mode=0o700),
    "bound beforehand": bind,
    "a marker and no more": lambda path: (path / MARKER).touch(),
    "a marker and half a record": half_made,
    "a link to an empty directory": elsewhere,
}


@pytest.mark.parametrize("make", OURS.values(), ids=OURS)
def test_a_directory_of_nobody_or_of_ours_is_taken(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """A place that is new, prepared, or left by a pull that died early becomes a host, and stays one."""
    path = tmp_path / "h"
    path.mkdir()
    make(path)

    assert deliver(path).files_copied == 3
    assert deliver(path).files_reused == 3


def killed(path: Path, number: int) -> bool:
    """Pull in a child that dies just before it does its `number`-th thing to a file; whether it lived that long."""
    child = os.fork()
    if child == 0:
        left = number

        def hook(event: str, _: object) -> None:
            nonlocal left
            if event == "open" or event.startswith(("os.", "fcntl.", "shutil.")):
                left -= 1
                if left == 0:
                    os._exit(9)

        sys.addaudithook(hook)
        try:
            host = HostDirectory(path)
            with host.hold():
                bound = digest_of(b"genesis")
                host.remember(SeenLedger(genesis=bound, index=0, entry=bound))
                host.deliver(tree_of_files(FIRST), opener(FIRST))
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_a_first_pull_that_is_killed_anywhere_can_be_repeated(tmp_path: Path) -> None:
    """What it leaves of a new directory, the next pull takes for a host's: killed early at every step, then at some."""
    number = 1
    while killed(path := tmp_path / str(number) / "models", number):
        deliver(path)

        assert (path / "current" / "model").read_bytes() == FIRST["model"]
        number += max(1, number // 8)

    assert number > 20
