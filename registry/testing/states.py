"""What a ledger would say, without its signatures: for tests of what acts on it."""

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from registry.core.digest import Digest, digest_of
from registry.core.ledger.entry import Link, PolicyEntry, Promote
from registry.core.ledger.policy import one_key_policy
from registry.core.ledger.views import State, state_of

_AT = "2026-01-01T00:00:00Z"


def state_serving(manifests: Sequence[Digest], *, salt: str = "") -> State:
    """What a ledger says whose stage `staging` was promoted to each of `manifests` in turn.

    Args:
        manifests: One generation each, the first at entry 1.
        salt: Another one makes the entries' digests other ones, as in a forked ledger; the genesis stays the same.
    """
    policy = PolicyEntry(index=0, actor="tester", at=_AT, policy=one_key_policy(_some_key()))
    links = [Link(policy, digest_of(b"genesis"), frozenset())]
    for number, manifest in enumerate(manifests, 1):
        entry = Promote(
            index=number,
            actor="tester",
            at=_AT,
            stage="staging",
            manifest=manifest,
            generation=number,
            verdict=digest_of(b"verdict"),
            answer="GO",
            basis="gate",
        )
        links.append(Link(entry, digest_of(f"{number} {manifest} {salt}".encode()), frozenset()))
    return state_of(links)


def _some_key() -> str:
    """The public half of a key that nobody keeps."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
