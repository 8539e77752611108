"""Evaluate a model on the held-out suite: what it answers, what that is worth, and what it took."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from registry.core.digest import Digest, digest_of
from registry.core.document import did_you_mean
from registry.core.heldout.evidence import Evidence, Row, Timing, write_lines
from registry.core.heldout.metrics import summary
from registry.core.heldout.prices import PriceBook, cost_usd, latency_ms
from registry.core.heldout.slice import Slice
from registry.core.heldout.suite import Suite
from registry.core.heldout.tools import fixture_of, replay_of
from registry.core.heldout.verifiers import VERIFIERS
from registry.core.manifest import Environment, subject_of
from registry.errors import RegistryError, UsageError, refuse
from registry.ports import Engine, Sandbox
from registry.verbs.converse import Setting, Talk, converse, talks_of
from registry.verbs.judge import Bench, judge

BASE = "base"
Timer = Callable[[], float]
"""A clock that only counts up, in seconds, from anywhere."""

Progress = Callable[[str, int, int], None]
"""Hears (what is being done, samples done, samples in all)."""


def silent(what: str, done: int, total: int) -> None:
    """Progress that nobody hears."""


@dataclass(frozen=True)
class Subject:
    """The parts of a model that decide its behaviour, by digest, and which adapter answers which slice.

    `routes` maps a slice, or `default`, to the name of an adapter or to `base`; without a route the base answers.
    """

    llm: Digest
    tokenizer: Digest
    adapters: Mapping[str, Digest] = field(default_factory=dict)
    input: Digest | None = None
    sampling: Mapping[str, str] = field(default_factory=dict)
    reward_model: Digest | None = None
    fixtures: Digest | None = None
    routes: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def digest(self) -> Digest:
        """The same digest that a manifest of these parts calls its subject."""
        return subject_of(
            llm=self.llm,
            adapters=dict(self.adapters),
            tokenizer=self.tokenizer,
            input=self.input,
            sampling=dict(self.sampling),
            reward_model=self.reward_model,
            fixtures=self.fixtures,
            routes=dict(self.routes),
        )

    def adapter_for(self, slice_name: str) -> str | None:
        """The adapter that answers `slice_name`, or None for the bare base."""
        name = self.routes.get(slice_name, self.routes.get("default", BASE))
        return None if name == BASE else name


@dataclass(frozen=True, slots=True)
class Plan:
    """How the work is done; nothing of it can change an answer.

    `batch_size` is the most turns asked together, `cross_cases` how many cases of each slice every adapter answers.
    `timing_cases` is for trying things out: it times fewer cases of each slice than the suite asks for, and what is
    then missing is missing to a gate.
    """

    batch_size: int = 64
    cross_cases: int = 50
    timing_cases: int | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an evaluation found. `files` are those of the evidence directory, by name, ready to be written."""

    rows: tuple[Row, ...]
    timings: tuple[Timing, ...]
    cross: tuple[Row, ...]
    evidence: Evidence
    files: Mapping[str, bytes]


def evaluate(
    subject: Subject,
    suite: Suite,
    *,
    engine: Engine,
    sandbox: Sandbox,
    timer: Timer,
    prices: PriceBook,
    environment: Environment,
    code: Mapping[str, Digest],
    plan: Plan = Plan(),
    progress: Progress = silent,
) -> Evaluation:
    """Ask `subject` every sample of `suite`, judge each answer, and measure time and cost in a second pass.

    Each slice is answered by the adapter that its route names. Then every adapter, and the base, answers the first
    cases of every slice, which shows what an adapter damages. Then the first cases (`timed` of the slice; all, without
    it) are asked once more, one at a time, after one that warms up and is not counted.

    Args:
        subject: Whose answers these are.
        suite: What is asked.
        engine: Answers; it must give the same reply to the same turn, whatever it is asked together with.
        sandbox: Where answered code is run.
        timer: Measures the timing pass; behaviour never looks at it.
        prices: What an hour of the device costs.
        environment: Where this runs; the first word of its device chooses the price.
        code: The digest of each verifier's code, as it is pinned.
        plan: Batch size, and the number of cross cases.
        progress: Hears how far the work is.

    Returns:
        The rows, and the bytes of `rows.jsonl`, `cross.jsonl`, `timings.jsonl`, `evidence.json` and `metrics.json`.
        Rows and cross rows are the same bytes each time; timings are not.

    Raises:
        Faults: A route names no slice or no adapter, or a verifier of the suite has no digest in `code`.
        UsageError: The device has no price, or the engine does not know an adapter or a sampling setting.
        EngineBroken: The engine broke the contract of its door.
    """
    _check(subject, suite, code)
    usd_per_hour = prices.usd_per_hour_of(environment.device)
    work = _Work(subject, suite, Bench(engine, sandbox, plan.batch_size), plan, progress)
    rows = tuple(row for one in suite.slices for row in work.rows(one))
    cross = tuple(row for one in suite.slices for row in work.cross(one, rows))
    timings = tuple(
        _timing(one, talk, cost=(ms, cost_usd(ms, usd_per_hour)))
        for one in suite.slices
        for talk, ms in work.timed(one, timer)
    )
    told = {name: f"{VERIFIERS[name].version}@{code[name]}" for name in sorted(_verifiers(suite))}
    files = {"rows.jsonl": write_lines(rows), "timings.jsonl": write_lines(timings), "cross.jsonl": write_lines(cross)}
    evidence = Evidence(
        subject=subject.digest,
        suite=suite.digest,
        rows=digest_of(files["rows.jsonl"]),
        timings=digest_of(files["timings.jsonl"]),
        cross=digest_of(files["cross.jsonl"]),
        verifiers=told,
        price_book=prices.digest,
        environment=environment,
        concurrency=1,
    )
    files |= {"evidence.json": evidence.canonical(), "metrics.json": summary(rows, timings, cross)}
    return Evaluation(rows, timings, cross, evidence, files)


@dataclass(frozen=True, slots=True)
class _Work:
    """One evaluation under way."""

    subject: Subject
    suite: Suite
    bench: Bench
    plan: Plan
    progress: Progress

    def rows(self, one: Slice) -> tuple[Row, ...]:
        """A row for every sample of a slice, by the adapter of its route."""
        talks = talks_of(one, self.suite.cases[one.name], self.subject.adapter_for(one.name))
        return self.judged(one, talks, one.name)

    def cross(self, one: Slice, rows: Sequence[Row]) -> tuple[Row, ...]:
        """Rows of every adapter and the base on the first cases of a slice; what is in `rows` is not asked again."""
        cases = self.suite.cases[one.name][: self.plan.cross_cases]
        routed, names = self.subject.adapter_for(one.name), {case.id for case in cases}
        found = [row for row in rows if row.slice == one.name and row.case in names]
        for adapter in (None, *sorted(self.subject.adapters)):
            if adapter != routed:
                talks = talks_of(one, cases, adapter)
                found += self.judged(one, talks, f"{one.name} by {adapter or BASE}")
        return tuple(found)

    def judged(self, one: Slice, talks: Sequence[Talk], what: str) -> tuple[Row, ...]:
        self.converse(one, talks, what)
        return judge(talks, one, self.suite.files_of(one.name), bench=self.bench)

    def timed(self, one: Slice, timer: Timer) -> Iterator[tuple[Talk, str]]:
        """The first cases again, one sample at a time, each with its milliseconds from question to last word."""
        cases = self.suite.cases[one.name][: one.timed][: self.plan.timing_cases]
        talks = talks_of(one, cases, self.subject.adapter_for(one.name))
        warming = talks_of(one, cases[:1], self.subject.adapter_for(one.name))[:1]
        self.converse(one, warming, f"warming up for {one.name}")
        for done, talk in enumerate(talks):
            self.progress(f"timing {one.name}", done, len(talks))
            start = timer()
            converse([talk], self.setting(one), engine=self.bench.engine, told=lambda ended: None)
            yield talk, latency_ms(timer() - start)
        self.progress(f"timing {one.name}", len(talks), len(talks))

    def converse(self, one: Slice, talks: Sequence[Talk], what: str) -> None:
        done = 0

        def told(ended: int) -> None:
            nonlocal done
            done += ended
            self.progress(what, done, len(talks))

        told(0)
        converse(talks, self.setting(one), engine=self.bench.engine, told=told)

    def setting(self, one: Slice) -> Setting:
        fixtures = () if one.fixtures is None else (fixture_of(self.suite.files_of(one.name)[one.fixtures]),)
        return Setting(self.suite.digest, one, replay_of(*fixtures), self.subject.sampling, self.plan.batch_size)


def _timing(one: Slice, talk: Talk, *, cost: tuple[str, str]) -> Timing:
    return Timing(
        slice=one.name,
        case=talk.case.id,
        sample=talk.sample,
        status=talk.status,
        latency_ms=cost[0],
        cost_usd=cost[1],
        tokens=talk.prompt_tokens + talk.completion_tokens,
    )


def _verifiers(suite: Suite) -> frozenset[str]:
    return frozenset(call.name for one in suite.slices for call in one.verifiers)


def _check(subject: Subject, suite: Suite, code: Mapping[str, Digest]) -> None:
    """Refuse what would waste the whole run; all faults at once."""
    slices, adapters = {one.name for one in suite.slices} | {"default"}, {*subject.adapters, BASE}
    faults: list[RegistryError] = []
    for slice_name, adapter in sorted(subject.routes.items()):
        if slice_name not in slices:
            faults.append(UsageError(f"the suite has no slice {slice_name!r}", mend=did_you_mean(slice_name, slices)))
        if adapter not in adapters:
            faults.append(UsageError(f"there is no adapter {adapter!r}", mend=did_you_mean(adapter, adapters)))
    faults += [
        UsageError(f"the code of verifier {name} has no digest") for name in sorted(_verifiers(suite) - set(code))
    ]
    refuse("the evaluation's inputs", faults)
