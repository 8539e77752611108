"""A log: what another tool says of one model, sample by sample. What it says of all samples together is never read."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Any, Literal

from registry.core.digest import Digest, digest_of
from registry.errors import IntegrityError, UsageError

Files = Mapping[str, bytes]
"""The files of a log by name; names are only looked at, never used as paths."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_PASS = re.compile(r"score *(>=|<=|==|>|<) *(-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?)")
DEFAULT_PASS = "score >= 1"  # noqa: S105 - a rule
Scores = Mapping[str, Decimal | None]


class BadLog(IntegrityError):
    """A log is cut off, malformed, or says what cannot be."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of one case. `error` and `timeout` mean that there is no answer to judge.

    `scores` has the numbers that the tool gave, by metric; None where it gave none. `mark` tells this case from any
    other of the same name. `names` are other names of the case, by field. Time and cost are None where the log is
    silent.
    """

    case: str
    index: int
    status: Literal["ok", "error", "timeout"]
    scores: Scores
    prompt: str = ""
    mark: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    said: tuple[str, ...] = ()
    steps: int = 1
    prompt_tokens: int = 0
    completion_tokens: int = 0
    latency_ms: str | None = None
    cost_usd: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a log; `digest` is of what decides its scores, besides the cases."""

    name: str
    digest: Digest
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Log:
    """What one tool wrote about one model, which it calls `model`."""

    tool: str
    version: str
    model: str
    tasks: Mapping[str, Task]
    device: str = "unknown"
    concurrency: int = 1


def load(data: bytes, what: str) -> Any:
    """Read JSON with exact numbers: a fraction is a Decimal, and NaN stays what it is until somebody asks for it.

    Raises:
        BadLog: It is not JSON, or has a key twice.
    """
    try:
        return json.loads(data.decode(), parse_float=Decimal, parse_constant=Decimal, object_pairs_hook=_pairs)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise BadLog(f"{what} cannot be read", why=str(error)[:200] or "it is nested too deep") from None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def load_lines(data: bytes, what: str) -> list[dict[str, Any]]:
    """Read a file of JSON objects, one a line.

    Raises:
        BadLog: The last line is cut off, or a line is not an object.
    """
    if not data.endswith(b"\n"):
        raise BadLog(f"{what} is cut off", why="the last line has no end")
    lines = [load(line, f"line {number} of {what}") for number, line in enumerate(data.split(b"\n")[:-1], 1)]
    return [as_object(line, f"line {number} of {what}") for number, line in enumerate(lines, 1)]


def as_object(value: Any, what: str) -> dict[str, Any]:
    """`value`, which must be an object.

    Raises:
        BadLog: It is not.
    """
    if not isinstance(value, dict):
        raise BadLog(f"{what} is not an object")
    return value


def inner(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The object at `key`; an empty one where there is none.

    Raises:
        BadLog: Something else is there.
    """
    found = value.get(key)
    return {} if found is None else as_object(found, f"{key} in the log")


def taken(value: Mapping[str, Any], key: str, kind: type, *, what: str) -> Any:
    """The value at `key`, of the kind that it must be.

    Raises:
        BadLog: It is missing, or of another kind.
    """
    found = value.get(key)
    if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
        raise BadLog(f"{what} has no {key}", why=f"it is {str(found)[:80]!r}")
    return found


_WORDS = {"C": Decimal(1), "P": Decimal("0.5"), "I": Decimal(0), "N": Decimal(0)}
"""Inspect's correct, partial, incorrect and no answer."""


def score_of(value: Any, what: str) -> Decimal | None:
    """A score as a number: true is 1, Inspect's C, P, I and N are 1, 0.5, 0 and 0; None where there is none.

    Raises:
        BadLog: It is NaN, infinite, or no number at all.
    """
    if value is None:
        return None
    if isinstance(value, str) and value in _WORDS:
        return _WORDS[value]
    try:
        found = Decimal(value) if isinstance(value, bool | int | str | Decimal) else None
    except ArithmeticError:
        found = None
    if found is None or not found.is_finite() or found.adjusted() > 30:
        mend = "let the scorer give a number, or let the sample be an error"
        raise BadLog(f"{what} has the score {str(value)[:80]}", why="that is no number", mend=mend)
    return found


def pass_rule(text: str) -> Callable[[Decimal], bool]:
    """Read what makes a sample pass, such as `score >= 0.5`.

    Raises:
        UsageError: It is not of this form.
    """
    match = _PASS.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} does not say what passes", mend="write it as 'score >= 0.5'")
    bar = Decimal(match[2])
    return {
        ">=": lambda score: score >= bar,
        "<=": lambda score: score <= bar,
        "==": lambda score: score == bar,
        ">": lambda score: score > bar,
        "<": lambda score: score < bar,
    }[match[1]]


def case_name(text: str) -> str:
    """What a suite calls the case that a log calls `text`: the same, or a digest of it where that is no name."""
    return text if _NAME.fullmatch(text) else f"id-{hashlib.sha256(_utf8(text)).hexdigest()[:16]}"


def plain(text: str) -> str:
    """`text` without lone surrogates, which have no bytes."""
    return _utf8(text).decode()


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def mark_of(*parts: Any) -> str:
    """16 hex digits that tell a case from any other."""
    return hashlib.sha256(_spelled(parts)).hexdigest()[:16]


def digest_of_value(value: Any) -> Digest:
    """The digest of any loaded JSON, in one spelling of it."""
    return digest_of(_spelled(value))


def _spelled(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()


def count_of(value: Any, what: str) -> int:
    """A number of things.

    Raises:
        BadLog: It is not a whole number from 0, or absurd.
    """
    if type(value) is not int or not 0 <= value < 10**12:
        raise BadLog(f"{what} is no count", why=f"it is {str(value)[:80]!r}")
    return value


def amount_of(value: Any, what: str, *, times: int = 1) -> str | None:
    """An amount as evidence spells it: plain digits without needless zeros, at most 18 decimals; None if there is none.

    Raises:
        BadLog: It is no number, negative, or absurd.
    """
    found = score_of(value, what)
    if found is None:
        return None
    if not 0 <= found < Decimal(10) ** 14:
        raise BadLog(f"{what} is no amount", why=f"it is {found}")
    text = f"{round(found * times, 18):f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def check_samples(task: str, samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """The samples of a task, in order, each once.

    Raises:
        BadLog: One comes twice.
    """
    ordered = sorted(samples, key=lambda one: (one.case, one.index))
    for one, other in pairwise(ordered):
        if (one.case, one.index) == (other.case, other.index):
            raise BadLog(f"the log has sample {one.index} of case {one.case} of {task} twice")
    return tuple(ordered)
