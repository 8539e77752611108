"""The evaluation: the same bytes however it is batched or ordered, and an honest status for whatever goes wrong."""

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal

import pytest

from registry.core.canonical import canonical
from registry.core.digest import Digest, digest_of
from registry.core.heldout.evidence import Evidence, Row, Timing, read_lines
from registry.core.heldout.prices import price_book_of
from registry.core.heldout.suite import Suite, suite_of
from registry.core.heldout.verifiers import VERIFIERS
from registry.core.manifest import Environment
from registry.errors import Faults, RegistryError, UsageError
from registry.ports import Ran, Reply, Turn
from registry.verbs.converse import EngineBroken
from registry.verbs.evaluate import Evaluation, Plan, Subject, evaluate
from tests.heldout.engine import HashEngine, OutOfMemory, Speak, Ticking

PRICES = price_book_of(b'form: registry.price_book/1\nusd_per_hour: {cpu: "0.10", cuda: "2.50"}\n')
PLACE = Environment(python="3.11", platform="Linux", device="cpu test", packages=digest_of(b"packages"))
CODE = {name: digest_of(name.encode()) for name in VERIFIERS}
CALL = '<tool_call>{{"name":"search","arguments":{{"q":"{}"}}}}</tool_call>'
SUMS = b"""form: registry.slice/1
name: sums
behaviour: arithmetic
samples: 2
max_new_tokens: 16
timed: 3
verifiers:
  - {name: numeric, arguments: {tag: answer, tolerance: "0"}}
  - {name: tag, arguments: {tag: answer}}
"""
FIND = b"""form: registry.slice/1
name: find
behaviour: tool use
max_new_tokens: 16
max_steps: 3
tools: [search]
fixtures: search.json
verifiers:
  - {name: json_schema, arguments: {schema: schema.json}}
  - {name: unit_tests}
  - {name: reward_model, arguments: {cutoff: "0"}}
"""
FIXTURE = {
    "form": "registry.fixture/1",
    "tool": "search",
    "version": "1",
    "recordings": [
        {"arguments": {"q": "a"}, "reply": {"see": "b"}},
        {"arguments": {"q": "b"}, "reply": {"use": "x = 1"}},
    ],
}
CODE_BLOCK = "```python\nx = 1\n```"


class FakeSandbox:
    """Says that every program passed, and counts them."""

    def __init__(self) -> None:
        self.programs: list[str] = []

    def run(self, program: str) -> Ran:
        """Repeat the receipt that the program would print."""
        self.programs.append(program)
        receipt = program.split("write('\\n")[1].split("\\n')")[0]
        return Ran(0, receipt + "\n", timed_out=False)


def lines(*cases: Mapping[str, object]) -> bytes:
    """A `cases.jsonl`."""
    return b"".join(canonical(case) + b"\n" for case in cases)


def suite(sums: int = 12, find: int = 5) -> Suite:
    """Two slices, one of them with a tool."""
    asked = [{"id": f"s-{n:03d}", "prompt": f"{n} plus {n}", "expect": {"answer": str(2 * n)}} for n in range(sums)]
    sought = [{"id": f"f-{n:03d}", "prompt": f"find {n}", "expect": {"tests": "t.py"}} for n in range(find)]
    files = {"sums/slice.yaml": SUMS, "sums/cases.jsonl": lines(*asked)}
    files |= {"find/slice.yaml": FIND, "find/cases.jsonl": lines(*sought), "find/t.py": b"assert x == 1\n"}
    files |= {"find/schema.json": b'{"search":{"required":["q"]}}', "find/search.json": canonical(FIXTURE)}
    return suite_of(files)


def subject(**more: object) -> Subject:
    """A model with two adapters."""
    parts = {name: digest_of(name.encode()) for name in ("llm", "tokenizer", "one", "two")}
    adapters = {"one": parts["one"], "two": parts["two"]}
    routes = {"sums": "one", "default": "base"}
    values = {"llm": parts["llm"], "tokenizer": parts["tokenizer"], "adapters": adapters, "routes": routes}
    return Subject(**{**values, "sampling": {"temperature": "0.2", "top_p": "0.9"}, **more})  # type: ignore[arg-type]


def able(turn: Turn, hashed: str) -> str:
    """Sums rightly by adapter one, mostly; searches twice and then answers with code."""
    prompt = turn.messages[0].content
    if "plus" in prompt:
        wrong = turn.adapter != "one" or hashed[0] == "0"
        return f"<answer>{2 * int(prompt.split()[0]) + wrong}</answer> {hashed}"
    turns = sum(message.role == "assistant" for message in turn.messages)
    return CALL.format("ab"[turns]) if turns < 2 else f"{CODE_BLOCK}\n{hashed}"


def run(of: Suite | None = None, speak: Speak = able, **more: object) -> tuple[Evaluation, HashEngine]:
    """Evaluate with the fakes; `more` replaces any of the doors."""
    engine = HashEngine(speak)
    of_subject = more.pop("of_subject", subject())
    doors: dict[str, object] = {
        "engine": engine,
        "sandbox": FakeSandbox(),
        "timer": Ticking(0.25),
        "prices": PRICES,
        "environment": PLACE,
        "code": CODE,
        "plan": Plan(batch_size=4, cross_cases=3),
    }
    return evaluate(of_subject, of or suite(), **{**doors, **more}), engine  # type: ignore[arg-type]  # the doors differ in type


def one(speak: Callable[[Turn, str], str], **more: object) -> Row:
    """The row of a single case of the tool slice."""
    found, _ = run(suite(sums=1, find=1), speak, **more)
    return next(row for row in found.rows if row.slice == "find")


def test_every_sample_has_a_row_by_the_adapter_of_its_route() -> None:
    """Twelve cases twice and five once, by `one` and by the base."""
    found, _ = run()

    assert Counter((row.slice, row.adapter) for row in found.rows) == {("sums", "one"): 24, ("find", None): 5}
    assert all(
        set(row.findings) == {"json_schema", "unit_tests", "reward_model"} for row in found.rows if row.slice == "find"
    )


def test_a_tool_is_replayed_until_the_model_answers() -> None:
    """Two recorded calls, then the answer: three steps, five messages."""
    row = one(able)

    assert row.success
    assert row.steps == 3
    assert [said.role for said in row.transcript] == ["assistant", "tool", "assistant", "tool", "assistant"]
    assert row.transcript[1].content == '{"see":"b"}'
    assert (row.findings["json_schema"].passed, row.findings["json_schema"].total) == (2, 2)


@pytest.mark.parametrize("batch_size", [1, 2, 7, 1000])
def test_behaviour_rows_are_the_same_bytes_in_any_batch(batch_size: int) -> None:
    """Batch size changes how the work is done, not one byte of what is found."""
    found, engine = run(plan=Plan(batch_size=batch_size, cross_cases=3))
    usual, _ = run()

    assert max(engine.batches) <= batch_size
    assert found.files["rows.jsonl"] == usual.files["rows.jsonl"]
    assert found.files["cross.jsonl"] == usual.files["cross.jsonl"]


@pytest.mark.parametrize("seed", range(3))
def test_behaviour_rows_are_the_same_bytes_in_any_order_of_cases(seed: int) -> None:
    """The order in which cases and slices are asked leaves no trace."""
    usual = suite()
    die = random.Random(seed)
    cases = {name: tuple(die.sample(found, len(found))) for name, found in usual.cases.items()}
    shuffled = usual.model_copy(update={"cases": cases, "slices": usual.slices[::-1]})

    assert run(shuffled)[0].files["rows.jsonl"] == run(usual)[0].files["rows.jsonl"]


def test_a_second_run_gives_the_same_evidence_but_for_time() -> None:
    """Only the timing files may differ, and here not even they do."""
    assert run()[0].files == run()[0].files
    assert run()[0].files["rows.jsonl"] == run(timer=Ticking(7))[0].files["rows.jsonl"]


def test_each_turn_has_a_seed_of_its_own_that_the_adapter_does_not_change() -> None:
    """Samples and steps differ; two adapters throw the same die for the same sample."""
    found, engine = run(plan=Plan(batch_size=1, cross_cases=0))
    asked = sum(row.steps for row in found.rows)
    crossed = {seed for _, other in [run()] for seed in other.seeds}

    assert len(set(engine.seeds[:asked])) == asked
    assert crossed == set(engine.seeds)
    assert {len(seed) for seed in engine.seeds} == {32}


def test_a_case_that_breaks_the_engine_is_lost_alone() -> None:
    """Who shares a batch with it gets the same answer as ever."""
    poisoned = suite()
    cases = list(poisoned.cases["sums"])
    cases[5] = cases[5].model_copy(update={"prompt": "5 plus 5 poison"})
    poisoned = poisoned.model_copy(update={"cases": {**poisoned.cases, "sums": tuple(cases)}})
    found, usual = run(poisoned)[0], run()[0]
    lost = [row for row in found.rows if row.status == "error"]

    assert [(row.case, row.sample, row.findings, row.steps) for row in lost] == [
        ("s-005", 0, {}, 0),
        ("s-005", 1, {}, 0),
    ]
    assert [row for row in found.rows if row.case != "s-005"] == [row for row in usual.rows if row.case != "s-005"]
    assert not lost[0].success


def test_a_call_that_is_not_recorded_fails_the_row_and_calls_nothing() -> None:
    """The model is told so, may go on, and the row stays invalid whatever it then says."""
    row = one(lambda turn, hashed: CALL.format("zzz") if len(turn.messages) == 1 else CODE_BLOCK)

    assert row.status == "invalid"
    assert row.transcript[1].content == '{"error":"not recorded"}'
    assert row.steps == 2
    assert row.findings["json_schema"].verdict == "pass"
    assert not row.success


@pytest.mark.parametrize(
    "call", ["<tool_call>{</tool_call>", "<tool_call>", CALL.format("a").replace("search", "other"), "</tool_call>"]
)
def test_a_call_that_cannot_be_read_is_not_recorded_either(call: str) -> None:
    """Broken JSON, an open mark or an unknown tool never match a recording."""
    row = one(lambda turn, hashed: call if len(turn.messages) == 1 else CODE_BLOCK)

    assert row.status == "invalid"
    assert row.findings["json_schema"].verdict == "fail"


def test_a_model_that_never_stops_calling_is_invalid() -> None:
    """The last turn allowed must be an answer."""
    row = one(lambda turn, hashed: CALL.format("a"))

    assert (row.status, row.steps, len(row.transcript)) == ("invalid", 3, 5)


def test_a_flood_of_calls_ends_the_talk() -> None:
    """More than eight calls in one turn are not answered one by one."""
    row = one(lambda turn, hashed: CALL.format("a") * 5000)

    assert (row.status, row.steps, len(row.transcript)) == ("invalid", 1, 1)


def test_a_slice_without_tools_takes_marks_as_text() -> None:
    """A mark in an arithmetic answer calls nothing."""
    found, _ = run(suite(sums=1, find=1), lambda turn, hashed: CALL.format("a") + "<answer>0</answer>")
    row = next(row for row in found.rows if row.slice == "sums")

    assert (row.status, row.steps, row.success) == ("ok", 1, True)


@pytest.mark.parametrize(
    "text", ["", "\ud800", "\udc00x\ud800", "a" * 1_000_000, "\x00", "\ufeff", "<answer>\ud800</answer>", "𝔘"]
)
def test_any_text_of_the_model_makes_a_row_that_can_be_read_back(text: str) -> None:
    """Nothing that a model can say breaks the evidence."""
    found, _ = run(suite(sums=2, find=1), lambda turn, hashed: text)

    assert read_lines(found.files["rows.jsonl"], Row) == tuple(
        sorted(found.rows, key=lambda row: (row.slice, row.case, row.sample))
    )


def test_the_verifiers_own_failure_is_an_error_that_never_passes() -> None:
    """A sandbox that cannot start, and a reward model that fails, cost their finding and nothing else."""

    class Broken(FakeSandbox):
        def run(self, program: str) -> Ran:
            raise RegistryError("no processes left")

    row = one(able, sandbox=Broken())

    assert (row.status, row.findings["unit_tests"].verdict, row.findings["unit_tests"].seen) == (
        "ok",
        "error",
        "no processes left",
    )
    assert row.findings["json_schema"].verdict == "pass"
    assert not row.success


def test_a_reward_model_that_fails_on_one_pair_fails_alone() -> None:
    """The other pairs of its batch keep their scores."""

    class Moody(HashEngine):
        def score(self, pairs: object) -> list[str]:
            assert isinstance(pairs, list)
            if any(prompt == "find 3" for prompt, _ in pairs):
                raise OutOfMemory("too long")
            return ["1.0000"] * len(pairs)

    found, _ = run(engine=Moody(able))
    verdicts = {row.case: row.findings["reward_model"].verdict for row in found.rows if row.slice == "find"}

    assert verdicts == {"f-000": "pass", "f-001": "pass", "f-002": "pass", "f-003": "error", "f-004": "pass"}


def test_the_same_program_and_the_same_pair_are_tried_once() -> None:
    """Five equal answers cost one process; each distinct pair is scored once."""
    sandbox, engine = FakeSandbox(), HashEngine(lambda turn, hashed: CODE_BLOCK)
    run(sandbox=sandbox, engine=engine)

    assert len(sandbox.programs) == 1
    assert len(engine.scored) == len(set(engine.scored))


def test_every_adapter_and_the_base_are_seen_on_every_slice() -> None:
    """Three cases of each slice; what the route already answered is taken from the rows."""
    found, _ = run()
    crossed = Counter((row.slice, row.adapter) for row in found.cross)
    damage = json.loads(found.files["metrics.json"])["cross"]

    assert crossed == {(name, who): n for name, n in (("sums", 6), ("find", 3)) for who in (None, "one", "two")}
    assert [row for row in found.cross if row.slice == "sums" and row.adapter == "one"] == [
        row for row in found.rows if row.slice == "sums" and row.case < "s-003"
    ]
    assert damage["one"]["sums"] > 0.5 > damage["two"]["sums"] == damage["base"]["sums"] == 0


def test_time_is_measured_one_by_one_and_priced_from_the_book() -> None:
    """A quarter of a second of a CPU at 0.10 dollars an hour, for the timed cases only."""
    found, engine = run()
    timings = read_lines(found.files["timings.jsonl"], Timing)

    assert Counter(timing.slice for timing in timings) == {"sums": 6, "find": 5}
    assert {timing.latency_ms for timing in timings} == {"250.000"}
    assert {Decimal(timing.cost_usd) for timing in timings} == {Decimal("0.000006944444")}
    assert all(timing.tokens > 0 for timing in timings)
    assert engine.batches[-20:] == [1] * 20
    assert found.evidence.concurrency == 1


def test_a_quick_try_times_fewer_and_never_more() -> None:
    """The plan can only leave timings out; the suite says how many there should be."""
    few, _ = run(plan=Plan(timing_cases=1))
    many, _ = run(plan=Plan(timing_cases=100))

    assert Counter(timing.slice for timing in few.timings) == {"sums": 2, "find": 1}
    assert Counter(timing.slice for timing in many.timings) == {"sums": 6, "find": 5}


def test_the_evidence_names_all_that_made_it() -> None:
    """Subject, suite, files, verifiers with their code, prices and place."""
    found, _ = run()
    evidence = Evidence.parse(found.files["evidence.json"])

    assert evidence == found.evidence
    assert (evidence.subject, evidence.suite) == (subject().digest, suite().digest)
    assert evidence.rows == digest_of(found.files["rows.jsonl"])
    assert evidence.verifiers["json_schema"] == f"v4.3@{CODE['json_schema']}"
    assert set(evidence.verifiers) == {"json_schema", "numeric", "reward_model", "tag", "unit_tests"}
    assert evidence.price_book == PRICES.digest


def test_the_metrics_are_what_the_rows_say() -> None:
    """The summary for people agrees with the evidence."""
    found, _ = run()
    told = json.loads(found.files["metrics.json"])
    rows = [row for row in found.rows if row.slice == "sums"]

    assert told["slices"]["sums"]["success"] == pytest.approx(sum(row.success for row in rows) / 24, abs=1e-6)
    assert told["slices"]["find"]["steps_median"] == 3
    assert told["timing"]["latency_p95_ms"] == 250


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"routes": {"sum": "one"}}, "did you mean 'sums'?"),
        ({"routes": {"sums": "onee"}}, "did you mean 'one'?"),
        ({"routes": {"default": "three"}}, "there is no adapter 'three'"),
    ],
)
def test_a_route_to_nowhere_is_refused_before_anything_is_asked(more: dict[str, object], told: str) -> None:
    """A typo must not cost a run."""
    engine = HashEngine(able)
    with pytest.raises(Faults) as caught:
        run(of_subject=subject(**more), engine=engine)

    assert told in str(caught.value)
    assert engine.batches == []


def test_a_verifier_without_a_digest_is_refused() -> None:
    """Evidence that cannot say which code judged is none."""
    code: dict[str, Digest] = {name: digest for name, digest in CODE.items() if name != "tag"}
    with pytest.raises(Faults, match="tag"):
        run(code=code)


def test_a_device_without_a_price_is_refused() -> None:
    """A cost of nothing would pass every rule."""
    with pytest.raises(UsageError, match="no price"):
        run(environment=PLACE.model_copy(update={"device": "tpu v5"}))


def test_an_engine_that_loses_a_reply_is_broken() -> None:
    """Then nobody knows which answer belongs to which question."""

    class Losing(HashEngine):
        def reply(self, turns: object, sampling: object) -> list[Reply]:
            return []

    with pytest.raises(EngineBroken):
        run(engine=Losing(able))


def test_a_wrong_setting_stops_the_whole_evaluation() -> None:
    """An unknown adapter or setting is a fault of the run, not of each row."""

    class Strict(HashEngine):
        def reply(self, turns: object, sampling: object) -> list[Reply]:
            raise UsageError("there is no setting top_k")

    with pytest.raises(UsageError, match="top_k"):
        run(engine=Strict(able))


def test_a_missing_reward_model_stops_the_whole_evaluation() -> None:
    """A suite that needs one cannot be answered without it."""

    class Without(HashEngine):
        def score(self, pairs: object) -> list[str]:
            raise UsageError("this engine has no reward model")

    with pytest.raises(UsageError, match="no reward model"):
        run(engine=Without(able))


def test_progress_is_told() -> None:
    """Whoever waits hears how far the work is, up to all of it."""
    heard: list[tuple[str, int, int]] = []
    run(progress=lambda what, done, total: heard.append((what, done, total)))

    assert ("sums", 24, 24) in heard
    assert ("find by two", 3, 3) in heard
    assert ("timing sums", 6, 6) in heard
