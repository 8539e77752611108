"""A proof convinces who knows the genesis and nothing else; anything else than a proof convinces nobody."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from registry.core.canonical import canonical
from registry.core.digest import digest_of
from registry.core.ledger.breach import Breach, WrongGenesis
from registry.core.ledger.change import Change, change_statement
from registry.core.ledger.entry import PolicyEntry
from registry.core.ledger.envelope import pae, sign_into
from registry.core.ledger.links import Links
from registry.core.ledger.merkle import leaf_hash
from registry.core.ledger.note import NotSigned
from registry.core.ledger.policy import Key
from registry.core.ledger.proof import Proven, Void, check_proof, make_proof
from registry.errors import IntegrityError, RegistryError
from registry.verbs.checkpoint import checkpoint
from registry.verbs.prove_entry import NoEntry, NotSignedYet, prove_entry
from tests.ledger.desk import ALICE, BOB, MALLORY, Desk
from tests.ledger.heads import checkpoint_of, doors, other_past, policy_with_head, rotate, signed_desk


def proved(desk: Desk, ref: str = "4") -> bytes:
    """The bytes of a proof."""
    return prove_entry(ref, ledger=desk.ledger, genesis=desk.genesis).canonical()


def long_desk() -> Desk:
    """A ledger with three policies, and a checkpoint by the head key of the last."""
    desk = signed_desk()
    rotate(desk, BOB)
    desk.register(3)
    rotate(desk, ALICE)
    desk.register(4)
    checkpoint(**doors(desk))
    return desk


def test_every_entry_is_proved_to_a_stranger() -> None:
    """Also each policy; what is shown is what the ledger's own reader sees."""
    desk = long_desk()
    for link in desk.links():
        found = check_proof(proved(desk, str(link.entry.index)), desk.genesis)

        assert isinstance(found, Proven)
        assert (link, desk.genesis, 9) == (found.link, found.genesis, found.signed.checkpoint.size)


@pytest.mark.parametrize(
    ("ref", "index"),
    [("0", 0), ("#3", 3), ("entry:2", 2), ("production", 4), ("staging@1", 3), ("sha256:", 1)],
)
def test_an_entry_is_named_as_people_do(ref: str, index: int) -> None:
    """By its number, its digest, or the stage that it changed."""
    desk = long_desk()
    wanted = digest_of(desk.entries[1]) if ref == "sha256:" else ref

    assert index == check_proof(proved(desk, wanted)).link.entry.index


@pytest.mark.parametrize("ref", ["9", "#99", "staging@2", "dev", "sha256:" + "0" * 64])
def test_what_is_no_entry_is_told(ref: str) -> None:
    """With where to look."""
    with pytest.raises(NoEntry, match="registry log"):
        proved(long_desk(), ref)


def test_an_entry_that_nobody_signed_for_cannot_be_proved() -> None:
    """Without a checkpoint, or after it, there is nothing that a stranger could believe."""
    desk = signed_desk()
    with pytest.raises(NotSignedYet):
        proved(desk)
    checkpoint(**doors(desk))
    desk.register(3)
    with pytest.raises(NotSignedYet, match="registry ledger checkpoint"):
        proved(desk, "5")

    assert 4 == check_proof(proved(desk)).link.entry.index


def test_a_proof_of_another_ledger_is_refused() -> None:
    """The genesis that the reader trusts decides; without one, the reader is told which it is."""
    desk, other = long_desk(), Desk(policy=policy_with_head(ALICE, BOB))
    with pytest.raises(WrongGenesis):
        check_proof(proved(desk), other.genesis)

    assert desk.genesis == check_proof(proved(desk)).genesis


def test_one_flipped_bit_anywhere_is_refused() -> None:
    """Every 37th bit of a small proof, which meets each of the eight bits of a byte; the slow test turns all."""
    assert_refused(small_proof(), range(0, 10**9, 37))


@pytest.mark.slow
def test_every_flipped_bit_is_refused() -> None:
    """All of them."""
    assert_refused(small_proof(), range(10**9))


def small_proof() -> bytes:
    desk = Desk(policy=policy_with_head(ALICE))
    desk.register(1)
    checkpoint(**doors(desk))
    return proved(desk, "1")


def assert_refused(proof: bytes, bits: range) -> None:
    genesis = check_proof(proof).genesis
    for at in bits[: len(range(bits.start, len(proof) * 8, bits.step))]:
        spoiled = bytearray(proof)
        spoiled[at // 8] ^= 1 << at % 8
        with pytest.raises(IntegrityError):
            check_proof(bytes(spoiled), genesis)


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_a_proof_that_is_cut_or_prolonged_is_refused(cut: int) -> None:
    """It has one spelling, and ends where it ends."""
    proof = small_proof()
    for data in (proof[:cut], proof + b"\n", b" " + proof):
        with pytest.raises(IntegrityError):
            check_proof(data)


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    """A proof of entry 8 of the long ledger, changed by somebody who can spell."""
    document = json.loads(proved(long_desk(), "8"))
    change(document)
    return canonical(document)


FORGERIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "a policy is left out, with the key that signed the checkpoint": lambda d: d["policies"].pop(2),
    "the genesis is left out": lambda d: d["policies"].pop(0),
    "policies are swapped": lambda d: d["policies"].reverse(),
    "a policy stands twice": lambda d: d["policies"].append(d["policies"][2]),
    "an entry poses as a policy": lambda d: d["policies"].append(d["leaf"]),
    "the entry says another place": lambda d: d["leaf"].update(index=7),
    "the path is another's": lambda d: d["leaf"].update(path=d["policies"][1]["path"]),
    "the path is too short": lambda d: d["leaf"]["path"].pop(),
    "the size is another": lambda d: d.update(checkpoint=d["checkpoint"].replace("\n9\n", "\n8\n")),
    "a line of a stranger is added": lambda d: d.update(checkpoint=d["checkpoint"] + "— x " + "A" * 92 + "\n"),
    "there is no line": lambda d: d.update(checkpoint=d["checkpoint"].partition("— ")[0]),
    "there are no policies": lambda d: d.update(policies=[]),
    "something is added": lambda d: d.update(more="x"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_proof_is_refused(name: str) -> None:
    """Whoever can spell a proof cannot make one."""
    genesis = long_desk().genesis

    assert check_proof(changed(lambda _: None), genesis)
    with pytest.raises(IntegrityError):
        check_proof(changed(FORGERIES[name]), genesis)


def test_an_entry_that_was_never_written_cannot_be_proved() -> None:
    """A promoter's key alone signs an entry; only the head key's checkpoint says that the ledger has it."""
    desk = long_desk()
    document, other = json.loads(proved(desk, "1")), other_past(desk)
    document["leaf"]["entry"] = other.entries[1].decode()
    with pytest.raises(IntegrityError):
        check_proof(canonical(document), desk.genesis)


def test_a_head_key_that_the_policy_does_not_name_proves_nothing() -> None:
    """Nor one that a later policy took the right from."""
    for signer in (MALLORY, BOB):
        document = json.loads(proved(long_desk(), "8"))
        desk = long_desk()
        document["checkpoint"] = checkpoint_of(desk.entries, desk.genesis, signer=signer).decode()
        with pytest.raises(NotSigned):
            check_proof(canonical(document), desk.genesis)


def test_an_entry_by_who_may_not_is_refused_even_where_the_head_key_signs_it() -> None:
    """A reader of a proof checks the role as a reader of the ledger does."""
    desk = signed_desk()
    desk.signers = (MALLORY,)
    desk.register(3)
    note = checkpoint_of(desk.entries, desk.genesis)
    leaves = [leaf_hash(data) for data in desk.entries]
    proof = make_proof(5, leaves, {0: desk.entries[0], 5: desk.entries[5]}, checkpoint=note)

    with pytest.raises(Breach):
        check_proof(proof.canonical(), desk.genesis)


def test_what_no_longer_counts_is_told() -> None:
    """The proof holds, and the answer is no: a later policy says that the key was in other hands by then."""
    desk = Desk(policy=two_keys())
    desk.register(1)
    desk.signers = (BOB,)
    desk.register(2)
    desk.signers = (ALICE,)
    keys = {**desk.policy.keys, BOB.key_id: Key(pem=BOB.public_pem, revoked_from_index=2, why="stolen")}
    roles = policy_with_head(ALICE).roles
    desk.write(PolicyEntry(**desk.common(), policy=desk.policy.model_copy(update={"keys": keys, "roles": roles})))
    checkpoint(**doors(desk))
    with pytest.raises(Void) as refused:
        check_proof(proved(desk, "2"), desk.genesis)

    assert 3 == refused.value.exit_code
    assert check_proof(proved(desk, "1"), desk.genesis)


def test_a_policy_that_was_signed_elsewhere_is_believed_like_any() -> None:
    """Its endorsements stand in the entry, and are checked with it; who recalls the entry knows all signers."""
    desk = signed_desk()
    new = policy_with_head(ALICE, BOB)
    change = change_statement(Change(genesis=desk.genesis, replaces=desk.policy.digest, policy=new))
    endorsements = sign_into((), ALICE.key_id, ALICE.sign(pae(change)))
    desk.write(PolicyEntry(**desk.common(), policy=new, genesis=desk.genesis, endorsements=endorsements))
    checkpoint(**doors(desk, BOB))
    link = desk.links()[-1]

    assert link == check_proof(proved(desk, "5"), desk.genesis).link
    recalled = Links(fetch=desk.ledger.read, digests=desk.state.entries.digests)
    assert link == recalled[-1]
    other = json.loads(proved(desk, "5"))
    other["policies"] = other["policies"][:1]
    with pytest.raises(IntegrityError):
        check_proof(canonical(other), desk.genesis)


def two_keys() -> Any:
    """A policy where Alice or Bob registers."""
    policy = policy_with_head(ALICE)
    either = policy.roles["registrar"].model_copy(update={"keys": tuple(sorted((ALICE.key_id, BOB.key_id)))})
    keys = {**policy.keys, BOB.key_id: Key(pem=BOB.public_pem)}
    return policy.model_copy(update={"keys": keys, "roles": {**policy.roles, "registrar": either}})


def test_no_bytes_break_the_reader() -> None:
    """Whatever is offered, it is refused in the registry's own words."""
    for data in (
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        b'{"form":"registry.proof/1"}',
        b'"' + b"x" * 10**6,
    ):
        with pytest.raises(RegistryError):
            check_proof(data)
