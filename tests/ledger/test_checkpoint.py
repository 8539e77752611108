"""Notes and checkpoints: what others published is read, what we sign others can read, and nothing loose passes."""

import base64
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.core.digest import digest_of
from registry.core.ledger.checkpoint import (
    BadCheckpoint,
    Checkpoint,
    open_checkpoint,
    origin_of,
    parse_checkpoint,
    sign_checkpoint,
)
from registry.core.ledger.note import (
    PLAIN,
    TIMED,
    BadNote,
    Note,
    NoteKey,
    NotSigned,
    open_note,
    parse_note_key,
    read_note,
    sign_note,
)

# From the specification (c2sp.org/signed-note, "Example"), and from the documentation of golang.org/x/mod/sumdb/note.
PUBLISHED = {
    "c2sp": (
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "This is an example message.\n\n— example.com/foo "
        "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n",
    ),
    "go": (
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
        "— PeterNeumann "
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n",
    ),
}
SPECIFIED = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+"
    "zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+"
    "mbIUBkBIfZ+qnA==\n"
)
"""The example of c2sp.org/tlog-cosignature; its keys are not published, so only its form can be tested."""

GENESIS = digest_of(b"genesis")
HEAD = Ed25519PrivateKey.from_private_bytes(b"head key of the tests, 32 bytes!")
WITNESS = Ed25519PrivateKey.from_private_bytes(b"witness key of tests, 32 bytes!!")
PUBLIC = HEAD.public_key().public_bytes_raw()
CHECKPOINT = Checkpoint(origin_of(GENESIS), 7, b"r" * 32)
SIGNED = sign_checkpoint(CHECKPOINT, PUBLIC, HEAD.sign, time=1_700_000_000)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_notes_are_opened(name: str) -> None:
    """Their verifier key reads and spells the same, and the signature over the text holds."""
    spelled, data = PUBLISHED[name]
    key = parse_note_key(spelled)

    assert spelled == str(key)
    assert data.rpartition("\n\n")[0] + "\n" == open_note(data.encode(), [key]).text
    assert data.encode() == read_note(data.encode()).data
    with pytest.raises(NotSigned):
        open_note(data.replace("a", "e").encode(), [key])


def test_the_specification_s_checkpoint_has_the_form_that_we_read() -> None:
    """Size, root and lines; the second line has the time that its prose says."""
    note = read_note(SPECIFIED.encode())
    checkpoint = parse_checkpoint(note.text)

    assert (20_852_163, note.text) == (checkpoint.size, checkpoint.text)
    assert SPECIFIED.encode() == note.data
    assert 1_679_315_147 == int.from_bytes(note.lines[1].signature[:8], "big")


def test_a_checkpoint_comes_back_with_its_time() -> None:
    """What a head key signed is opened with that key, from exactly these bytes."""
    found = open_checkpoint(SIGNED, genesis=GENESIS, keys=[PUBLIC])

    assert (CHECKPOINT, 1_700_000_000, 0) == (found.checkpoint, found.time, found.strangers)


def test_its_lines_are_checked_without_us() -> None:
    """By the specification's words and a cryptographic library alone."""
    text, _, lines = SIGNED.decode().rpartition("\n\n")
    plain, timed = (base64.b64decode(line.split(" ")[2]) for line in lines.splitlines())
    public = Ed25519PublicKey.from_public_bytes(PUBLIC)
    public.verify(plain[4:], f"{text}\n".encode())
    public.verify(timed[12:], f"cosignature/v1\ntime 1700000000\n{text}\n".encode())

    assert timed[4:12] == (1_700_000_000).to_bytes(8, "big")
    assert text == f"lockstep-registry/{GENESIS.removeprefix('sha256:')}\n7\n{base64.b64encode(b'r' * 32).decode()}"


def test_every_flipped_bit_is_refused_or_makes_the_line_a_stranger() -> None:
    """No bit of text, name, hash or signature can be turned while both lines are ours."""
    for at in range(len(SIGNED) * 8):
        spoiled = bytearray(SIGNED)
        spoiled[at // 8] ^= 1 << at % 8
        try:
            found = open_checkpoint(bytes(spoiled), genesis=GENESIS, keys=[PUBLIC])
        except (BadNote, NotSigned):
            continue

        assert (CHECKPOINT, 1) == (found.checkpoint, found.strangers), at


def test_another_key_and_another_ledger_are_refused() -> None:
    """The key comes from the policy, and the origin from the genesis that is pinned."""
    other = WITNESS.public_key().public_bytes_raw()
    with pytest.raises(NotSigned):
        open_checkpoint(SIGNED, genesis=GENESIS, keys=[other])
    with pytest.raises(NotSigned):
        open_checkpoint(SIGNED, genesis=GENESIS, keys=[])
    with pytest.raises(NotSigned):
        open_checkpoint(SIGNED, genesis=digest_of(b"another"), keys=[PUBLIC])
    key = NoteKey(origin_of(GENESIS), PUBLIC)
    for text in ("other.example/log\n7\n" + "A" * 43 + "=\n", "no checkpoint\n"):
        lying = Note(text, (sign_note(text, key, HEAD.sign),)).data
        with pytest.raises(BadCheckpoint):
            open_checkpoint(lying, genesis=GENESIS, keys=[PUBLIC])


def test_a_witness_s_line_is_kept_as_it_stands_while_it_holds() -> None:
    """A newer time for the same tree keeps it; another tree does not, as it says nothing about that."""
    witness = NoteKey("witness.example/w", WITNESS.public_key().public_bytes_raw(), TIMED)
    line = sign_note(CHECKPOINT.text, witness, WITNESS.sign, time=5)
    seen = Note(CHECKPOINT.text, (*read_note(SIGNED).lines, line)).data
    later = sign_checkpoint(CHECKPOINT, PUBLIC, HEAD.sign, time=1_800_000_000, before=seen)
    grown = sign_checkpoint(replace(CHECKPOINT, size=8), PUBLIC, HEAD.sign, time=1_800_000_000, before=seen)

    assert str(line) == str(read_note(later).lines[-1])
    assert {witness: 5} == open_note(later, [witness]).times
    assert (3, 2) == (len(read_note(later).lines), len(read_note(grown).lines))
    assert 1_800_000_000 == open_checkpoint(later, genesis=GENESIS, keys=[PUBLIC]).time


def test_a_line_that_names_a_known_key_must_hold() -> None:
    """A good line beside it is no excuse."""
    good, timed = read_note(SIGNED).lines
    bad = Note(CHECKPOINT.text, (good, replace(timed, signature=bytes(72)))).data
    cut = Note(CHECKPOINT.text, (good, replace(timed, signature=timed.signature[:-1]))).data
    for data in (bad, cut):
        with pytest.raises(NotSigned, match="does not hold"):
            open_checkpoint(data, genesis=GENESIS, keys=[PUBLIC])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "a\n7\n",
        "a\n07\n" + "A" * 43 + "=\n",
        "a\n-7\n" + "A" * 43 + "=\n",
        "a\n7\n" + "A" * 43 + "=",
        "a\n7\n" + "A" * 42 + "B=\n",
        "a\n7\nAAAA\n",
        "a\n7\n" + "A" * 43 + "=\n\n",
        "a\n7\n" + "A" * 43 + "=\nx\n\ny\n",
        "\n7\n" + "A" * 43 + "=\n",
        "a\n99999999999999999999\n" + "A" * 43 + "=\n",
        "a\n٧\n" + "A" * 43 + "=\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    """One spelling, three lines at least, and a root of 32 bytes."""
    with pytest.raises(BadCheckpoint):
        parse_checkpoint(text)


def test_extension_lines_are_read_and_kept() -> None:
    """Others' logs may have them."""
    text = "a\n0\n" + "A" * 43 + "=\nmore\n"

    assert (("more",), text) == (parse_checkpoint(text).extensions, parse_checkpoint(text).text)


LINE = "— a " + base64.b64encode(b"hash" + bytes(64)).decode() + "\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text\n",
        b"text\n\n",
        ("text\n\n" + LINE[:-1]).encode(),
        ("text\n\n" + LINE + "\n").encode(),
        ("te\x01xt\n\n" + LINE).encode(),
        ("text\r\n\n" + LINE).encode(),
        b"te\xffxt\n\n" + LINE.encode(),
        ("text\n\n" + LINE.replace("— a", "— a+b")).encode(),
        ("text\n\n" + LINE.replace("— a ", "— ")).encode(),
        ("text\n\n" + LINE.replace("— ", "- ")).encode(),
        ("text\n\n" + LINE.replace("=", "")).encode(),
        ("text\n\n— a " + base64.b64encode(b"hash").decode() + "\n").encode(),
        ("text\n\n" + LINE * 65).encode(),
        b"x" * 70_000 + b"\n\n" + LINE.encode(),
    ],
)
def test_what_is_no_note_is_refused(data: bytes) -> None:
    """Text, an empty line, and lines that are signatures; no control characters, in one spelling, of a bounded size."""
    with pytest.raises(BadNote):
        read_note(data)


@pytest.mark.parametrize("spelled", ["", "a", "a+b", "a b+00000000+AQ==", "a+00000000+Bekye", "a+530d903a+AekyeQ=="])
def test_what_is_no_verifier_key_is_refused(spelled: str) -> None:
    """Nor one with another's hash, or of another algorithm."""
    good = PUBLISHED["c2sp"][0]
    for text in (spelled, good.replace("530d903a", "530d903b"), good.replace("foo", "bar"), good.replace("+Ae", "+Ie")):
        with pytest.raises(BadNote):
            parse_note_key(text)


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_nothing_breaks_the_reader(data: bytes) -> None:
    """Any bytes are a note that is spelled like them, or are refused."""
    try:
        note = read_note(data + b"\n\n" + LINE.encode())
    except BadNote:
        return

    assert data + b"\n\n" + LINE.encode() == note.data


def test_both_lines_come_from_one_key_under_two_hashes() -> None:
    """A plain line and a timed one can never be taken for each other."""
    origin = origin_of(GENESIS)

    assert [NoteKey(origin, PUBLIC, kind).hash for kind in (PLAIN, TIMED)] == [
        one.hash for one in read_note(SIGNED).lines
    ]
