"""sign: put a signature on a model's files that tools of others can check, and check theirs."""

from collections.abc import Sequence
from dataclasses import dataclass

from registry.core.attestation.oms import Signed, bundle_of, check_signed, model_statement, open_bundle
from registry.core.digest import Digest
from registry.core.ledger.envelope import pae, seal
from registry.core.tree import Tree
from registry.ports import Signer


@dataclass(frozen=True, slots=True)
class ModelSignature:
    """A signature over a directory's files: the file to hand out, and what was signed."""

    name: str
    files: int
    key_id: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Checked:
    """A directory that is what somebody signed. `name` is the signer's name for it."""

    name: str
    files: int
    tree: Digest


def sign(name: str, tree: Tree, *, signer: Signer, ignored: Sequence[str] = ()) -> ModelSignature:
    """Sign the files of `tree` as an OpenSSF model signature.

    Args:
        name: What the model is called.
        tree: Its files, at least one.
        signer: Whose key signs.
        ignored: Paths in the directory that are no part of it, such as the signature.

    Raises:
        UsageError: There are no files.
    """
    payload = model_statement(name, tree.entries, ignored)
    data = bundle_of(payload, signer.public_pem, signer.sign(pae(payload)))
    return ModelSignature(name, len(tree.entries), signer.key_id, data)


def check_signature(data: bytes, tree: Tree, *, keys: Sequence[str], place: str | None = None) -> Checked:
    """Check that the files of `tree` are those that one of `keys` signed, each of them and no other.

    Args:
        data: The signature file: ours, or another tool's of the same standard.
        tree: Every file of the directory.
        keys: Public keys, PEM, that are trusted.
        place: Where in the directory the signature itself lies, if it does.

    Raises:
        NotAModelSignature: It is no model signature, or one that could let something pass unsigned.
        BadSignature: None of the keys made it.
        NotSigned: The files are not those that were signed.
    """
    signed: Signed = open_bundle(data, keys)
    check_signed(signed, tree, signature=place)
    return Checked(signed.name, len(signed.files), tree.digest)


def attest(statement: bytes, *, signer: Signer) -> bytes:
    """Sign an in-toto statement: a DSSE envelope with one signature."""
    return seal(statement, {signer.key_id: signer.sign(pae(statement))})
