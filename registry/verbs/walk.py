"""Walk from what is needed to everything that it needs, reading each record and each list of files once."""

from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Iterator
from dataclasses import dataclass, field

from registry.core.digest import Digest, DigestMismatch
from registry.core.ledger.views import State
from registry.core.reach import Needed
from registry.core.roots import certain
from registry.errors import RegistryError
from registry.ports import Store


@dataclass(slots=True)
class Walk:
    """One walk through `store`.

    `sizes` has the bytes of each record that was read, `faults` what kept one from being read; `unsteady` were damaged
    when they were read first, and sound when they were read again.
    """

    store: Store
    sizes: dict[Digest, int] = field(default_factory=dict)
    faults: dict[Digest, RegistryError] = field(default_factory=dict)
    unsteady: dict[Digest, RegistryError] = field(default_factory=dict)
    _inside: dict[tuple[Digest, str], tuple[Needed, ...]] = field(default_factory=dict)

    def below(self, needed: Needed) -> tuple[Needed, ...]:
        """What `needed` needs itself; nothing, and the fault is kept, if it cannot be read."""
        if needed.follow is None:
            return ()
        key = (needed.digest, needed.scope)
        if key not in self._inside:
            self._inside[key] = ()
            try:
                # why not by a name: a list of very many files is let go of as soon as it was read.
                self._inside[key] = tuple(needed.follow(self._read(needed.digest)))
            except RegistryError as error:
                self.faults[needed.digest] = error
        return self._inside[key]

    def through(self, roots: Iterable[Needed], present: Container[Digest] = ()) -> Iterator[Needed]:
        """`roots` and everything below them, each way to follow a blob once.

        What may lack is left out if it is not among `present`.
        """
        waiting, met = list(roots)[::-1], defaultdict[str, set[Digest]](set)
        while waiting:
            needed = waiting.pop()
            if needed.digest in met[needed.scope] or (needed.may_lack and needed.digest not in present):
                continue
            met[needed.scope].add(needed.digest)
            yield needed
            waiting += reversed(self.below(needed))

    def excused(self, gone: Collection[Digest], state: State) -> set[Digest]:
        """Those of `gone`, which were deleted on purpose, that are not needed again: their absence is no fault."""
        return set(gone) - {needed.digest for needed in self.through(root.needed for root in certain(state))}

    def _read(self, digest: Digest) -> bytes:
        try:
            data = self.store.get(digest)
        except DigestMismatch as error:
            data = self.store.get(digest)
            self.unsteady[digest] = error
        self.sizes[digest] = len(data)
        return data
