"""The entries of a verified ledger, of which only the latest are kept: the others are read again where somebody asks.

Of each entry the digest stays, 32 bytes, so what is read again is the very entry that was verified. Thus a ledger of
any length takes a bounded amount of memory.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import overload

from registry.core.digest import Digest, digest_of
from registry.core.ledger.entry import Link, PolicyEntry, claimed_entry_of
from registry.core.ledger.envelope import claims_of
from registry.errors import IntegrityError

Fetch = Callable[[int, int], Sequence[bytes]]
"""Gives the exact bytes of entries again: from an index up to the one before another."""

KEPT = 1024
"""Of the latest entries, at least so many are kept as they are; at most twice as many."""

_DIGEST_BYTES = 32


class Changed(IntegrityError):
    """An entry that was verified is not there any more, or is another one now."""


class Links(Sequence[Link]):
    """Verified entries in order.

    Without `fetch` all of them are kept. `digests` are those of entries that were verified earlier, 32 bytes each, one
    after the other.
    """

    def __init__(self, links: Iterable[Link] = (), *, fetch: Fetch | None = None, digests: bytes = b"") -> None:
        """Start with the entries behind `digests`, and `links` after them."""
        self.fetch = fetch
        self._digests = bytearray(digests)
        self._latest = list(links)
        self._first = len(digests) // _DIGEST_BYTES
        for link in self._latest:
            self._digests += _raw(link.digest)

    def append(self, link: Link) -> None:
        """Add a verified entry."""
        self._latest.append(link)
        self._digests += _raw(link.digest)
        if self.fetch is not None and len(self._latest) > 2 * KEPT:
            self._latest = self._latest[KEPT:]
            self._first += KEPT

    def copy(self) -> "Links":
        """The entries as they are now; what is added here later is not in it."""
        twin = Links(fetch=self.fetch)
        twin._digests, twin._latest, twin._first = self._digests[:], self._latest[:], self._first
        return twin

    @property
    def digests(self) -> bytes:
        """The digests of all entries, 32 bytes each, one after the other."""
        return bytes(self._digests)

    def digest(self, index: int) -> Digest:
        """The digest of entry `index`, without reading it.

        Raises:
            IndexError: There is none.
        """
        at = range(len(self))[index] * _DIGEST_BYTES
        return Digest("sha256:" + self._digests[at : at + _DIGEST_BYTES].hex())

    def __len__(self) -> int:
        return len(self._digests) // _DIGEST_BYTES

    def __iter__(self) -> Iterator[Link]:
        for start in range(0, self._first, KEPT):
            yield from self._again(start, min(start + KEPT, self._first))
        yield from self._latest

    def __reversed__(self) -> Iterator[Link]:
        yield from reversed(self._latest)
        for stop in range(self._first, 0, -KEPT):
            yield from reversed(self._again(max(stop - KEPT, 0), stop))

    @overload
    def __getitem__(self, index: int) -> Link: ...
    @overload
    def __getitem__(self, index: slice) -> list[Link]: ...
    def __getitem__(self, index: int | slice) -> Link | list[Link]:
        if isinstance(index, int):
            at = range(len(self))[index]
            return self._latest[at - self._first] if at >= self._first else self._again(at, at + 1)[0]
        places = range(len(self))[index]
        if not places:
            return []
        start, stop = min(places), max(places) + 1
        early = self._again(start, min(stop, self._first)) if start < self._first else []
        found = [*early, *self._latest[max(start - self._first, 0) : max(stop - self._first, 0)]]
        return [found[at - start] for at in places]

    def _again(self, start: int, stop: int) -> list[Link]:
        """Read entries again that were verified before: their digest says that they are the same."""
        assert self.fetch is not None
        entries = self.fetch(start, stop)
        if len(entries) != stop - start:
            raise Changed(f"ledger entry {start + len(entries)} is gone", why="it was there when it was verified")
        return [self._link(index, data) for index, data in enumerate(entries, start)]

    def _link(self, index: int, data: bytes) -> Link:
        if (found := digest_of(data)) != self.digest(index):
            why = f"it was {self.digest(index)}, and is {found}"
            raise Changed(
                f"ledger entry {index} is another one than was verified", why=why, mend="run `registry verify`"
            )
        # why claims are believed: these bytes were verified, and each hint was the name of the key that signed.
        payload, key_ids = claims_of(data)
        entry = claimed_entry_of(payload)
        endorsed = entry.endorsements or () if isinstance(entry, PolicyEntry) else ()
        return Link(entry, found, key_ids.union(one.keyid for one in endorsed))


def _raw(digest: Digest) -> bytes:
    return bytes.fromhex(digest.removeprefix("sha256:"))
