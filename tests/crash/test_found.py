"""What the faults found: each bug, and the test that finds it again. RELIABILITY.md lists them."""

import errno
import fcntl
import io
import os
import random
import re
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from git import Git

from registry.adapters import durable
from registry.adapters.durable import files as durable_files
from registry.adapters.hosts.copies import CopyUnreadable, keep_entries
from registry.adapters.hosts.directory import HostDirectory, SeenUnreadable
from registry.adapters.hosts.folder import Folder
from registry.adapters.hosts.record import open_book
from registry.adapters.keys import make_key
from registry.adapters.ledgers.memory import MemoryLedger
from registry.adapters.ledgers.watched import MemoryUnreadable, WatchedLedger
from registry.adapters.sources.git import GitCodebase, GitFailed
from registry.adapters.stores.attic import Attic
from registry.adapters.stores.directory import DirectoryStore, Unreadable
from registry.adapters.stores.seen import Seen
from registry.cli import stop
from registry.core.digest import digest_of, hex_of
from registry.core.store import place_of
from registry.core.tree import Entry, tree_of
from registry.errors import UsageError
from tests.crash.power import Event, Name, Names, Recorder, State, drawn_state, look, names_below
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


def _unlisted(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    """Let the disk fail whenever `place` is listed."""
    real = os.scandir

    def scandir(path: Any = ".") -> Any:
        if isinstance(path, str | os.PathLike) and Path(path) == place:
            raise OSError(errno.EIO, "Input/output error", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)


def test_a_directory_that_cannot_be_listed_is_not_called_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by reading: a walk passed it over, so a release was acknowledged whose names were never made durable."""
    (tmp_path / "release" / "inner").mkdir(parents=True)
    _unlisted(monkeypatch, tmp_path / "release" / "inner")
    with pytest.raises(durable.WriteFailed, match="could not be written"):
        durable.settle(tmp_path / "release")


def test_blobs_that_cannot_be_listed_are_not_called_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by reading: a walk passed their directory over, and `verify` never saw what it had to check."""
    store = DirectoryStore(tmp_path)
    digest = store.put(b"spare")
    _unlisted(monkeypatch, (tmp_path / place_of(digest)).parent)
    with pytest.raises(Unreadable, match="could not be listed"):
        list(store.digests())


def _told_states(root: Path, before: dict[Name, int], events: list[Event]) -> Iterator[State]:
    """What a cut may leave after the last of `events`."""
    draw = random.Random(1)
    yield from (drawn_state(events, before, draw, least=len(events)) for _ in range(50))


def test_a_directory_of_another_user_is_made_durable_by_who_relies_on_it(tmp_path: Path) -> None:
    """Found by reading: who shared a store's place relied on a directory that its maker, killed, had not synced."""
    if os.geteuid() != 0:
        pytest.skip("only root makes directories of other users")
    recorder = Recorder(tmp_path)
    before = names_below(tmp_path)
    with recorder.recording():
        for name in ("blobs", "blobs/sha256", "unfinished"):
            (tmp_path / name).mkdir()
            os.chown(tmp_path / name, 12345, 12345)
        store = DirectoryStore(tmp_path)
        digest = store.put(b"new")
        recorder.told()
    for state in _told_states(tmp_path, before, recorder.events):
        assert "whole" == look(tmp_path.stat().st_ino, place_of(digest), state)


def test_a_store_that_is_called_whole_is_durable(tmp_path: Path) -> None:
    """Found by `kill, then cut`, repair: what a killed repair had fetched was called whole, and a cut could take it."""
    store = DirectoryStore(tmp_path)
    store.put(b"other")
    before, first, second = names_below(tmp_path), Recorder(tmp_path), Recorder(tmp_path)
    with first.recording():
        digest = store.put(b"new")
    shown = next(at for at, event in enumerate(first.events) if _names(event, Path(hex_of(digest))))
    with second.recording():
        store.confirm()
        second.told()
    for state in _told_states(tmp_path, before, [*first.events[: shown + 1], *second.events]):
        assert "whole" == look(tmp_path.stat().st_ino, place_of(digest), state)


TREE = tree_of([Entry(path="in/file", size=5, digest=digest_of(b"bytes"))])
DELIVERIES: dict[str, Callable[[Path], tuple[Path, Callable[[], object]]]] = {
    "host": lambda root: (
        root / "host" / "releases" / hex_of(TREE.digest),
        lambda: HostDirectory(root / "host").deliver(TREE, lambda _: io.BytesIO(b"bytes")),
    ),
    "folder": lambda root: (
        root / "folder",
        lambda: Folder(root / "folder").deliver(TREE, lambda _: io.BytesIO(b"bytes")),
    ),
}


@pytest.mark.parametrize("kind", DELIVERIES)
def test_what_a_killed_pull_left_whole_is_made_durable_by_the_next(kind: str, tmp_path: Path) -> None:
    """Found by reading: a release that was there was acknowledged, though its maker had not synced its name."""
    home, deliver = DELIVERIES[kind](tmp_path)
    (tmp_path / "host").mkdir()
    before, recorder = names_below(tmp_path), Recorder(tmp_path)
    with recorder.recording():
        deliver()
    moved = max(at for at, event in enumerate(recorder.events) if _names(event, home))
    killed, after = recorder.events[: moved + 1], Recorder(tmp_path)
    with after.recording():
        deliver()
        after.told()
    for state in _told_states(tmp_path, before, [*killed, *after.events]):
        path = (home / "in/file").relative_to(tmp_path).as_posix()
        assert "whole" == look(tmp_path.stat().st_ino, path, state)


def _names(event: Event, home: Path) -> bool:
    return isinstance(event, Names) and any(name == home.name and inode for (_, name), inode in event.changes)


@pytest.mark.parametrize("kind", DELIVERIES)
def test_a_release_is_readable_by_all_after_a_power_cut(kind: str, tmp_path: Path) -> None:
    """Found by reading: its mode was set after it was synced, so only root might have read it after a cut."""
    (tmp_path / "host").mkdir()
    home, deliver = DELIVERIES[kind](tmp_path)
    before, recorder = names_below(tmp_path), Recorder(tmp_path)
    with recorder.recording():
        deliver()
        recorder.told()
    inode = home.stat().st_ino
    for *_, modes in _told_states(tmp_path, before, recorder.events):
        assert inode not in modes


def test_a_key_is_there_after_a_power_cut(tmp_path: Path) -> None:
    """Found by reading: its name was never synced, so a cut might take the one key of a ledger that was founded."""
    before, recorder = names_below(tmp_path), Recorder(tmp_path)
    durable_files._made.clear()
    with recorder.recording():
        files = make_key(tmp_path / "config" / "keys" / "default.pem")
        recorder.told()
    for state in _told_states(tmp_path, before, recorder.events):
        for path in (files.private, files.public, files.passphrase):
            assert path
            assert "whole" == look(tmp_path.stat().st_ino, path.relative_to(tmp_path).as_posix(), state)


def test_files_that_must_be_writable_to_be_locked_alone_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by reading flock(2): over NFS no lock alone is given to what is only read; gc and every sweep failed."""
    real = fcntl.flock

    def flock(fd: int, how: int) -> None:
        if how & fcntl.LOCK_EX and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        real(fd, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    litter = tmp_path / f".unfinished-{'0' * 16}"
    litter.write_bytes(b"half")
    with durable.held_alone(tmp_path / "lock", wait_s=0):
        assert 1 == durable.sweep(tmp_path)
    litter.write_bytes(b"half")
    litter.chmod(0o444)
    assert durable.put_if_absent(tmp_path / "entry", b"new")


@pytest.mark.parametrize(("fault", "is_synced"), [(errno.ENOTSUP, True), (errno.EIO, False)])
def test_a_share_that_knows_no_full_sync_is_synced_as_it_can_be(
    fault: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_synced: bool
) -> None:
    """Found by reading fcntl(2) of macOS: on a network share every write failed; a real fault stays final."""

    def refuse(*_: object) -> None:
        raise OSError(fault, "it says no")

    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", refuse)
    with durable.folder(tmp_path) as directory:
        if is_synced:
            durable.sync(directory)
        else:
            with pytest.raises(OSError, match="says no"):
                durable.sync(directory)


def test_a_temporary_file_whose_name_cannot_be_taken_away_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by reading: it stayed open and locked, and was taken for one that is being made, as long as we lived."""

    def broken(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", broken)
        with pytest.raises(durable.WriteFailed):
            durable.put_if_absent(tmp_path / "entry", b"new")

    assert 1 == durable.sweep(tmp_path)


def test_each_bug_that_is_published_has_its_test() -> None:
    """The table of RELIABILITY.md names tests that there are."""
    root = Path(__file__).parents[2]
    named = re.findall(r"`(?:test_\w+\.py::)?(test_\w+)`", (root / "docs" / "RELIABILITY.md").read_text())
    rooms = (root / "tests" / "remote").glob("test_*.py")
    tests = "".join(path.read_text() for path in (Path(__file__), root / "tests" / "cli" / "test_hostile.py", *rooms))

    assert named
    assert [] == [name for name in named if f"def {name}(" not in tests]
