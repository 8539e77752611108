"""The entry: one decision, as an in-toto statement about the manifest that it concerns."""

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from registry.core.digest import Digest, Sha256, hex_of
from registry.core.ledger.envelope import KeyId, Signature
from registry.core.ledger.policy import ANYONE, REGISTRAR, ROOT, Policy, Stage, approver, promoter, waiver
from registry.core.ledger.text import Actor, Line, Moment
from registry.core.pin import Name, Pin
from registry.core.record import Record

MAX_BYTES = 65_535
"""Most bytes of one stored entry; C2SP entry bundles count a leaf in 16 bits."""

Answer = Literal["GO", "NO-GO", "HOLD"]

Count = Annotated[int, Field(ge=1)]


class Decision(Record):
    """What every entry says: its place in the ledger, who wrote it, when, and why."""

    index: Annotated[int, Field(ge=0)]
    previous: Sha256 | None = None
    actor: Actor
    at: Moment
    reason: Line | None = None


class StageDecision(Decision):
    """What every entry about a stage says: the stage, and the entry before it about that stage.

    Each kind of entry also knows its `role`, which must have signed it, and its `subjects`.
    """

    stage: Stage
    stage_previous: Sha256 | None = None

    @property
    def role(self) -> str:
        """The stage's promoter."""
        return promoter(self.stage)

    @property
    def subjects(self) -> tuple[Digest, ...]:
        """The ledger up to here, where there is no manifest that the entry is about."""
        return (self.previous,) if self.previous else ()


class ModelDecision(StageDecision):
    """An entry about one manifest on one stage."""

    manifest: Sha256

    @property
    def subjects(self) -> tuple[Digest, ...]:
        """The manifest."""
        return (self.manifest,)


class PolicyEntry(Decision):
    """From here on this policy is in force.

    `endorsements` are the signatures of a `registry.core.ledger.change`, gathered elsewhere, in the ledger that starts
    with `genesis`: with those on the entry itself, enough root keys of the policy before it and of this one signed.
    """

    action: Literal["policy"] = "policy"
    policy: Policy
    genesis: Sha256 | None = None
    endorsements: Annotated[tuple[Signature, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _names_its_ledger(self) -> Self:
        if (self.genesis is None) != (self.endorsements is None):
            raise ValueError("endorsements and the genesis of their ledger are named together")
        return self

    @property
    def role(self) -> str:
        """Root."""
        return ROOT

    @property
    def subjects(self) -> tuple[Digest, ...]:
        """The policy itself."""
        return (self.policy.digest,)


class Register(Decision):
    """From here on these pins, this model's manifest and this evidence are known by name.

    Evidence that comes later is registered with the manifest alone: it does not make it the newest of its name.
    """

    action: Literal["register"] = "register"
    model: Name | None = None
    manifest: Sha256 | None = None
    pins: tuple[Pin, ...] = ()
    evidence: tuple[Sha256, ...] = ()

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.model is not None and self.manifest is None:
            raise ValueError("a model's name and its manifest are registered together")
        if self.manifest is not None and self.model is None and not self.evidence:
            raise ValueError("a manifest is registered under a name, or with evidence for it")
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


class Promote(ModelDecision):
    """`stage` now serves `manifest` as `generation`, in place of `replaces`, because `verdict` allowed it.

    `basis` is `gate` where the verdict is GO. It is `bootstrap` for the first release of a stage, which has nothing to
    be compared with: the verdict is attached with its `answer`, and `reason` says why it was let in. It is `waiver`
    where the answer is another one, and the entry whose digest is `waiver` excuses the rules that did not pass.
    """

    action: Literal["promote"] = "promote"
    generation: Count
    replaces: Sha256 | None = None
    verdict: Sha256
    answer: Answer
    basis: Literal["gate", "bootstrap", "waiver"]
    waiver: Sha256 | None = None

    @model_validator(mode="after")
    def _is_allowed(self) -> Self:
        if self.basis == "gate" and self.answer != "GO":
            raise ValueError("only GO promotes")
        if (self.basis == "waiver") != (self.waiver is not None) or (self.waiver and self.answer == "GO"):
            raise ValueError("a waiver is named where one is needed, and only there")
        if self.basis == "bootstrap" and self.reason is None:
            raise ValueError("a bootstrap gives its reason")
        return self


class Refuse(ModelDecision):
    """`manifest` was not let into `stage`, because of `verdict`."""

    action: Literal["refuse"] = "refuse"
    verdict: Sha256
    answer: Literal["NO-GO", "HOLD"]


class Rollback(ModelDecision):
    """`stage` now serves as `generation` what generation `target` served, in place of `replaces`.

    Without a `target` it never served `manifest`, which is approved for it, and whose approvals the policy lets do.
    """

    action: Literal["rollback"] = "rollback"
    generation: Count
    replaces: Sha256
    target: Count | None = None
    reason: Line


class Judge(Decision):
    """Somebody looked at how `manifest` does on `suite`, as `evidence` shows it, by the rules of `stage`.

    A frozen suite wears out by being looked at; these entries are what is counted.
    """

    action: Literal["judge"] = "judge"
    stage: Stage
    manifest: Sha256
    evidence: Sha256
    suite: Sha256
    verdict: Sha256
    answer: Answer

    @property
    def role(self) -> str:
        """Whoever has a key of the policy: a look that is told is better than one that is not."""
        return ANYONE

    @property
    def subjects(self) -> tuple[Digest, ...]:
        """The manifest."""
        return (self.manifest,)


class Approve(ModelDecision):
    """The owner of the key that signed this wants `stage` to serve `manifest`."""

    action: Literal["approve"] = "approve"

    @property
    def role(self) -> str:
        """The stage's approvers, of whom each signs an entry of their own."""
        return approver(self.stage)


class Waive(ModelDecision):
    """The `rules`, which are all that did not pass in `verdict`, are no obstacle for `manifest` until `expires`."""

    action: Literal["waive"] = "waive"
    verdict: Sha256
    rules: Annotated[tuple[Line, ...], Field(min_length=1)]
    expires: Moment
    reason: Line

    @property
    def role(self) -> str:
        """Who may waive on this stage."""
        return waiver(self.stage)


class Revoke(Decision):
    """`manifest` is bad: from here on no stage may be made to serve it, and no host takes it in."""

    action: Literal["revoke"] = "revoke"
    manifest: Sha256
    reason: Line

    @property
    def role(self) -> str:
        """The registrar, who made it known."""
        return REGISTRAR

    @property
    def subjects(self) -> tuple[Digest, ...]:
        """The manifest."""
        return (self.manifest,)


class Hold(StageDecision):
    """From here on nothing is promoted to `stage`. A rollback still is possible."""

    action: Literal["hold"] = "hold"
    reason: Line


class Resume(StageDecision):
    """`stage` is open for promotions again."""

    action: Literal["resume"] = "resume"
    reason: Line


Entry = PolicyEntry | Register | Judge | Approve | Waive | Promote | Refuse | Rollback | Revoke | Hold | Resume
"""One decision, of any kind; `action` tells which."""


@dataclass(frozen=True, slots=True)
class Link:
    """A verified entry: what it decides, the digest of its stored bytes, and the keys that signed it."""

    entry: Entry
    digest: Digest
    key_ids: frozenset[str]


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


def manifest_of(entry: Entry) -> Digest | None:
    """The manifest that an entry is about, if it is about one."""
    return None if isinstance(entry, PolicyEntry | Hold | Resume) else entry.manifest


class Claim(Record):
    """What is read of a statement that was checked before: its entry alone."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    predicate: Annotated[Entry, Field(discriminator="action")]


def statement_of(entry: Entry) -> bytes:
    """The canonical bytes of the statement that carries `entry`: what is signed."""
    return Statement(subject=_subjects(entry), predicate=entry).canonical()


def claimed_entry_of(statement: bytes) -> Entry:
    """The entry in a statement whose spelling somebody else has checked.

    Raises:
        MalformedRecord: The bytes are not a statement about its entry.
    """
    return Claim.glance(statement).predicate


def entry_of(statement: bytes) -> Entry:
    """The entry in a statement.

    Raises:
        NotCanonical: The bytes are not canonical JSON.
        MalformedRecord: They are not a statement about its entry.
    """
    return Statement.parse(statement).predicate


def _subjects(entry: Entry) -> tuple[Subject, ...]:
    return tuple(Subject(digest={"sha256": hex_of(digest)}) for digest in entry.subjects)
