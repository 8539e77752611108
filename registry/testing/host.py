"""The contract of a host: subclass `HostContract`, say how to open yours, and it is tested."""

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import BinaryIO

from registry.core.bundle.trust import SeenLedger
from registry.core.digest import DigestMismatch, digest_of
from registry.core.tree import Entry, Tree, tree_of
from registry.errors import ConflictError
from registry.ports import Delivered, Host

Open = Callable[[Entry], BinaryIO]
FIRST = {"config.json": b"{}", "adapters/a--000000000000/w": b"a" * 5000, "model": bytes(range(256)) * 64}
SECOND = {**FIRST, "adapters/a--000000000000/w": b"b" * 5000}


class HostContract(ABC):
    """What every `Host` keeps. pytest collects the subclass."""

    @abstractmethod
    def open(self) -> Host:
        """Open the same host each time within one test, new at the test's start."""

    @abstractmethod
    def shown(self) -> Mapping[str, bytes]:
        """Every file that the host shows now, by path."""

    def deliver(self, files: Mapping[str, bytes]) -> Delivered:
        """Deliver `files` as one release."""
        host = self.open()
        with host.hold():
            return host.deliver(tree_of_files(files), opener(files))

    def test_a_release_is_shown_exactly(self) -> None:
        """Every byte of every file, and no other file."""
        delivered = self.deliver(FIRST)

        assert self.shown() == FIRST
        assert (delivered.previous, delivered.files_copied, delivered.files_reused) == (None, 3, 0)
        assert delivered.release == tree_of_files(FIRST).digest

    def test_the_same_release_again_copies_nothing(self) -> None:
        """A second delivery finds that everything is there."""
        first = self.deliver(FIRST)
        again = self.deliver(FIRST)

        assert (again.previous, again.files_copied, again.files_reused) == (first.release, 0, 3)
        assert self.shown() == FIRST

    def test_only_what_changed_is_copied(self) -> None:
        """The next release takes the files that did not change from the one before."""
        first = self.deliver(FIRST)
        second = self.deliver(SECOND)

        assert (second.previous, second.files_copied, second.bytes_copied) == (first.release, 1, 5000)
        assert self.shown() == SECOND

    def test_going_back_needs_no_copy(self) -> None:
        """The release before is still there."""
        first = self.deliver(FIRST)
        self.deliver(SECOND)
        back = self.deliver(FIRST)

        assert (back.release, back.files_copied) == (first.release, 0)
        assert self.shown() == FIRST

    def test_wrong_bytes_change_nothing(self) -> None:
        """A stream that holds other bytes, fewer, or more, is refused, and what was shown still is."""
        self.deliver(FIRST)
        for wrong in (b"c" * 5000, b"b" * 4999, b"b" * 5001, b"b" * 9_000_000, b""):
            files = {**SECOND, "adapters/a--000000000000/w": wrong}
            host = self.open()
            try:
                with host.hold():
                    host.deliver(tree_of_files(SECOND), opener(files))
            except DigestMismatch:
                assert self.shown() == FIRST
                continue
            raise AssertionError(f"{len(wrong)} wrong bytes were taken")

    def test_a_host_is_held_once(self) -> None:
        """A second pull at the same time is turned away."""
        with self.open().hold():
            try:
                with self.open().hold():
                    raise AssertionError("it was held twice")
            except ConflictError:
                pass

    def test_what_was_seen_of_the_ledger_is_remembered(self) -> None:
        """Nothing at first, then always the latest."""
        host = self.open()
        found = [host.seen()]
        for index in (0, 3):
            seen = SeenLedger(genesis=digest_of(b"genesis"), index=index, entry=digest_of(b"entry"))
            with host.hold():
                host.remember(seen)
            found.append(self.open().seen())

        assert [one and one.index for one in found] == [None, 0, 3]


def tree_of_files(files: Mapping[str, bytes]) -> Tree:
    """The tree that `files` make."""
    return tree_of(Entry(path=path, size=len(data), digest=digest_of(data)) for path, data in files.items())


def opener(files: Mapping[str, bytes]) -> Open:
    """How to open each of `files`; an entry is looked up by its path."""

    def open(entry: Entry) -> BinaryIO:
        return io.BytesIO(files[entry.path])

    return open
