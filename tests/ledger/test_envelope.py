"""The envelope: one spelling, checked by key material, and understood by others."""

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.adapters.keys import FileSigner
from registry.core.canonical import canonical, load
from registry.core.ledger.envelope import (
    BadEnvelope,
    BadSignature,
    MisnamedKey,
    key_id_of,
    pae,
    seal,
    verify,
)
from tests.ledger.desk import ALICE, BOB, MALLORY

PAYLOAD = b'{"said":"go"}'
KEYS = {ALICE.key_id: ALICE.public_pem, BOB.key_id: BOB.public_pem}


def signed(*signers: FileSigner, payload: bytes = PAYLOAD) -> bytes:
    return seal(payload, {signer.key_id: signer.sign(pae(payload)) for signer in signers})


def changed(data: bytes, **parts: Any) -> bytes:
    return canonical({**load(data), **parts})


def test_the_signed_bytes_are_those_of_the_specification() -> None:
    """DSSE's own example, with our payload type."""
    assert pae(b"hello world") == b"DSSEv1 28 application/vnd.in-toto+json 11 hello world"


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_what_was_signed_comes_back(payload: bytes) -> None:
    """`verify` returns the payload, and who signed it."""
    verified = verify(signed(ALICE, BOB, payload=payload), KEYS, 2)

    assert (verified.payload, verified.key_ids) == (payload, frozenset({ALICE.key_id, BOB.key_id}))
    assert not verified.strangers


def test_a_threshold_of_nothing_is_refused() -> None:
    """A threshold of 0 does not switch the check off."""
    for threshold in (0, -1):
        with pytest.raises(BadSignature):
            verify(signed(ALICE), KEYS, threshold)


def test_no_keys_verify_nothing() -> None:
    """An empty set of keys lets nothing through."""
    with pytest.raises(BadSignature):
        verify(signed(ALICE), {}, 1)


def test_a_foreign_key_does_not_count() -> None:
    """Neither alone, nor beside a good one."""
    with pytest.raises(BadSignature):
        verify(signed(MALLORY), KEYS, 1)
    with pytest.raises(BadSignature):
        verify(signed(ALICE, MALLORY), KEYS, 2)

    assert verify(signed(ALICE, MALLORY), KEYS, 1).strangers == {MALLORY.key_id}


def test_a_foreign_key_under_a_known_name_does_not_count() -> None:
    """The name of a key proves nothing."""
    with pytest.raises(BadSignature):
        verify(seal(PAYLOAD, {ALICE.key_id: MALLORY.sign(pae(PAYLOAD))}), KEYS, 1)


def test_one_key_under_two_names_counts_once() -> None:
    """Key material is counted, not names: Alice is not two people."""
    one = ALICE.sign(pae(PAYLOAD))
    lie = seal(PAYLOAD, {ALICE.key_id: one, MALLORY.key_id: one})
    names = {ALICE.key_id: ALICE.public_pem, MALLORY.key_id: ALICE.public_pem}
    with pytest.raises(MisnamedKey):
        verify(lie, names, 2)
    with pytest.raises(BadSignature):
        verify(signed(ALICE), names, 2)


def test_a_known_key_under_another_name_is_refused() -> None:
    """A hint that lies has no other effect than an error."""
    with pytest.raises(MisnamedKey):
        verify(seal(PAYLOAD, {BOB.key_id: ALICE.sign(pae(PAYLOAD))}), KEYS, 1)


def test_a_signature_twice_is_no_envelope() -> None:
    """One key signs once."""
    document = load(signed(ALICE))
    with pytest.raises(BadEnvelope):
        verify(changed(signed(ALICE), signatures=document["signatures"] * 2), KEYS, 1)


def test_a_signature_of_another_payload_or_type_does_not_hold() -> None:
    """The payload and its type are both signed."""
    other = load(signed(ALICE))["signatures"]
    with pytest.raises(BadSignature):
        verify(changed(signed(BOB, payload=b"{}"), signatures=other), KEYS, 1)
    bare = seal(PAYLOAD, {ALICE.key_id: ALICE.sign(PAYLOAD)})
    with pytest.raises(BadSignature):
        verify(bare, KEYS, 1)


@pytest.mark.parametrize(
    "parts",
    [
        {"payloadType": "text/plain"},
        {"signatures": []},
        {"payload": base64.urlsafe_b64encode(b"\xff\xfe\xfd").decode()},
        {"payload": "eyJ9 "},
        {"payload": "eyJ9\n"},
        {"payload": "eyJ9="},
        {"payload": "QQ"},
        {"payload": "QR=="},  # the last bits are not zero
        {"payload": 7},
        {"extra": "member"},
        {"signatures": [{"keyid": "", "sig": "AAAAAAAA"}]},
        {"signatures": [{"keyid": ALICE.key_id.upper(), "sig": "AAAAAAAA"}]},
        {"signatures": [{"keyid": ALICE.key_id, "sig": "AAAAAAAA", "cert": "x"}]},
    ],
)
def test_another_form_is_no_envelope(parts: dict[str, Any]) -> None:
    """There is one form, and one spelling of it."""
    with pytest.raises(BadEnvelope):
        verify(changed(signed(ALICE), **parts), KEYS, 1)


def test_another_spelling_is_no_envelope() -> None:
    """White space, a line's end, a key twice, another order: all refused before any signature is looked at."""
    data = signed(ALICE, BOB)
    document = load(data)
    swapped = {**document, "signatures": document["signatures"][::-1]}
    for other in (data + b"\n", b" " + data, data.replace(b":", b": ", 1), b"\xef\xbb\xbf" + data, canonical(swapped)):
        with pytest.raises(BadEnvelope):
            verify(other, KEYS, 1)
    with pytest.raises(BadEnvelope):
        verify(data[:-1] + b',"payload":"e30="}', KEYS, 1)


@settings(deadline=None)
@given(st.data())
def test_no_changed_bit_is_overlooked(data: st.DataObject) -> None:
    """Whatever bit of an envelope is turned, it is refused."""
    good = bytearray(signed(ALICE, BOB))
    bit = data.draw(st.integers(0, len(good) * 8 - 1))
    good[bit // 8] ^= 1 << bit % 8
    try:
        verified = verify(bytes(good), KEYS, 1)
    except (BadEnvelope, BadSignature, MisnamedKey):
        return

    # why: with a threshold of 1 one broken signature of two is left over, and told; the chain refuses it.
    assert len(verified.strangers) == 1
    assert verified.payload == PAYLOAD


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_rubbish_is_no_envelope(data: bytes) -> None:
    """Any bytes at all end in one kind of error."""
    with pytest.raises(BadEnvelope):
        verify(data, KEYS, 1)


def test_a_key_has_one_spelling() -> None:
    """Another layout, curve or point form of a key is refused: it would be a second vote."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, derive_private_key
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

    pem = ALICE.public_pem
    point = load_pem_public_key(pem.encode()).public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    compressed = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + point
    begin, end = "-----BEGIN PUBLIC KEY-----\n", "\n-----END PUBLIC KEY-----\n"
    info = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    others = [
        pem + "\n",
        pem.replace("\n", "\r\n"),
        " " + pem,
        pem + pem,
        pem.replace("PUBLIC", "PRIVATE"),
        "",
        begin + base64.b64encode(compressed).decode() + end,
        derive_private_key(5, SECP384R1()).public_key().public_bytes(*info).decode(),
        Ed25519PrivateKey.generate().public_key().public_bytes(*info).decode(),
    ]
    for other in others:
        with pytest.raises(BadEnvelope):
            key_id_of(other)

    assert key_id_of(pem) == ALICE.key_id


def test_a_point_off_the_curve_is_no_key() -> None:
    """A key that has the form but is no key fails when it is used, as an integrity error."""
    body = ALICE.public_pem.splitlines()
    der = bytearray(base64.b64decode("".join(body[1:-1])))
    der[-1] ^= 1
    text = base64.b64encode(bytes(der)).decode()
    pem = f"{body[0]}\n{text[:64]}\n{text[64:]}\n{body[-1]}\n"
    with pytest.raises(BadEnvelope):
        verify(signed(ALICE), {key_id_of(pem): pem}, 1)


def test_securesystemslib_agrees() -> None:
    """An independent implementation accepts our envelope at threshold 2, and refuses it changed or signed by one."""
    pytest.importorskip("securesystemslib")
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError
    from securesystemslib.signer._key import Key, SSlibKey

    def theirs(data: bytes) -> Envelope:
        return Envelope.from_dict(load(data))

    keys: list[Key] = [
        SSlibKey(signer.key_id, "ecdsa", "ecdsa-sha2-nistp256", {"public": signer.public_pem})
        for signer in (ALICE, BOB)
    ]
    accepted = theirs(signed(ALICE, BOB)).verify(keys, 2)

    assert set(accepted) == {ALICE.key_id, BOB.key_id}
    with pytest.raises(VerificationError):
        theirs(signed(ALICE)).verify(keys, 2)
    spoiled = changed(signed(ALICE, BOB), payload=base64.b64encode(b'{"said":"no"}').decode())
    with pytest.raises(VerificationError):
        theirs(spoiled).verify(keys, 1)
