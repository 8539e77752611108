"""Make artefacts, a model and its evidence known by name."""

from collections.abc import Sequence
from dataclasses import dataclass

from registry.core.digest import Digest
from registry.core.ledger.entry import Link, Register
from registry.core.ledger.text import moment_of
from registry.core.ledger.views import State
from registry.core.pin import Pin
from registry.errors import UsageError
from registry.ports import Clock, LedgerFile, Signer
from registry.verbs.append import append

PINS_AN_ENTRY = 60
"""Most artefacts that one entry makes known; a pin takes up to 700 bytes of the 65,535 that an entry has."""


class NameTaken(UsageError):
    """A model cannot be called what a stage is called."""


@dataclass(frozen=True, slots=True)
class Registered:
    """The entries that were written, in order; none if everything was known already."""

    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """A manifest under its name, with the evidence for it, oldest first. Without a name only the evidence is news."""

    name: str | None
    manifest: Digest
    evidence: tuple[Digest, ...] = ()


def register(
    model: Model | None,
    pins: Sequence[Pin] = (),
    *,
    ledger: LedgerFile,
    genesis: Digest,
    signer: Signer,
    clock: Clock,
    actor: str,
    reason: str | None = None,
) -> Registered:
    """Make `pins` known, then `model`, leaving out what is known. A manifest that is named again becomes the newest.

    The blobs must be in the store before: a name never leads nowhere. Many pins take several entries; the model's is
    the last one, so that it never stands there with parts unknown.

    Raises:
        NameTaken: The model's name is a stage's.
        UsageError: An entry would be too long, or a text is not one line.
        NotYours: The policy does not let the signer register.
        LedgerLost, Breach, TooBusy: As `append`.
    """
    links = []

    def decide(state: State) -> Register | None:
        new = tuple(pin for pin in dict.fromkeys(pins) if pin not in state.pins)
        is_last = len(new) <= PINS_AN_ENTRY
        named = _news(model, state) if is_last else None
        if not new and named is None:
            return None
        return Register(
            index=state.next_index,
            previous=state.head.digest,
            actor=actor,
            at=moment_of(clock.now()),
            reason=reason,
            model=named.name if named else None,
            manifest=named.manifest if named else None,
            evidence=named.evidence if named else (),
            pins=new[:PINS_AN_ENTRY],
        )

    while (done := append(decide, ledger=ledger, genesis=genesis, signer=signer)).link is not None:
        links.append(done.link)
        if isinstance(done.link.entry, Register) and done.link.entry.model is not None:
            break  # why: if another writer's manifest became the newest meanwhile, that is not ours to undo
    return Registered(tuple(links))


def _news(model: Model | None, state: State) -> Model | None:
    """What of `model` is not known yet, or None."""
    if model is None:
        return None
    if model.name in state.policy.stages:
        raise NameTaken(f"a model cannot be called {model.name!r}", why="that is a stage", mend="choose another name")
    known = state.evidence(model.manifest)
    new = tuple(digest for digest in model.evidence if digest not in known)
    is_newest = model.name is None or state.models.get(model.name, ())[-1:] == (model.manifest,)
    return None if is_newest and not new else Model(model.name, model.manifest, new)
