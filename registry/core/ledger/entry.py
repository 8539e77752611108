"""The entry: one decision, as an in-toto statement about the manifest that it concerns."""

import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from registry.core.digest import Digest, Sha256, hex_of
from registry.core.ledger.envelope import KeyId
from registry.core.ledger.policy import REGISTRAR, ROOT, Policy, Stage, promoter
from registry.core.pin import Name, Pin
from registry.core.record import Record

MAX_BYTES = 65_535
"""Most bytes of one stored entry; C2SP entry bundles count a leaf in 16 bits."""

Answer = Literal["GO", "NO-GO", "HOLD"]


def _is_one_line(text: str) -> str:
    # why: reasons are printed on terminals; an escape sequence or a line break there could draw a false log.
    if any(unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp") for letter in text) or text != text.strip():
        raise ValueError("it is not one line of printable text")
    return text


def _is_a_moment(text: str) -> str:
    datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return text


Line = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_is_one_line)]
"""What a person wrote: one line of printable text."""

Actor = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_is_one_line)]
"""Who says that they did it; the signatures say whose keys did."""

Moment = Annotated[
    str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"), AfterValidator(_is_a_moment)
]
"""A claimed time: RFC 3339, UTC, whole seconds. Nothing is ordered by it."""

Count = Annotated[int, Field(ge=1)]


class Decision(Record):
    """What every entry says: its place in the ledger, who wrote it, when, and why."""

    index: Annotated[int, Field(ge=0)]
    previous: Sha256 | None = None
    actor: Actor
    at: Moment
    reason: Line | None = None


class StageDecision(Decision):
    """What every entry about a stage says: the stage, the entry before it about that stage, and the manifest.

    Each kind of entry also knows its `role`, which must have signed it, and its `subjects`.
    """

    stage: Stage
    stage_previous: Sha256 | None = None
    manifest: Sha256

    @property
    def role(self) -> str:
        """The stage's promoter."""
        return promoter(self.stage)

    @property
    def subjects(self) -> tuple[Digest, ...]:
        """The manifest."""
        return (self.manifest,)


class PolicyEntry(Decision):
    """From here on this policy is in force."""

    action: Literal["policy"] = "policy"
    policy: Policy

    @property
    def role(self) -> str:
        """Root."""
        return ROOT

    @property
    def subjects(self) -> tuple[Digest, ...]:
        """The policy itself."""
        return (self.policy.digest,)


class Register(Decision):
    """From here on these pins, this model's manifest and this evidence are known by name."""

    action: Literal["register"] = "register"
    model: Name | None = None
    manifest: Sha256 | None = None
    pins: tuple[Pin, ...] = ()
    evidence: tuple[Sha256, ...] = ()

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if (self.model is None) != (self.manifest is None):
            raise ValueError("a model's name and its manifest are registered together")
        if self.evidence and self.manifest is None:
            raise ValueError("evidence is registered with the manifest that it is about")
        if self.manifest is None and not self.pins:
            raise ValueError("nothing is registered")
        return self

    @property
    def role(self) -> str:
        """The registrar."""
        return REGISTRAR

    @property
    def subjects(self) -> tuple[Digest, ...]:
        """The manifest, or each artefact where there is none."""
        return (self.manifest,) if self.manifest else tuple(dict.fromkeys(pin.digest for pin in self.pins))


class Promote(StageDecision):
    """`stage` now serves `manifest` as `generation`, in place of `replaces`, because `verdict` allowed it.

    `basis` is `gate` where the verdict is GO. It is `bootstrap` for the first release of a stage, which has nothing to
    be compared with: the verdict is attached with its `answer`, and `reason` says why it was let in.
    """

    action: Literal["promote"] = "promote"
    generation: Count
    replaces: Sha256 | None = None
    verdict: Sha256
    answer: Answer
    basis: Literal["gate", "bootstrap"]

    @model_validator(mode="after")
    def _is_allowed(self) -> Self:
        if self.basis == "gate" and self.answer != "GO":
            raise ValueError("only GO promotes")
        if self.basis == "bootstrap" and self.reason is None:
            raise ValueError("a bootstrap gives its reason")
        return self


class Refuse(StageDecision):
    """`manifest` was not let into `stage`, because of `verdict`."""

    action: Literal["refuse"] = "refuse"
    verdict: Sha256
    answer: Literal["NO-GO", "HOLD"]


class Rollback(StageDecision):
    """`stage` now serves as `generation` what generation `target` served, in place of `replaces`."""

    action: Literal["rollback"] = "rollback"
    generation: Count
    replaces: Sha256
    target: Count
    reason: Line


Entry = PolicyEntry | Register | Promote | Refuse | Rollback
"""One decision, of any kind; `action` tells which."""


class Subject(Record):
    """What an in-toto statement is about."""

    digest: dict[Literal["sha256"], KeyId]


class Statement(Record):
    """An in-toto statement, version 1, that carries one entry."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, serialize_by_alias=True)

    type: Literal["https://in-toto.io/Statement/v1"] = Field(default="https://in-toto.io/Statement/v1", alias="_type")
    subject: tuple[Subject, ...]
    predicateType: Literal["urn:lockstep:entry:1"] = "urn:lockstep:entry:1"  # noqa: N815 - the name is in-toto's
    predicate: Annotated[Entry, Field(discriminator="action")]

    @model_validator(mode="after")
    def _is_about_its_entry(self) -> Self:
        if self.subject != _subjects(self.predicate):
            raise ValueError("the subject is not what the entry is about")
        return self


def statement_of(entry: Entry) -> bytes:
    """The canonical bytes of the statement that carries `entry`: what is signed."""
    return Statement(subject=_subjects(entry), predicate=entry).canonical()


def entry_of(statement: bytes) -> Entry:
    """The entry in a statement.

    Raises:
        NotCanonical: The bytes are not canonical JSON.
        MalformedRecord: They are not a statement about its entry.
    """
    return Statement.parse(statement).predicate


def moment_of(time: datetime) -> str:
    """Spell an aware `time` as entries do: RFC 3339, UTC, whole seconds, rounded down."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _subjects(entry: Entry) -> tuple[Subject, ...]:
    return tuple(Subject(digest={"sha256": hex_of(digest)}) for digest in entry.subjects)
