"""Tell what a stage served at any time before: which generation, since when, and on whose word."""

from dataclasses import dataclass
from datetime import datetime

from registry.core.digest import Digest
from registry.core.ledger.past import Generation
from registry.core.ledger.text import moment_of
from registry.errors import UsageError
from registry.ports import LedgerFile
from registry.verbs.reading import read_to_look


class NoSuchEntry(UsageError):
    """The ledger does not go so far."""


@dataclass(frozen=True, slots=True)
class Then:
    """What `stage` served at `when` (RFC 3339, or an entry as `#N`); `generation` is None before its first.

    It is told as it is known today: it may be void by now. `model` is a name that the manifest was registered as.
    `until` is when the stage served something else; None if it still serves this.
    """

    stage: str
    when: str
    generation: Generation | None
    model: str | None
    until: str | None


def at(stage: str, when: datetime | int, *, ledger: LedgerFile, genesis: Digest) -> Then:
    """What `stage` served at a time, or after the entry of an index. The whole ledger is verified first.

    Times are what the writers' clocks claimed; where they contradict the order of the entries, the order stands.

    Raises:
        UnknownReference: There is no such stage.
        NoSuchEntry: There is no entry of that index.
        LedgerLost, Breach: The ledger cannot be read or believed.
    """
    state = read_to_look(ledger, genesis)
    if isinstance(when, int) and when >= len(state.entries):
        why = f"the ledger has the entries 0 to {len(state.entries) - 1}"
        raise NoSuchEntry(f"there is no entry {when}", why=why, mend="see `registry log`")
    found = state.at(stage, when)
    spelled = f"#{when}" if isinstance(when, int) else moment_of(when)
    if found is None:
        return Then(stage, spelled, None, None, None)
    now = state.generations(stage)[found.number - 1]
    return Then(stage, spelled, now, next(iter(state.names(found.manifest)), None), state.until(stage, when))
