"""`gate` from end to end: manifest, suite and evidence from a store, the baseline from a ledger, the verdict kept."""

from pathlib import Path

import pytest

from registry.adapters.stores.memory import MemoryStore
from registry.core.binding import ForeignEvidence
from registry.core.digest import Digest, digest_of
from registry.core.gate.language.gatefile import read_gate
from registry.core.gate.report import flip_lines, markdown
from registry.core.gate.rows.rows import BadRows
from registry.core.gate.verdict import Verdict
from registry.core.heldout.evidence import Evidence
from registry.core.heldout.suite import suite_of
from registry.core.ledger.entry import Promote, Register
from registry.core.ledger.views import State
from registry.core.manifest import Manifest
from registry.errors import Faults, UsageError
from registry.testing.models import Parts, tree_in
from registry.verbs.gate import Judgement, gate
from tests.gate.sheet import Sheet, checked, gate_of, lines
from tests.ledger.desk import VERDICT, Desk

RULES = (
    "math_correct_rate(math_basic).lower_ci >= 0.98",
    "delta.success@1{division_hard}.point >= 0.07",
    "no_regressions_on: ['math_basic']",
)
GATE = gate_of(*RULES)


def suite_files(cases: int = 200) -> dict[str, bytes]:
    """Two slices that need no files but their own."""
    files = {}
    for name in ("math_basic", "division_hard"):
        files[f"{name}/slice.yaml"] = f"""form: registry.slice/1
name: {name}
behaviour: arithmetic
samples: 1
max_new_tokens: 8
timed: 25
verifiers:
  - {{name: numeric, arguments: {{tag: answer, tolerance: "0"}}}}
  - {{name: tag, arguments: {{tag: answer}}}}
""".encode()
        rows: list[dict[str, object]] = [
            {"id": f"{name}-{n:04}", "prompt": "?", "expect": {"answer": "1"}} for n in range(cases)
        ]
        files[f"{name}/cases.jsonl"] = lines(rows)
    return files


class House:
    """A store, a ledger, and models with evidence in them."""

    def __init__(self, cases: int = 200) -> None:
        """Empty, but for a suite."""
        self.store, self.desk = MemoryStore(), Desk()
        self.tree = tree_in(suite_files(cases), self.store)
        self.suite = suite_of(suite_files(cases))

    @property
    def state(self) -> State:
        """What the ledger says."""
        return self.desk.state

    def model(self, name: str) -> Manifest:
        """A manifest in the store, of other bytes for each name."""
        parts = Parts().with_adapter("math").with_adapter(name)
        manifest = parts.keep(self.store).model_copy(update={"suite": self.tree.digest})
        self.store.put(manifest.canonical())
        return manifest

    def evidence(self, manifest: Manifest, sheet: Sheet, **changes: Digest) -> Digest:
        """Evidence of a model, in the store."""
        rows = [{**row, **({"adapter": "math"} if row["slice"] == "math_basic" else {})} for row in sheet.rows()]
        return self.label(manifest, lines(rows), lines(sheet.timings()), **changes)

    def label(self, manifest: Manifest, rows: bytes, timings: bytes, **changes: Digest) -> Digest:
        """Rows and their label, in the store."""
        label = Evidence(
            subject=changes.get("subject", manifest.subject),
            suite=changes.get("suite", self.suite.digest),
            price_book=digest_of(b"prices"),
            rows=self.store.put(rows),
            timings=self.store.put(timings),
            verifiers={"numeric": f"v1.0@{digest_of(b'numeric')}"},
            environment=manifest.environment,
            concurrency=1,
        )
        return self.store.put(label.canonical())

    def register(self, manifest: Manifest, *evidence: Digest) -> None:
        """Say so in the ledger."""
        entry = Register(**self.desk.common(), model="assistant", manifest=manifest.digest, evidence=evidence)
        self.desk.write(entry)

    def serve(self, manifest: Manifest) -> None:
        """Let staging serve it."""
        on = {**self.desk.common(), "stage": "staging", "stage_previous": self.desk.tips.get("staging")}
        fields = {"manifest": manifest.digest, "generation": 1, "verdict": VERDICT, "answer": "GO", "basis": "gate"}
        self.desk.write(Promote(**{**on, **fields}))

    def judge(self, manifest: Manifest, gate_file: bytes = GATE, stage: str = "staging") -> Judgement:
        """The gate."""
        return gate(manifest.digest, stage, store=self.store, state=self.state, gate_file=gate_file)


def house_with(
    candidate: dict[str, int], baseline: dict[str, int] | None = None, cases: int = 200
) -> tuple[House, Manifest]:
    """A candidate with evidence, and perhaps a baseline that staging serves."""
    house = House(cases)
    if baseline is not None:
        old = house.model("old")
        house.register(old, house.evidence(old, Sheet(house.suite, wrong=baseline)))
        house.serve(old)
    new = house.model("new")
    house.register(new, house.evidence(new, Sheet(house.suite, wrong=candidate)))
    return house, new


def test_a_better_model_is_let_through() -> None:
    """GO; the verdict names every digest that it rests on, and lies in the store."""
    house, new = house_with({}, {"division_hard": 40})
    found = house.judge(new)
    verdict = found.verdict

    assert verdict.answer == "GO"
    assert Verdict.parse(house.store.get(found.digest)) == verdict
    assert house.store.get(verdict.gate_file) == GATE
    assert house.store.get(verdict.gate) == read_gate(GATE).gate.canonical()
    assert verdict.candidate == new.digest
    assert verdict.candidate_evidence == house.state.evidence(new.digest)[0]
    assert (verdict.baseline, verdict.suite) == (house.state.generations("staging")[0].manifest, house.suite.digest)


def test_a_worse_model_is_refused_with_its_flips() -> None:
    """NO-GO, and the cases that it lost."""
    house, new = house_with({"math_basic": 50}, {"division_hard": 40})
    verdict = house.judge(new).verdict

    assert verdict.answer == "NO-GO"
    assert len(verdict.flips) == 50
    assert verdict.flips[0].case == "math_basic-0000"


@pytest.mark.parametrize(("wrong", "listed", "total"), [(498, 999, None), (499, 1000, None), (500, 1000, 1001)])
def test_a_disaster_makes_no_endless_verdict(wrong: int, listed: int, total: int | None) -> None:
    """A thousand flips are listed and all are counted; up to there the bytes say nothing of it."""
    house, new = house_with({"division_hard": 501, "math_basic": wrong}, {}, cases=501)
    found = house.judge(new)
    said = house.store.get(found.digest)

    assert (len(found.verdict.flips), found.verdict.flips_in_all) == (listed, total)
    assert found.verdict.flip_count == 501 + wrong
    assert (b"flips_in_all" in said) == (total is not None)
    assert f"({501 + wrong:,})" in markdown(Verdict.parse(said))
    assert flip_lines(found.verdict)[-1] == f"and {501 + wrong - 20:,} more"


def test_the_first_release_can_only_be_held() -> None:
    """Nothing is served, so nothing can be compared; the other rules are judged all the same."""
    house, new = house_with({})
    verdict = house.judge(new).verdict

    assert verdict.answer == "HOLD"
    assert [rule.verdict for rule in verdict.rules] == ["pass", "inconclusive", "inconclusive"]
    assert verdict.rules[1].sentence == "staging never served anything: nothing to compare with."
    assert verdict.baseline is None


def test_without_evidence_everything_is_held() -> None:
    """A registered model without evidence proves nothing."""
    house = House()
    new = house.model("new")
    house.register(new)
    verdict = house.judge(new).verdict

    assert verdict.answer == "HOLD"
    assert {rule.verdict for rule in verdict.rules} == {"inconclusive"}
    assert verdict.candidate_evidence is None


def test_the_newest_evidence_is_judged() -> None:
    """A second evaluation counts, whatever the first one said."""
    house, new = house_with({"math_basic": 50}, {"division_hard": 40})
    house.register(new, house.evidence(new, Sheet(house.suite)))

    assert house.judge(new).verdict.answer == "GO"


def test_the_same_inputs_give_the_same_digest() -> None:
    """Twice, and in another house."""
    one, new = house_with({"math_basic": 1}, {"division_hard": 40})
    two, same = house_with({"math_basic": 1}, {"division_hard": 40})

    assert one.judge(new).digest == one.judge(new).digest == two.judge(same).digest


@pytest.mark.parametrize("field", ["subject", "suite"])
def test_evidence_of_something_else_is_an_integrity_fault(field: str) -> None:
    """Another model's or another suite's rows: exit code 5, and no verdict."""
    house = House()
    new = house.model("new")
    house.register(new, house.evidence(new, Sheet(house.suite), **{field: digest_of(b"something else")}))
    with pytest.raises(ForeignEvidence) as caught:
        house.judge(new)

    assert caught.value.exit_code == 5


def test_a_baseline_on_another_suite_is_no_baseline() -> None:
    """The comparison rules say why they are undecided."""
    house, new = house_with({})
    other = House()
    other.store, other.desk = house.store, house.desk
    other.tree = tree_in(suite_files(150), house.store)
    other.suite = suite_of(suite_files(150))
    old = other.model("old")
    house.register(old, other.evidence(old, Sheet(other.suite)))
    house.serve(old)
    verdict = house.judge(new).verdict

    assert (verdict.answer, verdict.baseline) == ("HOLD", old.digest)
    assert verdict.rules[1].sentence == "What staging serves was never judged on this suite: nothing to compare with."


def test_a_baseline_without_evidence_is_no_baseline() -> None:
    """As a bootstrapped one may be."""
    house, new = house_with({})
    old = house.model("old")
    house.register(old)
    house.serve(old)

    assert house.judge(new).verdict.rules[1].sentence == "What staging serves has no evidence: nothing to compare with."


def test_rows_by_another_adapter_are_an_integrity_fault() -> None:
    """math_basic goes to the adapter math; the base answered."""
    house = House()
    new = house.model("new")
    sheet = Sheet(house.suite)
    house.register(new, house.label(new, lines(sheet.rows()), lines(sheet.timings())))
    with pytest.raises(BadRows, match="adapter of its slice"):
        house.judge(new)


def test_a_damaged_blob_is_not_judged() -> None:
    """Rows are read by digest, verified."""
    house, new = house_with({})
    label = Evidence.parse(house.store.get(house.state.evidence(new.digest)[0]))
    house.store.blobs[label.rows] += b"\n"
    with pytest.raises(Exception, match="holds other bytes"):
        house.judge(new)


def test_a_gate_file_of_another_stage_is_refused() -> None:
    """With every other fault of it, and before evidence is read."""
    house, new = house_with({"math_basic": 50})
    with pytest.raises(Faults) as caught:
        house.judge(new, gate_of("maths.point >= 1", stage="production"))

    assert len(caught.value.faults) == 2
    assert "this file is for 'production', not for 'staging'" in str(caught.value)


def test_a_model_without_a_suite_cannot_be_judged() -> None:
    """There is nothing that the rules could mean."""
    house = House()
    bare = house.model("new").model_copy(update={"suite": None})
    house.store.put(bare.canonical())
    with pytest.raises(UsageError, match="names no suite"):
        house.judge(bare)


def test_the_shipped_gates_suit_the_shipped_suite() -> None:
    """Every rule can be asked there, and could be passed with as many cases as there are."""
    root = Path(__file__).parents[2] / "manifests"
    files = (path for path in (root / "heldout").rglob("*") if path.is_file())
    suite = suite_of({path.relative_to(root / "heldout").as_posix(): path.read_bytes() for path in files})

    for path in sorted((root / "gates").glob("*.yaml")):
        assert checked(path.read_bytes(), suite).gate.stage == path.stem
