"""The contract of a store: subclass `StoreContract`, say how to open yours and how to damage it, and it is tested."""

import io
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import BinaryIO

from registry.core.digest import Digest, DigestMismatch, digest_of
from registry.core.store import Missing, SourceChanged
from registry.core.tree import Entry, Tree, UnsafeName, tree_of
from registry.errors import RegistryError, UsageError
from registry.ports import Replica, Store


@dataclass(frozen=True, slots=True)
class Offered:
    """A file in memory that is offered to a store; `says` is the size that it claims, if not its own."""

    path: str
    data: bytes
    says: int | None = None

    @property
    def size(self) -> int:
        """Bytes that it claims to have."""
        return len(self.data) if self.says is None else self.says

    def open(self) -> BinaryIO:
        """Open it."""
        return io.BytesIO(self.data)


@dataclass(frozen=True, slots=True)
class Promised(Offered):
    """A file whose digest is known before it is read; `digest` is what it promises, true or not."""

    digest: Digest = field(kw_only=True)


class Breaks(io.RawIOBase):
    """A stream that gives a thousand bytes and then fails, as a disk or a network does."""

    given = False

    def readable(self) -> bool:
        """Yes, at first."""
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override] # the buffer is what io hands on
        """A thousand bytes, once."""
        if self.given:
            raise OSError(5, "Input/output error")
        self.given = True
        buffer[:1000] = b"x" * 1000
        return 1000


@dataclass(frozen=True, slots=True)
class Breaking:
    """A file that cannot be read to its end."""

    path: str = "broken"
    size: int = 2000

    def open(self) -> BinaryIO:
        """Open it; that still works."""
        return Breaks()  # type: ignore[return-value] # a raw stream is what a file that is opened unbuffered gives


HOSTILE_PATHS = (
    *("", ".", "..", "../out", "a/../../out", "/etc/passwd", "a//b", "a/./b", "a/", "C:/x", "a\\b", "a\0b"),
    *("a\nb", "con", "a/NUL.txt", "a ", "a.", "\ud800", "e\u0301", "x" * 256, "/".join("a" * 65)),
)
HOSTILE_DIGESTS = (
    *("", "sha256:", "sha256:../../etc/passwd", "sha256:" + "A" * 64, "sha256:" + "a" * 63, "sha256:" + "a" * 65),
    *("sha256:" + "a" * 64 + "\n", "md5:" + "a" * 32, "a" * 64, "sha256:" + "\u0661" * 64),
)


class StoreContract(ABC):
    """What every `Store` keeps. pytest collects the subclass."""

    @abstractmethod
    def open(self) -> Store:
        """Open the same store each time within one test, empty at the test's start."""

    @abstractmethod
    def damage(self, digest: Digest, data: bytes) -> None:
        """Make `data` the content of the blob `digest`, behind the store's back."""

    def test_what_is_put_is_read(self) -> None:
        """Small and large, empty and binary: the same bytes come back, under their digest."""
        for data in (b"", b"x", bytes(range(256)), b"\r\n\0", b"large" * 1_000_000):
            digest = self.open().put(data)

            assert digest_of(data) == digest
            assert data == self.open().get(digest)
            with self.open().open(digest) as content:
                assert data == content.read()

    def test_files_make_their_tree(self) -> None:
        """The tree is that of the files, whatever their order; every blob is there afterwards, exactly."""
        files = {f"{name}/{name}.bin": name.encode() * 3000 for name in "cab"}
        tree = self.open().put_files(Offered(path, data) for path, data in files.items())

        assert tree == tree_of(Entry(path=p, size=len(data), digest=digest_of(data)) for p, data in files.items())
        assert all(files[entry.path] == self.open().get(entry.digest) for entry in tree.entries)

    def test_equal_content_is_kept_once(self) -> None:
        """A hundred files of one content are one blob, also when they come at the same time."""
        tree = self.open().put_files([Offered(f"copy/{number}", b"same" * 1000) for number in range(100)])

        assert len(tree.entries) == 100
        assert [digest_of(b"same" * 1000)] == list(self.open().digests())

    def test_no_files_make_the_empty_tree(self) -> None:
        """Nothing is a tree too."""
        assert tree_of(()) == self.open().put_files([])

    def test_a_missing_blob_is_missing(self) -> None:
        """Asking for what nobody put is an error of its own, whichever way one asks."""
        for ask in (self.open().get, self.open().open):
            try:
                ask(digest_of(b"never put"))
            except Missing:
                continue
            raise AssertionError("a blob that nobody put was found")

    def test_a_damaged_blob_is_refused_and_then_healed(self) -> None:
        """Reading says so; putting the right bytes again, in either way, repairs it instead of believing its name."""
        data = b"precious" * 1000
        for bad in (b"precious" * 999 + b"previous", b"", b"precious" * 2000):
            for heal in (lambda: self.open().put(data), lambda: self.open().put_files([Offered("a", data)])):
                digest = self.open().put(data)
                self.damage(digest, bad)
                try:
                    self.open().get(digest)
                except DigestMismatch:
                    heal()
                else:
                    raise AssertionError("damaged bytes were given out")

                assert data == self.open().get(digest)

    def test_hostile_names_are_refused_before_anything_is_kept(self) -> None:
        """A name that could leave the tree, or hide in it, costs the whole call and leaves nothing."""
        for path in HOSTILE_PATHS:
            _refused(self.open(), [Offered("good", b"good"), Offered(path, b"bad")], UnsafeName)

        _refused(self.open(), [Offered("a", b"1"), Offered("A", b"2")], UnsafeName)
        _refused(self.open(), [Offered("a", b"1"), Offered("a/b", b"2")], UnsafeName)
        assert list(self.open().digests()) == []

    def test_a_digest_that_is_none_never_becomes_a_place(self) -> None:
        """Whoever gets such a text past the types is stopped before any file is looked at."""
        for text in HOSTILE_DIGESTS:
            for ask in (self.open().get, self.open().open):
                try:
                    ask(Digest(text))
                except UsageError:
                    continue
                raise AssertionError(f"{text!r} was taken for a digest")

    def test_a_file_that_is_shorter_or_longer_than_it_said_is_refused(self) -> None:
        """A cut download and a growing file look like this; neither becomes part of a tree."""
        for says in (0, 4, 6, 10**9):
            _refused(self.open(), [Offered("a", b"12345", says=says)], SourceChanged)

    def test_a_file_that_fails_halfway_leaves_nothing(self) -> None:
        """The bytes before the fault are not a blob."""
        try:
            self.open().put_files([Breaking()])
        except (OSError, RegistryError):
            assert list(self.open().digests()) == []
            return
        raise AssertionError("half a file was taken for a whole one")

    def test_many_writers_of_the_same_and_of_other_blobs_agree(self) -> None:
        """Eight writers put the same twenty files and one of their own each; every blob is there, once and sound."""

        def write(writer: int) -> Tree:
            shared = [Offered(f"shared/{number}", b"%d" % number * 5000) for number in range(20)]
            return self.open().put_files([*shared, Offered("own", b"own %d" % writer)])

        with ThreadPoolExecutor(8) as threads:
            trees = list(threads.map(write, range(8)))

        found = sorted(self.open().digests())
        assert sorted({entry.digest for tree in trees for entry in tree.entries}) == found
        assert all(digest == digest_of(self.open().get(digest)) for digest in found)


class ReplicaContract(StoreContract):
    """What every `Replica` keeps besides."""

    @abstractmethod
    def open(self) -> Replica:
        """Open the same replica each time within one test, empty at the test's start."""

    def test_only_what_is_here_whole_is_held(self) -> None:
        """Absent, of another length, or damaged within the same length: it has to be brought again."""
        data = {digest_of(one): one for one in (b"", b"small", b"large" * 1_000_000)}
        sizes = {digest: len(one) for digest, one in data.items()}
        assert frozenset() == self.open().held(sizes)

        for one in data.values():
            self.open().put(one)
        assert frozenset(sizes) == self.open().held(sizes)
        assert frozenset() == self.open().held({digest: size + 1 for digest, size in sizes.items()})
        for digest, one in data.items():
            self.damage(digest, one[:-1] + b"!")
        assert frozenset() == self.open().held(sizes)

    def test_what_was_deleted_elsewhere_is_noted(self) -> None:
        """One after another, and again; nothing that was noted before is forgotten."""
        first, second = digest_of(b"deleted"), digest_of(b"deleted too")
        assert frozenset() == self.open().collected()

        for digests in ([first], [second], [first]):
            self.open().note_collected(digests)
        assert {first, second} == self.open().collected()
        assert list(self.open().digests()) == []

    def test_a_promise_that_is_kept_is_a_blob(self) -> None:
        """A file of a known digest is taken in, and replaces a damaged blob of that name."""
        for data in (b"", b"as promised", b"large" * 2_000_000):
            for _ in range(2):
                self.open().put_files([Promised("a", data, digest=digest_of(data))])
                assert data == self.open().get(digest_of(data))
                self.damage(digest_of(data), b"damaged")

    def test_a_promise_that_is_broken_leaves_nothing(self) -> None:
        """Cut, longer or other bytes than the digest says: refused, and not kept under any name."""
        for good in (b"as promised", b"large" * 2_000_000):
            for bad in (b"", good[:-1], good + b"x", good[:-1] + b"!"):
                for says in {len(good), len(bad)}:
                    _refused(self.open(), [Promised("a", bad, says, digest=digest_of(good))], DigestMismatch)

        assert list(self.open().digests()) == []


def _refused(store: Store, files: list[Offered], fault: type[RegistryError]) -> None:
    try:
        store.put_files(files)
    except fault:
        return
    raise AssertionError(f"{[file.path for file in files]} were not refused")
