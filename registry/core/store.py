"""The store: blobs that are known by their digest alone, where each lies, and what lies beside them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from registry.core.digest import Digest, hex_of, parse_digest
from registry.errors import ConflictError, IntegrityError

_PLACE = re.compile(r"blobs/sha256/([0-9a-f]{2})/(\1[0-9a-f]{62})")


class Missing(IntegrityError):
    """A blob is not in the store."""


class SourceChanged(ConflictError):
    """A file was not the same from the first byte that was read to the last."""


@dataclass(frozen=True, slots=True)
class Lying:
    """A blob as it lies in its place: its bytes, and since when (UTC) it has been there."""

    size: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Stock:
    """Everything that a store holds at one moment.

    `blobs` can be asked for; `trash` was set aside and can be brought back; `collected` was deleted on purpose.
    `leased` are digests that somebody at work has put or read and may be about to name, here or not.
    """

    blobs: Mapping[Digest, Lying] = field(default_factory=dict)
    trash: Mapping[Digest, Lying] = field(default_factory=dict)
    leased: frozenset[Digest] = frozenset()
    collected: frozenset[Digest] = frozenset()


@dataclass(frozen=True, slots=True)
class Premises:
    """What a store's place shows besides its blobs.

    `strays` are no blobs. `exposed` are blobs that somebody may write to by mistake. `trashed` were set aside and can
    still be read. `collected` were deleted on purpose: they are missed by nobody.
    """

    strays: tuple[str, ...] = ()
    exposed: tuple[Digest, ...] = ()
    trashed: frozenset[Digest] = frozenset()
    collected: frozenset[Digest] = frozenset()


def place_of(digest: Digest) -> str:
    """Where a blob lies in every store: `blobs/sha256/ab/` and all 64 hex digits. The only way from a digest to a path.

    Raises:
        UsageError: It is no digest; what builds a path trusts nobody.
    """
    name = hex_of(parse_digest(digest))
    return f"blobs/sha256/{name[:2]}/{name}"


def digest_at(place: str) -> Digest | None:
    """The digest of the blob that lies at `place`, or None where no blob can lie."""
    found = _PLACE.fullmatch(place)
    return Digest(f"sha256:{found[2]}") if found else None


def missing(digest: Digest) -> Missing:
    """The fault of asking for a blob that is not here, with how to mend it."""
    mend = "run `registry repair --from` a copy, or pin again where the files still are"
    return Missing(f"{digest} is not in the store", why="nobody put it here, or it was removed", mend=mend)
