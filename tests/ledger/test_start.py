"""Starting a ledger and registering: what is written, what is refused, and what is left as it was."""

from functools import partial
from typing import Any

import pytest
from pydantic import ValidationError

from registry.adapters.ledgers.memory import MemoryLedger
from registry.core.digest import digest_of
from registry.core.ledger.breach import Forged
from registry.core.ledger.chain import LedgerLost
from registry.core.ledger.entry import Register
from registry.core.ledger.policy import Key, Policy, Role, one_key_policy
from registry.errors import UsageError
from registry.verbs.init import AlreadyAnother, init
from registry.verbs.reading import read
from registry.verbs.register import Model, NameTaken, register
from registry.verbs.status import status
from tests.ledger.desk import ALICE, BOB, MALLORY, TickingClock
from tests.ledger.models import pin_of
from tests.ledger.team import Team, refuses


@pytest.fixture
def team() -> Team:
    return Team()


def test_init_is_done_once_and_may_be_repeated(team: Team) -> None:
    """The same policy finds the same ledger; nothing is written twice."""
    before = team.ledger.read()
    again = init(one_key_policy(ALICE.public_pem), ledger=team.ledger, signer=ALICE, clock=team.clock, actor="bob")

    assert (again.genesis, again.was_there) == (team.genesis, True)
    assert team.ledger.read() == before
    assert digest_of(before[0]) == team.genesis


def test_init_does_not_take_over_another_ledger(team: Team) -> None:
    """Other keys, other stages, another pin: a conflict."""
    bobs = one_key_policy(BOB.public_pem)
    other = one_key_policy(ALICE.public_pem, stages=("lab", "live"))
    doors: dict[str, Any] = {"ledger": team.ledger, "clock": team.clock, "actor": "a"}
    for policy, signer in ((bobs, BOB), (other, ALICE)):
        error = refuses(AlreadyAnother, team, partial(init, policy, signer=signer, **doors))

        assert error.exit_code == 6
    mine = one_key_policy(ALICE.public_pem)
    refuses(AlreadyAnother, team, lambda: init(mine, signer=ALICE, pinned=digest_of(b"x"), **doors))


def test_init_does_not_replace_a_pinned_ledger_that_is_gone(team: Team) -> None:
    """An empty place where a ledger was is a loss to be told, not a fresh start."""
    empty = MemoryLedger()
    with pytest.raises(LedgerLost, match=r"registry\.toml") as caught:
        init(
            one_key_policy(ALICE.public_pem),
            ledger=empty, signer=ALICE, clock=team.clock, actor="a", pinned=team.genesis,
        )  # fmt: skip

    assert empty.read() == ()
    assert caught.value.exit_code == 5


def test_init_takes_a_root_key() -> None:
    """A key that is not the policy's root, or not all of it, starts nothing."""
    ledger, mine = MemoryLedger(), one_key_policy(ALICE.public_pem)
    alone, both = Role(keys=(ALICE.key_id,), threshold=1), tuple(sorted((ALICE.key_id, BOB.key_id)))
    two = Policy(
        stages=("dev",),
        after={},
        keys={signer.key_id: Key(pem=signer.public_pem) for signer in (ALICE, BOB)},
        roles={"root": Role(keys=both, threshold=2), "registrar": alone, "promoter:dev": alone},
    )
    for policy, signer in ((mine, MALLORY), (two, ALICE)):
        with pytest.raises(UsageError):
            init(policy, ledger=ledger, signer=signer, clock=TickingClock(), actor="a")

    assert ledger.read() == ()


def test_a_forged_genesis_is_not_taken_for_ours() -> None:
    """Our policy under a stranger's signature is no ledger of ours."""
    from tests.ledger.desk import Desk

    forged = Desk(signers=(MALLORY,))
    with pytest.raises(Forged):
        init(one_key_policy(ALICE.public_pem), ledger=forged.ledger, signer=ALICE, clock=TickingClock(), actor="a")


def test_an_empty_ledger_is_a_loss_to_whoever_has_pinned_one(team: Team) -> None:
    """Reading and deciding say so with exit code 5, and how to mend it; never that one should start anew blindly."""
    doors = {**team.doors(), "ledger": MemoryLedger()}
    acts = (
        lambda: read(doors["ledger"], team.genesis),
        lambda: status(ledger=doors["ledger"], genesis=team.genesis, clock=team.clock),
        lambda: register(Model("assistant", team.digest(0)), **doors),
    )
    for act in acts:
        with pytest.raises(LedgerLost, match="registry fetch") as caught:
            act()

        assert caught.value.exit_code == 5
    assert doors["ledger"].read() == ()


def test_what_is_known_is_not_registered_again(team: Team) -> None:
    """Only what is new is written; nothing at all if nothing is."""
    before = len(team.ledger.read())
    manifest = team.models[2]
    done = register(Model("assistant", manifest.digest), manifest.pins, **team.doors())

    assert done.links == ()
    assert len(team.ledger.read()) == before
    evidence = digest_of(b"evidence")
    done = register(Model("assistant", manifest.digest, (evidence,)), manifest.pins, **team.doors())

    assert len(done.links) == 1
    assert isinstance(entry := done.links[0].entry, Register)
    assert (entry.pins, entry.evidence) == ((), (evidence,))
    assert team.state.evidence(manifest.digest) == (evidence,)


def test_an_older_manifest_that_is_registered_again_becomes_the_newest(team: Team) -> None:
    """A model's name means what was pinned last."""
    register(Model("assistant", team.digest(0)), **team.doors())

    assert team.state.resolve("assistant") == team.digest(0)


def test_many_artefacts_take_several_entries_and_the_model_comes_last(team: Team) -> None:
    """Hundreds of adapters are no obstacle; until the last entry the model is not known."""
    pins = [pin_of("adapter", f"a{number}", {"x": b"%d" % number}, team.store) for number in range(130)]
    done = register(Model("many", digest_of(b"many")), pins, **team.doors())
    entries = [link.entry for link in done.links]

    assert [len(entry.pins) for entry in entries if isinstance(entry, Register)] == [60, 60, 10]
    assert [entry.model for entry in entries if isinstance(entry, Register)] == [None, None, "many"]
    assert len(team.state.artefacts("adapter", "a129")) == 1


def test_an_entry_that_would_be_too_long_is_refused_before_it_is_written(team: Team) -> None:
    """A reader would refuse it, and the ledger with it."""
    evidence = tuple(digest_of(b"%d" % number) for number in range(900))
    error = refuses(UsageError, team, lambda: register(Model("m", team.digest(0), evidence), **team.doors()))

    assert "65535" in error.why


def test_a_registration_says_something_whole() -> None:
    """A name and its manifest together, evidence only with them, and never nothing at all."""
    some = digest_of(b"x")
    for parts in ({"model": "m"}, {"manifest": some}, {"evidence": (some,)}, {}):
        with pytest.raises(ValidationError):
            Register.model_validate({"index": 1, "actor": "a", "at": "2026-01-01T00:00:00Z", **parts})


def test_a_model_is_not_called_what_a_stage_is_called(team: Team) -> None:
    """`registry show staging` must mean one thing."""
    refuses(NameTaken, team, lambda: register(Model("staging", team.digest(0)), **team.doors()))


def test_a_text_that_would_draw_on_a_terminal_is_refused(team: Team) -> None:
    """Reasons and names are one printable line."""
    for text in ("two\nlines", "\x1b[2Jclear", "", " ", "x" * 2001, "right\u202eleft"):
        refuses(UsageError, team, partial(team.promote, 0, reason=text))
