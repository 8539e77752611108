"""Digests: parsed once, believed after, and never a path."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core.digest import DigestMismatch, check, digest_of, hex_of, parse_digest, short
from registry.errors import UsageError

NOT_DIGESTS = [
    "",
    "sha256:",
    "sha256:" + "g" * 64,
    "sha256:" + "A" * 64,
    "md5:" + "0" * 32,
    "sha256:" + "0" * 64 + "\n",
]


@given(st.binary())
def test_a_digest_is_parsed_back(data: bytes) -> None:
    """Writing and parsing agree, and so do the long and the short form."""
    digest = digest_of(data)

    assert digest == parse_digest(digest)
    assert hex_of(digest).startswith(short(digest))


@pytest.mark.parametrize("text", [*NOT_DIGESTS, "sha256:../../etc/passwd"])
def test_nothing_else_is_a_digest(text: str) -> None:
    """A path, another hash or a trailing newline cannot pass as a digest."""
    with pytest.raises(UsageError):
        parse_digest(text)


@given(st.binary(), st.binary())
def test_other_bytes_are_refused(data: bytes, other: bytes) -> None:
    """`check` returns what it was given, or raises; there is no third way."""
    assert data == check(data, digest_of(data))
    if data != other:
        with pytest.raises(DigestMismatch):
            check(other, digest_of(data))
