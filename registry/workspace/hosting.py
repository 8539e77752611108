"""Pulling on a host that has no project: it is told where the registry is, and which ledger to trust."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from registry.core.digest import Digest, digest_of
from registry.workspace.delivering import Delivering
from registry.workspace.places import Where, find_place, open_ledger
from registry.workspace.settings import Settings

if TYPE_CHECKING:
    from registry.verbs.pull import Pulled


@dataclass(frozen=True)
class Hosted(Delivering):
    """A registry without a project: `told` is what a person or the host's own memory says of it."""

    told: Settings | None = None

    @cached_property
    def settings(self) -> Settings:
        """What was told."""
        assert self.told is not None
        return self.told


def pull_from(
    place: str, stage: str, directory: Path, *, genesis: Digest | None = None, trust_on_first_use: bool = False
) -> "Pulled":
    """Make `directory/current` what `stage` serves in the registry at `place`, a directory or the URL of a bucket.

    Args:
        place: Where store and ledger are.
        stage: Which stage.
        directory: The host's. A host that has pulled before, or was bound, trusts the ledger that it remembers.
        genesis: The ledger that a new host trusts.
        trust_on_first_use: Let a new host trust whatever ledger it finds there.

    Raises:
        NotBound: The host is new, and was told neither.
    """
    where = find_place(place, Path.cwd(), os.environ)
    found = _trusted(where, directory, genesis, is_trusting=trust_on_first_use)
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if base.startswith("/") else Path(os.path.expanduser("~/.cache"))  # noqa: PTH111 - as is, if homeless
    spelled = str(where) if isinstance(where, Path) else place
    return Hosted(root / "lockstep", told=Settings(genesis=found, place=spelled)).pull(stage, directory)


def _trusted(where: Where, directory: Path, genesis: Digest | None, *, is_trusting: bool) -> Digest:
    """Which ledger the host trusts: the one it remembers, else the one it was told, else what it finds."""
    from registry.adapters.hosts.directory import HostDirectory
    from registry.core.bundle.trust import AnotherLedger, NotBound
    from registry.core.ledger.chain import LedgerLost

    seen = HostDirectory(directory).seen()
    if seen is not None and genesis not in (None, seen.genesis):
        why = f"it is {seen.genesis}, not {genesis}"
        mend = "leave --genesis out, or pull into another directory"
        raise AnotherLedger("this host follows another ledger", why=why, mend=mend)
    known = seen.genesis if seen is not None else genesis
    if known is not None:
        return known
    if not is_trusting:
        mend = "name the genesis (--genesis), bind the host with a record of `registry ledger binding`, or say"
        raise NotBound(
            f"{directory} was not told which ledger to trust",
            why="it has pulled nothing yet, and whoever can write to that place could have put any ledger there",
            mend=f"{mend} --trust-on-first-use",
        )
    if not (first := open_ledger(where, os.environ).read(0, 1)):
        raise LedgerLost
    return digest_of(first[0])
