"""The past: what the entries so far say, gathered one by one; what the next is checked against, and views show."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

from registry.core.digest import Digest
from registry.core.ledger.assent import Assent, assent_of
from registry.core.ledger.entry import (
    Answer,
    Approve,
    Hold,
    Judge,
    Link,
    PolicyEntry,
    Promote,
    Refuse,
    Register,
    Resume,
    Revoke,
    Rollback,
    StageDecision,
    Waive,
)
from registry.core.ledger.links import Links
from registry.core.ledger.policy import Policy, approver
from registry.core.pin import Pin

Look = tuple[str, Digest, Digest, Digest]
"""A stage, a manifest, its evidence and the suite."""


@dataclass(frozen=True, slots=True)
class Generation:
    """What a stage served, from one entry until the next.

    `number` counts up from 1. `index` is the entry that made it, `since` the time claimed there. `settled` is the
    latest time claimed up to that entry: it never goes back, so it can be searched. `basis` says why the manifest was
    let in; `verdict` and `answer` are those of the promotion that first brought it. `target` is the generation whose
    manifest a rollback brought back, and `origin` the promotion behind it (the number itself, if this is one). What a
    rollback brought without any promotion has no target and no verdict, and the origin of what it replaced. `waiver`
    is the entry that excused the rules which did not pass, of this promotion or of the one behind it. One that
    `is_void` was decided by a key that was in other hands: it keeps its number, and the stage serves what it did
    before.
    """

    number: int
    stage: str
    manifest: Digest
    index: int
    actor: str
    since: str
    settled: str
    reason: str | None
    basis: Literal["gate", "bootstrap", "waiver", "rollback"]
    verdict: Digest | None
    answer: Answer | None
    target: int | None
    origin: int
    waiver: Digest | None = None
    is_void: bool = False


@dataclass(slots=True)
class Past:
    """What the entries in `links` say. Dicts stand for ordered sets: a thing registered again moves to the end.

    `makers` are the keys that first registered a manifest, `approvals` each approver's entry by stage and manifest,
    `waivers` the waivers by the digest of their entry, `holds` the stages on hold with the entry that says so. `void`
    are the indexes of entries that no longer count, because a key that they needed was in other hands. `refusals`
    counts for each stage what was not let in since it serves what it serves.
    """

    links: Links = field(default_factory=Links)
    policy: Policy | None = None
    stages: dict[str, list[Generation]] = field(default_factory=dict)
    models: dict[str, dict[Digest, None]] = field(default_factory=dict)
    pins: dict[Pin, None] = field(default_factory=dict)
    proofs: dict[Digest, dict[Digest, None]] = field(default_factory=dict)
    tips: dict[str, Digest] = field(default_factory=dict)
    makers: dict[Digest, frozenset[str]] = field(default_factory=dict)
    looks: dict[Look, Judge] = field(default_factory=dict)
    approvals: dict[tuple[str, Digest], dict[str, Link]] = field(default_factory=dict)
    waivers: dict[Digest, Waive] = field(default_factory=dict)
    revoked: dict[Digest, Revoke] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)
    settled: str = ""
    void: frozenset[int] = frozenset()

    def take(self, link: Link) -> None:
        """Add what one more entry says."""
        self._note(link)
        if isinstance(link.entry, PolicyEntry) and link.entry.policy.revocations:
            void = frozenset(_void_entries(self.links, link.entry.policy.revocations))
            if void != self.void:
                self._tell_again(void)

    @property
    def now(self) -> Mapping[str, Generation | None]:
        """What each stage serves."""
        return {stage: self.serving(stage) for stage in self.stages}

    def serving(self, stage: str) -> Generation | None:
        """What `stage` serves; None where it serves nothing, or there is no such stage."""
        return next((one for one in reversed(self.stages.get(stage, [])) if not one.is_void), None)

    def has_served(self, stage: str, manifest: Digest) -> bool:
        """Whether `stage` serves or ever served `manifest`."""
        return any(one.manifest == manifest and not one.is_void for one in self.stages.get(stage, []))

    def assent(self, stage: str, manifest: Digest) -> Assent:
        """Who approved that `stage` serves `manifest`, as far as it counts now."""
        role = self.policy.roles.get(approver(stage)) if self.policy else None
        return assent_of(role, self.approvals.get((stage, manifest), {}), self.makers.get(manifest, frozenset()))

    def _tell_again(self, void: frozenset[int]) -> None:
        """Say everything once more without the entries that no longer count."""
        fresh = Past(void=void, links=Links(fetch=self.links.fetch))
        for link in self.links:
            fresh._note(link)
        for one in fields(self):
            setattr(self, one.name, getattr(fresh, one.name))

    def _note(self, link: Link) -> None:
        entry = link.entry
        self.links.append(link)
        self.settled = max(self.settled, entry.at)
        if isinstance(entry, StageDecision):
            self.tips[entry.stage] = link.digest
        if isinstance(entry, Refuse):
            self.refusals[entry.stage] = self.refusals.get(entry.stage, 0) + 1
        if isinstance(entry, Promote | Rollback):
            self.stages[entry.stage].append(self._generation(entry))
            if entry.index not in self.void:
                self.refusals.pop(entry.stage, None)
        elif entry.index not in self.void:
            self._note_standing(link)

    def _note_standing(self, link: Link) -> None:  # noqa: C901 - a table of kinds
        match entry := link.entry:
            case PolicyEntry():
                self.policy = entry.policy
                # why: a stage that a later policy drops keeps its past.
                self.stages = {**{stage: [] for stage in entry.policy.stages}, **self.stages}
            case Register():
                self._register(entry, link.key_ids)
            case Judge():
                self.looks.setdefault((entry.stage, entry.manifest, entry.evidence, entry.suite), entry)
            case Approve():
                of = self.approvals.setdefault((entry.stage, entry.manifest), {})
                of.update(dict.fromkeys(sorted(link.key_ids), link))
            case Waive():
                self.waivers[link.digest] = entry
            case Revoke():
                self.revoked[entry.manifest] = entry
            case Hold():
                self.holds[entry.stage] = entry
            case Resume():
                self.holds.pop(entry.stage, None)
            case Promote() | Refuse() | Rollback():
                pass  # why: a refusal changes nothing, and a switch is noted even where it is void

    def _register(self, entry: Register, key_ids: frozenset[str]) -> None:
        for pin in entry.pins:
            self.pins.pop(pin, None)
            self.pins[pin] = None
        if entry.model is not None and entry.manifest is not None:
            self.makers.setdefault(entry.manifest, key_ids)
            manifests = self.models.setdefault(entry.model, {})
            manifests.pop(entry.manifest, None)
            manifests[entry.manifest] = None
        if entry.manifest is not None:
            proofs = self.proofs.setdefault(entry.manifest, {})
            for digest in entry.evidence:
                proofs.pop(digest, None)
                proofs[digest] = None

    def _generation(self, entry: Promote | Rollback) -> Generation:
        earlier = self.stages[entry.stage]
        source: Promote | Generation | None = entry if isinstance(entry, Promote) else None
        if isinstance(entry, Rollback) and entry.target is not None:
            source = earlier[entry.target - 1]
        # why of what it replaced: from there the next rollback goes further back.
        behind = source if source is not None else self.serving(entry.stage)
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
            verdict=source.verdict if source else None,
            answer=source.answer if source else None,
            target=entry.target if isinstance(entry, Rollback) else None,
            origin=behind.origin if isinstance(behind, Generation) else entry.generation,
            waiver=source.waiver if source else None,
            is_void=entry.index in self.void,
        )


def _void_entries(links: Iterable[Link], revocations: dict[str, int]) -> Iterator[int]:
    """The entries that too few keys signed, if what revoked keys signed is left out.

    A policy is none of them: the one that revokes a key says anew who may do what.
    """
    policy: Policy | None = None
    for link in links:
        entry = link.entry
        if isinstance(entry, PolicyEntry):
            policy = entry.policy
        elif policy is not None and is_void(link, policy, revocations):
            yield entry.index


def is_void(link: Link, policy: Policy, revocations: Mapping[str, int]) -> bool:
    """Whether too few keys signed an entry, if what revoked keys signed is left out.

    Args:
        link: The entry.
        policy: The one that was in force for it.
        revocations: Key id to the index from which on its signatures count for nothing, as of now.
    """
    entry = link.entry
    lost = {key_id for key_id in link.key_ids if revocations.get(key_id, entry.index + 1) <= entry.index}
    return bool(lost) and not isinstance(entry, PolicyEntry) and not policy.may(entry.role, link.key_ids - lost)
