"""The digest: the only name by which bytes are known."""

import hashlib
import re
from typing import Annotated, BinaryIO, NewType

from pydantic import Field

from registry.errors import IntegrityError, UsageError

Digest = NewType("Digest", str)
"""`sha256:` and 64 lowercase hex digits, of bytes that were read. Made by `digest_of`, `parse_digest` or a record."""

Sha256 = Annotated[Digest, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
_PIECE_BYTES = 1024 * 1024
_FORM = re.compile(r"sha256:[0-9a-f]{64}")


class DigestMismatch(IntegrityError):
    """Bytes are not the ones that their name promises."""


def digest_of(data: bytes) -> Digest:
    """The digest of `data`."""
    return Digest("sha256:" + hashlib.sha256(data).hexdigest())


def hashed(content: BinaryIO) -> tuple[int, Digest]:
    """Read to the end in pieces: how many bytes there were, and their digest."""
    found, size = hashlib.sha256(), 0
    while piece := content.read(_PIECE_BYTES):
        found.update(piece)
        size += len(piece)
    return size, Digest("sha256:" + found.hexdigest())


def parse_digest(text: str) -> Digest:
    """Read a digest that somebody wrote.

    Raises:
        UsageError: It is not `sha256:` and 64 lowercase hex digits.
    """
    if not _FORM.fullmatch(text):
        raise UsageError(f"{text!r} is not a digest", why="a digest is sha256: and 64 lowercase hex digits")
    return Digest(text)


def hex_of(digest: Digest) -> str:
    """The 64 hex digits alone, as file names use them."""
    return digest.removeprefix("sha256:")


def short(digest: Digest) -> str:
    """The first 12 hex digits, for people and for served adapter names."""
    return hex_of(digest)[:12]


def check(data: bytes, expected: Digest) -> bytes:
    """Return `data` if it is what `expected` names.

    Raises:
        DigestMismatch: It is not.
    """
    if (found := digest_of(data)) != expected:
        raise DigestMismatch(f"{expected} holds other bytes", why=f"they hash to {found}", mend="run `registry verify`")
    return data
