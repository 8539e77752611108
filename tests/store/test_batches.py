"""Batches of small files: as durable as any other, one call for all, and nothing of one is shown if that call fails."""

import errno
import os
import platform
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.adapters import durable
from registry.adapters.durable import together
from registry.adapters.sources.path import files_at
from registry.adapters.stores import directory
from registry.adapters.stores.directory import DirectoryStore
from registry.adapters.stores.seen import GRAIN_NS
from registry.core.digest import digest_of
from registry.core.store import SourceChanged, place_of
from registry.core.tree import Entry, tree_of
from registry.errors import ConflictError

MANY = directory.FEW + 1
HAS_BATCHES = together._libc() is not None
needs_batches = pytest.mark.skipif(not HAS_BATCHES, reason="this system does not tell all faults of a file system")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Enough small files for batches, two of them alike, one empty, one larger."""
    for number in range(MANY):
        place = tmp_path / "source" / str(number % 3)
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.json").write_bytes(b"%d" % (number // 2) * 100)
    (tmp_path / "source" / "empty").write_bytes(b"")
    (tmp_path / "source" / "larger").write_bytes(b"x" * 200_000)
    return tmp_path / "source"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the system is asked for, in order: `fsync` of a file, `syncfs`, `link`."""
    found: list[str] = []
    fsync, syncfs, link = os.fsync, together.syncfs, os.link

    def told_fsync(fd: int) -> None:
        found.extend(["fsync"] if not Path(f"/proc/self/fd/{fd}").is_dir() else [])
        fsync(fd)

    def told_syncfs(fd: int) -> None:
        syncfs(fd)
        found.append("syncfs")

    def told_link(*names: object, **parts: object) -> None:
        found.append("link")
        link(*names, **parts)  # type: ignore[arg-type] # as it was called

    monkeypatch.setattr(os, "fsync", told_fsync)
    monkeypatch.setattr(together, "syncfs", told_syncfs)
    monkeypatch.setattr(os, "link", told_link)
    return found


def take(store: DirectoryStore, source: Path) -> None:
    """Put all files of `source`, and check that every one is there."""
    files = files_at(source, "")
    read = [(file.path, (source / file.path).read_bytes()) for file in files]
    expected = tree_of(Entry(path=path, size=len(data), digest=digest_of(data)) for path, data in read)

    assert expected == store.put_files(files)
    assert {entry.digest for entry in expected.entries} == set(store.digests())
    assert all(store.get(digest) is not None for digest in store.digests())
    assert {0o444} == {(store.root / place_of(digest)).stat().st_mode & 0o7777 for digest in store.digests()}
    assert [] == list((store.root / "unfinished").iterdir())


@needs_batches
def test_one_call_makes_a_batch_durable_before_any_name_is_given(
    source: Path, tmp_path: Path, calls: list[str]
) -> None:
    """No file of it is fsynced alone."""
    take(DirectoryStore(tmp_path / "store"), source)

    assert "fsync" not in calls
    assert ["syncfs", "syncfs", "link"] == calls[:3]  # the first of them asks for what others have left to be told
    assert MANY + 2 == calls.count("link")


@pytest.mark.parametrize("why", ["few", "old kernel", "unknown kind", "no such call"])
def test_elsewhere_each_file_is_fsynced(
    why: str, source: Path, tmp_path: Path, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there are few, where the call does not tell all, and where it is not known what it tells."""
    together._libc.cache_clear()
    match why:
        case "few":
            monkeypatch.setattr(directory, "FEW", MANY + 2)
        case "old kernel":
            monkeypatch.setattr(platform, "release", lambda: "5.16.20-generic")
        case "unknown kind":
            monkeypatch.setattr(together, "_KINDS", frozenset[int]())
        case _:
            monkeypatch.setattr(together, "_libc", lambda: None)
    take(DirectoryStore(tmp_path / "store"), source)
    monkeypatch.undo()
    together._libc.cache_clear()

    assert "syncfs" not in calls
    assert MANY + 2 == calls.count("fsync")


@needs_batches
@pytest.mark.parametrize(("number", "fault"), [(errno.EIO, durable.WriteFailed), (errno.ENOSPC, durable.DiskFull)])
def test_of_a_batch_that_may_not_be_durable_nothing_is_shown(
    number: int, fault: type[Exception], source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault is final: it is not asked again, and what was hashed before is forgotten."""
    store, asked = DirectoryStore(tmp_path / "store"), list[int]()
    store.put(b"first")
    real = together.syncfs

    def failing(fd: int) -> None:
        asked.append(fd)
        if len(asked) == 1:
            real(fd)
            return
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(together, "syncfs", failing)
    with pytest.raises(fault):
        store.put_files(files_at(source, ""))

    assert 2 == len(asked)
    assert [digest_of(b"first")] == list(store.digests())
    assert [] == list((store.root / "unfinished").iterdir())
    assert not (store.root / "seen-1.sqlite").exists()


@needs_batches
def test_what_failed_before_is_none_of_ours(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of another program's bytes, that nobody was told yet, is asked for before anything is written."""
    asked = list[int]()
    real = together.syncfs

    def failing(fd: int) -> None:
        asked.append(fd)
        if len(asked) == 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(fd)

    monkeypatch.setattr(together, "syncfs", failing)
    take(DirectoryStore(tmp_path / "store"), source)

    assert 2 == len(asked)


@needs_batches
def test_the_real_call_fails_where_there_is_nothing_to_sync() -> None:
    """Its error is the system's own."""
    with pytest.raises(OSError, match="Bad file descriptor"):
        together.syncfs(-1)


def test_a_damaged_blob_is_healed_and_a_sound_one_stays(source: Path, tmp_path: Path) -> None:
    """As one by one."""
    store = DirectoryStore(tmp_path / "store")
    take(store, source)
    (store.root / "seen-1.sqlite").unlink()
    sound, damaged = (store.root / place_of(digest) for digest in sorted(store.digests())[:2])
    before = sound.stat().st_ino
    damaged.chmod(0o644)
    damaged.write_bytes(b"other")
    take(store, source)

    assert before == sound.stat().st_ino


def test_the_mode_is_the_same_whatever_the_umask(source: Path, tmp_path: Path) -> None:
    """A blob can be read by all, and written by nobody."""
    before = os.umask(0o077)
    try:
        store = DirectoryStore(tmp_path / "store")
        store.put_files(files_at(source, ""))
    finally:
        os.umask(before)

    assert {0o444} == {(store.root / place_of(digest)).stat().st_mode & 0o7777 for digest in store.digests()}


def test_what_was_seen_is_not_written_again(source: Path, tmp_path: Path, calls: list[str]) -> None:
    """Files that look as they did are not even read."""
    for path in source.rglob("*"):
        os.utime(path, ns=(10**18, 10**18))
    time.sleep(2 * GRAIN_NS / 1e9)  # why: what is too young is not noted
    store = DirectoryStore(tmp_path / "store")
    store.put_files(files_at(source, ""))
    calls.clear()
    store.put_files(files_at(source, ""))

    assert 0 == calls.count("link")


@pytest.mark.parametrize("change", [b"", b"longer than it was" * 100])
def test_a_file_that_changes_is_refused(change: bytes, source: Path, tmp_path: Path) -> None:
    """Between the walk and the reading."""
    files = files_at(source, "")
    (source / files[-1].path).write_bytes(change)
    store = DirectoryStore(tmp_path / "store")
    with pytest.raises((ConflictError, SourceChanged)):
        store.put_files(files)

    assert [] == list((store.root / "unfinished").iterdir())


def test_a_batch_of_the_living_is_left_and_one_of_the_dead_is_removed(tmp_path: Path) -> None:
    """Whoever was killed over it has left a directory without a lock."""

    def begin(area: int) -> None:
        with durable.batch(area) as batch:
            batch.write(b"half", mode=0o444)
            os.kill(os.getpid(), signal.SIGKILL)

    _in_a_child(lambda: _with(tmp_path, begin))
    (left,) = durable.strays(tmp_path)
    with durable.folder(tmp_path) as area, durable.batch(area) as batch:
        batch.write(b"whole", mode=0o444)

        assert 1 == durable.sweep(tmp_path)
        assert not left.exists()
        assert () == durable.strays(tmp_path)
        assert 1 == len(list(tmp_path.iterdir()))
    assert [] == list(tmp_path.iterdir())


def test_what_somebody_else_calls_so_is_left_alone(tmp_path: Path) -> None:
    """A directory that holds another one is none of ours."""
    (tmp_path / f".unfinished-{0:016x}" / "theirs").mkdir(parents=True)

    assert 0 == durable.sweep(tmp_path)
    assert (tmp_path / f".unfinished-{0:016x}" / "theirs").is_dir()


def _with(path: Path, do: Callable[[int], None]) -> None:
    with durable.folder(path) as area:
        do(area)


def _in_a_child(do: Callable[[], None]) -> None:
    if (child := os.fork()) == 0:
        try:
            do()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert signal.SIGKILL == status
