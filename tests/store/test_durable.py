"""Durable writing: one winner, old or new but never half, nothing left behind, and every refusal explained."""

import errno
import io
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from registry.adapters import durable
from registry.core.digest import digest_of


def test_of_racing_writers_one_wins(tmp_path: Path) -> None:
    """Exactly one is told so, and its bytes stand."""
    offers = [f"writer {number}".encode() * 1000 for number in range(16)]
    with ThreadPoolExecutor(16) as threads:
        won = list(threads.map(lambda data: durable.put_if_absent(tmp_path / "entry", data), offers))

    assert won.count(True) == 1
    assert (tmp_path / "entry").read_bytes() == offers[won.index(True)]
    assert [path.name for path in tmp_path.iterdir()] == ["entry"]


def test_readers_of_a_replaced_file_see_the_old_or_the_new(tmp_path: Path) -> None:
    """There is no moment at which the file is missing, empty or mixed."""
    path = tmp_path / "lock"
    durable.replace(path, b"0" * 100_000)

    def write(number: int) -> None:
        durable.replace(path, b"%d" % number * 100_000)

    with ThreadPoolExecutor(2) as threads:
        writing = threads.submit(lambda: [*map(write, range(10))])
        while not writing.done():
            found = path.read_bytes()
            assert len(found) == 100_000
            assert len(set(found)) == 1
        writing.result()

    assert path.read_bytes() == b"9" * 100_000


def test_modes_are_what_was_asked_for(tmp_path: Path) -> None:
    """Whatever the umask, an entry is read-only and a secret is ours alone."""
    durable.put_if_absent(tmp_path / "entry", b"")
    durable.replace(tmp_path / "file", b"")
    durable.replace(tmp_path / "key", b"", mode=0o600)

    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("entry", "file", "key")] == [
        0o444,
        0o644,
        0o600,
    ]


def test_a_stream_becomes_a_new_file_or_none(tmp_path: Path) -> None:
    """What is written is what was hashed; an existing file stands, a failing stream leaves nothing."""
    written = durable.write_new(tmp_path / "file", io.BytesIO(b"x" * 3_000_000))

    assert written == durable.Written(digest_of(b"x" * 3_000_000), 3_000_000)
    with pytest.raises(durable.WriteFailed, match="exists"):
        durable.write_new(tmp_path / "file", io.BytesIO(b"other"))
    with pytest.raises(durable.ReadFailed), (tmp_path).joinpath("file").open("wb") as closed_for_reading:
        durable.write_new(tmp_path / "half", closed_for_reading)
    assert not (tmp_path / "half").exists()


def test_directories_are_made_with_all_above_them(tmp_path: Path) -> None:
    """Done again it changes nothing; a file in the way is told."""
    durable.make_directory(tmp_path / "a" / "b" / "c")
    durable.make_directory(tmp_path / "a" / "b" / "c")
    (tmp_path / "file").write_bytes(b"")

    assert (tmp_path / "a" / "b" / "c").is_dir()
    with pytest.raises(durable.WriteFailed):
        durable.make_directory(tmp_path / "file" / "below")


def test_a_link_moves_in_one_step(tmp_path: Path) -> None:
    """A reader finds the old release or the new one at every moment."""
    for name in ("one", "two"):
        durable.make_directory(tmp_path / name)
    durable.point(tmp_path / "current", "one")
    durable.point(tmp_path / "current", "two")

    assert (tmp_path / "current").readlink() == Path("two")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["current", "one", "two"]


def test_a_filled_directory_is_never_replaced(tmp_path: Path) -> None:
    """Moving gives a name once."""
    for name in ("new", "old"):
        durable.make_directory(tmp_path / name / "inside")
    with pytest.raises(durable.WriteFailed):
        durable.move(tmp_path / "new", tmp_path / "old")
    durable.move(tmp_path / "new", tmp_path / "third")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["old", "third"]


def test_what_is_read_only_can_be_discarded(tmp_path: Path) -> None:
    """Releases are; and a symlink is removed, never followed."""
    durable.make_directory(tmp_path / "release" / "inside")
    durable.put_if_absent(tmp_path / "release" / "inside" / "file", b"x")
    durable.make_directory(tmp_path / "kept")
    (tmp_path / "release" / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "release" / "inside").chmod(0o555)
    durable.discard(tmp_path / "release")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    durable.discard(tmp_path / "link")

    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize(("number", "fault"), [(errno.ENOSPC, durable.DiskFull), (errno.EDQUOT, durable.DiskFull)])
def test_a_full_disk_says_what_to_do(number: int, fault: type[Exception], refusing: "Refuse", tmp_path: Path) -> None:
    """There is a way on, and nothing half-written is in it."""
    refusing("write", number)
    with pytest.raises(fault) as told:
        durable.put_if_absent(tmp_path / "entry", b"x")

    assert "no room left" in str(told.value)
    assert "free some space" in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_what_lies_in_the_way_is_told_with_what_to_do(tmp_path: Path) -> None:
    """A file where a directory must be, or a directory where a file must be: it is to be moved away."""
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "lock").mkdir()
    for act in (
        lambda: durable.make_directory(tmp_path / "file"),
        lambda: durable.put_if_absent(tmp_path / "file" / "entry", b"x"),
        lambda: durable.replace(tmp_path / "lock", b"x"),
    ):
        with pytest.raises(durable.WriteFailed) as told:
            act()

        assert "move that away" in told.value.mend


def test_nobody_waits_for_ever(tmp_path: Path) -> None:
    """A collector that was stopped keeps its lock; whoever comes then is told, whichever way the lock is wanted."""
    lock = tmp_path / "lock"
    with durable.held_alone(lock, wait_s=0):
        for wanted in (durable.held_alone(lock, wait_s=0.05), durable.held_with_others(lock, wait_s=0.05)):
            with pytest.raises(durable.Busy, match="at work"), wanted:
                pass
    with durable.held_with_others(lock, wait_s=0), durable.held_with_others(lock, wait_s=0):
        pass


def test_every_refusal_of_the_system_has_a_mend() -> None:
    """Also one that nobody thought of."""
    for number in errno.errorcode:
        assert durable.mend_of(OSError(number, "it says no"))


@pytest.mark.parametrize("call", ["write", "fchmod", "fsync", "link"])
def test_whatever_call_fails_nothing_is_acknowledged_or_left(call: str, refusing: "Refuse", tmp_path: Path) -> None:
    """A fault at any step before the name is given leaves the directory as it was."""
    durable.replace(tmp_path / "old", b"old")
    refusing(call, errno.EIO)
    for write in (durable.put_if_absent, durable.replace):
        if call == "link" and write is durable.replace:
            continue
        with pytest.raises(durable.WriteFailed):
            write(tmp_path / "new", b"new")

    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_bytes() == b"old"


def test_a_failed_fsync_is_final(refusing: "Refuse", tmp_path: Path) -> None:
    """It is not tried again on the same file: the kernel may have forgotten the bytes and would say yes."""
    calls = refusing("fsync", errno.EIO)
    with pytest.raises(durable.WriteFailed, match="could not be written"):
        durable.replace(tmp_path / "file", b"x")

    assert len(calls) == 1


def test_a_plain_file_is_told_from_a_stream_that_decodes(tmp_path: Path) -> None:
    """A gzip stream has a file descriptor too, but of other bytes than it gives."""
    import gzip

    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"x"))
    with gzip.open(path) as packed, path.open("rb") as plain, path.open("rb", buffering=0) as raw:
        assert durable.plain_file(packed) is None  # type: ignore[arg-type] # it is a stream of bytes all the same
        assert durable.plain_file(plain) == plain.fileno()
        assert durable.plain_file(raw) == raw.fileno()
    with Path("/dev/null").open("rb", buffering=0) as device:
        assert durable.plain_file(device) is None


Refuse = Callable[[str, int], list[str]]


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Let a system call fail; the real thing is done in tests/crash, with a disk that is full."""

    def refuse(call: str, number: int) -> list[str]:
        calls: list[str] = []

        def failing(*_: object, **__: object) -> None:
            calls.append(call)
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, call, failing)
        return calls

    return refuse
