"""The store: blobs that are known by their digest alone, where each lies, and what lies beside them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from registry.core.canonical import NotCanonical
from registry.core.digest import Digest, Sha256, hex_of, parse_digest
from registry.core.record import Record
from registry.errors import ConflictError, IntegrityError

COLLECTED = "collected.json"
_PLACE = re.compile(r"blobs/sha256/([0-9a-f]{2})/(\1[0-9a-f]{62})")
_GRAVE = re.compile(r"trash/(\d{8}T\d{6}Z)/([0-9a-f]{64})")
_STAMP = "%Y%m%dT%H%M%SZ"


class Missing(IntegrityError):
    """A blob is not in the store."""


class Unlisted(IntegrityError):
    """The list of what was deleted on purpose is damaged: nothing is added to it, and so nothing of it is forgotten."""

    def __init__(self, why: str) -> None:
        """Say what is wrong with it."""
        mend = "put a copy of the list back, or move it away: then what was deleted on purpose counts as missing"
        super().__init__("what was deleted on purpose cannot be known", why=why, mend=mend)


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
    `leased` are digests that somebody at work has put or read and may be about to name, here or not. `unlisted` is why
    what was deleted cannot be known, if it cannot.
    """

    blobs: Mapping[Digest, Lying] = field(default_factory=dict)
    trash: Mapping[Digest, Lying] = field(default_factory=dict)
    leased: frozenset[Digest] = frozenset()
    collected: frozenset[Digest] = frozenset()
    unlisted: str | None = None

    def __contains__(self, digest: object) -> bool:
        """Whether a blob can be read: it lies in its place, or in the trash."""
        return digest in self.blobs or digest in self.trash

    def __getitem__(self, digest: Digest) -> Lying:
        """How such a blob lies, in its place if it is in both."""
        return self.blobs[digest] if digest in self.blobs else self.trash[digest]


class CollectedList(Record):
    """The digests of blobs that a collector deleted for good, here or where blobs were brought from."""

    form: Literal["registry.collected/1"] = "registry.collected/1"
    digests: tuple[Sha256, ...] = ()


def deletions(data: bytes | None, place: str) -> tuple[frozenset[Digest], str | None]:
    """What the list that lies at `place` says was deleted on purpose, and why that cannot be known, if it cannot."""
    try:
        return frozenset(CollectedList.parse(data).digests if data is not None else ()), None
    except NotCanonical as error:
        return frozenset(), f"{place} is no list of digests: {error.why or error.what}"


@dataclass(frozen=True, slots=True)
class Premises:
    """What a store's place shows besides its blobs.

    `strays` are no blobs. `exposed` are blobs that somebody may write to by mistake. `trashed` were set aside and can
    still be read. `collected` were deleted on purpose: they are missed by nobody; `unlisted` is why that cannot be
    known, if it cannot.
    """

    strays: tuple[str, ...] = ()
    exposed: tuple[Digest, ...] = ()
    trashed: frozenset[Digest] = frozenset()
    collected: frozenset[Digest] = frozenset()
    unlisted: str | None = None


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


def grave_of(digest: Digest, at: datetime) -> str:
    """Where a blob lies that was set aside at a time."""
    return f"trash/{stamp(at)}/{hex_of(parse_digest(digest))}"


def buried_at(place: str) -> tuple[Digest, datetime] | None:
    """The digest of the blob that lies at `place` in the trash, and when it was set aside; None where none can lie."""
    if not (found := _GRAVE.fullmatch(place)) or not (since := stamped(found[1])):
        return None
    return Digest(f"sha256:{found[2]}"), since


def stamp(at: datetime) -> str:
    """A time as the names of the trash and the quarantine have it, in whole seconds."""
    return at.astimezone(UTC).strftime(_STAMP)


def stamped(text: str) -> datetime | None:
    """The time that a name has, or None if it is none."""
    try:
        at = datetime.strptime(text, _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None
    return at if stamp(at) == text else None


def missing(digest: Digest) -> Missing:
    """The fault of asking for a blob that is not here, with how to mend it."""
    mend = "run `registry repair --from` a copy, or pin again where the files still are"
    return Missing(f"{digest} is not in the store", why="nobody put it here, or it was removed", mend=mend)
