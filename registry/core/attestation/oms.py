"""OpenSSF Model Signing: a signature over the files of a directory, in a Sigstore bundle that others can check.

What is written here passes the reference verifier (`model_signing verify key`) and Sigstore's own parser. What is read
here is held to more than the reference asks: that one lets a signer leave files out by listing them as ignored, counts
a resource twice, follows a name out of the directory, and reads only the first of several signatures. A directory that
the reference accepts is therefore not always accepted here; a directory that is accepted here always is there.

The subject's digest covers the files' digests and not their names, so it is never used as anything's identity.

Source: https://github.com/ossf/model-signing-spec, version 1.0, and
https://github.com/sigstore/protobuf-specs, bundle 0.3.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from registry.core.attestation.statement import statement_of
from registry.core.canonical import canonical, load
from registry.core.digest import Digest, hex_of
from registry.core.ledger.envelope import PAYLOAD_TYPE, BadSignature, pae
from registry.core.record import MalformedRecord, Record
from registry.core.tree import Entry, Tree, UnsafeName, check_names
from registry.errors import IntegrityError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

BUNDLE_TYPE: Literal["application/vnd.dev.sigstore.bundle.v0.3+json"] = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIGNATURE_TYPE: Literal["https://model_signing/signature/v1.0"] = "https://model_signing/signature/v1.0"
IGNORED = frozenset({".git", ".gitattributes", ".github", ".gitignore"})
"""What the reference signer leaves out of every directory."""

_CURVES = {"secp256r1": "SHA256", "secp384r1": "SHA384", "secp521r1": "SHA512"}
Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class NotAModelSignature(IntegrityError):
    """A file is no model signature, or one of a form that would let something pass unsigned."""


class NotSigned(IntegrityError):
    """A directory is not what was signed: a file was changed, added or removed."""


class _PublicKey(Record):
    hint: str


class _Material(Record):
    publicKey: _PublicKey  # noqa: N815 - Sigstore's name
    tlogEntries: tuple[()] = ()  # noqa: N815


class _Signature(Record):
    sig: str
    keyid: str = ""


class _Envelope(Record):
    payload: str
    payloadType: Literal["application/vnd.in-toto+json"]  # noqa: N815
    signatures: Annotated[tuple[_Signature, ...], Field(min_length=1, max_length=1)]


class _Bundle(Record):
    mediaType: Literal["application/vnd.dev.sigstore.bundle.v0.3+json"]  # noqa: N815
    verificationMaterial: _Material  # noqa: N815
    dsseEnvelope: _Envelope  # noqa: N815


class _Subject(Record):
    name: str
    digest: dict[Literal["sha256"], Hex]


class _Serialization(Record):
    method: Literal["files"]
    hash_type: Literal["sha256"]
    allow_symlinks: Literal[False]
    ignore_paths: tuple[str, ...] = ()


class _Resource(Record):
    name: str
    algorithm: Literal["sha256"]
    digest: Hex


class _Predicate(Record):
    serialization: _Serialization
    resources: Annotated[tuple[_Resource, ...], Field(min_length=1)]


class _Statement(Record):
    type: Annotated[Literal["https://in-toto.io/Statement/v1"], Field(alias="_type")]
    subject: Annotated[tuple[_Subject, ...], Field(min_length=1, max_length=1)]
    predicateType: Literal["https://model_signing/signature/v1.0"]  # noqa: N815
    predicate: _Predicate

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = [resource.name for resource in self.predicate.resources]
        # why two orders: the reference sorts by the steps of a path, where `a/b` comes before `a.txt`.
        if names not in (sorted(names), sorted(names, key=lambda name: name.split("/"))):
            raise ValueError("resources are not sorted by name")
        try:
            check_names(names)
        except UnsafeName as error:
            raise ValueError(str(error)) from None
        if self.subject[0].digest != {"sha256": root_digest(resource.digest for resource in self.predicate.resources)}:
            raise ValueError("the subject's digest is not that of the resources")
        return self


@dataclass(frozen=True, slots=True)
class Signed:
    """What a key signed: the model's name, each file's digest by its path, and the paths left out by the signer."""

    name: str
    files: Mapping[str, str]
    ignored: frozenset[str]


def root_digest(digests: Iterable[str]) -> str:
    """The subject's digest: SHA-256 over the files' digests (hex) in the order in which they are listed; hex."""
    return hashlib.sha256(b"".join(bytes.fromhex(digest) for digest in digests)).hexdigest()


def model_statement(name: str, entries: Sequence[Entry], ignored: Iterable[str] = ()) -> bytes:
    """The bytes to be signed for a directory.

    Args:
        name: What the model is called; nothing depends on it.
        entries: Every file, at least one.
        ignored: Paths in the directory that are not part of the model, such as the signature itself.

    Raises:
        UsageError: There are no files, or one that the reference would leave unsigned.
    """
    if not entries:
        raise UsageError("there is nothing to sign", why="the directory has no files")
    if unsigned := sorted(entry.path for entry in entries if entry.path.split("/")[0] in IGNORED):
        why = "the reference verifier looks past it, so it would be covered by nobody's signature"
        raise UsageError(f"{unsigned[0]} cannot be signed", why=why, mend="remove it, and sign again")
    ordered = sorted(entries, key=lambda entry: entry.path)
    resources = [{"algorithm": "sha256", "digest": hex_of(one.digest), "name": one.path} for one in ordered]
    serialization: dict[str, Any] = {"allow_symlinks": False, "hash_type": "sha256", "method": "files"}
    root = Digest(f"sha256:{root_digest(hex_of(one.digest) for one in ordered)}")
    predicate = {
        "serialization": serialization | {"ignore_paths": sorted({*IGNORED, *ignored})},
        "resources": resources,
    }
    return statement_of(name, root, predicate_type=SIGNATURE_TYPE, predicate=predicate)


def bundle_of(payload: bytes, public_pem: str, signature: bytes) -> bytes:
    """A Sigstore bundle with one signature (DER) over `pae(payload)` by the key whose public half is `public_pem`."""
    envelope = {
        "payload": _spell(payload),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": "", "sig": _spell(signature)}],
    }
    material = {"publicKey": {"hint": hint_of(public_pem)}, "tlogEntries": []}
    return canonical({"dsseEnvelope": envelope, "mediaType": BUNDLE_TYPE, "verificationMaterial": material})


def hint_of(public_pem: str) -> str:
    """How the reference names a key: SHA-256 of the PEM text, hex. The ledger takes the DER form."""
    return hashlib.sha256(public_pem.encode()).hexdigest()


def open_bundle(data: bytes, keys: Sequence[str]) -> Signed:
    """Read a model signature that one of `keys` made.

    Args:
        data: The signature file.
        keys: Public keys, PEM (ECDSA on P-256, P-384 or P-521); the caller's own, never the file's.

    Raises:
        NotAModelSignature: It is of another form, or of one that could let something pass unsigned.
        BadSignature: None of the keys made the signature.
        UsageError: A key is of another kind.
    """
    try:
        bundle = _Bundle.of(load(data))
        payload, signature = _read(bundle.dsseEnvelope.payload), _read(bundle.dsseEnvelope.signatures[0].sig)
    except (IntegrityError, ValueError) as error:
        raise NotAModelSignature("this is not a model signature", why=str(error)) from None
    if not any(_made(pem, signature, payload, hint=bundle.verificationMaterial.publicKey.hint) for pem in keys):
        mend = "name the signer's public key with `--key`, or find out who changed the file"
        raise BadSignature("no key that is trusted made this signature", why="or it was changed since", mend=mend)
    try:
        found = _Statement.of(load(payload))
    except IntegrityError as error:
        raise NotAModelSignature("this signature does not say enough to be relied on", why=str(error)) from None
    files = {resource.name: resource.digest for resource in found.predicate.resources}
    return Signed(found.subject[0].name, files, frozenset(found.predicate.serialization.ignore_paths))


def check_signed(signed: Signed, tree: Tree, *, signature: str | None = None) -> None:
    """Compare what was signed with what is there; every file must be signed, whatever the signer said to ignore.

    Args:
        signed: As `open_bundle` returned it.
        tree: Every file of the directory.
        signature: Where in the directory the signature itself lies, if it does; the one file that need not be signed.

    Raises:
        NotSigned: A file is missing, was changed, or is not signed; they are named.
    """
    if odd := sorted(signed.ignored - IGNORED - {signature or ""}):
        why = f"the signer left out {', '.join(odd[:5])}, so these could be anything"
        raise NotSigned("this signature does not cover the whole directory", why=why)
    here = {entry.path: hex_of(entry.digest) for entry in tree.entries if entry.path != signature}
    faults = [f"{path} is missing" for path in sorted(signed.files.keys() - here.keys())]
    faults += [f"{path} is not signed" for path in sorted(here.keys() - signed.files.keys())]
    faults += [f"{path} was changed" for path in sorted(here.keys() & signed.files) if here[path] != signed.files[path]]
    if faults:
        more = f", and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise NotSigned("the directory is not what was signed", why=", ".join(faults[:5]) + more)


def _made(pem: str, signature: bytes, payload: bytes, *, hint: str) -> bool:
    """Whether the key made the signature, and the file says so; a hint at another key is a lie."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA

    key, names = _key(pem)
    if hint not in names:
        return False
    try:
        key.verify(signature, pae(payload), ECDSA(getattr(hashes, _CURVES[key.curve.name])()))
    except InvalidSignature:
        return False
    return True


def _key(pem: str) -> tuple["EllipticCurvePublicKey", frozenset[str]]:
    """A public key, and what it may be called in a bundle: as the reference does, or as cosign does."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

    try:
        key = load_pem_public_key(pem.encode())
    except ValueError as error:
        raise UsageError("this is not a public key", why=str(error).split("\n")[0], mend="name a PEM file") from None
    if not isinstance(key, EllipticCurvePublicKey) or key.curve.name not in _CURVES:
        raise UsageError("this key cannot have signed a model", why="it takes ECDSA on P-256, P-384 or P-521")
    text = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return key, frozenset({hashlib.sha256(text).hexdigest(), _spell(hashlib.sha256(der).digest())})


def _spell(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _read(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise MalformedRecord("this is not base64", why=str(error)) from None
    if _spell(data) != text:
        raise MalformedRecord("base64 is not in its one spelling")
    return data
