"""How each metric is read from a slice's columns: one function each, and what was lost counts against the candidate."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from math import comb
from operator import and_

import numpy as np
from numpy.typing import NDArray

from registry.core.gate.measuring.sample import Calls, Hits, Ratio, Sample, Scores, Values
from registry.core.gate.rows.amounts import Amounts, Column, amounts_from, by_case, column_of
from registry.core.gate.rows.columns import ERRED, ERROR, MISSING, OK, PASSED, TIMEOUT, SliceRows

Arguments = Mapping[str, str]
Read = Callable[[SliceRows, Arguments], Sample]
ReadValues = Callable[[SliceRows], tuple[Amounts, int]]
"""The finite numbers of a slice, and how many there are with the infinite ones."""

_IS_OK = bytes(code == OK for code in range(256))
_IS_PASSED = bytes(code == PASSED for code in range(256))
_NOT = bytes((1, 0)) + bytes(254)


def success(part: SliceRows, arguments: Arguments) -> Sample:
    """Rows on which every verifier passed."""
    return Hits(bytes(part.success), part.slice.samples)


def success_at(part: SliceRows, arguments: Arguments, *, k: int) -> Sample:
    """The chance that the best of `k` samples of a case passes: 1 - C(n-c, k) / C(n, k), with c of n passing.

    Source: M. Chen et al., Evaluating Large Language Models Trained on Code (2021), arXiv 2107.03374, section 2.1.
    """
    n = part.slice.samples
    of = comb(n, k)
    chances = column_of([of - comb(n - passed, k) for passed in range(n + 1)])
    return Scores(chances[by_case(flags(part.success), n)], of)


def all_pass(part: SliceRows, names: Sequence[str]) -> bytes:
    """1 where the row was answered and each of these verifiers passed."""
    bits = [part.status.translate(_IS_OK), *(part.findings[name].verdict.translate(_IS_PASSED) for name in names)]
    # why: one integer for each column; a million rows are compared in a few milliseconds.
    return reduce(and_, map(int.from_bytes, bits)).to_bytes(part.scheduled)


def passes(part: SliceRows, arguments: Arguments, *, verifier: str) -> Sample:
    """Rows that one verifier passed."""
    return Hits(all_pass(part, [verifier]), part.slice.samples)


def fails(part: SliceRows, arguments: Arguments, *, verifiers: Sequence[str]) -> Sample:
    """Rows that not all of these verifiers passed; those of them that the slice has."""
    have = [name for name in verifiers if name in part.findings]
    return Hits(turned(all_pass(part, have)), part.slice.samples)


def turned(hits: bytes) -> bytes:
    """Yes for no, and no for yes."""
    return hits.translate(_NOT)


def flags(data: bytes | bytearray) -> Column:
    """Bytes as small numbers."""
    return np.frombuffer(data, np.uint8).astype(np.int64)


def _is(codes: bytearray, code: int) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.frombuffer(codes, np.uint8) == code
    return found


def schema(part: SliceRows, arguments: Arguments) -> Sample:
    """Valid calls of all calls; a lost row, and a run without a call, is one failed call."""
    column, size = part.findings["json_schema"], part.slice.samples
    good = _is(part.status, OK) & ~_is(column.verdict, ERRED)
    return Calls(by_case(np.where(good, column.passed, 0), size), by_case(np.maximum(column.total, 1), size))


def api_version(part: SliceRows, arguments: Arguments) -> Sample:
    """The versions that the verifier saw cited; `v3.2` beside `v3.2.1` names a line of versions and is no other one."""
    want, column = arguments["version"].removeprefix("v"), part.findings["version_reference"]
    is_wanted = {seen: _cites_only(seen, want) for seen in set(column.seen)}
    cited = bytearray(map(is_wanted.__getitem__, column.seen))
    hits = _is(part.status, OK) & ~_is(column.verdict, ERRED) & _is(cited, 1)
    return Hits(hits.tobytes(), part.slice.samples)


def _cites_only(seen: str, want: str) -> bool:
    cited = {word.removeprefix("v") for word in seen.split(", ")}
    return {word for word in cited if word.count(".") >= want.count(".")} == {want}


def ended(part: SliceRows, arguments: Arguments, *, how: int) -> Sample:
    """Samples that ended like this; of one that is missing nobody knows that it did not."""
    is_hit = bytes(code in {how, MISSING} for code in range(256))
    return Hits(bytes(part.status.translate(is_hit)), part.slice.samples)


def quantile(part: SliceRows, arguments: Arguments, *, read: ReadValues, q: Fraction) -> Sample:
    """A quantile of numbers of the rows."""
    return Values(*read(part), q)


def steps(part: SliceRows) -> tuple[Amounts, int]:
    """Steps of the solved; unsolved is infinity, for leaving it out would reward a model that solves less."""
    return Amounts(part.steps[_is(part.success, 1)]), part.scheduled


def latency(part: SliceRows) -> tuple[Amounts, int]:
    """Milliseconds; a sample that was lost or timed out took forever."""
    return part.latency_ms.taken(_is(part.timing, OK)), part.timed


def prompt_tokens(part: SliceRows) -> tuple[Amounts, int]:
    """Tokens of every row that came; a row that was lost has infinitely many."""
    return Amounts(part.prompt_tokens[~_lost(part)]), part.scheduled


def completion_tokens(part: SliceRows) -> tuple[Amounts, int]:
    """Tokens of every row that came; a row that was lost has infinitely many."""
    return Amounts(part.completion_tokens[~_lost(part)]), part.scheduled


def _lost(part: SliceRows) -> NDArray[np.bool_]:
    return _is(part.status, MISSING) | _is(part.status, ERROR) | _is(part.status, TIMEOUT)


def token_mean(part: SliceRows, arguments: Arguments, *, column: str) -> Sample:
    """Tokens by row; a lost row counts as the longest that came."""
    counts: Column = getattr(part, column)
    return _mean(part, Amounts(np.where(_lost(part), counts.max(initial=0), counts)))


def reward_mean(part: SliceRows, arguments: Arguments) -> Sample:
    """The mean logit; a row without one counts as the worst that came."""
    column = part.findings["reward_model"]
    known = _is(part.status, OK) & ~_is(column.verdict, ERRED)
    scores = [Decimal(seen) if told else None for seen, told in zip(column.seen, known.tolist(), strict=True)]
    worst = min((score for score in scores if score is not None), default=Decimal(0))
    raised = amounts_from([Decimal(0) if score is None else score - worst for score in scores])
    return _mean(part, raised, raised=Fraction(-worst))


def _mean(part: SliceRows, numbers: Amounts, *, raised: Fraction | None = None) -> Ratio:
    """Numbers by how many samples they belong to, case by case."""
    size = part.slice.samples
    above = Amounts(by_case(numbers.units, size), numbers.places)
    return Ratio(above, np.full(len(above), size, np.int64), raised=raised)


def cost_by_tokens(part: SliceRows, arguments: Arguments) -> Sample:
    """Dollars by a thousand tokens; a sample without a timing is charged as the dearest one and gave no tokens."""
    return Ratio(cost_by_request(part, arguments).above, by_case(part.tokens, part.slice.samples), scale=1000)


def cost_by_request(part: SliceRows, arguments: Arguments) -> Ratio:
    """Dollars by sample; one without a timing is charged as the dearest one."""
    costs = part.cost_usd.units
    charged = np.where(_is(part.timing, MISSING), costs.max(initial=0), costs)
    return _mean(part, Amounts(charged, part.cost_usd.places))
