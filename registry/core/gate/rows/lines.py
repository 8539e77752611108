"""One line of evidence at a time: what it must be, and which of that it is not.

This is what decides whether a line is believed. `bulk` reads quickly what would be believed here.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from registry.core.gate.rows.amounts import amounts_of
from registry.core.gate.rows.columns import MISSING, OK, PASSED, STATUS, VERDICT, BadRows, Column, Sheet, SliceRows

_ROW = frozenset({
    "slice", "case", "sample", "status", "transcript", "steps", "prompt_tokens", "completion_tokens", "findings"
})  # fmt: skip
_TIMING = frozenset({"slice", "case", "sample", "status", "latency_ms", "cost_usd", "tokens"})
_KEYS = {"rows": _ROW, "timings": _TIMING}
_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,17})(?:\.([0-9]{1,18}))?")
_MAX_COUNT = 2**53 - 1


def take(what: str, block: bytes, sheet: Sheet, *, first: int) -> None:
    """Sort whole lines of `rows` or `timings` into their columns.

    Args:
        what: `rows` or `timings`.
        block: Whole lines.
        sheet: Where they go.
        first: The number of the first line in its file.

    Raises:
        BadRows: With the first thing that is wrong.
    """
    for line in _lines(what, block, first):
        part, at = _place(what, line, sheet)
        if what == "timings":
            _take_timing(part, at, line)
            continue
        _take_row(part, at, line, sheet=sheet)
        name = part.slice.name
        if sheet.route is not None and line.get("adapter") != sheet.route(name):
            why = f"{line.get('adapter', 'the base')} answered, but {name} goes to {sheet.route(name) or 'the base'}"
            raise BadRows(f"{_named(line)} was not answered by the adapter of its slice", why=why)


def _lines(what: str, block: bytes, first: int) -> Iterator[dict[str, Any]]:
    """Each line as the canonical JSON object of its keys that it must be."""
    decode = json.JSONDecoder(parse_float=_no_number, parse_constant=_no_number).decode
    encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
    number, keys = first, _KEYS[what]
    try:
        for number, raw in enumerate(block.removesuffix(b"\n").split(b"\n"), first):
            text = raw.decode()
            line = decode(text)
            # why: being the one spelling of its value also excludes a key twice and a lone surrogate.
            if not isinstance(line, dict) or encode(line) != text:
                raise BadRows(f"line {number} of the {what} is not a canonical JSON object")
            if line.keys() - {"adapter"} != keys or (line.keys() ^ keys and what != "rows"):
                raise BadRows(f"line {number} of the {what} has not the fields of its form")
            yield line
    except (ValueError, RecursionError) as error:
        raise BadRows(f"line {number} of the {what} is not JSON", why=str(error)) from None


def _no_number(spelling: str) -> Any:
    raise ValueError(f"the number {spelling} is not an integer")


def _place(what: str, line: Mapping[str, Any], sheet: Sheet) -> tuple[SliceRows, int]:
    """The sample that a line is about."""
    name, case, sample = line["slice"], line["case"], line["sample"]
    part = sheet.rows.slices.get(name) if isinstance(name, str) else None
    if part is None:
        raise BadRows(f"the {what} speak of {name!r}, which is no slice of the suite")
    first = sheet.places[name].get(case) if isinstance(case, str) else None
    if first is None or type(sample) is not int or not 0 <= sample < part.slice.samples:
        raise BadRows(f"{_named(line)} is not a sample of the suite")
    if not _code(STATUS, line["status"]):
        raise BadRows(f"{_named(line)} has the unknown status {line['status']!r}")
    return part, first * part.slice.samples + sample


def _named(line: Mapping[str, Any]) -> str:
    return f"{line['slice']}/{line['case']}/{line['sample']}"


def _code(table: Mapping[str, int], value: Any) -> int:
    """The code of a word, or 0."""
    return table.get(value, 0) if isinstance(value, str) else 0


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _MAX_COUNT


def _take_row(part: SliceRows, at: int, line: dict[str, Any], *, sheet: Sheet) -> None:
    if part.status[at] != MISSING:
        raise BadRows(f"{_named(line)} has two rows")
    findings = line["findings"]
    counts = (line["steps"], line["prompt_tokens"], line["completion_tokens"])
    if not isinstance(findings, dict) or not all(map(_is_count, counts)) or not _is_transcript(line["transcript"]):
        raise BadRows(f"the row of {_named(line)} is not of its form")
    if not isinstance(line.get("adapter", ""), str):
        raise BadRows(f"the row of {_named(line)} names no adapter")
    status = STATUS[line["status"]]
    if findings.keys() - part.findings.keys() or (status == OK and len(findings) != len(part.findings)):
        differing = ", ".join(sorted(findings.keys() ^ part.findings.keys()))
        raise BadRows(f"{_named(line)} was not judged by the verifiers of its slice", why=differing)
    passed = [_take_finding(part.findings[name], at, finding, sheet=sheet) for name, finding in findings.items()]
    part.status[at] = status
    part.steps[at], part.prompt_tokens[at], part.completion_tokens[at] = counts
    part.success[at] = status == OK and all(passed)


def _is_transcript(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(said, dict)
        and said.keys() == {"role", "content"}
        and said["role"] in ("assistant", "tool")
        and isinstance(said["content"], str)
        for said in value
    )


def _take_finding(column: Column, at: int, finding: Any, *, sheet: Sheet) -> bool:
    """Keep what one verifier said of one row; return whether it passed."""
    code = _code(VERDICT, finding.get("verdict")) if isinstance(finding, dict) else 0
    if not code or finding.keys() - {"verdict", "seen", "passed", "total"} or type(finding.get("seen", "")) is not str:
        raise BadRows("a finding is not of its form", why=repr(finding)[:200])
    passed, total = finding.get("passed", 0), finding.get("total", 0)
    if not _is_count(passed) or not _is_count(total) or passed > total:
        raise BadRows("a finding counts more passes than things", why=repr(finding)[:200])
    column.verdict[at], column.seen[at] = code, sheet.same(finding.get("seen", ""))
    column.passed[at], column.total[at] = passed, total
    return code == PASSED


def _take_timing(part: SliceRows, at: int, line: dict[str, Any]) -> None:
    if at >= part.timed:
        raise BadRows(f"{_named(line)} has a timing that the suite does not ask for")
    if part.timing[at] != MISSING:
        raise BadRows(f"{_named(line)} has two timings")
    latency, cost, tokens = line["latency_ms"], line["cost_usd"], line["tokens"]
    spelled = [_AMOUNT.fullmatch(value) if type(value) is str else None for value in (latency, cost)]
    if None in spelled or not _is_count(tokens):
        raise BadRows(f"the timing of {_named(line)} is not of its form", why=f"{latency!r}, {cost!r}, {tokens!r}")
    part.timing[at], part.tokens[at] = STATUS[line["status"]], tokens
    for column, match in zip((part.latency_ms, part.cost_usd), spelled, strict=True):
        if match is not None:
            column.put([at], amounts_of([match[1]], [match[2] or ""]))
