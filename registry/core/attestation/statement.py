"""The in-toto statement: a predicate about something that a digest names.

Source: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
"""

from collections.abc import Mapping
from typing import Any

from registry.core.canonical import canonical
from registry.core.digest import Digest, hex_of

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"


def digest_set(digest: Digest) -> dict[str, str]:
    """A digest as in-toto spells it: the algorithm is the key, and the hex digits stand alone."""
    return {"sha256": hex_of(digest)}


def statement_of(name: str, digest: Digest, *, predicate_type: str, predicate: Mapping[str, Any]) -> bytes:
    """State `predicate` of the one subject that `name` and `digest` say, in canonical JSON."""
    return canonical(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": name, "digest": digest_set(digest)}],
            "predicateType": predicate_type,
            "predicate": dict(predicate),
        }
    )
