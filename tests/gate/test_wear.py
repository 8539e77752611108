"""How often a frozen slice was used: each candidate once, in the ledger's order, and never more than declared."""

from fractions import Fraction

import pytest

from registry.core.digest import digest_of
from registry.core.gate.judging.wear import Use, best_of, wear_of
from registry.core.gate.language.gatefile import read_gate
from registry.core.gate.verdict import Attempts
from registry.core.ledger.entry import Judge
from registry.core.manifest import Manifest
from registry.verbs.gate import Judgement
from tests.gate.sheet import Sheet, gate_of
from tests.gate.test_verb import RULES, House, house_with, suite_files

PLAIN = read_gate(gate_of("latency_p95_ms.point <= 900")).gate


def use(subject: str, rows: str = "", suite: str = "suite", **slices: str) -> Use:
    """One use of a suite."""
    digests = {name: digest_of(text.encode()) for name, text in (slices or {"a": "frozen"}).items()}
    return Use(digest_of(subject.encode()), digest_of((rows or subject).encode()), digest_of(suite.encode()), digests)


def wear_on(own: Use, *before: Use, shares: bool = False) -> Attempts:
    """The wear of the slice `a`."""
    return next(one for one in wear_of(own, before, PLAIN, shares=lambda name, suite: shares) if one.slice == "a")


def test_each_candidate_counts_once_and_keeps_its_place() -> None:
    """Judging again moves nobody; the same behaviour is the same candidate."""
    one, two, three = use("one"), use("two"), use("three")

    assert wear_on(one).attempt == 1
    assert wear_on(three, one, two).attempt == 3
    assert wear_on(two, one, two, three, one, two).attempt == 2
    assert wear_on(one, one, two, three).attempt == 1


def test_a_changed_slice_is_fresh_and_another_suite_with_the_same_slice_is_not() -> None:
    """What wears out are the cases, not the suite that they happen to be in."""
    before = use("one", suite="old", a="frozen", b="other")

    assert wear_on(use("two", suite="new", a="frozen"), before).attempt == 2
    assert wear_on(use("two", suite="new", a="thawed"), before).attempt == 1


def test_other_answers_of_the_same_model_are_another_look() -> None:
    """So is a slice with more cases of the same kind; a fresh one is not, and neither are the same answers again."""
    first = use("one", rows="first")

    assert wear_on(use("one", rows="second"), first).look == 2
    assert wear_on(use("one", rows="first"), first, use("one", rows="second")).look == 1
    assert wear_on(use("one", rows="more", suite="wider", a="wider"), first, shares=True).look == 2
    assert wear_on(use("one", rows="more", suite="fresh", a="fresh"), first, shares=False).look == 1
    assert wear_on(use("two", rows="second"), first).look == 1


@pytest.mark.parametrize(("attempts", "published"), [(1, 0.022), (5, 0.105), (10, 0.199), (20, 0.358), (50, 0.67)])
def test_the_best_of_many_is_lucky_as_often_as_is_published(attempts: int, published: float) -> None:
    """Of checkpoints exactly at a boundary that one of them passes with a chance of 2.2 %."""
    assert float(best_of(attempts, Fraction(22, 1000))) == pytest.approx(published, abs=0.004)


def test_the_risk_that_is_told_is_that_of_the_gate() -> None:
    """2.5 % for each candidate, however many looks share it."""
    thrice = PLAIN.model_copy(update={"looks": 3})
    found = [wear_of(use("one"), [], gate, shares=lambda name, suite: False)[0] for gate in (PLAIN, thrice)]

    assert ["0.025", "0.025"] == [one.risk for one in found]
    assert [1, 3] == [one.looks for one in found]


def look_at(house: House, manifest: Manifest, found: Judgement) -> None:
    """Write the look into the ledger."""
    evidence, suite = found.verdict.candidate_evidence, found.verdict.suite
    assert evidence
    assert suite
    entry = Judge(
        **house.desk.common(), stage="staging", manifest=manifest.digest, evidence=evidence, suite=suite,
        verdict=found.digest, answer=found.verdict.answer,
    )  # fmt: skip
    house.desk.write(entry)


def judged(house: House, name: str, *, gate: bytes, wrong: int = 0) -> Judgement:
    """A new model, judged, with the look written down."""
    model = house.model(name)
    house.register(model, house.evidence(model, Sheet(house.suite, wrong={"math_basic": wrong})))
    found = house.judge(model, gate)
    look_at(house, model, found)
    return found


def test_past_the_declared_attempts_rules_on_the_slice_decide_nothing() -> None:
    """Neither for better nor for worse; rules on other slices go on."""
    house, _ = house_with({}, {"division_hard": 40}, cases=300)
    gate = gate_of(*RULES, attempts="{math_basic: 2, division_hard: 3}")
    answers = [judged(house, f"try-{n}", gate=gate, wrong=wrong).verdict for n, wrong in enumerate((1, 2, 0, 90))]

    assert ["GO", "HOLD", "HOLD", "HOLD"] == [verdict.answer for verdict in answers]
    third, fourth = answers[2].rules, answers[3].rules
    assert ["inconclusive", "pass", "inconclusive"] == [rule.verdict for rule in third]
    assert "math_basic has judged 3 candidates for staging, and 2 are declared" in third[0].sentence
    assert ["inconclusive", "inconclusive", "inconclusive"] == [rule.verdict for rule in fourth]
    assert {("division_hard", 4, 3), ("math_basic", 4, 2)} == {
        (one.slice, one.attempt, one.allowed) for one in answers[3].attempts or ()
    }


def test_judging_again_gives_the_same_bytes() -> None:
    """Before and after the look was written down, and after another candidate came."""
    house, new = house_with({}, {"division_hard": 40})
    found = house.judge(new)
    look_at(house, new, found)
    again = house.judge(new)
    judged(house, "other", gate=gate_of(*RULES))

    assert found.digest == again.digest == house.judge(new).digest


def test_asking_until_it_passes_is_no_proof() -> None:
    """Second answers of the same model take a declared second look, which then has half of the risk."""
    house, new = house_with({"math_basic": 3}, {"division_hard": 40}, cases=300)
    first = house.judge(new)
    look_at(house, new, first)
    house.register(new, house.evidence(new, Sheet(house.suite)))
    second, declared = house.judge(new).verdict, house.judge(new, gate_of(*RULES, looks="2")).verdict

    assert (first.verdict.answer, second.answer) == ("HOLD", "HOLD")
    assert "This is look 2 at this model on math_basic, and 1 declared" in second.rules[0].sentence
    assert "This is look" not in declared.rules[0].sentence


def test_more_cases_of_the_same_slice_are_a_second_look() -> None:
    """Topping up after an undecided verdict is peeking; fresh cases are not."""
    house, new = house_with({}, {"division_hard": 40})
    look_at(house, new, house.judge(new))
    wider = House(300)
    wider.store, wider.desk = house.store, house.desk
    for path, data in suite_files(300).items():
        assert wider.store.put(data), path
    wider.store.put(wider.tree.canonical())
    again = new.model_copy(update={"suite": wider.tree.digest})
    wider.store.put(again.canonical())
    sheet = Sheet(wider.suite, wrong={"math_basic": 1})
    wider.register(again, wider.evidence(again, sheet))
    found = wider.judge(again).verdict

    assert again.subject == new.subject
    assert {2} == {one.look for one in found.attempts or ()}


def test_a_look_at_what_is_gone_still_counts() -> None:
    """On the same suite; who was judged is then known by the manifest alone."""
    house, new = house_with({}, {"division_hard": 40})
    other, lost = house.model("other"), digest_of(b"evidence that is in no store")
    house.register(other, lost)
    gone = Judge(
        **house.desk.common(), stage="staging", manifest=other.digest, evidence=lost,
        suite=house.suite.digest, verdict=digest_of(b"verdict"), answer="HOLD",
    )  # fmt: skip
    house.desk.write(gone)

    assert {2} == {one.attempt for one in house.judge(new).verdict.attempts or ()}
