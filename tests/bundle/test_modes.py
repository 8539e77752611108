"""The modes of a release are part of it: a server must be able to read every file, and nobody may write one."""

import stat
from pathlib import Path

import pytest

from registry.adapters.hosts.directory import HostDirectory
from registry.adapters.hosts.folder import Folder
from registry.adapters.hosts.modes import seal
from registry.core.digest import hex_of
from registry.ports import Delivered
from registry.testing.host import FIRST, SECOND, opener, tree_of_files

ADAPTER = "adapters/a--000000000000"


@pytest.fixture
def host(tmp_path: Path) -> HostDirectory:
    """A new host."""
    return HostDirectory(tmp_path / "models")


def deliver(host: HostDirectory, files: dict[str, bytes]) -> Delivered:
    """Deliver `files` as one release."""
    with host.hold():
        return host.deliver(tree_of_files(files), opener(files))


def wrong(release: Path) -> dict[str, int]:
    """Every name in `release` whose mode is not as it must be, with its mode."""
    modes = {path: path.lstat().st_mode for path in (release, *release.rglob("*"))}
    good = {stat.S_IFREG | 0o444, stat.S_IFDIR | 0o755}
    return {path.relative_to(release).as_posix(): mode for path, mode in modes.items() if mode not in good}


@pytest.mark.parametrize("mode", [0, 0o400, 0o644, 0o666, 0o445, 0o4444])
def test_a_file_of_another_mode_is_mended(host: HostDirectory, mode: int) -> None:
    """Too much and too little: both are told and put right, by one pull, with the bytes as they were."""
    deliver(host, FIRST)
    release = (host.path / "current").resolve()
    (release / "config.json").chmod(mode)
    (release / ADAPTER / "w").chmod(mode)
    mended = deliver(host, FIRST)

    assert mended.mended == (f"{ADAPTER}/w", "config.json")
    assert wrong(release) == {}
    assert {path: (release / path).read_bytes() for path in FIRST} == FIRST
    assert deliver(host, FIRST).mended == ()


def test_a_file_that_only_had_another_mode_is_not_copied(host: HostDirectory) -> None:
    """A whole base of another mode needs neither room nor the store."""
    deliver(host, FIRST)
    path = host.path / "current" / "model"
    path.chmod(0o644)
    before = path.stat().st_ino
    with host.hold():
        mended = host.deliver(tree_of_files(FIRST), opener({}))

    assert (mended.mended, mended.files_copied, mended.files_reused) == (("model",), 0, 3)
    assert path.stat().st_ino == before


def test_a_shared_file_is_mended_in_every_release(host: HostDirectory) -> None:
    """Hard links share the mode, so the next release and the one before are right again together."""
    first = host.path / "releases" / hex_of(deliver(host, FIRST).release)
    (first / "model").chmod(0o666)
    second = host.path / "releases" / hex_of(deliver(host, SECOND).release)

    assert (first / "model").stat().st_ino == (second / "model").stat().st_ino
    assert wrong(first) == wrong(second) == {}


def test_an_edited_file_of_another_mode_is_replaced(host: HostDirectory) -> None:
    """Where the bytes are wrong too, both are put right, and no other file with those bytes is touched."""
    deliver(host, FIRST)
    path = host.path / "current" / "model"
    path.chmod(0o666)
    path.write_bytes(b"x" * 16384)
    outside = host.path.parent / "outside"
    outside.hardlink_to(path)
    mended = deliver(host, FIRST)

    assert (mended.mended, mended.files_copied) == (("model",), 1)
    assert wrong((host.path / "current").resolve()) == {}
    assert stat.S_IMODE(outside.stat().st_mode) == 0o666


@pytest.mark.parametrize("mode", [0, 0o700, 0o777])
@pytest.mark.parametrize("place", [".", "adapters", ADAPTER])
def test_a_directory_of_another_mode_is_mended(host: HostDirectory, place: str, mode: int) -> None:
    """A directory that nobody may enter hides its files, one that all may write lets anybody swap them."""
    deliver(host, FIRST)
    release = (host.path / "current").resolve()
    (release / place).chmod(mode)
    mended = deliver(host, FIRST)

    assert (mended.mended, mended.files_copied) == ((place,), 0)
    assert wrong(release) == {}
    assert deliver(host, FIRST).mended == ()


def test_what_a_link_leads_to_keeps_its_mode(host: HostDirectory) -> None:
    """A link in place of a file or directory is replaced; nothing behind it is changed."""
    deliver(host, FIRST)
    outside = host.path.parent / "outside"
    outside.mkdir(mode=0o700)
    (outside / "model").write_bytes(FIRST["model"])
    (outside / "model").chmod(0o600)
    release = (host.path / "current").resolve()
    (release / "model").unlink()
    (release / "model").symlink_to(outside / "model")
    (release / "adapters").rename(host.path.parent / "away")
    (release / "adapters").symlink_to(outside)
    deliver(host, FIRST)

    assert not seal(outside)
    assert wrong(release) == {}
    assert [stat.S_IMODE(path.stat().st_mode) for path in (outside, outside / "model")] == [0o700, 0o600]


def test_a_bundle_may_have_the_modes_of_its_copy(tmp_path: Path) -> None:
    """A folder that was copied, unpacked or downloaded is still that bundle."""
    folder = Folder(tmp_path / "out")
    folder.deliver(tree_of_files(FIRST), opener(FIRST))
    (folder.path / "model").chmod(0o644)

    assert folder.deliver(tree_of_files(FIRST), opener({})).files_copied == 0
