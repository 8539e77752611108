"""A verdict is judged again from the store alone, and any difference is named."""

import pytest

from registry.core.canonical import canonical, load_canonical
from registry.core.digest import Digest, digest_of
from registry.core.gate.verdict import Verdict
from registry.core.manifest import Manifest
from registry.core.store import Missing
from registry.verbs.gate import Judgement
from registry.verbs.replay import NotTheSame, NoVerdict, OtherTool, replay
from tests.gate.sheet import Sheet, gate_of
from tests.gate.test_leaks import PROMPT, Trained
from tests.gate.test_verb import RULES, House, house_with
from tests.gate.test_wear import judged, look_at


def changed(house: House, found: Judgement, **fields: object) -> Digest:
    """The same verdict with other fields, put into the store as if somebody had computed it."""
    value = load_canonical(found.verdict.canonical())
    assert isinstance(value, dict)
    return house.store.put(canonical({**value, **fields}))


def every_kind() -> list[tuple[House, Judgement]]:
    """Verdicts of every kind of origin."""
    plain, new = house_with({"math_basic": 1}, {"division_hard": 40})
    first, alone = house_with({})
    bare = House()
    nobody = bare.model("new")
    bare.register(nobody)
    served, other = house_with({})
    old = served.model("old")
    served.register(old)
    served.serve(old)
    worn, _ = house_with({}, {"division_hard": 40})
    for n in range(3):
        last = judged(worn, f"try-{n}", gate=gate_of(*RULES, attempts="2"))
    leaky = Trained()
    verdict = leaky.trained_on({"c.txt": PROMPT.encode()})
    return [
        (plain, plain.judge(new)),
        (first, first.judge(alone)),
        (bare, bare.judge(nobody)),
        (served, served.judge(other)),
        (worn, last),
        (leaky, Judgement(verdict, digest_of(verdict.canonical()))),
    ]


def test_every_verdict_comes_out_the_same() -> None:
    """With and without a baseline, without evidence, past its attempts, contaminated; no ledger is asked."""
    for house, found in every_kind():
        assert found == replay(found.digest, store=house.store)


def test_it_comes_out_the_same_years_later() -> None:
    """Whatever the ledger says by then."""
    house, new = house_with({}, {"division_hard": 40})
    found = house.judge(new)
    look_at(house, new, found)
    house.register(new, house.evidence(new, Sheet(house.suite, wrong={"math_basic": 90})))
    judged(house, "later", gate=gate_of(*RULES))

    assert found == replay(found.digest, store=house.store)


def test_a_forged_verdict_is_found_out_with_its_fields() -> None:
    """An integrity fault: somebody wrote what the rows do not say."""
    house, new = house_with({"math_basic": 50}, {"division_hard": 40})
    found = house.judge(new)
    rules = [rule.model_dump(mode="json", exclude_none=True) for rule in found.verdict.rules]
    forged = changed(house, found, answer="GO", rules=[{**rules[0], "verdict": "pass"}, *rules[1:]])
    with pytest.raises(NotTheSame) as caught:
        replay(forged, store=house.store)

    assert caught.value.exit_code == 5
    assert "answer: written GO, computed NO-GO" in caught.value.why
    assert f"{RULES[0]} verdict: written pass, computed fail" in caught.value.why


def test_a_verdict_on_swapped_evidence_is_found_out() -> None:
    """The digests of rows are part of it."""
    house, new = house_with({"math_basic": 50}, {"division_hard": 40})
    better = house.evidence(new, Sheet(house.suite))
    with pytest.raises(NotTheSame, match="is not what its inputs say"):
        replay(changed(house, house.judge(new), candidate_evidence=better), store=house.store)


def test_what_is_gone_is_named() -> None:
    """Rows, rules and suite must all be there."""
    house, new = house_with({}, {"division_hard": 40})
    found = house.judge(new)
    assert found.verdict.inputs
    for gone in (found.verdict.inputs.rows, found.verdict.gate_file, found.verdict.suite):
        kept = house.store.blobs.pop(Digest(gone or ""))
        with pytest.raises(Missing):
            replay(found.digest, store=house.store)
        house.store.put(kept)

    assert found == replay(found.digest, store=house.store)


def test_another_version_of_the_judgement_is_refused() -> None:
    """Its difference would mean nothing."""
    house, new = house_with({}, {"division_hard": 40})
    with pytest.raises(OtherTool) as caught:
        replay(changed(house, house.judge(new), tool="lockstep-gate/1"), store=house.store)

    assert caught.value.exit_code == 2
    assert "lockstep-gate/1" in caught.value.why


def test_what_is_no_verdict_is_refused() -> None:
    """A manifest has a digest too."""
    house, new = house_with({})
    assert Manifest.parse(house.store.get(new.digest))
    with pytest.raises(NoVerdict):
        replay(new.digest, store=house.store)


def test_old_verdicts_can_still_be_read() -> None:
    """What the form has gained is absent there, and their digests stay what they were."""
    house, new = house_with({}, {"division_hard": 40})
    value = load_canonical(house.judge(new).verdict.canonical())
    assert isinstance(value, dict)
    for field in ("slices", "attempts", "inputs", "baseline_inputs"):
        value.pop(field)
    old = canonical(value)

    assert Verdict.parse(old).canonical() == old
