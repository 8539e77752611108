"""The record of a host: a file is believed by its stat only where nobody can have written to it."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.adapters import durable
from registry.adapters.hosts.filling import WRITTEN_NS
from registry.adapters.hosts.record import PIECE_BYTES, Book, open_book
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
    noted = book.noted("model")
    (book.root / "link").hardlink_to(book.root / "model")
    book.refresh(noted)

    assert book.knows("model", GOOD)

    noted = book.noted("model")
    (book.root / "link").unlink()
    (book.root / "model").write_bytes(b"evil")
    book.refresh(noted)

    assert saved(book).known == {}


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


def written_down(files: Mapping[str, tuple[int, ...]], history: int = 1) -> bytes:
    """A record as the generic speller would write it."""
    names = ("device", "inode", "size", "mtime_ns", "ctime_ns")
    known = [
        {"path": path, "digest": GOOD.digest, **dict(zip(names, map(str, numbers), strict=True))}
        for path, numbers in files.items()
    ]
    return canonical({"files": known, "form": "registry.host/1", "history": [digest_of(b"x")] * history})


def read(data: bytes) -> Book:
    """The record that is read from `data`."""
    with TemporaryDirectory() as place:
        (path := Path(place, "record.json")).write_bytes(data)
        return open_book(Path(place), path)


def paths(book: Book) -> set[str]:
    """All paths that are known."""
    return {f"{place}/{name}".removeprefix("/") for place, names in book.known.items() for name in names}


@given(
    st.dictionaries(
        st.lists(st.text('aäz" .\\\n\U0001f600', min_size=1), min_size=1, max_size=5).map("/".join),
        st.tuples(*[st.integers(0, 2**64 - 1)] * 2, *[st.integers(-(2**63), 2**63 - 1)] * 3),
        max_size=4,
    ),
    st.integers(0, 2),
)
def test_a_record_in_the_spelling_of_every_record_is_read(files: dict[str, tuple[int, ...]], history: int) -> None:
    """Whatever names and numbers it holds, each file and each release of it is found."""
    book = read(written_down(files, history))

    assert set(files) == paths(book)
    assert [digest_of(b"x")] * history == book.history


def test_a_record_has_the_spelling_of_every_record(tmp_path: Path) -> None:
    """It is written a piece at a time, and to the same bytes."""
    book = Book(tmp_path, [digest_of(b"x")])
    for path in ("b", 'a"ä', "releases/1/a/\U0001f600", "releases/1/b", "releases/2/a"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"good")
        os.utime(tmp_path / path, ns=(WRITTEN_NS, WRITTEN_NS))
        book.add(path, GOOD)
    again = saved(book)
    data = (tmp_path / "record.json").read_bytes()

    assert canonical(json.loads(data)) == data
    assert (again.known, again.history) == (book.known, book.history)
    assert not again.is_changed


def test_a_record_of_very_many_files_is_read_a_piece_at_a_time() -> None:
    """Wherever a piece ends, every file is read; where one is damaged or the end is missing, nothing is believed."""
    files = {f"releases/{number % 2}/{number:07}": (number,) * 5 for number in range(4000)}
    data = written_down(files)

    assert len(data) > 2 * PIECE_BYTES
    assert set(files) == paths(read(data))
    for spoiled in (data[:-1], data[: len(data) // 2], data.replace(b'"3000"', b'"3x00"'), b"[" + data[1:]):
        assert read(spoiled).known == {}
