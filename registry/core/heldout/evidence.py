"""Evidence: one row per (slice, case, sample), bound to the digests of everything that produced it.

Behaviour and timing are separate files: the first is byte-identical when it is made again, the second never can be.
"""

from typing import Annotated, Literal

from pydantic import Field

from registry.core.digest import Sha256
from registry.core.manifest import Decimal, Environment
from registry.core.pin import Name
from registry.core.record import Record

Status = Literal["ok", "error", "timeout", "invalid"]


class Finding(Record):
    """What one verifier says of one row; `error` is never a pass.

    `seen` is what it looked at, cut to 200 characters. `passed` of `total` counts things inside the row (tool calls).
    """

    verdict: Literal["pass", "fail", "error"]
    seen: str = ""
    passed: Annotated[int, Field(ge=0)] | None = None
    total: Annotated[int, Field(ge=0)] | None = None


class Said(Record):
    """One message of the transcript, after the prompt."""

    role: Literal["assistant", "tool"]
    content: str


class Row(Record):
    """What the model did with one sample of one case. `adapter` is None where the bare base answered.

    `steps` counts model turns, tokens are counted over all of them, `findings` has one entry per verifier of the slice.
    """

    slice: Name
    case: Name
    sample: Annotated[int, Field(ge=0)]
    adapter: Name | None = None
    status: Status
    transcript: tuple[Said, ...]
    steps: Annotated[int, Field(ge=0)]
    prompt_tokens: Annotated[int, Field(ge=0)]
    completion_tokens: Annotated[int, Field(ge=0)]
    findings: dict[str, Finding]

    @property
    def success(self) -> bool:
        """Whether every verifier of the slice passed."""
        return self.status == "ok" and all(finding.verdict == "pass" for finding in self.findings.values())


class Timing(Record):
    """What one sample took: milliseconds of wall time, US dollars from the price book, tokens in and out."""

    slice: Name
    case: Name
    sample: Annotated[int, Field(ge=0)]
    status: Status
    latency_ms: Decimal
    cost_usd: Decimal
    tokens: Annotated[int, Field(ge=0)]


class Evidence(Record):
    """The label on a set of rows: whose they are, of which suite, by which verifiers, where and at what price.

    `rows`, `timings` and `cross` are the digests of the JSON-lines files; `cross` has every adapter on every slice.
    `verifiers` maps each name to `version` and the digest of its code, as `v4.3@sha256:…`.
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
