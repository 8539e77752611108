"""Recover: put entries back that this ledger lost, from any copy that has them. Nothing is decided; it takes no key."""

from collections.abc import Sequence
from dataclasses import dataclass

from registry.core.digest import Digest
from registry.core.ledger.views import read_state
from registry.errors import IntegrityError, Refused
from registry.ports import LedgerFile
from registry.verbs.carry import Moved, check_same


class NothingToRecover(Refused):
    """The copy has no entries."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """How many entries were put back, and how many the ledger has now."""

    entries: int
    length: int


def recover(copy: Sequence[bytes], *, ledger: LedgerFile, genesis: Digest) -> Recovered:
    """Put back what `copy` has and `ledger` has not: at its end, or where single entries are missing.

    Args:
        copy: A copy's entries, from 0. They are verified from the pinned genesis on.
        ledger: The one that lost some.
        genesis: The pinned digest of entry 0.

    Raises:
        NothingToRecover: The copy is empty.
        Breach: The copy does not hold, or is of another ledger.
        Diverged: Both have an entry, and it is not the same one.
        Moved: Somebody wrote another entry meanwhile.
    """
    if not copy:
        raise NothingToRecover("there are no entries to recover", mend="name another copy of the ledger")
    read_state(copy, genesis)
    ours = _whole(ledger)
    check_same(ours, copy)
    put = sum(_put(ledger, index, copy[index]) for index in range(len(ours), len(copy)))
    return Recovered(put, max(len(ours), len(copy)))


def _whole(ledger: LedgerFile) -> Sequence[bytes]:
    """The entries up to the first that is missing or cannot be read."""
    try:
        return ledger.read()
    except IntegrityError:
        found: list[bytes] = []
        while entry := _read(ledger, len(found)):
            found += entry
        return found


def _read(ledger: LedgerFile, index: int) -> Sequence[bytes]:
    try:
        return ledger.read(index, index + 1)
    except IntegrityError:
        return ()


def _put(ledger: LedgerFile, index: int, data: bytes) -> bool:
    if ledger.put_if_absent(index, data):
        return True
    if list(ledger.read(index, index + 1)) != [data]:
        raise Moved(
            "the ledger was written to meanwhile", why=f"somebody wrote another entry {index}", mend="run it again"
        )
    return False
