"""Tell what was decided: when, by whom, why, and on which verdict."""

from dataclasses import dataclass

from registry.core.digest import Digest, short
from registry.core.ledger.chain import Link
from registry.core.ledger.entry import Entry, PolicyEntry, Promote, Refuse, Register, Rollback, StageDecision
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
    return entry.stage if isinstance(entry, StageDecision) else None


def _line(link: Link, state: State) -> Line:
    entry = link.entry
    manifest = None if isinstance(entry, PolicyEntry) else entry.manifest
    names = (entry.model,) if isinstance(entry, Register) else state.names(manifest) if manifest else ()
    judged = entry if isinstance(entry, Promote | Refuse) else None
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
        case Promote():
            instead = f" instead of {short(entry.replaces)}" if entry.replaces else ", its first"
            return f"{entry.stage} serves {short(entry.manifest)} as generation {entry.generation}{instead}"
        case Refuse():
            return f"{short(entry.manifest)} was not let into {entry.stage}: {entry.answer}"
        case Rollback():
            back = f"back to generation {entry.target}"
            return f"{entry.stage} serves {short(entry.manifest)} as generation {entry.generation}, {back}"
