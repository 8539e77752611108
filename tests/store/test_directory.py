"""What the directory store promises beyond the contract: modes, cache, healing, strangers, crashes, many processes."""

import io
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from registry.adapters import durable
from registry.adapters.stores.directory import DirectoryStore
from registry.core.digest import DigestMismatch, digest_of
from registry.core.store import SourceChanged, place_of
from registry.core.tree import Tree
from registry.errors import RegistryError
from registry.ports import OpenFile
from registry.testing.store import Offered

SETTLED_S = 0.05


@dataclass(slots=True)
class Spied:
    """A real file, that counts the bytes which are read from it."""

    place: Path
    count: list[int] = field(default_factory=lambda: [0])
    meanwhile: bytes = b""

    @property
    def path(self) -> str:
        return self.place.name

    @property
    def size(self) -> int:
        return self.place.stat().st_size

    def open(self) -> BinaryIO:
        return _Counting(self)


class _Counting(io.FileIO):
    """The store must see a plain file, so this is one."""

    def __init__(self, spied: Spied) -> None:
        super().__init__(spied.place)
        self.spied = spied

    def readinto(self, buffer: object, /) -> int | None:
        count = super().readinto(buffer)  # type: ignore[arg-type] # handed on as it came
        self.spied.count[0] += count or 0
        if self.spied.meanwhile and not count:
            with self.spied.place.open("r+b") as other:
                other.write(self.spied.meanwhile)
        return count


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


@pytest.fixture
def model(tmp_path: Path) -> Spied:
    """A file that was written long enough ago for its times to mean something."""
    place = tmp_path / "model.safetensors"
    place.write_bytes(os.urandom(3_000_000))
    time.sleep(SETTLED_S)
    return Spied(place)


def test_a_blob_is_read_only_and_lies_where_its_digest_says(store: DirectoryStore) -> None:
    """Mode 0444, and the layout that other tools may rely on."""
    path = store.root / place_of(store.put(b"x"))

    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert path.relative_to(store.root).as_posix() == f"blobs/sha256/2d/{digest_of(b'x')[7:]}"


def test_what_was_hashed_before_is_not_read_again(store: DirectoryStore, model: Spied) -> None:
    """The second pin of unchanged files reads the blob once more at most, the third reads nothing of either."""
    first = store.put_files([model])
    before = model.count[0]
    time.sleep(SETTLED_S)
    store.put_files([model])

    assert store.put_files([model]) == first
    assert model.count[0] == before == 3_000_000


def test_a_young_file_is_hashed_again(store: DirectoryStore, tmp_path: Path) -> None:
    """A file could be written twice within one tick of the clock; so what is that young is never believed."""
    place = tmp_path / "young"
    for number in range(50):
        place.write_bytes(b"%03d" % number)

        assert store.put_files([Spied(place)]).entries[0].digest == digest_of(b"%03d" % number)


def test_a_file_that_changed_is_read_again(store: DirectoryStore, model: Spied) -> None:
    """Same size, same time of writing, other bytes: the change of the inode gives it away."""
    store.put_files([model])
    found = model.place.stat()
    data = bytearray(model.place.read_bytes())
    data[1000] ^= 1
    model.place.write_bytes(data)
    os.utime(model.place, ns=(found.st_atime_ns, found.st_mtime_ns))

    assert store.put_files([model]).entries[0].digest == digest_of(bytes(data))


def test_a_cached_file_does_not_hide_a_lost_or_damaged_blob(store: DirectoryStore, model: Spied) -> None:
    """What was seen before saves reading, never the blob: it is put back from the file."""
    digest = store.put_files([model]).entries[0].digest
    time.sleep(SETTLED_S)
    store.put_files([model])
    path = store.root / place_of(digest)
    for spoil in (Path.unlink, lambda path: _overwrite(path, b"bad"), _flip, _replace_by_link):
        spoil(path)
        store.put_files([model])

        assert store.get(digest) == model.place.read_bytes()


@pytest.mark.parametrize("junk", [b"", b"junk" * 5000])
def test_a_damaged_cache_costs_time_and_nothing_else(store: DirectoryStore, model: Spied, junk: bytes) -> None:
    """It is rebuilt; the answers stay right."""
    first = store.put_files([model])
    (store.root / "seen-1.sqlite").write_bytes(junk)

    assert store.put_files([model]) == first
    assert store.put_files([model]) == first


def test_a_cache_that_lies_about_a_digest_names_no_wrong_bytes(store: DirectoryStore, model: Spied) -> None:
    """A note for another digest leads to a blob that is not there, so the file is read."""
    import sqlite3

    expected = store.put_files([model])
    time.sleep(SETTLED_S)
    store.put_files([model])
    with sqlite3.connect(store.root / "seen-1.sqlite") as notes:
        notes.execute("UPDATE seen SET sha256 = ?", (b"\1" * 32,))
    notes.close()

    assert store.put_files([model]) == expected


def test_a_file_that_is_written_while_it_is_read_is_refused(store: DirectoryStore, model: Spied) -> None:
    """What was read is neither the old file nor the new one."""
    model.meanwhile = b"new bytes"
    with pytest.raises(SourceChanged, match="changed while it was read"):
        store.put_files([model])

    assert list(store.digests()) == []


def test_something_else_in_a_blobs_place_is_told_and_healed(store: DirectoryStore, tmp_path: Path) -> None:
    """A symlink to the right bytes is not a blob: they could change. A FIFO does not hang us."""
    digest = store.put(b"precious")
    path = store.root / place_of(digest)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"precious")
    for spoil, words in ((Path.symlink_to, (elsewhere,)), (os.mkfifo, ()), (Path.symlink_to, ("nowhere",))):
        path.unlink()
        spoil(path, *words)
        with pytest.raises(DigestMismatch, match="not a regular file"):
            store.get(digest)

        assert store.put(b"precious") == digest
        assert store.get(digest) == b"precious"
        assert not path.is_symlink()


def test_a_directory_in_a_blobs_place_is_told(store: DirectoryStore) -> None:
    """It cannot be replaced in one step, so it is left to a person."""
    path = store.root / place_of(digest_of(b"x"))
    path.mkdir(parents=True)
    with pytest.raises(DigestMismatch):
        store.get(digest_of(b"x"))
    with pytest.raises(RegistryError):
        store.put(b"x")


def test_a_crashs_litter_is_told_and_swept_by_the_next_writer(store: DirectoryStore) -> None:
    """An unfinished file that nobody holds is harmless; one that is being written is left alone."""
    store.put(b"x")
    area = store.root / "unfinished"
    (area / ".unfinished-0123456789abcdef").write_bytes(b"half")
    with durable.folder(area) as directory, durable.temporary(directory) as busy:
        assert store.strays() == ("unfinished/.unfinished-0123456789abcdef",)

        store.put(b"y")
        assert [path.name for path in area.iterdir()] == [busy.name]


def test_strangers_among_the_blobs_are_told(store: DirectoryStore) -> None:
    """A file that no digest names is neither a blob nor ours to remove."""
    digest = store.put(b"x")
    (store.root / "blobs" / "sha256" / "notes.txt").write_text("hello")
    moved = store.root / "blobs" / "sha256" / "00"
    moved.mkdir()
    (store.root / place_of(digest)).rename(moved / digest[7:])

    assert list(store.digests()) == []
    assert store.strays() == (f"blobs/sha256/00/{digest[7:]}", "blobs/sha256/notes.txt")


def test_a_store_that_may_only_be_read_can_be_read(store: DirectoryStore) -> None:
    """A host that only pulls needs no right to write; reading makes no file."""
    digest = store.put(b"x")
    before = sorted(path.name for path in store.root.rglob("*"))

    assert store.get(digest) == b"x"
    assert sorted(path.name for path in store.root.rglob("*")) == before


def test_writers_of_many_processes_agree(store: DirectoryStore, tmp_path: Path) -> None:
    """Four processes take in the same files at once, while litter is swept; all blobs are sound, nothing is left."""
    source = tmp_path / "source"
    source.mkdir()
    for number in range(160):
        (source / f"{number}.bin").write_bytes(b"%d" % (number // 2) * 20_000)
    program = (
        "import sys; from pathlib import Path; from registry.adapters.stores.directory import DirectoryStore;"
        "from tests.store.test_directory import Spied;"
        "files = [Spied(path) for path in sorted(Path(sys.argv[1]).iterdir())];"
        "[print(DirectoryStore(Path(sys.argv[2])).put_files(files).digest) for _ in range(3)]"
    )
    started = [_python(program, str(source), str(store.root)) for _ in range(4)]
    said = [process.communicate(timeout=120)[0] for process in started]

    assert [process.returncode for process in started] == [0] * 4
    assert len(set("".join(said).split())) == 1
    assert all(digest_of(store.get(digest)) == digest for digest in store.digests())
    assert len(list(store.digests())) == 80
    assert store.strays() == ()


def test_memory_does_not_grow_with_the_size_of_a_file(tmp_path: Path) -> None:
    """Four hundred megabytes are taken in with a few of memory."""
    (tmp_path / "large").write_bytes(b"\0" * 400_000_000)
    program = (
        "import sys, resource; from pathlib import Path; from tests.store.test_directory import Spied;"
        "from registry.adapters.stores.directory import DirectoryStore;"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "DirectoryStore(Path(sys.argv[2])).put_files([Spied(Path(sys.argv[1]))]);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    process = _python(program, str(tmp_path / "large"), str(tmp_path / "store"))
    grown_kb = int(process.communicate(timeout=120)[0])

    assert grown_kb < 20_000


def test_names_are_believed_only_when_their_directory_is_durable(
    store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every blob the bytes are fsynced before the name is given, and the name's directory before we are told."""
    calls: list[str] = []
    fsync, link = os.fsync, os.link

    def told_fsync(fd: int) -> None:
        calls.append(_kind(fd))
        fsync(fd)

    def told_link(*names: Any, **parts: Any) -> None:
        calls.append("link")
        link(*names, **parts)

    monkeypatch.setattr(os, "fsync", told_fsync)
    monkeypatch.setattr(os, "link", told_link)
    store.put(b"first")
    calls.clear()
    _take(store, [Offered("a", b"1"), Offered("b", b"2")])

    assert calls.index("file") < calls.index("link")
    assert calls.count("file") == calls.count("link") == 2
    assert calls[-1] == "directory"
    assert max(at for at, call in enumerate(calls) if call == "link") < len(calls) - 2


@pytest.fixture
def sharing_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk whose files can share their bytes."""
    if os.geteuid() != 0 or shutil.which("mkfs.btrfs") is None:
        pytest.skip("mounting a disk that can share needs root and mkfs.btrfs")
    image, place = tmp_path / "image", tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(256 * 1024 * 1024)
    place.mkdir()
    subprocess.run(["mkfs.btrfs", "-q", str(image)], check=True, capture_output=True)
    if subprocess.run(["mount", "-o", "loop", str(image), str(place)], capture_output=True, check=False).returncode:
        pytest.skip("no loop device can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("wait_s", [0, SETTLED_S])
def test_where_files_can_share_their_bytes_nothing_is_copied(sharing_disk: Path, wait_s: float) -> None:
    """A young file and an old one; the blob keeps its bytes when the source is written afterwards."""
    source = Spied(sharing_disk / "source")
    data = os.urandom(30_000_000)
    source.place.write_bytes(data)
    os.sync()
    before = _used(sharing_disk)
    time.sleep(wait_s)
    store = DirectoryStore(sharing_disk / "store")
    digest = store.put_files([source]).entries[0].digest
    os.sync()

    assert digest == digest_of(data)
    assert _used(sharing_disk) - before < 5_000_000
    with source.place.open("r+b") as file:
        file.write(b"other bytes")
    assert store.get(digest) == data


def _used(disk: Path) -> int:
    found = os.statvfs(disk)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def _take(store: DirectoryStore, files: Sequence[OpenFile]) -> Tree:
    return store.put_files(files)


def _kind(fd: int) -> str:
    return "directory" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file"


def _overwrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    _overwrite(path, bytes(data))


def _replace_by_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/null")


def _python(program: str, *words: str) -> subprocess.Popen[str]:
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    return subprocess.Popen(
        [sys.executable, "-c", program, *words], stdout=subprocess.PIPE, text=True, env=environment, cwd=root
    )
