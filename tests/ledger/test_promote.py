"""Promoting: GO switches, anything else is written down and raised."""

from functools import partial

import pytest

from registry.core.digest import Digest, digest_of
from registry.core.gate.verdict import Answer
from registry.core.ledger.entry import Promote, Refuse
from registry.core.ledger.names import UnknownReference
from registry.errors import RegistryError, UsageError
from registry.verbs.admit import NotRegistered, SkipsStage
from registry.verbs.append import NotYours
from registry.verbs.promote import (
    AnotherVerdict,
    GateRefused,
    GateUndecided,
    NotFirst,
    Outdated,
)
from registry.verbs.prove import Damaged
from registry.verbs.register import Model, register
from tests.ledger.desk import MALLORY
from tests.ledger.models import model_of, verdict_of
from tests.ledger.team import Team, refuses


@pytest.fixture
def team() -> Team:
    return Team()


def test_go_promotes(team: Team) -> None:
    """The entry says what was served before, on which verdict; the verdict is kept."""
    team.promote(0)
    done = team.promote(1, reason="better at division")
    entry = team.state.entries[-1].entry

    assert isinstance(entry, Promote)
    assert (entry.generation, entry.replaces, entry.basis, entry.answer) == (2, team.digest(0), "gate", "GO")
    assert (done.now.manifest, done.now.number, done.was_there) == (team.digest(1), 2, False)
    assert b'"answer":"GO"' in team.store.get(entry.verdict)


def test_what_is_served_already_is_done(team: Team) -> None:
    """Nothing is written, whatever the verdict says now."""
    team.promote(0)
    before = team.ledger.read()
    for answer in ("GO", "NO-GO", "HOLD"):
        done = team.promote(0, answer=answer)

        assert (done.was_there, done.now.number) == (True, 1)
    assert team.ledger.read() == before


@pytest.mark.parametrize(("answer", "kind", "code"), [("NO-GO", GateRefused, 3), ("HOLD", GateUndecided, 4)])
def test_anything_but_go_is_written_down_and_raised(
    team: Team, answer: Answer, kind: type[RegistryError], code: int
) -> None:
    """The refusal is history; the rules that decided are named, and no others. The stage serves what it served."""
    team.promote(0)
    with pytest.raises(kind) as caught:
        team.promote(1, answer=answer)
    entry = team.state.entries[-1].entry

    assert caught.value.exit_code == code
    assert "delta.success@1{division_hard}" in caught.value.why
    assert "aggregate" not in caught.value.why
    assert isinstance(entry, Refuse)
    assert (entry.answer, entry.manifest) == (answer, team.digest(1))
    assert team.serving("staging") == team.digest(0)
    count = len(team.ledger.read())
    with pytest.raises(kind):
        team.promote(1, answer=answer)

    assert len(team.ledger.read()) == count  # the very same refusal again is no news


def test_a_verdict_about_something_else_promotes_nothing(team: Team) -> None:
    """Not another model's, not another stage's, and not one against an old baseline."""
    team.promote(0)
    wrong: list[tuple[type[RegistryError], Digest, str, Digest | None]] = [
        (AnotherVerdict, team.digest(2), "staging", team.digest(0)),
        (AnotherVerdict, team.digest(1), "dev", team.digest(0)),
        (Outdated, team.digest(1), "staging", None),
        (Outdated, team.digest(1), "staging", team.digest(2)),
    ]
    for kind, model, stage, baseline in wrong:
        for answer in ("GO", "NO-GO"):
            verdict = verdict_of(model, stage, answer, baseline=baseline)
            error = refuses(kind, team, partial(team.promote, 1, verdict=verdict))

            assert error.exit_code == (6 if kind is Outdated else 2)


def test_a_verdict_on_older_evidence_promotes_nothing(team: Team) -> None:
    """Nobody keeps a good verdict in a drawer until worse evidence has been registered."""
    first, second = digest_of(b"evidence 1"), digest_of(b"evidence 2")
    verdict = verdict_of(team.digest(0), "staging").model_copy(update={"candidate_evidence": first})
    refuses(Outdated, team, partial(team.promote, 0, verdict=verdict))
    register(Model("assistant", team.digest(0), (first,)), **team.doors())
    register(Model("assistant", team.digest(0), (second,)), **team.doors())
    refuses(Outdated, team, partial(team.promote, 0, verdict=verdict))
    refuses(Outdated, team, partial(team.promote, 0))
    newest = verdict.model_copy(update={"candidate_evidence": second})

    assert team.promote(0, verdict=newest).now.number == 1


def test_an_unregistered_model_is_not_promoted(team: Team) -> None:
    """What nobody can name, nobody can find again."""
    team.models.append(model_of("assistant", team.store, weights=b"other"))
    refuses(NotRegistered, team, lambda: team.promote(3))
    refuses(UnknownReference, team, lambda: team.promote(0, "moon", baseline=None))


def test_production_serves_what_staging_served(team: Team) -> None:
    """Even on GO, and also the first time; that staging went on or back since does not matter."""
    refuses(SkipsStage, team, lambda: team.promote(0, "production"))
    refuses(SkipsStage, team, lambda: team.bootstrap(0, "production"))
    team.promote(0)
    team.promote(1)
    done = team.bootstrap(0, "production")

    assert done.now.basis == "bootstrap"
    assert team.promote(1, "production").now.number == 2


def test_a_first_release_may_be_let_in_without_a_comparison(team: Team) -> None:
    """Once, with a reason, and it says so for ever; on GO it needs no excuse."""
    done = team.bootstrap(0)

    assert (done.now.basis, done.now.answer, done.now.reason) == ("bootstrap", "HOLD", "first")
    assert team.bootstrap(0).was_there
    refuses(NotFirst, team, lambda: team.bootstrap(1))
    refuses(UsageError, team, lambda: team.bootstrap(1, "dev", reason=""))

    assert team.bootstrap(1, "dev", answer="GO").now.basis == "gate"


def test_who_may_not_promote_writes_nothing(team: Team) -> None:
    """Neither a promotion nor a refusal; the answer is no, with the role."""
    team.signer = MALLORY
    for answer in ("GO", "NO-GO"):
        error = refuses(NotYours, team, partial(team.promote, 0, answer=answer))

        assert error.exit_code == 3
        assert "may not promote to staging" in error.what
        assert "promoter:staging" in error.why


@pytest.mark.parametrize("bad", [b"weights X", b"weights", None])
def test_a_damaged_or_missing_blob_stops_a_promotion_before_it_is_written(team: Team, bad: bytes | None) -> None:
    """What a stage serves must be there to be pulled; the file is named, also where the gate is not obeyed."""
    team.promote(0)
    weights = digest_of(b"weights 1")
    if bad is None:
        del team.store.blobs[weights]
    else:
        team.store.blobs[weights] = bad
    for act in (lambda: team.promote(1), lambda: team.bootstrap(1, "dev"), lambda: team.promote(1, "dev")):
        error = refuses(Damaged, team, act)

        assert error.exit_code == 5
        assert "adapter_model.safetensors of adapter math" in error.what
    team.store.put(b"weights 1")

    assert team.promote(1).now.manifest == team.digest(1)


def test_a_refusal_needs_no_whole_model(team: Team) -> None:
    """A no is history even of a model that is damaged; and what is served already is not read again."""
    team.promote(0)
    del team.store.blobs[digest_of(b"weights 0")], team.store.blobs[digest_of(b"weights 1")]
    with pytest.raises(GateRefused):
        team.promote(1, answer="NO-GO")

    assert isinstance(team.state.entries[-1].entry, Refuse)
    assert team.promote(0).was_there
