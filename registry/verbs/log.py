"""Tell what was decided: when, by whom, why, and on which verdict."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from registry.core.difference import changes
from registry.core.digest import Digest, short
from registry.core.ledger.entry import (
    Approve,
    Entry,
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
    manifest_of,
)
from registry.core.ledger.policyfile import policy_changes
from registry.core.ledger.views import State
from registry.core.manifest import Manifest
from registry.errors import IntegrityError
from registry.ports import LedgerFile, Store
from registry.verbs.reading import read_to_look


@dataclass(frozen=True, slots=True)
class Line:
    """One decision, for people. What a kind of decision does not have is None; times are RFC 3339, UTC.

    `model` is a name that the manifest was registered as. `entry` is the digest of the stored bytes, and `key_ids` are
    those whose signatures were verified. `what` says it in a few words, `changes` what a switch changed against what
    was served before, or a policy against the last one, part by part: None where a manifest is not in the store. One
    that `is_void` no longer counts.
    """

    index: int
    at: str
    actor: str
    action: str
    what: str
    reason: str | None
    stage: str | None
    generation: int | None
    model: str | None
    manifest: Digest | None
    verdict: Digest | None
    answer: str | None
    entry: Digest
    key_ids: tuple[str, ...]
    changes: tuple[str, ...] | None = None
    is_void: bool = False


def log(
    stage: str | None = None, *, ledger: LedgerFile, genesis: Digest, store: Store | None = None
) -> tuple[Line, ...]:
    """Every decision, oldest first; with `stage`, those about that stage only. The whole ledger is verified first.

    Args:
        stage: The stage, or None for all of them.
        ledger: Where the entries are.
        genesis: The pinned digest of entry 0.
        store: Where the manifests are whose differences are told; None tells no differences.

    Raises:
        UnknownReference: There is no such stage.
        LedgerLost, Breach: The ledger cannot be read or believed.
    """
    state = read_to_look(ledger, genesis)
    if stage is not None:
        state.generations(stage)  # why: an unknown stage has no log, rather than an empty one
    known: dict[Digest, Manifest | None] = {}
    policies = dict(_policies(state))
    return tuple(
        replace(_line(link, state), changes=policies.get(link.entry.index) or _changes(link.entry, store, known))
        for link in state.entries
        if stage in (None, _stage_of(link.entry))
    )


def _policies(state: State) -> Iterator[tuple[int, tuple[str, ...]]]:
    """What each policy after the first changed, by the index of its entry."""
    found = [link.entry for link in state.entries if isinstance(link.entry, PolicyEntry)]
    for old, new in pairwise(found):
        yield new.index, policy_changes(old.policy, new.policy)


def _changes(entry: Entry, store: Store | None, known: dict[Digest, Manifest | None]) -> tuple[str, ...] | None:
    """What a switch changed; `known` are the manifests that were read already."""
    if store is None or not isinstance(entry, Promote | Rollback) or entry.replaces is None:
        return None
    old, new = (_manifest(digest, store, known) for digest in (entry.replaces, entry.manifest))
    return changes(old, new) if old and new else None


def _manifest(digest: Digest, store: Store, known: dict[Digest, Manifest | None]) -> Manifest | None:
    if digest not in known:
        try:
            known[digest] = Manifest.parse(store.get(digest))
        except IntegrityError:  # why: the log tells what was decided, also where the store has lost what it was about
            known[digest] = None
    return known[digest]


def _stage_of(entry: Entry) -> str | None:
    return entry.stage if isinstance(entry, StageDecision | Judge) else None


def _line(link: Link, state: State) -> Line:
    entry = link.entry
    manifest = manifest_of(entry)
    given = entry.model if isinstance(entry, Register) else None
    names = (given,) if given else state.names(manifest) if manifest else ()
    judged = entry if isinstance(entry, Promote | Refuse | Judge) else None
    return Line(
        index=entry.index,
        at=entry.at,
        actor=entry.actor,
        action=entry.action,
        what=_what(entry),
        reason=entry.reason,
        stage=_stage_of(entry),
        generation=entry.generation if isinstance(entry, Promote | Rollback) else None,
        model=next(iter(names), None),
        manifest=manifest,
        verdict=judged.verdict if judged else None,
        answer=judged.answer if judged else None,
        entry=link.digest,
        key_ids=tuple(sorted(link.key_ids)),
        is_void=entry.index in state.void,
    )


def _what(entry: Entry) -> str:
    """The decision in a few words."""
    match entry:
        case PolicyEntry():
            return f"policy {short(entry.policy.digest)} with {_count(len(entry.policy.keys), 'key')}"
        case Register():
            parts = [_count(len(entry.pins), "artefact")] if entry.pins else []
            parts += [f"model {entry.model}"] if entry.model else []
            parts += [f"{_count(len(entry.evidence), 'piece')} of evidence"] if entry.evidence else []
            return " and ".join(parts)
        case Promote() | Rollback():
            return f"{entry.stage} serves {short(entry.manifest)} as generation {entry.generation}{_instead(entry)}"
        case Hold():
            return f"nothing is promoted to {entry.stage} until it is resumed"
        case Resume():
            return f"{entry.stage} is open for promotions again"
        case _:
            return _said(entry, short(entry.manifest))


def _instead(entry: Promote | Rollback) -> str:
    if isinstance(entry, Rollback):
        return f", back to generation {entry.target}" if entry.target else ", approved and never served there before"
    return f" instead of {short(entry.replaces)}" if entry.replaces else ", its first"


def _said(entry: Judge | Approve | Waive | Refuse | Revoke, manifest: str) -> str:
    match entry:
        case Judge():
            return f"{manifest} was judged for {entry.stage}: {entry.answer}"
        case Approve():
            return f"{manifest} is approved for {entry.stage}"
        case Waive():
            excused = f"{_count(len(entry.rules), 'rule')} of {entry.stage}"
            return f"{manifest} is excused from {excused} until {entry.expires}"
        case Refuse():
            return f"{manifest} was not let into {entry.stage}: {entry.answer}"
        case Revoke():
            return f"{manifest} is revoked: no stage may be made to serve it"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
