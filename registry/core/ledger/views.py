"""The views: what the ledger's entries, read from the first to the last, say about now and about any time before."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from registry.core.digest import Digest
from registry.core.ledger.assent import Assent, assent_of
from registry.core.ledger.chain import Head, LedgerLost, check_chain
from registry.core.ledger.checkpoint import SignedCheckpoint
from registry.core.ledger.entry import Hold, Judge, Link, Revoke, Waive
from registry.core.ledger.merkle import Frontier
from registry.core.ledger.names import Names, UnknownReference, nearest
from registry.core.ledger.past import Generation, Look, Past
from registry.core.ledger.policy import Policy, approver
from registry.core.ledger.text import moment_of
from registry.core.pin import Pin

_NO_TREE = Frontier()


@dataclass(frozen=True, slots=True)
class State:
    """Everything that the ledger says, after its last entry. Make it with `read_state`.

    `models` has each name's manifests, newest last; `pins` every registered artefact, newest last; `tips` the digest
    of each stage's last entry. `looks` are the judgements, the oldest first, `revoked` and `holds` the entries that
    revoked a manifest and hold a stage. `makers` and `votes` are behind `assent`, `waives` behind `waivers`. `void` are
    the indexes of entries that no longer count. `tree` is the tree over the entries' bytes; `signed` the checkpoint
    that lies beside them, where it was looked for.
    """

    entries: tuple[Link, ...]
    policy: Policy
    stages: Mapping[str, tuple[Generation, ...]]
    models: Mapping[str, tuple[Digest, ...]]
    pins: tuple[Pin, ...]
    proofs: Mapping[Digest, tuple[Digest, ...]]
    tips: Mapping[str, Digest]
    looks: Mapping[Look, Judge]
    revoked: Mapping[Digest, Revoke]
    holds: Mapping[str, Hold]
    makers: Mapping[Digest, frozenset[str]]
    votes: Mapping[tuple[str, Digest], Mapping[str, Link]]
    waives: Mapping[Digest, Waive]
    void: frozenset[int]
    tree: Frontier = _NO_TREE
    signed: SignedCheckpoint | None = None

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
        return next((one for one in reversed(self.generations(stage)) if not one.is_void), None)

    def at(self, stage: str, when: datetime | int) -> Generation | None:
        """What `stage` served at a time (an aware datetime), or after the entry of an index; None before its first.

        Times are what the writers' clocks claimed; where they contradict the order of the entries, the order stands.

        Raises:
            UnknownReference: There is no such stage.
        """
        served = self.generations(stage)
        index = self._index_at(when) if isinstance(when, datetime) else when
        if self.void and index < len(self.entries):
            # why anew: what is void now was served then, until the entry that took the key away.
            past = Past()
            for link in self.entries[: index + 1]:
                past.take(link)
            return past.serving(stage)
        return next((one for one in reversed(served) if one.index <= index), None)

    def _index_at(self, when: datetime) -> int:
        """The last entry that was there at a time; -1 if there was none."""
        moment = moment_of(when)
        later = (link.entry.index for link in self.entries if link.entry.at > moment)
        return next(later, len(self.entries)) - 1

    def has_served(self, stage: str, manifest: Digest) -> bool:
        """Whether `stage` serves or ever served `manifest`."""
        return any(one.manifest == manifest and not one.is_void for one in self.generations(stage))

    def held(self, stage: str) -> Hold | None:
        """The entry that holds `stage`; None while it is open for promotions."""
        return self.holds.get(stage)

    def judged(self, stage: str) -> tuple[Judge, ...]:
        """Every look at a candidate for `stage`, the oldest first; the same one never twice."""
        return tuple(look for look in self.looks.values() if look.stage == stage)

    def assent(self, stage: str, manifest: Digest) -> Assent:
        """Who approved that `stage` serves `manifest`, as far as it counts now."""
        role = self.policy.roles.get(approver(stage))
        return assent_of(role, self.votes.get((stage, manifest), {}), self.makers.get(manifest, frozenset()))

    def approvals(self, stage: str, manifest: Digest) -> tuple[Link, ...]:
        """The approvals of `manifest` for `stage` that count now, one for each key, the oldest first."""
        return tuple(sorted(self.assent(stage, manifest).approvals.values(), key=lambda link: link.entry.index))

    def waivers(self, stage: str, manifest: Digest) -> tuple[tuple[Digest, Waive], ...]:
        """The waivers for `manifest` on `stage`, live or expired, with the digests of their entries, newest first."""
        of = (stage, manifest)
        return tuple((digest, one) for digest, one in self.waives.items() if (one.stage, one.manifest) == of)[::-1]

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
        if ref in self.stages and (now := self.serving(ref)):
            return now.manifest
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
    past = Past()
    for link in links:
        past.take(link)
    return state_after(past)


def state_after(past: Past, tree: Frontier = _NO_TREE, signed: SignedCheckpoint | None = None) -> State:
    """Say what the past says, as it is now; what is added to it later changes nothing here.

    Args:
        past: What the entries say.
        tree: The tree over their bytes.
        signed: The checkpoint, where it was looked for and holds.

    Raises:
        LedgerLost: It has no entries.
    """
    if past.policy is None:
        raise LedgerLost
    return State(
        entries=tuple(past.links),
        policy=past.policy,
        stages={stage: tuple(found) for stage, found in past.stages.items()},
        models={name: tuple(manifests) for name, manifests in past.models.items()},
        pins=tuple(past.pins),
        proofs={manifest: tuple(found) for manifest, found in past.proofs.items()},
        tips=dict(past.tips),
        looks=dict(past.looks),
        revoked=dict(past.revoked),
        holds=dict(past.holds),
        makers=dict(past.makers),
        votes={of: dict(found) for of, found in past.approvals.items()},
        waives=dict(past.waivers),
        void=past.void,
        tree=tree,
        signed=signed,
    )
