"""Reading evidence into columns: in bulk where lines are as an evaluation writes them, else one by one."""

from collections.abc import Iterable, Iterator

from registry.core.gate.rows import bulk, lines
from registry.core.gate.rows.columns import ERRED as ERRED
from registry.core.gate.rows.columns import ERROR as ERROR
from registry.core.gate.rows.columns import FAILED as FAILED
from registry.core.gate.rows.columns import INVALID as INVALID
from registry.core.gate.rows.columns import MISSING as MISSING
from registry.core.gate.rows.columns import OK as OK
from registry.core.gate.rows.columns import PASSED as PASSED
from registry.core.gate.rows.columns import TIMEOUT as TIMEOUT
from registry.core.gate.rows.columns import BadRows as BadRows
from registry.core.gate.rows.columns import Column as Column
from registry.core.gate.rows.columns import Counts as Counts
from registry.core.gate.rows.columns import Route as Route
from registry.core.gate.rows.columns import Rows as Rows
from registry.core.gate.rows.columns import SliceRows as SliceRows
from registry.core.gate.rows.columns import empty_sheet
from registry.core.heldout.suite import Suite

BLOCK_BYTES = 1 << 21
Blocks = bytes | Iterable[bytes]
"""A file's bytes, at once or piece by piece, cut anywhere."""


def read_rows(rows: Blocks, timings: Blocks, suite: Suite, *, route: Route | None = None) -> Rows:
    """Sort an evaluation's JSON lines into columns; the order of the lines does not matter.

    Args:
        rows: Canonical `Row` lines.
        timings: Canonical `Timing` lines.
        suite: Says which samples are scheduled; those without a line count as missing.
        route: The adapter that must have answered a slice (None: the bare base); leave out to accept any.

    Raises:
        BadRows: A line is not canonical or not of its form, a sample comes twice, is not in the suite, was answered
            by another adapter, or lacks a verifier's finding.
    """
    sheet = empty_sheet(suite, route)
    for what, blocks in (("rows", rows), ("timings", timings)):
        number = 1
        for block in whole_lines(blocks):
            if not bulk.take(what, block, sheet):
                lines.take(what, block, sheet, first=number)
            number += block.count(b"\n")
    return sheet.rows


def whole_lines(blocks: Blocks) -> Iterator[bytes]:
    """The same bytes in pieces that end with a line; the last one is given its newline if it lacks it."""
    rest: list[bytes] = []
    for block in _cut(blocks) if isinstance(blocks, bytes) else blocks:
        cut = block.rfind(b"\n") + 1
        if cut:
            yield b"".join((*rest, block[:cut]))
            rest = []
        rest.append(block[cut:])
    if last := b"".join(rest):
        yield last + b"\n"


def _cut(data: bytes) -> Iterator[bytes]:
    return (data[at : at + BLOCK_BYTES] for at in range(0, len(data), BLOCK_BYTES))
