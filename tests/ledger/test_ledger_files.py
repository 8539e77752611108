"""Where entries live: what every place keeps, and what the directory refuses to read."""

from pathlib import Path

import pytest

from registry.adapters.ledgers.directory import DirectoryLedger, ForeignFile, MissingEntry, UnreadableFile
from registry.adapters.ledgers.memory import MemoryLedger
from registry.ports import LedgerFile
from registry.testing.ledger import LedgerContract


class TestMemoryLedger(LedgerContract):
    """The ledger in memory keeps the contract."""

    @pytest.fixture(autouse=True)
    def _fresh(self) -> None:
        self.ledger = MemoryLedger()

    def open(self) -> LedgerFile:
        """The one of this test."""
        return self.ledger


class TestDirectoryLedger(LedgerContract):
    """The ledger in a directory keeps the contract, opened anew each time."""

    @pytest.fixture(autouse=True)
    def _fresh(self, tmp_path: Path) -> None:
        self.path = tmp_path / "a" / "ledger"

    def open(self) -> LedgerFile:
        """A new reader of this test's directory."""
        return DirectoryLedger(self.path)


@pytest.fixture
def ledger(tmp_path: Path) -> DirectoryLedger:
    ledger = DirectoryLedger(tmp_path / "ledger")
    for index in range(4):
        assert ledger.put_if_absent(index, f"entry {index}".encode())
    return ledger


def test_an_entry_is_a_read_only_file_with_twenty_digits(ledger: DirectoryLedger) -> None:
    """The layout is a promise: other programs copy and serve these files."""
    names = sorted(path.name for path in ledger.path.iterdir())

    assert names == [f"{index:020d}.json" for index in range(4)]
    assert {path.stat().st_mode & 0o777 for path in ledger.path.iterdir()} == {0o444}


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_gap_is_an_error_that_names_the_entry(ledger: DirectoryLedger, index: int) -> None:
    """A missing entry is never skipped."""
    (ledger.path / f"{index:020d}.json").unlink()

    with pytest.raises(MissingEntry, match=f"entry {index} "):
        ledger.read()


@pytest.mark.parametrize("name", ["notes.txt", "4.json", "00000000000000000004.json~", "٠" * 20 + ".json", "x\n"])
def test_a_foreign_file_is_an_error(ledger: DirectoryLedger, name: str) -> None:
    """Nobody hides anything between the entries."""
    (ledger.path / name).write_text("x")

    with pytest.raises(ForeignFile):
        ledger.read()


def test_what_a_crash_left_unfinished_is_passed_over(ledger: DirectoryLedger) -> None:
    """A power cut while an entry was written does not make the ledger unreadable."""
    (ledger.path / ".unfinished-0123456789abcdef").write_text("half an en")

    assert len(ledger.read()) == 4


def test_a_link_a_pipe_a_directory_and_a_giant_are_not_read(ledger: DirectoryLedger, tmp_path: Path) -> None:
    """An entry is a plain file of at most 65,535 bytes, and reading it never hangs."""
    import os

    last = ledger.path / f"{3:020d}.json"
    (tmp_path / "elsewhere").write_text("entry 3")
    makers = (
        lambda: last.symlink_to(tmp_path / "elsewhere"),
        lambda: os.mkfifo(last),
        last.mkdir,
        lambda: last.write_bytes(b"x" * 65_536),
    )
    for make in makers:
        last.unlink() if last.is_symlink() or not last.is_dir() else last.rmdir()
        make()
        with pytest.raises(UnreadableFile, match="entry 3"):
            ledger.read()


def test_a_number_that_nobody_wrote_is_a_gap_found_at_once(ledger: DirectoryLedger) -> None:
    """An entry far ahead is not a reason to count to it."""
    (ledger.path / ("9" * 20 + ".json")).write_text("x")

    with pytest.raises(MissingEntry, match="entry 4 "):
        ledger.read()
