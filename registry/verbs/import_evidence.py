"""Import evidence: what another tool found of a model becomes the rows that a gate judges."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from registry.core.binding import ForeignEvidence
from registry.core.digest import Digest, digest_of
from registry.core.document import did_you_mean
from registry.core.foreign.log import DEFAULT_PASS, BadLog, Log, Sample, Task, case_name, digest_of_value, pass_rule
from registry.core.gate.rows.canary import check_continues, read_canary
from registry.core.heldout.evidence import Evidence, Finding, Imported, Row, Said, Timing, write_lines
from registry.core.heldout.prices import PriceBook, cost_usd
from registry.core.heldout.slice import Slice
from registry.core.heldout.suite import Suite
from registry.core.heldout.verifiers.look import SEEN_LETTERS
from registry.core.manifest import Environment, Manifest
from registry.errors import UsageError
from registry.ports import Store

VERIFIER = "imported"


class OtherModel(ForeignEvidence):
    """A log is about another model than the one that it is imported for."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What became of one slice: of so many samples scheduled, how many came, passed, and were lost or timed."""

    slice: str
    task: str
    scheduled: int
    rows: int
    passed: int
    lost: int
    timed: int


@dataclass(frozen=True, slots=True)
class Brought:
    """Evidence in the store. `unused` are tasks of the log that no slice asks for, `unfilled` slices without a task."""

    digest: Digest
    evidence: Evidence
    slices: tuple[Filled, ...]
    unused: tuple[str, ...]
    unfilled: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """How a log is to be understood.

    `ran_as` is what the log must call the model. `tasks` overrules, by slice, the task that fills it. `device` is what
    it ran on, for the price of an hour; without it only a log that tells dollars has timings.
    """

    ran_as: str
    log: Digest
    prices: PriceBook | None = None
    device: str | None = None
    tasks: Mapping[str, str] | None = None
    canary: Digest | None = None


def import_evidence(log: Log, manifest: Manifest, suite: Suite, *, terms: Terms, store: Store) -> Brought:
    """Make evidence of a log, and keep it.

    The suite says which task fills a slice, by which metric, and what passes; nothing of that is chosen here, when the
    scores are known. A sample that the suite schedules and the log lacks has no row, and so counts as missing.

    Args:
        log: What the tool wrote.
        manifest: The model that it ran.
        suite: The suite of that manifest.
        terms: How the log is to be understood.
        store: Where rows, timings and label are put.

    Raises:
        OtherModel: The log calls the model something else.
        BadLog: It has cases that the suite does not, or other ones under their names, or too many samples of one.
        UsageError: No slice of the suite is filled by it, or a metric is not in the log.
    """
    if log.model != terms.ran_as:
        why = f"the log is about {log.model!r}, and should be about {terms.ran_as!r}"
        raise OtherModel("the log is about another model", why=why, mend="say with --ran-as what the log calls it")
    chosen = dict(_chosen(log, suite, terms.tasks or {}))
    if not chosen:
        raise UsageError(
            "no slice of the suite is filled by this log",
            why=f"the log has {', '.join(log.tasks) or 'no task'} by {log.tool}; the suite asks for {_asked(suite)}",
            mend="make a slice of the log with `--make-suite DIR`, commit it, and pin the model again",
        )
    price = terms.prices.usd_per_hour_of(terms.device) if terms.prices and terms.device else None
    work = [_Filling(one, task, log, manifest, suite, price) for one, task in chosen.values()]
    rows = [row for filling in work for row in filling.rows()]
    timings = [timing for filling in work for timing in filling.timings()]
    tasks = {one.slice.name: one.task.digest for one in work}
    evidence = Evidence(
        subject=manifest.subject,
        suite=suite.digest,
        rows=store.put(write_lines(rows)),
        timings=store.put(write_lines(timings)),
        verifiers={log.tool: f"{log.version}@{digest_of_value(tasks)}"},
        price_book=terms.prices.digest if terms.prices else store.put(b""),
        environment=_environment(log, terms, store),
        concurrency=log.concurrency,
        imported=Imported(tool=log.tool, version=log.version, model=log.model, log=terms.log),
        canary=terms.canary,
    )
    used = {task.name for _, task in chosen.values()}
    return Brought(
        store.put(evidence.canonical()),
        evidence,
        tuple(_filled(filling, rows, timings) for filling in work),
        tuple(name for name in log.tasks if name not in used),
        tuple(one.name for one in suite.slices if one.name not in chosen),
    )


def import_canary(
    data: bytes, manifest: Manifest, earlier: Evidence, *, store: Store, before: Collection[Digest] = ()
) -> tuple[Digest, Evidence]:
    """Put what live traffic did beside the newest evidence of the model; returns the new label and its digest.

    `before` are the canaries that the model has already; this one must go on from each of them, or be one of them.

    Raises:
        OtherModel: It is another model's traffic.
        BadCanary: It is malformed.
        AnotherCanary: It leaves out, or tells otherwise, what was recorded before.
    """
    canary = read_canary(data)
    if canary.manifest != manifest.digest:
        why = f"its first line names {canary.manifest}, this is {manifest.digest}"
        raise OtherModel("the canary is about another model", why=why)
    for digest in sorted(set(before)) if digest_of(data) not in before else ():
        check_continues(store.get(digest), data)
    evidence = earlier.model_copy(update={"canary": store.put(data)})
    return store.put(evidence.canonical()), evidence


def _environment(log: Log, terms: Terms, store: Store) -> Environment:
    device = terms.device or log.device
    return Environment(
        python="unknown", platform=f"{log.tool} {log.version}", device=device, packages=store.put(b"")
    )  # fmt: skip


def _asked(suite: Suite) -> str:
    """Which tasks of which tools the suite leaves to others."""
    wanted = [said for said in map(arguments_of, suite.slices) if said is not None]
    return ", ".join(f"{said['task']} by {said['tool']}" for said in wanted) or "no task of another tool"


def _chosen(log: Log, suite: Suite, tasks: Mapping[str, str]) -> Iterator[tuple[str, tuple[Slice, Task]]]:
    """Which slices the log fills, and from which of its tasks."""
    names = [one.name for one in suite.slices]
    for slice_name, task in tasks.items():
        if slice_name not in names:
            raise UsageError(f"the suite has no slice {slice_name!r}", mend=did_you_mean(slice_name, names))
        if task not in log.tasks:
            raise UsageError(f"the log has no task {task!r}", mend=did_you_mean(task, log.tasks))
    for one in suite.slices:
        arguments = arguments_of(one)
        if arguments is None:
            if one.name in tasks:
                why = f"it is judged by {', '.join(call.name for call in one.verifiers)}"
                raise UsageError(f"a log cannot fill the slice {one.name}", why=why, mend="see `--make-suite`")
            continue
        name = tasks.get(one.name, arguments["task"])
        if arguments["tool"] == log.tool and name in log.tasks:
            yield one.name, (one, log.tasks[name])


def arguments_of(one: Slice) -> dict[str, str] | None:
    """What a slice says of the tool that judges it; None where it is judged here, or not by it alone."""
    if [call.name for call in one.verifiers] != [VERIFIER]:
        return None
    return {key: str(value) for key, value in one.verifiers[0].arguments.items()}


@dataclass(frozen=True, slots=True)
class _Filling:
    """One slice and the task that fills it."""

    slice: Slice
    task: Task
    log: Log
    manifest: Manifest
    suite: Suite
    price: Decimal | None

    @property
    def arguments(self) -> dict[str, str]:
        """What the slice says of the tool."""
        return arguments_of(self.slice) or {}

    def rows(self) -> Iterator[Row]:
        """A row for each sample of the log, each a sample of the suite."""
        metric, passes = self.metric(), pass_rule(self.arguments.get("pass", DEFAULT_PASS))
        adapter = self.manifest.adapter_for(self.slice.name)
        for case, sample in self.samples():
            score = sample.scores.get(metric)
            is_judged = sample.status == "ok" and score is not None
            finding = Finding(verdict="pass" if score is not None and passes(score) else "fail",
                              seen=f"{metric} = {score}"[:SEEN_LETTERS])  # fmt: skip
            yield Row(
                slice=self.slice.name,
                case=case,
                sample=sample.index,
                adapter=adapter,
                status="ok" if is_judged else "timeout" if sample.status == "timeout" else "error",
                transcript=tuple(Said(role="assistant", content=text) for text in sample.said),
                steps=sample.steps,
                prompt_tokens=sample.prompt_tokens,
                completion_tokens=sample.completion_tokens,
                findings={VERIFIER: finding} if is_judged else {},
            )

    def timings(self) -> Iterator[Timing]:
        """A timing for each sample of which the log tells the time, and it or the price book the dollars."""
        asked = {case.id for case in self.suite.cases[self.slice.name][: self.slice.timed]}
        for case, sample in self.samples():
            ms, cost = sample.latency_ms, sample.cost_usd
            if ms is not None and cost is None and self.price is not None:
                cost = cost_usd(ms, self.price)
            if ms is None or cost is None or case not in asked:
                continue
            yield Timing(
                slice=self.slice.name,
                case=case,
                sample=sample.index,
                status=sample.status,
                latency_ms=ms,
                cost_usd=cost,
                tokens=sample.prompt_tokens + sample.completion_tokens,
            )

    def metric(self) -> str:
        """The metric that the slice names, which at least one sample must have."""
        known = sorted({name for sample in self.task.samples for name in sample.scores})
        if self.arguments["metric"] not in known:
            what = f"the task {self.task.name} has no metric {self.arguments['metric']!r}"
            raise UsageError(what, mend=did_you_mean(self.arguments["metric"], known))
        return self.arguments["metric"]

    def samples(self) -> Iterator[tuple[str, Sample]]:
        """Each sample of the log with the case of the suite that it is about."""
        cases = {case.id: case for case in self.suite.cases[self.slice.name]}
        named = self.arguments.get("case")
        seen: set[tuple[str, int]] = set()
        for sample in self.task.samples:
            name = case_name(name_of(sample, named))
            what = f"{sample.case} of the task {self.task.name}"
            if name not in cases:
                why = f"the slice {self.slice.name} has {len(cases):,} others"
                raise BadLog(f"the suite has no case {name}, which is {what}", why=why, mend=did_you_mean(name, cases))
            mark = cases[name].expect.get("mark")
            if mark is not None and sample.mark and mark != sample.mark:
                raise BadLog(f"{what} is not the case {name} of the suite", why="another question or another answer")
            if sample.index >= self.slice.samples:
                why = f"the slice {self.slice.name} asks each case {self.slice.samples} times"
                raise BadLog(f"the log has sample {sample.index} of {what}", why=why)
            if (name, sample.index) in seen:
                raise BadLog(f"two samples of the log are sample {sample.index} of case {name}")
            seen.add((name, sample.index))
            yield name, sample


def name_of(sample: Sample, named: str | None) -> str:
    """What a log calls the case of a sample: its number, or the field `named` of its document.

    Raises:
        UsageError: It has no such field.
    """
    if named is None:
        return sample.case
    if named not in sample.names:
        raise UsageError(f"case {sample.case} has no field {named!r}", mend=did_you_mean(named, sample.names))
    return sample.names[named]


def _filled(filling: _Filling, rows: list[Row], timings: list[Timing]) -> Filled:
    name = filling.slice.name
    own = [row for row in rows if row.slice == name]
    return Filled(
        slice=name,
        task=filling.task.name,
        scheduled=len(filling.suite.cases[name]) * filling.slice.samples,
        rows=len(own),
        passed=sum(row.success for row in own),
        lost=sum(row.status in {"error", "timeout"} for row in own),
        timed=sum(timing.slice == name for timing in timings),
    )
