"""The views: what the ledger's entries, read from the first to the last, say about now and about any time before."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from registry.core.digest import Digest
from registry.core.ledger.assent import Assent, assent_of
from registry.core.ledger.chain import Head, LedgerLost, check_chain
from registry.core.ledger.checkpoint import SignedCheckpoint
from registry.core.ledger.entry import Hold, Judge, Link, Revoke, Waive
from registry.core.ledger.links import Links
from registry.core.ledger.merkle import Frontier
from registry.core.ledger.names import Names, UnknownReference, nearest
from registry.core.ledger.past import Generation, Look, Past
from registry.core.ledger.policy import Policy, approver
from registry.core.ledger.recall import RecalledPast
from registry.core.ledger.text import moment_of
from registry.core.pin import Pin

_NO_TREE = Frontier()


@dataclass(frozen=True, slots=True)
class State:
    """Everything that the ledger says, after its last entry. Make it with `read_state`.

    `models` has each name's manifests, newest last; `pins` every registered artefact, newest last; `tips` the digest
    of each stage's last entry. `looks` are the judgements, the oldest first, `revoked` and `holds` the entries that
    revoked a manifest and hold a stage. `makers` and `votes` are behind `assent`, `waives` behind `waivers`. `void` are
    the indexes of entries that no longer count, `refusals` counts what each stage did not let in since it serves what
    it serves. `tree` is the tree over the entries' bytes; `signed` the checkpoint
    that lies beside them, where it was looked for.
    """

    entries: Links
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
    refusals: Mapping[str, int]
    tree: Frontier = _NO_TREE
    signed: SignedCheckpoint | None = None

    @property
    def head(self) -> Head:
        """The last entry: what a reader remembers, so as to notice an older or another ledger later."""
        return Head(len(self.entries) - 1, self.entries.digest(-1))

    @property
    def next_index(self) -> int:
        """The index that the next entry will have."""
        return len(self.entries)

    @property
    def genesis(self) -> Digest:
        """The digest of entry 0, which names this ledger."""
        return self.entries.digest(0)

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
            for link in islice(self.entries, index + 1):
                past.take(link)
            return past.serving(stage)
        return next((one for one in reversed(served) if one.index <= index), None)

    def until(self, stage: str, when: datetime | int) -> str | None:
        """When `stage` served something else than at that time, as that entry claims; None if it serves it now.

        Raises:
            UnknownReference: There is no such stage.
        """
        index = self._index_at(when) if isinstance(when, datetime) else when
        if not self.void:
            return next((one.since for one in self.generations(stage) if one.index > index), None)
        then, past = self.at(stage, index), Past()
        for link in self.entries:
            past.take(link)
            now = past.serving(stage)
            if link.entry.index > index and (now and now.number) != (then and then.number):
                return link.entry.at
        return None

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
    told: dict[str, Any] = {"entries": past.links.copy(), "policy": past.policy, "tree": tree, "signed": signed}
    if isinstance(past, RecalledPast):
        return RecalledState.of(past, told)
    made: dict[str, Any] = {name: make(getattr(past, part)) for name, (part, make) in _VIEWS.items()}
    return State(**told, **made)


def _tuples(found: Mapping[Any, Iterable[Any]]) -> dict[Any, tuple[Any, ...]]:
    return {name: tuple(values) for name, values in found.items()}


def _dicts(found: Mapping[Any, Mapping[Any, Any]]) -> dict[Any, dict[Any, Any]]:
    return {name: dict(values) for name, values in found.items()}


_VIEWS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "stages": ("stages", _tuples),
    "models": ("models", _tuples),
    "pins": ("pins", tuple),
    "proofs": ("proofs", _tuples),
    "tips": ("tips", dict),
    "looks": ("looks", dict),
    "revoked": ("revoked", dict),
    "holds": ("holds", dict),
    "makers": ("makers", dict),
    "votes": ("approvals", _dicts),
    "waives": ("waivers", dict),
    "void": ("void", frozenset),
    "refusals": ("refusals", dict),
}
"""Of what part of the past each view is made, and how."""


class RecalledState(State):
    """A state of which each view is made when it is first asked for, of what was recalled and not added to since."""

    __slots__ = ("_now", "_past")

    _past: RecalledPast
    _now: Mapping[str, Generation | None]

    @classmethod
    def of(cls, past: RecalledPast, told: Mapping[str, Any]) -> "RecalledState":
        """The state after a recalled past; what is added to that later changes nothing here."""
        state = cls.__new__(cls)
        for name, (part, make) in _VIEWS.items():
            if past.is_read(part):
                object.__setattr__(state, name, make(getattr(past, part)))
        for name, value in {**told, "_past": past.as_recalled(), "_now": past.now}.items():
            object.__setattr__(state, name, value)
        return state

    def __getattr__(self, name: str) -> Any:
        # why this finds views: a slot that was never set is no attribute.
        if name not in _VIEWS:
            raise AttributeError(name)
        part, make = _VIEWS[name]
        value = make(getattr(self._past, part))
        object.__setattr__(self, name, value)
        return value

    def serving(self, stage: str) -> Generation | None:
        """What `stage` serves, without reading all that it served.

        Raises:
            UnknownReference: There is no such stage.
        """
        return self._now[stage] if stage in self._now else super().serving(stage)
