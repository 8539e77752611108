"""Tell what each stage serves: since when, by whom, and why it was allowed."""

from dataclasses import dataclass

from registry.core.digest import Digest
from registry.core.ledger.chain import Head
from registry.core.ledger.concerns import concerns_of
from registry.core.ledger.past import Generation
from registry.core.ledger.text import moment_of
from registry.core.ledger.views import State
from registry.ports import Clock, LedgerFile
from registry.verbs.reading import read_to_look


@dataclass(frozen=True, slots=True)
class Serving:
    """One stage. `generation` and `model` are None while it serves nothing; `model` also where nobody named it.

    `model` is a name that the manifest was registered as; `refusals` counts what was not let in since the generation
    began. `concerns` are sentences about what is not as it should be: a hold, a waiver, a revocation.
    """

    stage: str
    generation: Generation | None
    model: str | None
    refusals: int
    concerns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """All stages in the policy's order, and how far the ledger goes."""

    stages: tuple[Serving, ...]
    head: Head
    genesis: Digest


def status(*, ledger: LedgerFile, genesis: Digest, clock: Clock) -> Status:
    """What each stage serves now. The whole ledger is verified first.

    Raises:
        LedgerLost, Breach: The ledger cannot be read or believed.
    """
    state = read_to_look(ledger, genesis)
    now = moment_of(clock.now())
    return Status(tuple(_serving(stage, state, now) for stage in state.policy.stages), state.head, state.genesis)


def _serving(stage: str, state: State, now: str) -> Serving:
    generation = state.serving(stage)
    names = state.names(generation.manifest) if generation else ()
    concerns = concerns_of(stage, state, now=now)
    return Serving(stage, generation, next(iter(names), None), state.refusals.get(stage, 0), concerns)
