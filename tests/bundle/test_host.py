"""A host's directory: always whole, shared where equal, mended where changed."""

import fcntl
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from registry.adapters.durable import DiskFull
from registry.adapters.hosts.directory import HostDirectory, SeenUnreadable
from registry.adapters.hosts.folder import Folder, FolderTaken
from registry.core.digest import DigestMismatch, digest_of, hex_of
from registry.core.tree import Entry, tree_of
from registry.ports import Delivered, Host
from registry.testing.host import FIRST, SECOND, HostContract, opener, tree_of_files

WEIGHTS = "adapters/a--000000000000/w"


def content(directory: Path) -> dict[str, bytes]:
    """Every file below `directory`."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


class TestHostDirectory(HostContract):
    """The directory keeps the contract, opened anew each time."""

    @pytest.fixture(autouse=True)
    def _fresh(self, tmp_path: Path) -> None:
        self.path = tmp_path / "srv" / "models"

    def open(self) -> Host:
        """The one of this test."""
        return HostDirectory(self.path)

    def shown(self) -> Mapping[str, bytes]:
        """What `current` leads to."""
        return content(self.path / "current")


@pytest.fixture
def host(tmp_path: Path) -> HostDirectory:
    """A new host."""
    return HostDirectory(tmp_path / "models")


def deliver(host: HostDirectory, files: Mapping[str, bytes]) -> Delivered:
    """Deliver `files` as one release."""
    with host.hold():
        return host.deliver(tree_of_files(files), opener(files))


def edit(path: Path, data: bytes) -> None:
    """Change a file where it stands, as an editor or a careless script does."""
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(data)
        file.truncate()


def test_equal_files_of_two_releases_are_one_inode(host: HostDirectory) -> None:
    """A release costs the disk only what is new in it, and no file can be written by others."""
    first = host.path / "releases" / hex_of(deliver(host, FIRST).release)
    second = host.path / "releases" / hex_of(deliver(host, SECOND).release)

    assert (first / "model").stat().st_ino == (second / "model").stat().st_ino
    assert (first / WEIGHTS).stat().st_ino != (second / WEIGHTS).stat().st_ino
    assert {0o444} == {path.stat().st_mode & 0o777 for path in second.rglob("*") if path.is_file()}
    assert {0o755} == {path.stat().st_mode & 0o777 for path in [second, *second.rglob("*")] if path.is_dir()}


@pytest.mark.parametrize("size", ["same", "shorter", "longer", "empty"])
def test_an_edited_file_is_found_and_mended(host: HostDirectory, size: str) -> None:
    """The next pull says which file was changed, and puts it right without another switch."""
    deliver(host, FIRST)
    data = {"same": b"x" * 16384, "shorter": b"x", "longer": b"x" * 20000, "empty": b""}[size]
    edit(host.path / "current" / "model", data)
    mended = deliver(host, FIRST)

    assert mended.mended == ("model",)
    assert (mended.files_copied, mended.files_reused) == (1, 2)
    assert content(host.path / "current") == FIRST
    assert deliver(host, FIRST).mended == ()


def test_an_edit_right_after_a_pull_is_found(host: HostDirectory) -> None:
    """Also a change of the same size within the clock tick of the pull shows: thirty tries."""
    deliver(host, FIRST)
    for turn in range(30):
        edit(host.path / "current" / "model", bytes([turn]) * 16384)

        assert deliver(host, FIRST).mended == ("model",)


def test_an_edit_that_hides_its_time_is_found(host: HostDirectory) -> None:
    """Setting the old time of modification again does not hide a change."""
    deliver(host, FIRST)
    deliver(host, FIRST)
    path = host.path / "current" / "model"
    before = path.stat()
    edit(path, b"x" * 16384)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert deliver(host, FIRST).mended == ("model",)


def test_an_edited_file_is_never_linked_on(host: HostDirectory) -> None:
    """The next release takes good bytes from the store, and the edited release is mended when it is gone back to."""
    deliver(host, FIRST)
    edit(host.path / "current" / "model", b"x" * 16384)
    second = deliver(host, SECOND)

    assert second.files_copied == 2
    assert content(host.path / "current") == SECOND

    back = deliver(host, FIRST)

    assert (back.mended, back.files_copied) == (("model",), 0)
    assert content(host.path / "current") == FIRST


def test_an_edit_through_a_shared_inode_is_found_on_the_way_back(host: HostDirectory) -> None:
    """Two releases share a file; an edit of one is an edit of both, and both are mended."""
    deliver(host, FIRST)
    deliver(host, SECOND)
    edit(host.path / "current" / "model", b"x" * 16384)

    assert deliver(host, FIRST).mended == ("model",)
    assert content(host.path / "current") == FIRST
    assert deliver(host, SECOND).mended == ("model",)
    assert content(host.path / "current") == SECOND


def test_files_removed_added_or_turned_into_something_else_are_mended(host: HostDirectory) -> None:
    """A release has its files and no others; links in it are removed and never followed."""
    outside = host.path.parent / "outside"
    outside.mkdir()
    (outside / "w").write_bytes(b"precious")
    deliver(host, FIRST)
    shown = host.path / "current"
    (shown / "model").unlink()
    (shown / "model").mkdir()
    (shown / "model" / "inside").write_bytes(b"x")
    (shown / "config.json").unlink()
    (shown / "config.json").symlink_to(outside / "w")
    (shown / "extra.bin").write_bytes(b"x")
    (shown / "adapters").rename(outside / "adapters")
    (shown / "adapters").symlink_to(outside / "adapters")
    mended = deliver(host, FIRST)

    assert mended.mended == ("adapters", WEIGHTS, "config.json", "extra.bin", "model", "model/inside")
    assert content(shown) == FIRST
    assert not (shown / "config.json").is_symlink()
    assert (outside / "w").read_bytes() == b"precious"
    assert content(outside / "adapters") == {WEIGHTS.removeprefix("adapters/"): FIRST[WEIGHTS]}


def test_a_lost_or_spoiled_record_costs_time_and_nothing_else(host: HostDirectory) -> None:
    """Without its record the host hashes again, and still copies only what changed."""
    deliver(host, FIRST)
    for spoil in (b"", b"{}", b'{"form":"registry.host/1","files":[],"history":[]}'):
        (host.path / "record.json").write_bytes(spoil)

        assert deliver(host, FIRST).files_copied == 0
    (host.path / "record.json").unlink()
    deliver(host, FIRST)

    assert deliver(host, SECOND).files_copied == 1
    assert content(host.path / "current") == SECOND


def test_a_record_that_lies_about_the_bytes_is_no_harm_to_the_sizes(host: HostDirectory) -> None:
    """What the stat does not confirm is hashed: a record of another machine confirms nothing."""
    deliver(host, FIRST)
    record = (host.path / "record.json").read_text()
    edit(host.path / "current" / "model", b"x" * 16384)
    (host.path / "record.json").write_text(record.replace('"device":"', '"device":"9'))

    assert deliver(host, FIRST).mended == ("model",)


def test_an_unchanged_release_is_not_read(host: HostDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warm pull looks at every file and opens none; only the directories are, to be made durable."""
    deliver(host, FIRST)
    deliver(host, FIRST)
    opened = []
    real = os.open

    def spy(path: str | Path, flags: int, *arguments: int, **named: int) -> int:
        opened.append("" if flags & os.O_DIRECTORY else str(path))
        return real(path, flags, *arguments, **named)

    monkeypatch.setattr(os, "open", spy)
    again = deliver(host, FIRST)

    assert again.files_reused == 3
    assert [path for path in opened if "releases/" in path] == []


def test_old_releases_go_except_the_kept_and_the_leased(tmp_path: Path) -> None:
    """The last three stay, and so does one that a server holds; it goes when the server does."""
    host = HostDirectory(tmp_path, keep=3)
    names = []
    for turn in range(6):
        names.append(hex_of(deliver(host, {**FIRST, WEIGHTS: b"%d" % turn}).release))
        if turn == 1:
            lease = os.open(tmp_path / "current", os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lease, fcntl.LOCK_SH)

    assert {names[1], *names[3:]} == {path.name for path in (tmp_path / "releases").iterdir()}
    os.close(lease)
    names.append(hex_of(deliver(host, {**FIRST, WEIGHTS: b"6"}).release))

    assert set(names[4:]) == {path.name for path in (tmp_path / "releases").iterdir()}


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_links_of_our_own_do_not_make_files_doubtful(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: int
) -> None:
    """Names come and go with releases; the files that they share are still known without reading."""
    host = HostDirectory(tmp_path, keep=keep)
    versions = [{**FIRST, WEIGHTS: b"%d" % turn} for turn in range(4)]
    for files in versions:
        deliver(host, files)
    monkeypatch.setattr("registry.adapters.durable.pour", lambda *_: pytest.fail("a file was read"))
    for files in versions[-keep:]:
        assert deliver(host, files).files_reused == 3

    assert len(list((tmp_path / "releases").iterdir())) == keep


def test_a_host_that_keeps_none_keeps_the_current(tmp_path: Path) -> None:
    """Whatever `keep` says, the current release is not an old one."""
    deliver(HostDirectory(tmp_path, keep=0), FIRST)

    assert content(tmp_path / "current") == FIRST


def test_leftovers_of_a_dead_pull_are_removed(host: HostDirectory) -> None:
    """What lies in staging belongs to nobody who lives."""
    deliver(host, FIRST)
    litter = host.path / "staging" / ("a" * 16) / "deep"
    litter.mkdir(parents=True)
    (litter / "model").write_bytes(b"half")
    deliver(host, FIRST)

    assert list((host.path / "staging").iterdir()) == []


def test_too_little_room_is_told_before_anything_is_written(host: HostDirectory) -> None:
    """A release of a zettabyte is refused by arithmetic."""
    deliver(host, FIRST)
    giant = tree_of([Entry(path="model", size=2**52, digest=digest_of(b""))])
    with host.hold(), pytest.raises(DiskFull):
        host.deliver(giant, opener({"model": b""}))

    assert content(host.path / "current") == FIRST
    assert list((host.path / "staging").iterdir()) == []


def test_an_endless_stream_is_cut_off(host: HostDirectory) -> None:
    """No more than one byte over the promised size is read, so a blob that grew cannot fill the disk."""
    taken = 0

    class Endless(io.RawIOBase):
        def readinto(self, view: Any) -> int:
            nonlocal taken
            taken += len(view)
            return len(view) if taken < 10**7 else 0  # why: if it is not cut off, the test fails before the disk does

    with host.hold(), pytest.raises(DigestMismatch):
        host.deliver(tree_of_files({"model": b"x" * 1000}), lambda _: cast("BinaryIO", Endless()))

    assert taken == 1001


def test_a_link_that_somebody_bent_is_straightened(host: HostDirectory) -> None:
    """`current` leads to the release again, wherever it led."""
    deliver(host, FIRST)
    (host.path / "current").unlink()
    (host.path / "current").symlink_to("/nowhere")

    assert deliver(host, FIRST).previous is None
    assert content(host.path / "current") == FIRST


def test_spoiled_trust_is_not_forgotten_trust(host: HostDirectory) -> None:
    """A record of the ledger that cannot be read is a fault, never a first time."""
    deliver(host, FIRST)
    (host.path / "seen.json").write_bytes(b"{}")
    with pytest.raises(SeenUnreadable):
        host.seen()


def test_a_folder_is_filled_once(tmp_path: Path) -> None:
    """A bundle is made whole, found again, and never changed in place."""
    folder = Folder(tmp_path / "deep" / "out")
    made = folder.deliver(tree_of_files(FIRST), opener(FIRST))
    again = folder.deliver(tree_of_files(FIRST), opener(FIRST))

    assert (made.files_copied, made.previous) == (3, None)
    assert (again.files_copied, again.previous) == (0, made.release)
    assert content(folder.path) == FIRST
    with pytest.raises(FolderTaken):
        folder.deliver(tree_of_files(SECOND), opener(SECOND))
    edit(folder.path / "model", b"x" * 16384)
    with pytest.raises(FolderTaken):
        folder.deliver(tree_of_files(FIRST), opener(FIRST))


def test_a_folder_is_filled_whole_or_not_at_all(tmp_path: Path) -> None:
    """After wrong bytes there is no folder, and nothing else."""
    with pytest.raises(DigestMismatch):
        Folder(tmp_path / "out").deliver(tree_of_files(FIRST), opener({**FIRST, "model": b"x" * 16384}))

    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    """A mount point or a prepared directory is as good as none."""
    (tmp_path / "out").mkdir()
    Folder(tmp_path / "out").deliver(tree_of_files(FIRST), opener(FIRST))

    assert content(tmp_path / "out") == FIRST


def test_a_folder_cleans_up_after_its_dead_and_spares_the_living(tmp_path: Path) -> None:
    """What a killed bundle left beside the folder goes; what another one is filling stays, and so do strangers."""
    dead, living, stranger = (tmp_path / name for name in (".out." + "a" * 16, ".out." + "b" * 16, ".out.txt"))
    for path in (dead, living, stranger):
        path.mkdir()
    lock = os.open(living, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    Folder(tmp_path / "out").deliver(tree_of_files(FIRST), opener(FIRST))
    os.close(lock)

    assert {path.name for path in tmp_path.iterdir()} == {"out", living.name, ".out.txt"}
