"""kill -9 in the middle of a pull, and a full disk: what was shown still is, and the next pull succeeds."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.adapters.durable import DiskFull
from registry.adapters.hosts.directory import HostDirectory
from registry.adapters.stores.directory import DirectoryStore
from registry.core.digest import Digest, digest_of, hex_of
from registry.core.tree import Entry, tree_of
from registry.testing.host import opener, tree_of_files
from registry.testing.models import Parts, adapter_files
from registry.testing.states import state_serving
from registry.verbs.pull import Pulled, pull

BASELINE = Parts().with_adapter("math").with_adapter("division")
CANDIDATE = BASELINE.with_adapter("division", adapter_files(salt="better"))

PROGRAM = """
import sys
from pathlib import Path
from registry.adapters.hosts.directory import HostDirectory
from registry.adapters.stores.directory import DirectoryStore
from registry.testing.states import state_serving
from registry.verbs.pull import pull
store, host, *served = sys.argv[1:]
opened = {"store": DirectoryStore(Path(store)), "host": HostDirectory(Path(host), keep=1)}
pull("staging", read=lambda: state_serving(served), **opened)
"""

NAMES = ("fsync", "rename", "write", "link", "symlink", "mkdir", "(unlink|rmdir)", "utime", "(f?)chmod", "flock")
CALLS = {name: f"/^{name}" for name in NAMES}  # why patterns: one call has several names, as rename and renameat


def shown(host: Path) -> Digest:
    """The digest of what `current` shows, hashed here and now; it must be that of its name."""
    current = (host / "current").resolve()
    files = [path for path in current.rglob("*") if path.is_file()]
    tree = tree_of(
        Entry(path=path.relative_to(current).as_posix(), size=path.stat().st_size, digest=digest_of(path.read_bytes()))
        for path in files
    )

    assert hex_of(tree.digest) == current.name
    return tree.digest


class Prepared:
    """A store with two models, and a host that shows the first of them."""

    def __init__(self, root: Path) -> None:
        self.store, self.host = DirectoryStore(root / "store"), root / "host"
        self.served = [parts.keep(self.store).digest for parts in (BASELINE, CANDIDATE)]
        self.first = self.pull(self.host, 1).release
        self.second = self.pull(root / "scratch", 2).release

    def pull(self, host: Path, entries: int) -> Pulled:
        """Pull in this process."""
        state = state_serving(self.served[:entries])
        return pull("staging", read=lambda: state, store=self.store, host=HostDirectory(host, keep=1))

    def pull_elsewhere(self, host: Path, *wrapper: str) -> int:
        """Pull the second model in a process of its own; its exit code, negative where a signal ended it."""
        command = [*wrapper, sys.executable, "-c", PROGRAM, str(self.store.root), str(host), *self.served]
        return subprocess.run(command, check=False, capture_output=True, timeout=120).returncode


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Made once; every test works on a copy of its host."""
    return Prepared(tmp_path_factory.mktemp("crash"))


def traced() -> str:
    """The path of strace, if this machine lets it trace."""
    strace = shutil.which("strace")
    if (
        strace is None
        or subprocess.run([strace, "-o", os.devnull, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("strace is not here or may not trace, so a process cannot be killed at a chosen system call")
    return strace


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS)
def test_a_kill_at_any_call_leaves_a_whole_release(prepared: Prepared, tmp_path: Path, call: str) -> None:
    """Killed at the n-th call of a kind, for n = 1, 2, 3, 4, 6, 8 … until the pull outruns the killer."""
    strace, number, killed = traced(), 1, 0
    while True:
        host = tmp_path / str(number)
        shutil.copytree(prepared.host, host, symlinks=True)
        calls = (f"trace={CALLS[call]}", "-e", f"inject={CALLS[call]}:signal=KILL:when={number}")
        code = prepared.pull_elsewhere(host, strace, "-f", "-qq", "-o", os.devnull, "-e", *calls)

        assert shown(host) in {prepared.first, prepared.second}
        retry = prepared.pull(host, 2)
        assert retry.release == shown(host) == prepared.second
        assert list((host / "staging").iterdir()) == []
        assert retry.delivered.mended == ()
        if code == 0:
            break
        killed, number = killed + 1, number + max(1, number // 2)

    assert killed


def test_a_kill_at_any_time_leaves_a_whole_release(prepared: Prepared, tmp_path: Path) -> None:
    """The same without strace: killed after a while, which is sometimes before, during or after the switch."""
    for number, delay in enumerate((0.05, 0.3, 0.4, 0.5, 0.6)):
        host = tmp_path / str(number)
        shutil.copytree(prepared.host, host, symlinks=True)
        command = [sys.executable, "-c", PROGRAM, str(prepared.store.root), str(host), *prepared.served]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as child:
            try:
                child.wait(delay)
            except subprocess.TimeoutExpired:
                child.kill()

        assert shown(host) in {prepared.first, prepared.second}
        assert prepared.pull(host, 2).release == shown(host) == prepared.second


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB, where this machine lets us mount one."""
    place = tmp_path / "small"
    place.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)]
    if mount is None or os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk to fill")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.slow
def test_a_full_disk_leaves_a_whole_release(small_disk: Path) -> None:
    """Told before the first byte where the sizes say so, and by the disk itself where somebody else fills it."""
    host = HostDirectory(small_disk / "host")
    first = {"config.json": b"{}", "model": b"a" * 2**20}
    second = {"config.json": b"{}", "model": b"b" * 2**20, "more": b"c" * 2**20}
    with host.hold():
        host.deliver(tree_of_files(first), opener(first))
    before = shown(host.path)
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 5 * 2**20)
    with host.hold(), pytest.raises(DiskFull, match="no room"):
        host.deliver(tree_of_files(second), opener(second))

    assert shown(host.path) == before
    assert list((host.path / "staging").iterdir()) == []
    filler.unlink()
    with host.hold():
        host.deliver(tree_of_files(second), opener(second))

    assert shown(host.path) == tree_of_files(second).digest


@pytest.mark.slow
def test_a_disk_that_fills_while_writing_leaves_a_whole_release(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The arithmetic before the pull may be overtaken; the disk's own refusal is told and cleaned up the same way."""
    monkeypatch.setattr("registry.adapters.hosts.filling._check_room", lambda *_: None)
    host = HostDirectory(small_disk / "host")
    for kilobytes in range(0, 9000, 1500):
        files = {"config.json": b"{}", "model": b"m" * kilobytes * 1024, "more": b"n" * kilobytes * 1024}
        before = shown(host.path) if kilobytes else None
        with host.hold():
            try:
                host.deliver(tree_of_files(files), opener(files))
            except DiskFull:
                assert shown(host.path) == before
                assert list((host.path / "staging").iterdir()) == []
                continue

        assert shown(host.path) == tree_of_files(files).digest
