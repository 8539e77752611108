"""Thousands of lines of evidence at once, as an evaluation writes them.

The canonical spelling of a row has a regular grammar, once the verifiers of its slice are known. So one pattern for
each slice tells good lines from all others and takes them apart in the same pass. Whatever does not match, even in one
line of a block, is left to `lines`: a block is taken whole here, or not at all.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from registry.core.gate.rows.amounts import Amounts, amounts_of
from registry.core.gate.rows.columns import OK, PASSED, STATUS, VERDICT, Counts, Sheet, SliceRows

_PLAIN = r'[^"\\\x00-\x1f]'
# why: exactly what the canonical spelling escapes, and how; anything else is another spelling of the same text.
_TEXT = rf'(?:{_PLAIN}++|\\(?:["\\bfnrt]|u00(?:0[0-7bef]|1[0-9a-f])))*+'
_COUNT = r"(?:0|[1-9][0-9]{0,14})"
_STATUS = f"({'|'.join(STATUS)})"
_SAID = rf'\{{"content":"{_TEXT}","role":"(?:assistant|tool)"\}}'
_AMOUNT = r"(0|[1-9][0-9]{0,17})(?:\.([0-9]{1,18}))?"
_FINDING = (
    rf'\{{(?:"passed":({_COUNT}),)?(?:"seen":"({_TEXT})",)?(?:"total":({_COUNT}),)?"verdict":"({"|".join(VERDICT)})"\}}'
)
_CODES = {"": 0, **VERDICT}
_SLICE = re.compile(rf'"slice":"({_PLAIN}*+)","status":"')


def take(what: str, block: bytes, sheet: Sheet) -> bool:
    """Sort whole lines into their columns, if all of them are as an evaluation writes them.

    Args:
        what: `rows` or `timings`.
        block: Whole lines.
        sheet: Where they go.

    Returns:
        Whether the block was taken; if not, nothing was.
    """
    try:
        text = block.decode()
    except UnicodeDecodeError:
        return False
    count, read = text.count("\n"), _timings if what == "timings" else _rows
    found = [read(part, lines, sheet) for part, lines in _by_slice(text, count, sheet.rows.slices)]
    good = [one for one in found if one is not None]
    if len(good) < len(found) or sum(len(one.at) for one in good) < count:
        return False
    for one in good:
        one.write()
    return True


def _by_slice(text: str, count: int, slices: Mapping[str, SliceRows]) -> Iterator[tuple[SliceRows, str]]:
    """The lines of each slice, together. Lines of no known slice are left out, and so found missing."""
    first = _SLICE.search(text)
    # why: quotes inside a text are escaped, so that these letters stand once in each line, and are its slice.
    if first and first[1] in slices and text.count(first[0]) == count:
        yield slices[first[1]], text
        return
    sorted_out: dict[str, list[str]] = {}
    for line in re.findall(r"[^\n]*\n", text):
        name = _SLICE.search(line)
        sorted_out.setdefault(name[1] if name else "", []).append(line)
    for slice_name, lines in sorted_out.items():
        if slice_name in slices:
            yield slices[slice_name], "".join(lines)


@dataclass(frozen=True, slots=True)
class _Finding:
    """One verifier's findings in a block of lines."""

    verdict: bytes
    seen: Sequence[str]
    passed: Counts | None
    total: Counts | None

    def is_fit(self) -> bool:
        """Whether nothing counts more passes than things."""
        return self.passed is None or (self.total is not None and bool((self.passed <= self.total).all()))


@dataclass(frozen=True, slots=True)
class _Rows:
    """Row lines of one slice, taken apart; `at` says of which sample each is."""

    part: SliceRows
    at: Counts
    status: bytes
    counts: tuple[Counts, Counts, Counts]
    findings: Mapping[str, _Finding]

    def write(self) -> None:
        """Put them into their columns."""
        part, at = self.part, self.at
        status = _codes(self.status)
        success = status == OK
        _view(part.status)[at] = status
        part.steps[at], part.prompt_tokens[at], part.completion_tokens[at] = self.counts
        for name, finding in self.findings.items():
            verdict, column = _codes(finding.verdict), part.findings[name]
            success &= verdict == PASSED
            _view(column.verdict)[at] = verdict
            _put(column.seen, at, finding.seen)
            if finding.passed is not None:
                column.passed[at] = finding.passed
            if finding.total is not None:
                column.total[at] = finding.total
        _view(part.success)[at] = success


def _rows(part: SliceRows, text: str, sheet: Sheet) -> _Rows | None:
    """The row lines of one slice, or None if they are not all good."""
    found = _row_pattern(part.slice.name, *part.findings).findall(text)
    if not found:
        return None
    adapters, cases, completions, *fields, prompts, samples, statuses, steps = zip(*found, strict=True)
    name = part.slice.name
    at = _places(part, _counts(samples), list(map(sheet.places[name].get, cases)))
    status = bytes(map(STATUS.__getitem__, statuses))
    found_by = [_finding(fields[start : start + 4], sheet) for start in range(0, len(fields), 4)]
    is_answered = np.logical_or.reduce([_codes(one.verdict) != 0 for one in found_by])
    is_fit = (
        at is not None
        and not _view(part.status)[at].any()
        and (sheet.route is None or adapters.count(sheet.route(name) or "") == len(at))
        and all(one.is_fit() for one in found_by)
        and bool((is_answered | (_codes(status) != OK)).all())
    )
    findings = dict(zip(sorted(part.findings), found_by, strict=True))
    counts = (_counts(steps), _counts(prompts), _counts(completions))
    return _Rows(part, at, status, counts, findings) if is_fit and at is not None else None


@dataclass(frozen=True, slots=True)
class _Timings:
    """Timing lines of one slice, taken apart."""

    part: SliceRows
    at: Counts
    status: bytes
    latency_ms: Amounts
    cost_usd: Amounts
    tokens: Counts

    def write(self) -> None:
        """Put them into their columns."""
        part, at = self.part, self.at
        _view(part.timing)[at], part.tokens[at] = _codes(self.status), self.tokens
        part.latency_ms.put(at, self.latency_ms)
        part.cost_usd.put(at, self.cost_usd)


def _timings(part: SliceRows, text: str, sheet: Sheet) -> _Timings | None:
    """The timing lines of one slice, or None if they are not all good."""
    found = _timing_pattern(part.slice.name).findall(text)
    if not found:
        return None
    cases, dollars, dollar_parts, ms, ms_parts, samples, statuses, tokens = zip(*found, strict=True)
    at = _places(part, _counts(samples), list(map(sheet.places[part.slice.name].get, cases)))
    if at is None or at.max() >= part.timed or _view(part.timing)[at].any():
        return None
    status = bytes(map(STATUS.__getitem__, statuses))
    return _Timings(part, at, status, amounts_of(ms, ms_parts), amounts_of(dollars, dollar_parts), _counts(tokens))


@lru_cache(maxsize=256)
def _row_pattern(name: str, *verifiers: str) -> re.Pattern[str]:
    """Fields: adapter, case, completion tokens, four of each verifier by name, prompt tokens, sample, status, steps."""
    findings = ",".join(f'"{re.escape(verifier)}":{_FINDING}' for verifier in sorted(verifiers))
    return re.compile(
        rf'^\{{(?:"adapter":"({_PLAIN}++)",)?"case":"({_PLAIN}*+)","completion_tokens":({_COUNT}),'
        rf'"findings":\{{(?:{findings})?\}},"prompt_tokens":({_COUNT}),"sample":({_COUNT}),"slice":"{re.escape(name)}",'
        rf'"status":"{_STATUS}","steps":({_COUNT}),"transcript":\[(?:{_SAID}(?:,{_SAID})*+)?\]\}}\n',
        re.MULTILINE,
    )


@lru_cache(maxsize=256)
def _timing_pattern(name: str) -> re.Pattern[str]:
    return re.compile(
        rf'^\{{"case":"({_PLAIN}*+)","cost_usd":"{_AMOUNT}","latency_ms":"{_AMOUNT}","sample":({_COUNT}),'
        rf'"slice":"{re.escape(name)}","status":"{_STATUS}","tokens":({_COUNT})\}}\n',
        re.MULTILINE,
    )


def _places(part: SliceRows, samples: Counts, cases: Sequence[int | None]) -> Counts | None:
    """Which sample each line is about; None if one is no sample of the suite, or two are about the same."""
    if None in cases or samples.max() >= part.slice.samples:
        return None
    at: Counts = np.array(cases, np.int64) * part.slice.samples + samples
    is_sorted = bool((np.diff(at) > 0).all())
    return at if is_sorted or len(np.unique(at)) == len(at) else None


def _finding(fields: Sequence[Sequence[str]], sheet: Sheet) -> _Finding:
    passed, seen, total, verdicts = fields
    texts = [json.loads(f'"{text}"') if "\\" in text else text for text in seen]
    counted = [_counts([text or "0" for text in column]) if any(column) else None for column in (passed, total)]
    verdict = bytes(map(_CODES.__getitem__, verdicts))
    return _Finding(verdict, list(map(sheet.texts.setdefault, texts, texts)), *counted)


def _counts(texts: Sequence[str]) -> Counts:
    return np.array(list(map(int, texts)), np.int64)


def _codes(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)


def _view(column: bytearray) -> NDArray[np.uint8]:
    """A bytearray as a column that can be written to."""
    return np.frombuffer(column, np.uint8)


def _put(column: list[str], at: Counts, texts: Sequence[str]) -> None:
    start, stop = int(at[0]), int(at[-1]) + 1
    if stop - start == len(at) and bool((np.diff(at) == 1).all()):
        column[start:stop] = texts
        return
    for place, text in zip(at.tolist(), texts, strict=True):
        column[place] = text
