"""Reading in bulk is reading line by line, only faster: it takes nothing that the strict reading would refuse."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.core.gate.rows import bulk
from registry.core.gate.rows import lines as strict
from registry.core.gate.rows.amounts import Amounts, amounts_of, by_case, dot, joined, scaled, total
from registry.core.gate.rows.columns import BadRows, Sheet, SliceRows, empty_sheet
from registry.core.gate.rows.rows import read_rows, whole_lines
from tests.gate.sheet import suite_of_size
from tests.gate.test_columns import messy

SUITE = suite_of_size(6, samples=2)
EVIDENCE = messy(SUITE, 3)
KINDS = ("rows", "timings")


def empty() -> Sheet:
    """Columns in which nothing is yet."""
    return empty_sheet(SUITE, None)


def content(sheet: Sheet) -> list[object]:
    """Everything in the columns, to be compared."""
    return [told(part) for part in sheet.rows.slices.values()]


def told(part: SliceRows) -> list[object]:
    """One slice."""
    columns = [(c.verdict, c.seen, c.passed.tolist(), c.total.tolist()) for c in part.findings.values()]
    amounts = [[one.value(units) for units in one.units] for one in (part.latency_ms, part.cost_usd)]
    return [part.status, part.success, part.steps.tolist(), columns, part.timing, amounts, part.tokens.tolist()]


def read_strictly(what: str, block: bytes) -> list[object] | None:
    """What the line by line reading makes of it; None if it refuses."""
    sheet = empty()
    try:
        strict.take(what, block, sheet, first=1)
    except BadRows:
        return None
    return content(sheet)


@pytest.mark.parametrize("what", KINDS)
def test_what_an_evaluation_writes_is_read_in_bulk(what: str) -> None:
    """The quick way is the usual way, shuffled or not, and finds the same."""
    data = EVIDENCE[KINDS.index(what)]
    shuffled = data.splitlines(keepends=True)
    Random(1).shuffle(shuffled)
    for block in (data, b"".join(shuffled)):
        sheet = empty()

        assert bulk.take(what, block, sheet)
        assert read_strictly(what, block) == content(sheet)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(KINDS), st.integers(0, 10**9), st.binary(min_size=0, max_size=3), st.integers(0, 3))
def test_a_changed_byte_is_never_taken_for_another_row(what: str, place: int, insert: bytes, remove: int) -> None:
    """What bulk takes the strict reading takes, with the same columns; where it declines, nothing is touched."""
    data = EVIDENCE[KINDS.index(what)]
    at = place % len(data)
    block = data[:at] + insert + data[at + remove :]
    block = block if block.endswith(b"\n") else block + b"\n"
    sheet = empty()
    taken = bulk.take(what, block, sheet)

    assert content(sheet) == (read_strictly(what, block) if taken else content(empty()))


TEXTS = [
    "a\\u007f",
    "\\u0008",
    "\\/",
    "\\u000B",
    "\\ud83d\\ude00",
    "\x7f",
    '\\b\\f\\n\\r\\t\\u000b\\u001f\\\\\\"',
    "\u2028…",
]


@pytest.mark.parametrize("text", TEXTS)
def test_both_know_the_one_spelling_of_a_text(text: str) -> None:
    """An escape that is not needed, or another than the shortest, is another spelling."""
    line = EVIDENCE[0].split(b"\n")[0] + b"\n"
    block = line.replace("…".encode(), text.encode())
    sheet = empty()

    assert bulk.take("rows", block, sheet) == (read_strictly("rows", block) is not None)


def test_a_row_that_stands_in_two_blocks_is_refused() -> None:
    """Between blocks as within one."""
    line = EVIDENCE[0].split(b"\n")[0] + b"\n"
    with pytest.raises(BadRows, match="two rows"):
        read_rows([line, line], b"", SUITE)


@given(st.lists(st.binary(max_size=9)))
def test_blocks_are_cut_between_lines(blocks: list[bytes]) -> None:
    """Wherever the file was cut; a last line without its newline gets it."""
    data, found = b"".join(blocks), list(whole_lines(blocks))
    end = b"" if data.endswith(b"\n") or not data else b"\n"

    assert data + end == b"".join(found)
    assert all(block.endswith(b"\n") for block in found)


def test_a_fault_tells_its_line_in_the_file() -> None:
    """Not in the block that it was read with."""
    first, second, *_ = EVIDENCE[0].splitlines(keepends=True)
    with pytest.raises(BadRows, match="line 3 of the rows"):
        read_rows([first, second + b"{", b"}\n"], b"", SUITE)


NUMBERS = st.lists(st.integers(0, 2**63 - 1), max_size=40)


@given(NUMBERS, st.sampled_from([1, 2, 4]))
def test_sums_are_exact_whatever_their_width(numbers: list[int], samples: int) -> None:
    """Sums and sums of products never wrap round."""
    numbers = numbers[: len(numbers) // samples * samples]
    column = np.array(numbers, np.int64)

    assert sum(numbers) == total(column)
    assert sum(n * n for n in numbers) == dot(column, column)
    assert [sum(numbers[at : at + samples]) for at in range(0, len(numbers), samples)] == by_case(
        column, samples
    ).tolist()


def test_amounts_of_any_width_are_exact() -> None:
    """From a whole number to the widest that a timing may have, in one column."""
    narrow, wide = amounts_of(["3", "40"], ["", "25"]), amounts_of(["9" * 18], ["9" * 18])
    column = joined([narrow, wide])
    column.put([0], amounts_of(["7"], ["5"]))

    assert [750, 4025] == [int(u) // 10**16 for u in column.units[:2]]
    assert int("9" * 36) == column.units[2]
    assert (18, narrow.places) == (column.places, 2)
    assert [3000, 40250] == scaled(Amounts(narrow.units, 2), 3).tolist()
