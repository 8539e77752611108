"""The chain: golden bytes, and every way of rewriting history that we could think of."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry.core.digest import Digest, digest_of
from registry.core.ledger import breach as breaches
from registry.core.ledger.breach import Breach
from registry.core.ledger.chain import Forked, Head, LedgerLost, Replayed, check_chain, check_extends
from registry.core.ledger.entry import PolicyEntry, Refuse, Register
from registry.core.ledger.envelope import pae, seal
from registry.core.ledger.policy import Key, Policy, Role, one_key_policy
from tests.ledger.desk import ALICE, BOB, MALLORY, Desk, manifest, sealed, story

GOLDEN = Path(__file__).parent / "golden"


def breach(entries: list[bytes], genesis: Digest) -> Breach:
    """The breach that the chain finds."""
    with pytest.raises(Breach) as caught:
        list(check_chain(entries, genesis))
    return caught.value


def test_the_bytes_of_a_ledger_never_change() -> None:
    """The same decisions, key and time give the golden bytes. Nobody edits them: all ledgers are at stake."""
    expected = [path.read_bytes() for path in sorted(GOLDEN.glob("*.json"))]

    assert story().entries == expected
    assert len(list(check_chain(expected, story().genesis))) == 8


def test_an_empty_ledger_is_no_ledger() -> None:
    """Nothing is said about nothing."""
    with pytest.raises(LedgerLost):
        list(check_chain([], digest_of(b"")))


def test_no_changed_byte_is_overlooked() -> None:
    """Each byte of each entry, turned in one bit, is found there."""
    good, genesis = story().entries, story().genesis
    for index, entry in enumerate(good):
        for at in range(0, len(entry), 7 if index else 1):
            bad = bytearray(entry)
            bad[at] ^= 1 << at % 8
            found = breach([*good[:index], bytes(bad), *good[index + 1 :]], genesis)

            assert found.index == index
            assert found.exit_code == 5


@pytest.mark.parametrize("index", range(8))
def test_a_cut_entry_is_unreadable(index: int) -> None:
    """Half an entry, an empty one, and one with more after it."""
    good, genesis = story().entries, story().genesis
    for bad in (good[index][: len(good[index]) // 2], b"", good[index] + b"\n", good[index] + good[index]):
        found = breach([*good[:index], bad, *good[index + 1 :]], genesis)

        assert found.index == index
        assert isinstance(found, breaches.UnreadableEntry if index else breaches.WrongGenesis)


def test_a_removed_entry_is_found() -> None:
    """Wherever it was, but the last: see `Replayed`."""
    good, genesis = story().entries, story().genesis
    for index in range(1, 7):
        found = breach(good[:index] + good[index + 1 :], genesis)

        assert (type(found), found.index) == (breaches.WrongIndex, index)


def test_swapped_and_doubled_entries_are_found() -> None:
    """Order is the index."""
    good, genesis = story().entries, story().genesis
    for index in range(1, 7):
        swapped = [*good[:index], good[index + 1], good[index], *good[index + 2 :]]
        doubled = [*good[: index + 1], *good[index:]]

        assert isinstance(breach(swapped, genesis), breaches.WrongIndex)
        assert isinstance(breach(doubled, genesis), breaches.WrongIndex)


def test_a_cut_off_end_is_found_by_who_remembers() -> None:
    """A prefix of a ledger is a ledger; only a reader who saw more can tell, and does."""
    desk = story()
    links = desk.links()
    check_extends(links, Head(5, links[5].digest))
    check_extends(links, desk.state.head)

    with pytest.raises(Replayed):
        check_extends(links[:7], desk.state.head)
    with pytest.raises(Forked):
        check_extends(links, Head(5, links[4].digest))


def test_another_ledger_is_refused() -> None:
    """Even a sound one, signed by its own keys: the genesis is pinned."""
    other = Desk(policy=one_key_policy(MALLORY.public_pem), signers=(MALLORY,))

    assert isinstance(breach(other.entries, story().genesis), breaches.WrongGenesis)


def test_a_ledger_begins_with_its_policy() -> None:
    """Another first entry is refused, even if it is pinned."""
    entry = Register(index=0, actor="a", at="2026-01-01T00:00:00Z", model="m", manifest=manifest(1))
    data = sealed(entry, ALICE)

    assert isinstance(breach([data], digest_of(data)), breaches.WrongGenesis)


def test_a_genesis_that_nobody_signed_is_refused() -> None:
    """A policy is signed by its own root."""
    policy = one_key_policy(ALICE.public_pem)
    data = sealed(PolicyEntry(index=0, actor="a", at="2026-01-01T00:00:00Z", policy=policy), MALLORY)

    assert isinstance(breach([data], digest_of(data)), breaches.Forged)


def test_an_entry_signed_again_by_a_foreign_key_is_forged() -> None:
    """Rewriting one entry takes a key of the policy."""
    desk = story()
    links = desk.links()
    for link in links[1:]:
        bad = sealed(link.entry, MALLORY)
        found = breach([*desk.entries[: link.entry.index], bad], desk.genesis)

        assert (type(found), found.index) == (breaches.Forged, link.entry.index)


def test_a_stranger_beside_a_good_signature_is_refused() -> None:
    """A decision has one spelling; junk beside it would make another."""
    desk = story()
    last = desk.links()[-1].entry

    assert isinstance(breach([*desk.entries[:-1], sealed(last, ALICE, MALLORY)], desk.genesis), breaches.Forged)


def test_rewriting_an_entry_with_a_good_key_breaks_what_follows() -> None:
    """Who holds a key may add, but cannot change what others have built upon."""
    desk = story()
    changed = desk.links()[3].entry.model_copy(update={"reason": "another reason"})
    found = breach([*desk.entries[:3], sealed(changed, ALICE), *desk.entries[4:]], desk.genesis)

    assert (type(found), found.index) == (breaches.BrokenLink, 4)


def test_a_signed_document_that_is_no_entry_is_refused() -> None:
    """A good signature does not make a statement: unknown forms, fields, actions, and subjects that do not fit."""
    desk = story()
    good = desk.entries[-1]
    from registry.core.canonical import canonical, load
    from registry.core.ledger.envelope import open_unverified

    statement = load(open_unverified(good).content)
    predicate = statement["predicate"]
    wrong: list[dict[str, Any]] = [
        {**statement, "subject": []},
        {**statement, "subject": [{"digest": {"sha256": "0" * 64}}]},
        {**statement, "predicateType": "urn:lockstep:entry:2"},
        {**statement, "extra": 1},
        {**statement, "predicate": {**predicate, "extra": 1}},
        {**statement, "predicate": {**predicate, "action": "deploy"}},
        {**statement, "predicate": {**predicate, "answer": "HOLD"}},
        {**statement, "predicate": {**predicate, "index": "7"}},
        {**statement, "predicate": {**predicate, "generation": True}},
        {**statement, "predicate": {**predicate, "at": "2026-02-30T00:00:00Z"}},
        {**statement, "predicate": {**predicate, "actor": "alice\u001b[2J"}},
        {**statement, "predicate": {**predicate, "reason": None}},
    ]
    for document in [*(canonical(one) for one in wrong), b"{}", b"not JSON", b" " + canonical(statement)]:
        data = seal(document, {ALICE.key_id: ALICE.sign(pae(document))})

        assert isinstance(breach([*desk.entries[:-1], data], desk.genesis), breaches.UnreadableEntry)


def test_an_entry_is_no_longer_than_its_bound() -> None:
    """65,535 bytes, so that any log can carry it."""
    desk = Desk()
    evidence = tuple(digest_of(b"%d" % number) for number in range(900))
    desk.register(1, evidence=evidence)

    assert isinstance(breach(desk.entries, desk.genesis), breaches.UnreadableEntry)


Write = Callable[[Desk], object]
WRONG: list[tuple[type[Breach], Write]] = [
    (breaches.WrongIndex, lambda desk: desk.register(3, index=7)),
    (breaches.WrongIndex, lambda desk: desk.register(3, index=9)),
    (breaches.BrokenLink, lambda desk: desk.register(3, previous=None)),
    (breaches.BrokenLink, lambda desk: desk.register(3, previous=digest_of(desk.entries[-2]))),
    (breaches.BrokenStageLink, lambda desk: desk.refuse("staging", 2, stage_previous=None)),
    (breaches.BrokenStageLink, lambda desk: desk.refuse("staging", 2, stage_previous=desk.tips["production"])),
    (breaches.BrokenStageLink, lambda desk: desk.refuse("dev", 2, stage_previous=desk.tips["staging"])),
    (breaches.UnknownManifest, lambda desk: desk.promote("dev", 3, 1)),
    (breaches.UnknownManifest, lambda desk: desk.refuse("dev", 3)),
    (breaches.WrongGeneration, lambda desk: desk.promote("staging", 2, 3, replaces=manifest(1))),
    (breaches.WrongGeneration, lambda desk: desk.promote("staging", 2, 5, replaces=manifest(1))),
    (breaches.WrongGeneration, lambda desk: desk.rollback("staging", 2, 3, replaces=manifest(1), target=2)),
    (breaches.WrongReplaced, lambda desk: desk.promote("staging", 2, 4)),
    (breaches.WrongReplaced, lambda desk: desk.promote("staging", 2, 4, replaces=manifest(2))),
    (breaches.WrongReplaced, lambda desk: desk.promote("staging", 1, 4, replaces=manifest(1))),
    (breaches.WrongReplaced, lambda desk: desk.promote("dev", 1, 1, replaces=manifest(1))),
    (breaches.WrongReplaced, lambda desk: desk.rollback("staging", 1, 4, replaces=manifest(1), target=1)),
    (breaches.WrongTarget, lambda desk: desk.rollback("staging", 2, 4, replaces=manifest(1), target=1)),
    (breaches.WrongTarget, lambda desk: desk.rollback("staging", 2, 4, replaces=manifest(1), target=4)),
    (breaches.WrongTarget, lambda desk: desk.rollback("staging", 2, 4, replaces=manifest(1), target=99)),
    (breaches.WrongTarget, lambda desk: desk.rollback("production", 2, 2, replaces=manifest(1), target=1)),
    (
        breaches.LateBootstrap,
        lambda desk: desk.promote("staging", 2, 4, replaces=manifest(1), basis="bootstrap", reason="r"),
    ),
    (
        breaches.SkippedStage,
        lambda desk: (desk.register(3), desk.promote("production", 3, 2, replaces=manifest(1))),
    ),
    (breaches.NotAllowed, lambda desk: desk.refuse("moon", 2)),
]


@pytest.mark.parametrize(("kind", "write"), WRONG)
def test_a_signed_lie_about_the_past_is_refused(kind: type[Breach], write: Write) -> None:
    """A good signature does not make an entry true: each rule has its own refusal."""
    desk = story()
    write(desk)
    found = breach(desk.entries, desk.genesis)

    assert type(found) is kind
    assert found.index == len(desk.entries) - 1


def two_keys(threshold: int) -> Policy:
    """Alice does everything; production wants `threshold` of Alice and Bob; root wants both."""
    alone = Role(keys=(ALICE.key_id,), threshold=1)
    both = tuple(sorted((ALICE.key_id, BOB.key_id)))
    return Policy(
        stages=("staging", "production"),
        after={"production": "staging"},
        keys={signer.key_id: Key(pem=signer.public_pem) for signer in (ALICE, BOB)},
        roles={
            "root": Role(keys=both, threshold=2),
            "registrar": alone,
            "promoter:staging": alone,
            "promoter:production": Role(keys=both, threshold=threshold),
        },
    )


def test_only_who_may_decides() -> None:
    """Bob may not register nor promote to staging; production wants both of them."""
    desk = Desk(policy=two_keys(2), signers=(ALICE, BOB))
    desk.signers = (ALICE,)
    desk.register(1)
    desk.promote("staging", 1, 1)
    tips, good = dict(desk.tips), desk.entries
    for signers in ((ALICE,), (BOB,)):
        lone = Desk(policy=two_keys(2), signers=(ALICE, BOB))
        for data in good[1:]:
            lone.ledger.put_if_absent(len(lone.entries), data)
        lone.tips, lone.signers = dict(tips), signers
        lone.promote("production", 1, 1)

        assert isinstance(breach(lone.entries, lone.genesis), breaches.NotAllowed)
    desk.signers = (ALICE, BOB)
    desk.promote("production", 1, 1)

    assert desk.links()[-1].key_ids == {ALICE.key_id, BOB.key_id}
    desk.signers = (BOB,)
    desk.register(2)

    assert isinstance(breach(desk.entries, desk.genesis), breaches.NotAllowed)


def test_a_policy_changes_under_the_old_and_the_new_root() -> None:
    """Neither the old root alone nor the new one alone can take the ledger over; afterwards only the new one counts."""
    new = two_keys(1)
    for signers, kind in (((ALICE,), breaches.NotAllowed), ((BOB,), breaches.Forged), ((MALLORY,), breaches.Forged)):
        desk = Desk()
        desk.signers = signers
        desk.write(PolicyEntry(**desk.common(), policy=new))

        assert type(breach(desk.entries, desk.genesis)) is kind
    desk = Desk()
    desk.signers = (ALICE, BOB)
    desk.write(PolicyEntry(**desk.common(), policy=new))
    desk.signers = (BOB, ALICE)

    assert desk.state.policy == new
    desk.write(PolicyEntry(**desk.common(), policy=one_key_policy(BOB.public_pem)))
    desk.signers = (ALICE,)
    desk.register(1)

    assert isinstance(breach(desk.entries, desk.genesis), breaches.Forged)  # Alice has no say any more


def test_a_policy_that_cannot_hold_is_refused() -> None:
    """Thresholds of 0 or above the keys, roles without keys, missing roles, misnamed keys, stages in no order."""
    from registry.core.canonical import load
    from registry.core.record import MalformedRecord

    good = load(two_keys(1).canonical())
    root = good["roles"]["root"]
    changes: list[dict[str, Any]] = [
        {"roles": {**good["roles"], "root": {**root, "threshold": 0}}},
        {"roles": {**good["roles"], "root": {**root, "threshold": 3}}},
        {"roles": {**good["roles"], "root": {"keys": [], "threshold": 1}}},
        {"roles": {**good["roles"], "root": {"keys": [ALICE.key_id] * 2, "threshold": 1}}},
        {"roles": {**good["roles"], "root": {"keys": [MALLORY.key_id], "threshold": 1}}},
        {"roles": {**good["roles"], "promoter:moon": root}},
        {"roles": {name: role for name, role in good["roles"].items() if name != "promoter:production"}},
        {"keys": {**good["keys"], ALICE.key_id: {"pem": BOB.public_pem}}},
        {"keys": {**good["keys"], ALICE.key_id: {"pem": "no key"}}},
        {"stages": []},
        {"stages": ["staging", "production", "staging"]},
        {"stages": ["production", "staging"]},
        {"after": {"production": "moon"}},
    ]
    for wrong in changes:
        with pytest.raises(MalformedRecord):
            Policy.of({**good, **wrong})


def test_the_digest_in_the_chain_is_that_of_the_stored_bytes() -> None:
    """Anybody can follow the chain with sha256sum."""
    desk = story()

    assert [link.digest for link in desk.links()] == [
        "sha256:" + hashlib.sha256(data).hexdigest() for data in desk.entries
    ]
    assert isinstance(desk.links()[4].entry, Refuse)
