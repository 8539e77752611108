"""Evidence: one row per (slice, case, sample), bound to the digests of everything that produced it.

Behaviour and timing are separate files: the first is byte-identical when it is made again, the second never can be.
"""

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationError

from registry.core.canonical import MAX_INTEGER
from registry.core.digest import Sha256
from registry.core.manifest import Decimal, Environment
from registry.core.pin import Name
from registry.core.record import Record, faults_of
from registry.errors import IntegrityError

Count = Annotated[int, Field(ge=0, le=MAX_INTEGER)]

Status = Literal["ok", "error", "timeout", "invalid"]
"""What became of a sample.

- `ok`: the model answered, and the verifiers judged the answer; also where the token bound cut it short, for the bound
  is a setting of the suite, and whoever serves with it gets the same words.
- `invalid`: the answer left what the suite can replay: a tool call that is not recorded or cannot be read, too many
  calls in one turn, or a call in the last turn allowed. It is judged, and it is a failure whatever the verifiers say.
- `error`: the engine failed on this very sample, also when asked for it alone. There are no findings.
- `timeout`: a served engine gave no answer in time. The evaluation of this package never writes it, because behaviour
  must not depend on a clock; rows that come from elsewhere may have it. There are no findings.
"""


class Finding(Record):
    """What one verifier says of one row; `error` is never a pass.

    `seen` is what it looked at, cut to 200 characters. `passed` of `total` counts things inside the row (tool calls).
    """

    verdict: Literal["pass", "fail", "error"]
    seen: str = ""
    passed: Count | None = None
    total: Count | None = None


class Said(Record):
    """One message of the transcript, after the prompt."""

    role: Literal["assistant", "tool"]
    content: str


class Row(Record):
    """What the model did with one sample of one case. `adapter` is None where the bare base answered.

    `steps` counts model turns, tokens are counted over all of them. `findings` has one entry for each
    verifier of the slice; none where the status is `error` or `timeout`.
    """

    slice: Name
    case: Name
    sample: Count
    adapter: Name | None = None
    status: Status
    transcript: tuple[Said, ...]
    steps: Count
    prompt_tokens: Count
    completion_tokens: Count
    findings: dict[Name, Finding]

    @property
    def success(self) -> bool:
        """Whether every verifier of the slice passed."""
        return self.status == "ok" and all(finding.verdict == "pass" for finding in self.findings.values())


class Timing(Record):
    """What one sample took: milliseconds of wall time, US dollars from the price book, tokens in and out."""

    slice: Name
    case: Name
    sample: Count
    status: Status
    latency_ms: Decimal
    cost_usd: Decimal
    tokens: Count


class Imported(Record):
    """Which log the rows were brought in from: the tool, what it calls the model, and the digest of the log's files."""

    tool: str
    version: str
    model: str
    log: Sha256


class Evidence(Record):
    """The label on a set of rows: whose they are, of which suite, by which verifiers, where and at what price.

    `rows`, `timings` and `cross` are the digests of the JSON-lines files; `cross` has every adapter on every slice.
    `verifiers` maps each name to `version` and the digest of its code, as `v4.3@sha256:…`. `imported` is there where
    another tool judged the rows: then its name and version stand among the verifiers, with the digest of its tasks.
    `canary` is the digest of what live traffic did.
    """

    form: Literal["registry.evidence/1"] = "registry.evidence/1"
    subject: Sha256
    suite: Sha256
    rows: Sha256
    timings: Sha256
    cross: Sha256 | None = None
    verifiers: dict[str, str]
    price_book: Sha256
    environment: Environment
    concurrency: Annotated[int, Field(ge=1)]
    imported: Imported | None = None
    canary: Sha256 | None = None


class BadLines(IntegrityError):
    """A file of rows or timings is not what an evaluation would write."""


Line = TypeVar("Line", Row, Timing)
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode


def write_lines(records: Iterable[Row | Timing]) -> bytes:
    """Rows or timings as a file: one canonical line each, sorted by slice, case, sample and adapter (the base first).

    Raises:
        BadLines: Two records are about the same sample.
    """
    ordered = sorted(records, key=_place)
    for one, other in pairwise(ordered):
        if _place(one) == _place(other):
            raise BadLines(f"two records are about {_named(one)}")
    return b"".join(_spell(record) + b"\n" for record in ordered)


def read_lines(data: bytes, form: type[Line]) -> tuple[Line, ...]:
    """The records of such a file, strictly: their one spelling, their order, each sample once.

    Raises:
        BadLines: With the number of the first line that is wrong.
    """
    if data and not data.endswith(b"\n"):
        raise BadLines("the last line is cut off")
    records: list[Line] = []
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        try:
            record = form.model_validate_json(line)
        except ValidationError as error:
            raise BadLines(f"line {number} is not a {form.__name__.lower()}", why=faults_of(error)) from None
        # why: to be the one spelling of its value also excludes a key twice, a float and a null.
        if _spell(record) != line:
            raise BadLines(f"line {number} is not in its canonical spelling")
        if records and _place(records[-1]) >= _place(record):
            raise BadLines(f"line {number} is out of order", why=f"{_named(record)} comes after {_named(records[-1])}")
        records.append(record)
    return tuple(records)


def _spell(record: Row | Timing) -> bytes:
    """The record's canonical bytes, faster than `Record.canonical`: the form has nothing that it would refuse."""
    return _encode(record.model_dump(exclude_none=True)).encode()


def _place(record: Row | Timing) -> tuple[str, str, int, str]:
    return record.slice, record.case, record.sample, (isinstance(record, Row) and record.adapter) or ""


def _named(record: Row | Timing) -> str:
    return f"{record.slice}/{record.case}/{record.sample}"
