"""The envelope: DSSE v1 around an in-toto statement, with one spelling, and a check that cannot be ignored.

There is one way in: `verify` returns the payload that was signed, or raises. It never returns a boolean, and nothing
reads the payload of an envelope that it did not return.
"""

import base64
import binascii
import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import from_json

from registry.core.record import Record
from registry.errors import IntegrityError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

PAYLOAD_TYPE: Literal["application/vnd.in-toto+json"] = "application/vnd.in-toto+json"

KeyId = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""A key's name: SHA-256 of its public half in DER (SubjectPublicKeyInfo), 64 hex digits."""

_BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"


class BadEnvelope(IntegrityError):
    """Bytes are not an envelope, or not in the one spelling that an envelope has."""


class BadSignature(IntegrityError):
    """Too few known keys signed an envelope."""


class MisnamedKey(IntegrityError):
    """A signature holds, but says that another key made it."""


class Signature(Record):
    """One signature: DER in standard base64, and a hint at the key."""

    keyid: KeyId
    sig: Annotated[str, Field(pattern=_BASE64, min_length=8, max_length=128)]


class Envelope(Record):
    """DSSE v1. Signatures are sorted by key, one for each."""

    payloadType: Literal["application/vnd.in-toto+json"] = PAYLOAD_TYPE  # noqa: N815 - the name is DSSE's
    payload: Annotated[str, Field(pattern=_BASE64)]
    signatures: Annotated[tuple[Signature, ...], Field(min_length=1, max_length=32)]

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        names = [signature.keyid for signature in self.signatures]
        if names != sorted(set(names)):
            raise ValueError("signatures are not sorted by key, or a key stands twice")
        return self

    @property
    def content(self) -> bytes:
        """The payload, decoded; to be believed only where `verify` returned it."""
        return _read(self.payload)


@dataclass(frozen=True, slots=True)
class Verified:
    """What was signed, and by which keys.

    `strangers` are the hints of signatures that no known key made; whoever expects none says so (`registry.core.ledger.
    chain` does), because a junk signature would give one decision two spellings.
    """

    payload: bytes
    key_ids: frozenset[str]
    strangers: frozenset[str]


def pae(payload: bytes) -> bytes:
    """The bytes that are signed: DSSE's pre-authentication encoding of an in-toto `payload`.

    Source: https://github.com/secure-systems-lab/dsse/blob/v1.0.0/protocol.md
    """
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def seal(payload: bytes, signatures: Mapping[str, bytes]) -> bytes:
    """Put `payload` in an envelope with `signatures` over `pae(payload)`: key id to DER.

    Returns:
        The envelope's one spelling.
    """
    signed = tuple(Signature(keyid=key_id, sig=_spell(signatures[key_id])) for key_id in sorted(signatures))
    return Envelope(payload=_spell(payload), signatures=signed).canonical()


def seal_signed(payload: bytes, signatures: Sequence[Signature]) -> bytes:
    """The same for signatures that are made already, sorted by key."""
    return Envelope(payload=_spell(payload), signatures=tuple(signatures)).canonical()


def sign_into(signatures: Sequence[Signature], key_id: str, der: bytes) -> tuple[Signature, ...]:
    """`signatures` with one more, in the place of any by the same key; sorted by key."""
    others = [signature for signature in signatures if signature.keyid != key_id]
    return tuple(sorted((*others, Signature(keyid=key_id, sig=_spell(der))), key=lambda one: one.keyid))


def verify(data: bytes, keys: Mapping[str, str], threshold: int) -> Verified:
    """Open an envelope that at least `threshold` of `keys` signed.

    Every key is tried on every signature: `keyid` is a hint, and decides nothing but an error when it lies. Keys are
    counted by their material, never by signature or name.

    Args:
        data: The exact stored bytes.
        keys: Key id to public key, PEM; the caller's, never the envelope's.
        threshold: Different keys that must have signed, at least 1.

    Raises:
        BadEnvelope: The bytes are not an envelope in its one spelling.
        BadSignature: Fewer than `threshold` keys signed.
        MisnamedKey: A key of `keys` signed under another key's name.
    """
    envelope = open_unverified(data)
    return check_signatures(envelope.content, envelope.signatures, keys, threshold=threshold)


def check_signatures(
    payload: bytes, signatures: Sequence[Signature], keys: Mapping[str, str], *, threshold: int
) -> Verified:
    """The same for a payload and signatures over `pae(payload)` that came apart, each of another key.

    Raises:
        BadEnvelope: A signature is not in its one spelling.
        BadSignature, MisnamedKey: As `verify`.
    """
    if threshold < 1:  # why: a threshold of 0 would switch the check off, as it did in CVE-2026-23992
        raise BadSignature(f"a threshold of {threshold} checks nothing", why="at least one key must have signed")
    public = {_material(pem): pem for pem in keys.values()}
    made = {signature.keyid: _maker(signature, pae(payload), public) for signature in signatures}
    for hint, maker in made.items():
        if maker is not None and maker != hint:
            raise MisnamedKey(f"a signature by key {maker[:12]} says that {hint[:12]} made it")
    known = frozenset(maker for maker in made.values() if maker is not None)
    if len(known) < threshold:
        raise BadSignature(
            f"{len(known)} of {threshold} needed signatures hold",
            why="the bytes were changed after signing, or keys signed that have no say",
        )
    return Verified(payload, known, frozenset(hint for hint, maker in made.items() if maker is None))


def open_unverified(data: bytes) -> Envelope:
    """Read an envelope's form only; nothing in it is to be believed.

    Raises:
        BadEnvelope: The bytes are not an envelope in its one spelling.
    """
    try:
        envelope = Envelope.parse(data)
        _ = envelope.content
        for signature in envelope.signatures:
            _read(signature.sig)
    except IntegrityError as error:
        raise BadEnvelope("this is not a signed envelope", why=str(error)) from None
    return envelope


def claims_of(data: bytes) -> tuple[bytes, frozenset[str]]:
    """The payload of an envelope, and the keys that it says have signed; nothing of it is checked, nor its spelling.

    Raises:
        BadEnvelope: The bytes are no envelope.
    """
    try:
        document = from_json(data)  # why not as a record: a hundred thousand of them are read at once
        return base64.b64decode(document["payload"]), frozenset([one["keyid"] for one in document["signatures"]])
    except (ValueError, KeyError, TypeError) as error:
        raise BadEnvelope("this is not a signed envelope", why=repr(error)) from None


def key_id_of(pem: str) -> str:
    """The id of a public key, from its PEM, without a cryptographic library.

    Raises:
        BadEnvelope: It is not an ECDSA P-256 public key in the one spelling that it has: uncompressed, in lines of 64.
    """
    return _material(pem)


_HEAD, _FOOT = "-----BEGIN PUBLIC KEY-----\n", "-----END PUBLIC KEY-----\n"
# why: the DER head of every uncompressed P-256 key. With it the same key has one spelling, so one id, so one vote.
_P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")


@functools.lru_cache(maxsize=256)
def _material(pem: str) -> str:
    """SHA-256 of the key's DER, hex."""
    text = pem.removeprefix(_HEAD).removesuffix(_FOOT)
    try:
        der = base64.b64decode(text.replace("\n", ""), validate=True)
    except (binascii.Error, ValueError):
        der = b""
    lines = base64.b64encode(der).decode()
    spelled = _HEAD + "".join(lines[at : at + 64] + "\n" for at in range(0, len(lines), 64)) + _FOOT
    if not der.startswith(_P256) or len(der) != len(_P256) + 64 or spelled != pem:
        raise BadEnvelope(
            "this is not an ECDSA P-256 public key", why="wanted is PEM of an uncompressed SubjectPublicKeyInfo"
        )
    return hashlib.sha256(der).hexdigest()


@functools.lru_cache(maxsize=256)
def _public(pem: str) -> "EllipticCurvePublicKey":
    # why here: the library costs a tenth of a second, and much of this package never checks a signature.
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey

    # why the point alone: `_material` has seen the head before it, and the library's readers take longer to import.
    body = pem.removeprefix(_HEAD).removesuffix(_FOOT)
    try:
        return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), base64.b64decode(body)[len(_P256) - 1 :])
    except ValueError:
        raise BadEnvelope("a public key is not a point of P-256") from None


def _maker(signature: Signature, message: bytes, public: Mapping[str, str]) -> str | None:
    """The key that made `signature`, or None. The hinted key is tried first, only to save time."""
    for material in sorted(public, key=lambda name: name != signature.keyid):
        if _holds(_public(public[material]), _read(signature.sig), message):
            return material
    return None


def _holds(key: "EllipticCurvePublicKey", der: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        key.verify(der, message, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _spell(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _read(text: str) -> bytes:
    """Decode base64 that is spelled in the one way, with its last bits zero."""
    data = base64.b64decode(text, validate=True)
    if _spell(data) != text:
        raise BadEnvelope("base64 is not in its one spelling", why="bits after the last byte are not zero")
    return data
