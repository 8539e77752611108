"""The views: what the ledger's entries, read from the first to the last, say about now and about any time before."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from registry.core.digest import Digest
from registry.core.ledger.chain import Head, LedgerLost, Link, check_chain
from registry.core.ledger.entry import Answer, PolicyEntry, Promote, Register, Rollback, StageDecision, moment_of
from registry.core.ledger.names import Names, UnknownReference, nearest
from registry.core.ledger.policy import Policy
from registry.core.pin import Pin


@dataclass(frozen=True, slots=True)
class Generation:
    """What a stage served, from one entry until the next.

    `number` counts up from 1. `index` is the entry that made it, `since` the time claimed there. `settled` is the
    latest time claimed up to that entry: it never goes back, so it can be searched. `basis` says why the manifest was
    let in; `verdict` and `answer` are those of the promotion that first brought it. `target` is the generation whose
    manifest a rollback brought back, and `origin` the promotion behind it (the number itself, if this is one).
    """

    number: int
    stage: str
    manifest: Digest
    index: int
    actor: str
    since: str
    settled: str
    reason: str | None
    basis: Literal["gate", "bootstrap", "rollback"]
    verdict: Digest
    answer: Answer
    target: int | None
    origin: int


@dataclass(frozen=True, slots=True)
class State:
    """Everything that the ledger says, after its last entry. Make it with `read_state`.

    `models` has each name's manifests, newest last; `pins` every registered artefact, newest last; `tips` the digest
    of each stage's last entry.
    """

    entries: tuple[Link, ...]
    policy: Policy
    stages: Mapping[str, tuple[Generation, ...]]
    models: Mapping[str, tuple[Digest, ...]]
    pins: tuple[Pin, ...]
    proofs: Mapping[Digest, tuple[Digest, ...]]
    tips: Mapping[str, Digest]

    @property
    def head(self) -> Head:
        """The last entry: what a reader remembers, so as to notice an older or another ledger later."""
        return Head(len(self.entries) - 1, self.entries[-1].digest)

    @property
    def next_index(self) -> int:
        """The index that the next entry will have."""
        return len(self.entries)

    @property
    def genesis(self) -> Digest:
        """The digest of entry 0, which names this ledger."""
        return self.entries[0].digest

    def generations(self, stage: str) -> tuple[Generation, ...]:
        """All generations of `stage`, from the first.

        Raises:
            UnknownReference: There is no such stage.
        """
        if stage not in self.stages:
            raise UnknownReference(f"there is no stage {stage!r}", mend=nearest(stage, self.stages))
        return self.stages[stage]

    def serving(self, stage: str) -> Generation | None:
        """What `stage` serves; None if it never served anything.

        Raises:
            UnknownReference: There is no such stage.
        """
        return next(reversed(self.generations(stage)), None)

    def at(self, stage: str, when: datetime | int) -> Generation | None:
        """What `stage` served at a time (an aware datetime), or after the entry of an index; None before its first.

        Times are what the writers' clocks claimed; where they contradict the order of the entries, the order stands.

        Raises:
            UnknownReference: There is no such stage.
        """
        found = self.generations(stage)
        if isinstance(when, datetime):
            moment = moment_of(when)
            return next((one for one in reversed(found) if one.settled <= moment), None)
        return next((one for one in reversed(found) if one.index <= when), None)

    def has_served(self, stage: str, manifest: Digest) -> bool:
        """Whether `stage` serves or ever served `manifest`."""
        return any(one.manifest == manifest for one in self.generations(stage))

    def evidence(self, manifest: Digest) -> tuple[Digest, ...]:
        """The evidence registered for `manifest`, newest first."""
        return self.proofs.get(manifest, ())[::-1]

    def artefacts(self, role: str | None, name: str) -> tuple[Pin, ...]:
        """The artefacts registered under `name`, in `role` or in any, newest last."""
        return tuple(pin for pin in self.pins if pin.name == name and role in (None, pin.role))

    def names(self, manifest: Digest) -> tuple[str, ...]:
        """The models that `manifest` was registered as, in alphabetical order."""
        return tuple(sorted(name for name, manifests in self.models.items() if manifest in manifests))

    def resolve(self, ref: str) -> Digest:
        """The manifest that `ref` means: a model, `model@hex`, a stage, `stage@N`, `sha256:…`, six hex digits or more.

        Raises:
            UnknownReference: Nothing is called that; the nearest name is told.
            AmbiguousReference: More than one manifest is; they are listed.
        """
        served = {stage: tuple(one.manifest for one in found) for stage, found in self.stages.items()}
        return Names(self.models, served).resolve(ref)


def read_state(entries: Sequence[bytes], genesis: Digest) -> State:
    """Verify a ledger from its exact stored bytes, and say what it says.

    Raises:
        LedgerLost: There are no entries.
        Breach: An entry breaks the ledger.
    """
    return state_of(check_chain(entries, genesis))


def state_of(links: Iterable[Link]) -> State:
    """Say what verified entries say, in one pass.

    Raises:
        LedgerLost: There are none.
    """
    fold = _Fold()
    for link in links:
        fold.take(link)
    if fold.policy is None:
        raise LedgerLost
    return State(
        entries=tuple(fold.entries),
        policy=fold.policy,
        stages={stage: tuple(found) for stage, found in fold.stages.items()},
        models={name: tuple(manifests) for name, manifests in fold.models.items()},
        pins=tuple(fold.pins),
        proofs={manifest: tuple(found) for manifest, found in fold.proofs.items()},
        tips=dict(fold.tips),
    )


@dataclass(slots=True)
class _Fold:
    """A state in the making. Dicts stand for ordered sets: a thing registered again moves to the end."""

    policy: Policy | None = None
    entries: list[Link] = field(default_factory=list)
    stages: dict[str, list[Generation]] = field(default_factory=dict)
    models: dict[str, dict[Digest, None]] = field(default_factory=dict)
    pins: dict[Pin, None] = field(default_factory=dict)
    proofs: dict[Digest, dict[Digest, None]] = field(default_factory=dict)
    tips: dict[str, Digest] = field(default_factory=dict)
    settled: str = ""

    def take(self, link: Link) -> None:
        """Add what one entry says."""
        entry = link.entry
        self.entries.append(link)
        self.settled = max(self.settled, entry.at)
        if isinstance(entry, StageDecision):
            self.tips[entry.stage] = link.digest
        match entry:
            case PolicyEntry():
                self.policy = entry.policy
                # why: a stage that a later policy drops keeps its past.
                self.stages = {**{stage: [] for stage in entry.policy.stages}, **self.stages}
            case Register():
                self._register(entry)
            case Promote() | Rollback():
                self.stages[entry.stage].append(self._generation(entry))
            case _:
                pass  # a refusal changes nothing

    def _register(self, entry: Register) -> None:
        for pin in entry.pins:
            self.pins.pop(pin, None)
            self.pins[pin] = None
        if entry.model is not None and entry.manifest is not None:
            manifests = self.models.setdefault(entry.model, {})
            manifests.pop(entry.manifest, None)
            manifests[entry.manifest] = None
            proofs = self.proofs.setdefault(entry.manifest, {})
            for digest in entry.evidence:
                proofs.pop(digest, None)
                proofs[digest] = None

    def _generation(self, entry: Promote | Rollback) -> Generation:
        earlier = self.stages[entry.stage]
        source = earlier[entry.target - 1] if isinstance(entry, Rollback) else entry
        return Generation(
            number=entry.generation,
            stage=entry.stage,
            manifest=entry.manifest,
            index=entry.index,
            actor=entry.actor,
            since=entry.at,
            settled=self.settled,
            reason=entry.reason,
            basis="rollback" if isinstance(entry, Rollback) else entry.basis,
            verdict=source.verdict,
            answer=source.answer,
            target=entry.target if isinstance(entry, Rollback) else None,
            origin=source.origin if isinstance(source, Generation) else entry.generation,
        )
