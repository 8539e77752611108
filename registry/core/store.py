"""The store: blobs that are known by their digest alone, and where each lies."""

import re

from registry.core.digest import Digest, hex_of, parse_digest
from registry.errors import ConflictError, IntegrityError

_PLACE = re.compile(r"blobs/sha256/([0-9a-f]{2})/(\1[0-9a-f]{62})")


class Missing(IntegrityError):
    """A blob is not in the store."""


class SourceChanged(ConflictError):
    """A file was not the same from the first byte that was read to the last."""


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
    mend = "pin again where the files still are, or put a copy of the store's blobs back"
    return Missing(f"{digest} is not in the store", why="nobody put it here, or it was removed", mend=mend)
