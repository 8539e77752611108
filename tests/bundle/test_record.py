"""The record of a host: a file is believed by its stat only where nobody can have written to it."""

import os
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.adapters import durable
from registry.adapters.hosts.filling import WRITTEN_NS
from registry.adapters.hosts.record import Book, HostRecord, KnownFile, open_book
from registry.core.canonical import canonical
from registry.core.digest import digest_of
from registry.core.tree import Entry

GOOD = Entry(path="model", size=4, digest=digest_of(b"good"))


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """An empty record of a directory with one good file, as a delivery leaves it."""
    (tmp_path / "model").write_bytes(b"good")
    os.utime(tmp_path / "model", ns=(WRITTEN_NS, WRITTEN_NS))
    return Book(tmp_path)


def saved(book: Book) -> Book:
    """The record after it was written down and read again."""
    book.save(book.root / "record.json")
    return open_book(book.root, book.root / "record.json")


def test_a_file_that_was_just_written_is_known(book: Book) -> None:
    """It need not be read again, now or after the record was written down."""
    book.add("model", GOOD)

    assert book.knows("model", GOOD)
    assert saved(book).knows("model", GOOD)


def test_a_file_that_changed_before_it_was_noted_is_not_known(book: Book) -> None:
    """A write between ours and the look at it shows in the time of modification."""
    (book.root / "model").write_bytes(b"evil")
    book.add("model", GOOD)

    assert not book.knows("model", GOOD)
    assert not book.holds("model", GOOD)


def test_a_file_that_changed_before_the_record_was_written_is_left_out(book: Book) -> None:
    """What is written down was true when the clock had moved on."""
    book.add("model", GOOD)
    (book.root / "model").write_bytes(b"evil")

    assert saved(book).known == {}


def test_a_link_changes_what_is_noted_and_a_write_forgets_it(book: Book) -> None:
    """Our own links move a file's time of change; anything more is somebody else's doing."""
    book.add("model", GOOD)
    inodes = book.inode("model")
    (book.root / "link").hardlink_to(book.root / "model")
    book.refresh(inodes)

    assert book.knows("model", GOOD)

    inodes = book.inode("model")
    (book.root / "link").unlink()
    (book.root / "model").write_bytes(b"evil")
    book.refresh(inodes)

    assert book.known == {}


def test_a_file_that_is_written_while_it_is_hashed_is_not_believed(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hash may be that of the bytes before; the file is what it is after."""
    real = durable.pour

    def pour(content: BinaryIO) -> durable.Written:
        written = real(content)
        (book.root / "model").write_bytes(b"evil")
        return written

    monkeypatch.setattr(durable, "pour", pour)

    assert not book.holds("model", GOOD)


def test_a_file_that_just_changed_is_hashed_and_not_noted(book: Book) -> None:
    """Its bytes are right now, but a write in this very tick would not show, so it is hashed again next time."""
    (book.root / "model").write_bytes(b"good")

    assert book.holds("model", GOOD)
    assert book.known == {}


def test_what_is_no_plain_file_is_never_believed(book: Book) -> None:
    """Links, pipes and directories hold nothing."""
    (book.root / "link").symlink_to("model")
    os.mkfifo(book.root / "pipe")
    (book.root / "directory").mkdir()

    assert not any(book.holds(name, GOOD) for name in ("link", "pipe", "directory", "absent"))


@given(st.lists(st.text('aäz/" .\\\n\U0001f600'), max_size=4), st.integers(-(10**18), 10**18), st.integers(0, 2))
def test_a_record_has_the_spelling_of_every_record(paths: list[str], number: int, history: int) -> None:
    """It is written without a dictionary for each file, and to the same bytes."""
    known = [KnownFile(path, digest_of(b""), *[str(number)] * 5) for path in paths]
    record = HostRecord(history=(digest_of(b"x"),) * history, files=tuple(known))

    assert canonical(record.model_dump(mode="json")) == record.canonical()
    assert record == HostRecord.parse(record.canonical())
