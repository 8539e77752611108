"""What is kept: the roots from which every blob is reached that may be needed again, each with the reason."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from registry.core.digest import Digest
from registry.core.ledger.entry import Link, Register
from registry.core.ledger.past import Generation
from registry.core.ledger.text import moment_of
from registry.core.ledger.views import State
from registry.core.pin import Pin
from registry.core.reach import Needed, of_explanation, of_manifest, of_pin
from registry.core.retention import LEAST_KEEP, Retention


@dataclass(frozen=True, slots=True)
class Root:
    """Something that is kept with all that it needs, and why."""

    why: str
    needed: Needed


def roots(state: State, retention: Retention, *, now: datetime) -> Iterator[Root]:
    """Everything that the ledger says is to be kept.

    - For ever: what explains the decisions. That is each manifest with its suite, dvc.lock, packages and commit; all
      evidence, verdicts and gate files.
    - Of each stage: the last releases, and what as many rollbacks would bring back. All of a stage on hold.
    - What is about to be decided: the newest manifest of each name; any that was registered within the grace, was
      approved after the stage's last promotion (or ever, where a rollback may go to any approved one), or has a waiver
      that has not expired; none that was revoked.
    - Artefacts: the newest of each role and name, and any that was registered within the grace.
    """
    for link in state.entries:
        yield from _of_entry(link)
    for stage in state.stages:
        yield from _served(stage, state, retention.keep)
    since = moment_of(now - retention.grace)
    candidates = (*_newest(state), *_young(state, since), *_approved(state), *_waived(state, moment_of(now)))
    yield from (Root(why, of_manifest(digest)) for why, digest in candidates if digest not in state.revoked)
    yield from _newest_artefacts(state)
    yield from _young_artefacts(state, since)


def certain(state: State) -> Iterator[Root]:
    """What no collector takes, however little it is told to keep: if it is missing, that was not on purpose."""
    for link in state.entries:
        yield from _of_entry(link)
    for stage in state.stages:
        yield from (Root(stage, of_manifest(one.manifest)) for one in window(state, stage, LEAST_KEEP))
    yield from (Root(why, of_manifest(digest)) for why, digest in _newest(state) if digest not in state.revoked)
    yield from _newest_artefacts(state)


def window(state: State, stage: str, keep: int) -> tuple[Generation, ...]:
    """The last `keep` generations of `stage`, and those that `keep` - 1 rollbacks would bring back one after another.

    The two differ where a stage went to and fro: after ten rollbacks the last generations may be two models only.
    """
    served = [one for one in state.generations(stage) if not one.is_void]
    found = {one.number: one for one in served[-keep:]}
    at = served[-1] if served else None
    for _ in range(keep - 1):
        # why from the origin, and past what was revoked: so `rollback` chooses.
        earlier = [one for one in served if at and one.number < at.origin and one.manifest != at.manifest]
        at = next((one for one in reversed(earlier) if one.manifest not in state.revoked), None)
        if at is None:
            break
        found[at.number] = at
    return tuple(found[number] for number in sorted(found))


def _of_entry(link: Link) -> Iterator[Root]:
    """What explains an entry."""
    why, entry = f"entry {link.entry.index}", link.entry
    yield from (Root(why, needed) for needed in of_explanation(entry))


def _served(stage: str, state: State, keep: int) -> Iterator[Root]:
    is_held = state.held(stage) is not None
    for one in state.generations(stage) if is_held else window(state, stage, keep):
        now = "serves it" if one is state.serving(stage) else "is on hold" if is_held else "may go back to it"
        yield Root(f"{stage} {now}: generation {one.number}", of_manifest(one.manifest))


def _newest(state: State) -> Iterator[tuple[str, Digest]]:
    for name, manifests in state.models.items():
        yield f"it is the newest {name}", manifests[-1]


def _young(state: State, since: str) -> Iterator[tuple[str, Digest]]:
    for link in state.entries:
        if isinstance(link.entry, Register) and link.entry.manifest and link.entry.at > since:
            yield f"it was registered within the grace, by entry {link.entry.index}", link.entry.manifest


def _approved(state: State) -> Iterator[tuple[str, Digest]]:
    for stage, manifest in state.votes:
        approvals = state.approvals(stage, manifest)
        promoted = max((one.index for one in state.generations(stage) if one.basis != "rollback"), default=-1)
        is_way_back = state.policy.takes_any_approved(stage)
        if approvals and (is_way_back or approvals[-1].entry.index > promoted):
            yield f"it is approved for {stage}, by entry {approvals[-1].entry.index}", manifest


def _waived(state: State, now: str) -> Iterator[tuple[str, Digest]]:
    for waive in state.waives.values():
        if waive.expires > now:
            yield f"a waiver for {waive.stage} is open, entry {waive.index}", waive.manifest


def _newest_artefacts(state: State) -> Iterator[Root]:
    newest: dict[tuple[str, str], Pin] = {(pin.role, pin.name): pin for pin in state.pins}
    for (role, name), pin in newest.items():
        yield from (Root(f"it is the newest {role} {name}", needed) for needed in of_pin(pin))


def _young_artefacts(state: State, since: str) -> Iterator[Root]:
    for link in state.entries:
        if isinstance(link.entry, Register) and link.entry.at > since:
            for pin in link.entry.pins:
                yield from (Root(f"it was registered within the grace: {pin.card}", needed) for needed in of_pin(pin))
