"""What the faults found: each bug, and the test that finds it again. RELIABILITY.md lists them."""

import errno
import os
import re
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from git import Git

from registry.adapters import durable
from registry.adapters.hosts.copies import CopyUnreadable, keep_entries
from registry.adapters.hosts.directory import HostDirectory, SeenUnreadable
from registry.adapters.hosts.record import open_book
from registry.adapters.ledgers.memory import MemoryLedger
from registry.adapters.ledgers.watched import MemoryUnreadable, WatchedLedger
from registry.adapters.sources.git import GitCodebase, GitFailed
from registry.adapters.stores.attic import Attic
from registry.adapters.stores.directory import DirectoryStore
from registry.adapters.stores.seen import Seen
from registry.cli import stop
from registry.core.digest import digest_of
from registry.errors import UsageError
from tests.pin.project import git_project


class Waits(BaseException):
    """It waits for ever."""


@contextmanager
def _soon(seconds: float = 5.0) -> Iterator[None]:
    """Whoever waits for the other end of a pipe is woken, and fails."""

    def wake(*_: object) -> None:
        raise Waits

    before = signal.signal(signal.SIGALRM, wake)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _held(place: Path) -> object:
    with durable.held_alone(place, wait_s=0), durable.held_with_others(place.with_name("other")):
        return True


READERS: dict[str, tuple[str, Callable[[Path], object], type[Exception] | None]] = {
    "lock": ("lock", _held, None),
    "what a host saw": ("seen.json", lambda place: HostDirectory(place.parent).seen(), SeenUnreadable),
    "what a host hashed": ("record.json", lambda place: open_book(place.parent, place), None),
    "what a host copied": (
        f"ledger/{0:020d}.jsonl",
        lambda place: keep_entries(place.parents[1], lambda _: [b"{}"]),
        CopyUnreadable,
    ),
    "what a user remembers": (
        "memory.json",
        lambda place: WatchedLedger(MemoryLedger(), digest_of(b""), place).read(),
        MemoryUnreadable,
    ),
    "what was deleted": ("collected.json", lambda place: Attic(place.parent).collected(), None),
}


@pytest.mark.parametrize("name", READERS)
def test_a_pipe_in_the_place_of_a_file_makes_nobody_wait(name: str, tmp_path: Path) -> None:
    """Found by `damaged file`, fifo: gc, pull and every reader of the ledger hung for ever."""
    place, read, refusal = READERS[name]
    (tmp_path / place).parent.mkdir(exist_ok=True)
    os.mkfifo(tmp_path / place)
    with _soon():
        if refusal is None:
            read(tmp_path / place)
        else:
            with pytest.raises(refusal):
                read(tmp_path / place)


@pytest.mark.parametrize("junk", [7, 2**62, "text", b"short"])
def test_a_note_of_another_type_is_no_answer(junk: object, tmp_path: Path) -> None:
    """One bit in the header of a row of the cache makes of a digest a number; then `pin` fell over."""
    seen = Seen(tmp_path / "seen")
    seen.note_at([("place", "state", digest_of(b""))])
    seen.close()
    with closing(sqlite3.connect(tmp_path / "seen")) as notes, notes:
        notes.execute("UPDATE seen SET sha256 = ?", (junk,))
    seen = Seen(tmp_path / "seen")

    assert seen.find_at("place", "state") is None
    seen.close()


def test_a_directory_with_the_name_of_a_temporary_file_is_no_obstacle(tmp_path: Path) -> None:
    """Found by `damaged file`, directory: every writer failed until somebody removed it."""
    store = DirectoryStore(tmp_path)
    store.put(b"first")
    (tmp_path / "unfinished" / f".unfinished-{'0' * 16}").mkdir()

    assert digest_of(b"second") == store.put(b"second")


@pytest.mark.parametrize("fault", ["exit 128", "kill -9 $$", "echo half"])
def test_a_git_that_dies_is_told_and_is_no_answer(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by `failing call`, write: `pin` and `promote` fell over, or said that a committed gate file is not."""
    project = git_project(tmp_path / "project")
    project.write("gate.yaml", "a")
    project.commit()
    broken = tmp_path / "git"
    broken.write_text(f'#!/bin/sh\ncase "$*" in *cat-file*) {fault}; exit 1;; esac\nexec git "$@"\n')
    broken.chmod(0o755)
    monkeypatch.setattr(Git, "GIT_PYTHON_GIT_EXECUTABLE", str(broken))
    codebase = GitCodebase(project.root)
    for ask in (codebase.head, lambda: codebase.committed("gate.yaml")):
        with pytest.raises(GitFailed):
            ask()


def test_an_error_that_cannot_be_said_keeps_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by `failing call`, write: with a standard error that cannot be written to, every refusal was a crash."""

    def broken(_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("registry.cli.complain", broken)
    with pytest.raises(SystemExit) as ended:
        stop(UsageError("anything"))

    assert 2 == ended.value.code


def test_each_bug_that_is_published_has_its_test() -> None:
    """The table of RELIABILITY.md names tests that there are."""
    root = Path(__file__).parents[2]
    named = re.findall(r"`(?:test_\w+\.py::)?(test_\w+)`", (root / "docs" / "RELIABILITY.md").read_text())
    tests = "".join(path.read_text() for path in (Path(__file__), root / "tests" / "cli" / "test_hostile.py"))

    assert named
    assert [] == [name for name in named if f"def {name}(" not in tests]
