"""Tell what was decided: when, by whom, why, and on which verdict."""

from dataclasses import dataclass

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
from registry.core.ledger.views import State
from registry.ports import LedgerFile
from registry.verbs.append import read


@dataclass(frozen=True, slots=True)
class Line:
    """One decision, for people. What a kind of decision does not have is None; times are RFC 3339, UTC.

    `model` is a name that the manifest was registered as. `entry` is the digest of the stored bytes, and `key_ids` are
    those whose signatures were verified. `what` says it in a few words.
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


def log(stage: str | None = None, *, ledger: LedgerFile, genesis: Digest) -> tuple[Line, ...]:
    """Every decision, oldest first; with `stage`, those about that stage only. The whole ledger is verified first.

    Raises:
        UnknownReference: There is no such stage.
        LedgerLost, Breach: The ledger cannot be read or believed.
    """
    state = read(ledger, genesis)
    if stage is not None:
        state.generations(stage)  # why: an unknown stage has no log, rather than an empty one
    return tuple(_line(link, state) for link in state.entries if stage in (None, _stage_of(link.entry)))


def _stage_of(entry: Entry) -> str | None:
    return entry.stage if isinstance(entry, StageDecision | Judge) else None


def _line(link: Link, state: State) -> Line:
    entry = link.entry
    manifest = manifest_of(entry)
    names = (entry.model,) if isinstance(entry, Register) else state.names(manifest) if manifest else ()
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
    )


def _what(entry: Entry) -> str:
    """The decision in a few words."""
    match entry:
        case PolicyEntry():
            return f"policy {short(entry.policy.digest)} with {len(entry.policy.keys)} keys"
        case Register():
            parts = [f"{len(entry.pins)} artefacts"] if entry.pins else []
            parts += [f"model {entry.model}"] if entry.model else []
            parts += [f"{len(entry.evidence)} pieces of evidence"] if entry.evidence else []
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
        return f", back to generation {entry.target}"
    return f" instead of {short(entry.replaces)}" if entry.replaces else ", its first"


def _said(entry: Judge | Approve | Waive | Refuse | Revoke, manifest: str) -> str:
    match entry:
        case Judge():
            return f"{manifest} was judged for {entry.stage}: {entry.answer}"
        case Approve():
            return f"{manifest} is approved for {entry.stage}"
        case Waive():
            return f"{manifest} is excused from {len(entry.rules)} rules of {entry.stage} until {entry.expires}"
        case Refuse():
            return f"{manifest} was not let into {entry.stage}: {entry.answer}"
        case Revoke():
            return f"{manifest} is revoked: no stage may be made to serve it"
