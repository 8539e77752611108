"""Model signatures: ours pass elsewhere, theirs pass here, and what would let something pass unsigned does not."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from registry.adapters.sources.path import tree_at
from registry.core.attestation.oms import NotAModelSignature, NotSigned, bundle_of, hint_of, open_bundle, root_digest
from registry.core.ledger.envelope import BadSignature, pae
from registry.errors import RegistryError, UsageError
from registry.ports import HeadSigner
from registry.verbs.sign import check_signature, sign
from registry.workspace.delivering import check_signature as check_file
from registry.workspace.delivering import sign_directory

VENV = Path(sys.executable).parent
SIGSTORE = VENV.parent / "sigstore"
Change = Callable[[dict[str, Any]], object]


class Key:
    """A key in memory that signs as the ledger's do."""

    def __init__(self) -> None:
        self.private: EllipticCurvePrivateKey = generate_private_key(SECP256R1())
        public = self.private.public_key()
        self.public_pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        self.key_id = "0" * 64
        self.head: HeadSigner | None = None

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message, ECDSA(SHA256()))


@pytest.fixture(scope="module")
def key() -> Key:
    return Key()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A directory in which the two usual orders of names differ, with a name that is not ASCII."""
    directory = tmp_path / "model"
    (directory / "a").mkdir(parents=True)
    for name in ("a.txt", "a/b.json", "model.safetensors", "é.txt"):
        (directory / name).write_bytes(name.encode() * 100)
    return directory


def keys_on_disk(key: Key, place: Path) -> tuple[Path, Path]:
    """The key as the tools of others want it: both halves in PEM, the private one in the clear."""
    private, public = place / "key.pem", place / "key.pub"
    private.write_bytes(key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_text(key.public_pem)
    return private, public


def reference(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the reference tool."""
    return subprocess.run([VENV / "model_signing", *words], capture_output=True, text=True, check=False)


def resigned(data: bytes, key: Key, change: Change) -> bytes:
    """A signature file whose statement was changed and properly signed again."""
    statement = json.loads(base64.b64decode(json.loads(data)["dsseEnvelope"]["payload"]))
    change(statement)
    payload = json.dumps(statement).encode()
    return bundle_of(payload, key.public_pem, key.sign(pae(payload)))


def resources(statement: dict[str, Any]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = statement["predicate"]["resources"]
    return found


def recount(statement: dict[str, Any]) -> None:
    """Put the subject right after the resources were changed."""
    statement["subject"][0]["digest"]["sha256"] = root_digest(one["digest"] for one in resources(statement))


@pytest.mark.slow
def test_the_reference_tool_accepts_our_signature_and_notices_a_change(model: Path, key: Key, tmp_path: Path) -> None:
    """`model_signing verify key`, as anybody would run it."""
    _, public = keys_on_disk(key, tmp_path)
    signature = tmp_path / "model.sig"
    signature.write_bytes(sign("model", tree_at(model), signer=key).data)
    words = ("verify", "key", model, "--signature", signature, "--public_key", public)
    good = reference(*words)
    (model / "a.txt").write_text("another")
    bad = reference(*words)

    assert (0, 1) == (good.returncode, bad.returncode), good.stdout + good.stderr
    assert "a.txt" in bad.stdout + bad.stderr


@pytest.mark.slow
@pytest.mark.skipif(not (SIGSTORE / "node_modules").is_dir(), reason="Sigstore's JavaScript library is not installed")
def test_sigstores_own_parser_accepts_our_signature_and_refuses_another_key(
    model: Path, key: Key, tmp_path: Path
) -> None:
    """A second language, and a real Sigstore parser."""
    _, public = keys_on_disk(key, tmp_path)
    (tmp_path / "other").mkdir()
    _, other = keys_on_disk(Key(), tmp_path / "other")
    signature = tmp_path / "model.sig"
    signature.write_bytes(sign("model", tree_at(model), signer=key).data)
    program = Path(__file__).with_name("verify.mjs")
    codes = [
        subprocess.run(
            ["node", program, signature, pem], env={**os.environ, "SIGSTORE": str(SIGSTORE)}, capture_output=True
        ).returncode
        for pem in (public, other)
    ]

    assert [0, 1] == codes


@pytest.mark.slow
@pytest.mark.parametrize("is_inside", [False, True], ids=["beside", "inside"])
def test_their_signature_is_accepted_here(model: Path, key: Key, tmp_path: Path, is_inside: bool) -> None:
    """Wherever it lies; inside the directory it is the one file that need not be signed."""
    private, _ = keys_on_disk(key, tmp_path)
    signature = (model if is_inside else tmp_path) / "model.sig"
    made = reference("sign", "key", model, "--private_key", private, "--signature", signature)
    checked = check_file(signature, model, [key.public_pem])

    assert 0 == made.returncode, made.stderr
    assert ("model", 4) == (checked.name, checked.files)


@pytest.mark.slow
def test_what_they_leave_unsigned_is_refused_here(model: Path, key: Key, tmp_path: Path) -> None:
    """The reference looks past `.gitattributes` and past whatever the signer chose to ignore."""
    private, public = keys_on_disk(key, tmp_path)
    signature = tmp_path / "model.sig"
    words = ("--private_key", private, "--signature", signature, "--ignore-paths", model / "a.txt")
    reference("sign", "key", model, *words)
    (model / "a.txt").write_text("something else")
    theirs = reference("verify", "key", model, "--signature", signature, "--public_key", public)

    assert 0 == theirs.returncode
    with pytest.raises(NotSigned, match="does not cover"):
        check_file(signature, model, [key.public_pem])


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("a.txt was changed", lambda model: (model / "a.txt").write_text("x")),
        ("a.txt is missing", lambda model: (model / "a.txt").unlink()),
        ("more.txt is not signed", lambda model: (model / "more.txt").write_text("x")),
        (".gitattributes is not signed", lambda model: (model / ".gitattributes").write_text("x")),
    ],
)
def test_every_difference_is_named(model: Path, key: Key, what: str, change: Callable[[Path], object]) -> None:
    """A changed, a missing, an added and a hidden file."""
    data = sign("model", tree_at(model), signer=key).data
    change(model)

    with pytest.raises(NotSigned) as caught:
        check_signature(data, tree_at(model), keys=[key.public_pem])
    assert what in caught.value.why


def twice(statement: dict[str, Any]) -> None:
    resources(statement).insert(0, dict(resources(statement)[0]))
    recount(statement)


def escaping(statement: dict[str, Any]) -> None:
    resources(statement).insert(0, {**resources(statement)[0], "name": "../secret"})
    recount(statement)


def unsorted(statement: dict[str, Any]) -> None:
    resources(statement).reverse()
    recount(statement)


def empty(statement: dict[str, Any]) -> None:
    resources(statement).clear()
    recount(statement)


ODD: dict[str, Change] = {
    "a resource that stands twice": twice,
    "a name that leaves the directory": escaping,
    "resources out of order": unsorted,
    "another subject digest": lambda one: one["subject"][0]["digest"].update(sha256="0" * 64),
    "two subjects": lambda one: one["subject"].append(one["subject"][0]),
    "no resources": empty,
    "symlinks allowed": lambda one: one["predicate"]["serialization"].update(allow_symlinks=True),
    "shards": lambda one: one["predicate"]["serialization"].update(method="shards"),
    "another hash": lambda one: resources(one)[0].update(algorithm="blake2b"),
    "a further member": lambda one: one["predicate"].update(note="trust me"),
    "another predicate": lambda one: one.update(predicateType="https://model_signing/Digests/v0.1"),
    "another statement": lambda one: one.update(_type="https://in-toto.io/Statement/v0.1"),
}


@pytest.mark.parametrize("what", ODD)
def test_a_signed_statement_that_could_mislead_is_refused(model: Path, key: Key, what: str) -> None:
    """A good signature does not make it good: the signer may be mistaken, or mean ill."""
    data = resigned(sign("model", tree_at(model), signer=key).data, key, ODD[what])

    with pytest.raises(NotAModelSignature):
        open_bundle(data, [key.public_pem])


def test_a_key_that_stands_twice_in_the_payload_is_refused(model: Path, key: Key) -> None:
    """Two readers could read two things."""
    data = sign("model", tree_at(model), signer=key).data
    payload = base64.b64decode(json.loads(data)["dsseEnvelope"]["payload"])
    doubled = payload.replace(b'"_type"', b'"_type":"https://in-toto.io/Statement/v1","_type"', 1)
    signed = bundle_of(doubled, key.public_pem, key.sign(pae(doubled)))

    with pytest.raises(NotAModelSignature, match="does not say enough"):
        open_bundle(signed, [key.public_pem])


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one["dsseEnvelope"]["signatures"].append(one["dsseEnvelope"]["signatures"][0]),
        lambda one: one["dsseEnvelope"]["signatures"].clear(),
        lambda one: one.update(mediaType="application/vnd.dev.sigstore.bundle.v0.2+json"),
        lambda one: one["dsseEnvelope"].update(payloadType="application/json"),
        lambda one: one["dsseEnvelope"].update(payload="!!"),
        lambda one: one["verificationMaterial"].update(tlogEntries=[{}]),
        lambda one: one.update(more=1),
    ],
    ids=["two signatures", "none", "media type", "payload type", "base64", "log entries", "a further member"],
)
def test_another_form_of_bundle_is_refused(model: Path, key: Key, change: Change) -> None:
    """Each of them is something that one reader would check and another would not."""
    bundle = json.loads(sign("model", tree_at(model), signer=key).data)
    change(bundle)

    with pytest.raises(NotAModelSignature):
        open_bundle(json.dumps(bundle).encode(), [key.public_pem])


def test_every_flipped_bit_is_noticed(model: Path, key: Key) -> None:
    """Whatever a bit of the file becomes, it is refused, or says just what was signed."""
    data = sign("model", tree_at(model), signer=key).data
    good = open_bundle(data, [key.public_pem])
    for place in range(0, len(data), 7):
        flipped = data[:place] + bytes([data[place] ^ (1 << place % 8)]) + data[place + 1 :]
        try:
            found = open_bundle(flipped, [key.public_pem])
        except RegistryError:
            continue
        assert good == found


def test_a_key_that_is_not_trusted_signs_nothing(model: Path, key: Key) -> None:
    """Nor does a trusted one whose name the file does not say."""
    data = sign("model", tree_at(model), signer=key).data
    other = Key()
    misnamed = data.replace(hint_of(key.public_pem).encode(), hint_of(other.public_pem).encode())

    for found, keys in ((data, [other.public_pem]), (data, []), (misnamed, [key.public_pem, other.public_pem])):
        with pytest.raises(BadSignature):
            open_bundle(found, keys)


@pytest.mark.parametrize("pem", ["", "no key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_public_key_is_told(model: Path, key: Key, pem: str) -> None:
    """It is a fault of the call, not of the signature."""
    with pytest.raises(UsageError):
        open_bundle(sign("model", tree_at(model), signer=key).data, [pem])


def test_what_the_reference_would_leave_unsigned_is_not_signed(model: Path, key: Key, tmp_path: Path) -> None:
    """Our signature would not be what their verifier checks."""
    (model / ".gitattributes").write_text("* -text")

    with pytest.raises(UsageError, match="gitattributes"):
        sign_directory(model, key, tmp_path / "model.sig")


def test_an_empty_directory_is_not_signed(key: Key, tmp_path: Path) -> None:
    """There would be nothing that a signature could say."""
    (tmp_path / "empty").mkdir()

    with pytest.raises(UsageError, match="empty"):
        sign_directory(tmp_path / "empty", key, tmp_path / "empty.sig")


def test_signing_again_inside_the_directory_leaves_the_old_signature_out(model: Path, key: Key) -> None:
    """The file that is about to be replaced is no part of the model."""
    signature = model / "model.sig"
    signature.write_bytes(sign_directory(model, key, signature).data)
    signature.write_bytes(sign_directory(model, key, signature).data)

    assert 4 == check_file(signature, model, [key.public_pem]).files
