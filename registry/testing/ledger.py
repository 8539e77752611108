"""The contract of a ledger file: subclass `LedgerContract`, say how to open yours, and it is tested."""

from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor

from registry.ports import LedgerFile


class LedgerContract(ABC):
    """What every `LedgerFile` keeps. pytest collects the subclass."""

    @abstractmethod
    def open(self) -> LedgerFile:
        """Open the same ledger each time within one test, empty at the test's start."""

    def test_a_new_ledger_is_empty(self) -> None:
        """Nothing was decided where nothing was written."""
        assert list(self.open().read()) == []

    def test_entries_come_back_exactly_and_in_order(self) -> None:
        """What was put is read, byte for byte, from the first to the last; other bytes than text too."""
        entries = [b"first", b"", bytes(range(256)), b"\r\n", b"x" * 65_535]
        assert all(self.open().put_if_absent(index, data) for index, data in enumerate(entries))

        assert list(self.open().read()) == entries

    def test_a_part_is_read_as_it_was_put(self) -> None:
        """From one entry on, or up to one; past the end there is nothing, and that is no fault."""
        ledger = self.open()
        entries = [b"entry %d" % index for index in range(5)]
        assert [] == list(ledger.read(3)) == list(ledger.read(0, 2))
        for index, data in enumerate(entries):
            ledger.put_if_absent(index, data)

        for start, stop in ((0, None), (2, None), (5, None), (9, None), (0, 3), (1, 4), (3, 3), (3, 99), (7, 9)):
            assert entries[start:stop] == list(ledger.read(start, stop)), (start, stop)

    def test_a_checkpoint_is_kept_beside_the_entries(self) -> None:
        """None at first; then the last one that was put, byte for byte, and never among the entries."""
        assert self.open().checkpoint() is None
        for data in (b"first\n", b"second, longer\n", b"third\n"):
            self.open().put_checkpoint(data)

            assert data == self.open().checkpoint()
        assert list(self.open().read()) == []
        self.open().put_if_absent(0, b"zero")

        assert (list(self.open().read()), self.open().checkpoint()) == ([b"zero"], b"third\n")

    def test_an_index_is_given_once(self) -> None:
        """The second writer of an index is told so, and changes nothing."""
        ledger = self.open()
        assert ledger.put_if_absent(0, b"mine")

        assert not ledger.put_if_absent(0, b"yours")
        assert not ledger.put_if_absent(0, b"mine")  # nor by saying the same again
        assert list(ledger.read()) == [b"mine"]

    def test_a_gap_is_never_made(self) -> None:
        """An entry without the one before it would make the ledger unreadable, so it is refused."""
        ledger = self.open()
        ledger.put_if_absent(0, b"zero")
        for index in (2, -1, 10**9):
            try:
                ledger.put_if_absent(index, b"far")
            except Exception:  # noqa: BLE001, S112 - how an adapter says no is its own affair
                continue
            raise AssertionError(f"entry {index} was put after entry 0")

        assert list(ledger.read()) == [b"zero"]

    def test_of_racing_writers_exactly_one_wins(self) -> None:
        """Eight writers, twenty indexes: each index has one winner, and holds what the winner wrote."""
        ledger = self.open()
        for index in range(20):
            offers = [f"{index} by {writer}".encode() for writer in range(8)]
            with ThreadPoolExecutor(len(offers)) as pool:
                won = list(pool.map(lambda data, at=index: ledger.put_if_absent(at, data), offers))

            assert won.count(True) == 1
            assert ledger.read()[index] == offers[won.index(True)]
