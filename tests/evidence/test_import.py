"""From a log that a tool really wrote to a verdict: the suite made of it, the evidence imported for it, the gate."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from registry.adapters.stores.memory import MemoryStore
from registry.core.digest import Digest, digest_of
from registry.core.foreign.log import BadLog, Log
from registry.core.foreign.read import read_log
from registry.core.gate.rows.canary import AnotherCanary, Request, Watch, write_canary
from registry.core.gate.verdict import Verdict
from registry.core.heldout.evidence import Evidence, Row, Timing, read_lines
from registry.core.heldout.prices import price_book_of
from registry.core.heldout.suite import Suite, suite_of
from registry.core.ledger.entry import Promote, Register
from registry.core.manifest import Manifest
from registry.errors import RegistryError, UsageError
from registry.testing.models import Parts, tree_in
from registry.verbs.evidence import count
from registry.verbs.gate import gate
from registry.verbs.import_evidence import Brought, OtherModel, Terms, import_canary, import_evidence
from registry.verbs.suite_from_log import Choice, suite_from_log
from tests.evidence.logs import CHOICES, RAN_AS, RESULTS, archive, document, edited, harness, lines, repacked
from tests.gate.sheet import gate_of
from tests.gate.traffic import Traffic
from tests.ledger.desk import VERDICT, Desk

HARNESS = Choice(metrics={"sums": "exact_match,first", "choices": "acc,none"})
PRICES = price_book_of(b'form: registry.price_book/1\nusd_per_hour: {cpu: "3.60"}\n')
LOG = digest_of(b"log")


@dataclass
class House:
    """A store, a ledger, and a suite made of a log."""

    files: dict[str, bytes]
    store: MemoryStore = field(default_factory=MemoryStore)
    desk: Desk = field(default_factory=Desk)

    @property
    def suite(self) -> Suite:
        """The suite."""
        return suite_of(self.files)

    def model(self, name: str = "one") -> Manifest:
        """A manifest with this suite."""
        parts = Parts().with_adapter(name).keep(self.store)
        manifest = parts.model_copy(
            update={"suite": tree_in(self.files, self.store).digest, "routes": {"default": name}}
        )
        self.store.put(manifest.canonical())
        return manifest

    def bring(self, log: Log, manifest: Manifest, **terms: object) -> Brought:
        """Import a log and register it."""
        said: dict[str, object] = {"ran_as": log.model, "log": LOG, **terms}
        brought = import_evidence(log, manifest, self.suite, terms=Terms(**said), store=self.store)  # type: ignore[arg-type] # reason: by name
        self.register(manifest, brought.digest)
        return brought

    def register(self, manifest: Manifest, *evidence: Digest) -> None:
        """Say so in the ledger."""
        entry = Register(**self.desk.common(), model="assistant", manifest=manifest.digest, evidence=evidence)
        self.desk.write(entry)

    def serve(self, manifest: Manifest) -> None:
        """Let staging serve it."""
        on = {**self.desk.common(), "stage": "staging", "stage_previous": self.desk.tips.get("staging")}
        fields = {"manifest": manifest.digest, "generation": 1, "verdict": VERDICT, "answer": "GO", "basis": "gate"}
        self.desk.write(Promote(**{**on, **fields}))

    def judge(self, manifest: Manifest, *rules: str, **settings: str) -> Verdict:
        """The gate."""
        file = gate_of(*rules, **settings)
        return gate(manifest.digest, "staging", store=self.store, state=self.desk.state, gate_file=file).verdict

    def rows(self, brought: Brought) -> tuple[Row, ...]:
        """The rows that were made."""
        return read_lines(self.store.get(brought.evidence.rows), Row)

    def timings(self, brought: Brought) -> tuple[Timing, ...]:
        """The timings that were made."""
        return read_lines(self.store.get(brought.evidence.timings), Timing)


def house(log: Log, choice: Choice | None = None) -> House:
    """With the suite of a log."""
    return House(suite_from_log(log, choice or Choice()))


def inspect() -> Log:
    """The archive of Inspect."""
    return read_log({"x.eval": archive()})


def test_a_harness_log_is_judged_by_a_gate() -> None:
    """The numbers of the verdict are those that anybody counts in the log."""
    home, log = house(read_log(harness()), HARNESS), read_log(harness())
    model = home.model()
    brought = home.bring(log, model)
    verdict = home.judge(
        model, "success@1(sums).count >= 7", "success@1(choices).count >= 4", "latency_p95_ms.point <= 9"
    )
    right = sum(line["acc"] for line in lines(harness()[CHOICES]))

    assert ["pass", "fail", "inconclusive"] == [rule.verdict for rule in verdict.rules]
    assert ("7", "3", 20, 11) == (
        verdict.rules[0].value,
        verdict.rules[1].value,
        verdict.rules[0].n,
        verdict.rules[1].n,
    )
    assert 3 == right
    assert "timings of choices are missing" in verdict.rules[2].sentence
    assert {"one"} == {row.adapter for row in home.rows(brought)}
    assert ("lm_eval", "0.4.12", RAN_AS) == (
        brought.evidence.imported and brought.evidence.imported.tool,
        brought.evidence.imported and brought.evidence.imported.version,
        brought.evidence.imported and brought.evidence.imported.model,
    )
    assert ["lm_eval"] == list(brought.evidence.verifiers)
    assert Evidence.parse(home.store.get(brought.digest)) == brought.evidence


def test_what_broke_keeps_its_place() -> None:
    """Twenty scheduled, two broken: over 1 %, so nothing is decided, and the passes are of twenty."""
    home = house(inspect())
    model = home.model()
    brought = home.bring(inspect(), model)
    (rule,) = home.judge(model, "success@1(sums).point >= 0.1").rules

    assert ("inconclusive", 20, "0.25") == (rule.verdict, rule.n, rule.point)
    assert "2 of 20 answers of sums are missing" in rule.sentence
    assert (20, 5, 2) == (brought.slices[0].rows, brought.slices[0].passed, brought.slices[0].lost)


def test_what_is_missing_keeps_its_place() -> None:
    """A run that was stopped is no evidence for what it never asked."""
    home = house(inspect())
    model = home.model()
    cut = repacked(lambda name, data: None if "epoch_2" in name else data.replace(b'"success"', b'"cancelled"', 1))
    brought = home.bring(read_log({"x.eval": cut}), model)
    shown = count(brought.digest, brought.evidence, home.suite, store=home.store).slices[0]

    assert (20, 10, 1) == (shown.scheduled, shown.missing, shown.errored)
    assert "11 of 20 answers" in home.judge(model, "success@1(sums).point >= 0.1").rules[0].sentence


def test_time_is_money_only_where_somebody_says_so() -> None:
    """Without dollars there are no timings; with a device, milliseconds at its price."""
    home = house(inspect())
    model = home.model()

    assert () == home.timings(home.bring(inspect(), model, prices=PRICES))
    timings = home.timings(home.bring(inspect(), model, prices=PRICES, device="cpu"))
    first = next(one for one in timings if (one.case, one.sample) == ("sum-00", 0))
    assert (20, 8, "ok") == (len(timings), first.tokens, first.status)
    assert Decimal(first.latency_ms) == Decimal(first.cost_usd) * 1_000_000
    with pytest.raises(UsageError, match="no price"):
        home.bring(inspect(), model, prices=PRICES, device="abacus")


def test_a_graded_score_passes_where_the_suite_says() -> None:
    """The bar is in the suite, not in the import."""
    log = read_log({"x.json": document()})
    passed = {}
    for bar in ("score >= 0.5", "score >= 1", "score > 1"):
        home = house(log, Choice(passes=bar))
        passed[bar] = home.bring(log, home.model()).slices[0].passed

    assert {"score >= 0.5": 5, "score >= 1": 2, "score > 1": 0} == passed


def test_a_log_of_another_model_is_refused() -> None:
    """Exit code 5: it is whole, and about somebody else."""
    home = house(inspect())
    with pytest.raises(OtherModel) as caught:
        home.bring(inspect(), home.model(), ran_as="hf/other")

    assert caught.value.exit_code == 5


def refused(home: House, log: Log) -> str:
    """Why an import is refused."""
    with pytest.raises(RegistryError) as caught:
        home.bring(log, home.model())

    assert isinstance(caught.value, BadLog)
    return str(caught.value)


def test_cases_that_the_suite_does_not_have_are_refused() -> None:
    """Unknown ones, other ones under the same name, and a sample too many."""
    home = house(inspect())
    first = "samples/sum-00_epoch_1.json"

    assert "no case sum-0x" in refused(home, read_log({"x.eval": edited(first, id="sum-0x")}))
    assert "another question" in refused(home, read_log({"x.eval": edited(first, target="9")}))
    assert "another question" in refused(home, read_log({"x.eval": edited(first, input="0+1=")}))
    assert "asks each case 2 times" in refused(home, read_log({"x.eval": edited(first, epoch=3)}))


def test_cases_may_be_called_by_a_field_of_their_document() -> None:
    """Where the tool only numbers them, and another order would be other cases."""
    log = read_log(harness())
    only = Log(log.tool, log.version, log.model, {"sums": log.tasks["sums"]})
    files = suite_from_log(only, Choice({"sums": "added"}, {"": "exact_match,first"}, case="id"))
    named = House(files)

    assert "sum-00" == named.suite.cases["added"][0].id
    assert 7 == named.bring(only, named.model(), tasks={"added": "sums"}).slices[0].passed
    with pytest.raises(UsageError, match="no field 'ids'"):
        suite_from_log(only, Choice({}, {"": "exact_match,first"}, case="ids"))
    with pytest.raises(BadLog, match="two cases"):
        suite_from_log(only, Choice({}, {"": "exact_match,first"}, case="answer"))


def test_a_metric_is_chosen_by_a_person() -> None:
    """Where there are several, none is guessed; an unknown one tells the nearest."""
    log = read_log(harness())
    with pytest.raises(UsageError, match="has not one metric"):
        suite_from_log(log, Choice())
    with pytest.raises(UsageError, match="no metric 'acc'"):
        suite_from_log(log, Choice(metrics={"sums": "exact_match,first", "choices": "acc"}))
    with pytest.raises(UsageError, match="no task 'sum'"):
        suite_from_log(log, Choice(slices={"sum": "x"}))
    with pytest.raises(UsageError, match="would be the slice"):
        suite_from_log(log, Choice(slices={"sums": "x", "choices": "x"}, metrics=HARNESS.metrics))


def test_the_same_log_makes_the_same_suite_and_the_same_rows() -> None:
    """To the byte."""
    one, two = house(inspect()), house(inspect())

    assert one.files == two.files
    assert one.bring(inspect(), one.model()).digest == two.bring(inspect(), two.model()).digest


def test_a_baseline_of_another_version_is_not_compared_with() -> None:
    """Nor one that was asked in another way."""
    log = read_log(harness())
    home = house(log, HARNESS)
    old, new = home.model("old"), home.model("new")
    other = harness()[RESULTS].replace(b'"temperature": 1.0', b'"temperature": 0.5')
    rule = "no_regressions_on: ['sums']"
    home.bring(log, old)
    home.serve(old)
    home.bring(log, new)

    assert "Not proven" in home.judge(new, rule).rules[0].sentence
    home.bring(read_log({**harness(), RESULTS: other}), new)
    assert "judged by another version of lm_eval" in home.judge(new, rule).rules[0].sentence


def test_a_slice_that_is_judged_here_cannot_be_filled() -> None:
    """A log does not bring what its verifiers would find; a log that fills nothing says so."""
    own = b"form: registry.slice/1\nname: own\nbehaviour: x\nmax_new_tokens: 1\nverifiers: [{name: no_diagnosis}]\n"
    home = House({"own/slice.yaml": own, "own/cases.jsonl": b'{"expect":{},"id":"sum-00","prompt":"?"}\n'})
    for tasks in ({"own": "sums"}, {"owned": "sums"}, {"own": "sum"}, {}):
        with pytest.raises(UsageError):
            home.bring(inspect(), home.model(), tasks=tasks)


def test_tasks_and_slices_without_a_partner_are_told() -> None:
    """A task that nobody asks for is left out; a slice without a task is missing."""
    log = read_log(harness())
    sums = Log(log.tool, log.version, log.model, {"sums": log.tasks["sums"]})
    home = house(sums, Choice(metrics={"": "exact_match,first"}))
    both = house(log, HARNESS)

    assert ("choices",) == home.bring(log, home.model()).unused
    assert ("choices",) == both.bring(sums, both.model()).unfilled


def test_live_traffic_stands_beside_the_rows() -> None:
    """The canary is judged with the newest evidence, and is about no other model."""
    home = house(inspect())
    model = home.model()
    earlier = home.bring(inspect(), model).evidence
    traffic = Traffic()
    data = write_canary(Watch(manifest=model.digest, watched_ms=traffic.watched_ms), traffic.lines())
    digest, evidence = import_canary(data, model, earlier, store=home.store)
    home.register(model, digest)
    verdict = home.judge(model, "canary.abandon_rate.point <= 0.05", "success@1(sums).count >= 1")

    assert ("pass", evidence.canary) == (verdict.rules[0].verdict, verdict.canary)
    assert 6000 == count(digest, evidence, home.suite, store=home.store).requests
    assert json.loads(home.store.get(digest))["rows"] == earlier.rows
    with pytest.raises(OtherModel):
        import_canary(data, home.model("two"), earlier, store=home.store)


def test_evidence_that_comes_later_does_not_bring_an_old_model_back() -> None:
    """The name keeps meaning the newest manifest."""
    home = house(inspect())
    old, new = home.model("old"), home.model("new")
    home.register(old)
    home.register(new)
    digest = import_evidence(
        inspect(), old, home.suite, terms=Terms("hf/tiny", LOG), store=home.store
    ).digest  # fmt: skip
    home.desk.write(Register(**home.desk.common(), manifest=old.digest, evidence=(digest,)))

    assert home.desk.state.resolve("assistant") == new.digest
    assert (digest,) == home.desk.state.evidence(old.digest)


def test_an_evaluation_here_cannot_judge_for_another_tool() -> None:
    """It says error, which never passes."""
    from registry.core.heldout.case import Case
    from registry.core.heldout.verifiers import VERIFIERS
    from registry.core.heldout.verifiers.look import Instruments, VerifierFailed

    instruments = Instruments(
        {}, lambda program: pytest.fail("it ran"), lambda prompt, answer: pytest.fail("it scored")
    )
    with pytest.raises(VerifierFailed, match="judged by lm_eval"):
        VERIFIERS["imported"].check(
            Case(id="c", prompt="?"), (), arguments={"tool": "lm_eval", "task": "t"}, instruments=instruments
        )


def changed(lines: list[Request], at: int, **parts: object) -> list[Request]:
    """The same requests, one of them told otherwise."""
    return [one.model_copy(update=parts) if number == at else one for number, one in enumerate(lines)]


LATER: dict[str, tuple[bool, Callable[[list[Request]], list[Request]]]] = {
    "the same": (True, lambda lines: lines),
    "more requests": (True, lambda lines: [*lines, lines[0].model_copy(update={"request": "new"})]),
    "an incident that was found later": (True, lambda lines: changed(lines, 5, incident=True)),
    "a request left out": (False, lambda lines: lines[1:]),
    "another latency": (False, lambda lines: changed(lines, 5, latency_ms="1")),
    "an incident forgotten": (False, lambda lines: changed(lines, 7, incident=False)),
    "another canary": (False, lambda lines: [one.model_copy(update={"request": f"x{one.request}"}) for one in lines]),
}


@pytest.mark.parametrize("what", LATER)
def test_a_later_canary_goes_on_from_the_one_before(what: str) -> None:
    """A release cannot be tried on live traffic until its luck is good, nor forget an incident."""
    home = house(inspect())
    model = home.model()
    earlier = home.bring(inspect(), model).evidence
    watch = Watch(manifest=model.digest, watched_ms=Traffic().watched_ms)
    told = changed(Traffic().lines(), 7, incident=True)
    first, _ = import_canary(write_canary(watch, told), model, earlier, store=home.store)
    canary = Evidence.parse(home.store.get(first)).canary
    is_fine, change = LATER[what]
    later = write_canary(watch.model_copy(update={"watched_ms": watch.watched_ms + 1}), change(told))

    if is_fine:
        assert import_canary(later, model, earlier, store=home.store, before=[canary or digest_of(b"")])
    else:
        with pytest.raises(AnotherCanary):
            import_canary(later, model, earlier, store=home.store, before=[canary or digest_of(b"")])
