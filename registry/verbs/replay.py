"""replay: judge again from the store alone what was judged before, and compare byte for byte."""

from dataclasses import dataclass

from registry.core.canonical import NotCanonical
from registry.core.digest import Digest, short
from registry.core.gate.judging.check import check_gate
from registry.core.gate.judging.conclude import Hearing, Side, conclude
from registry.core.gate.verdict import TOOL, Verdict
from registry.core.heldout.suite import Suite
from registry.core.manifest import Manifest
from registry.errors import IntegrityError, UsageError
from registry.ports import Store
from registry.verbs.gate import Judgement, gate_of
from registry.verbs.sides import baseline_side, canary_in, candidate_side, suite_in
from registry.verbs.sift import sift

SHOWN = 5


class NotTheSame(IntegrityError):
    """Judged again, the same inputs give another verdict: one of the two was not computed from them."""


class OtherTool(UsageError):
    """A verdict was made by a version of the judgement that this one is not."""


class NoVerdict(UsageError):
    """The bytes behind a digest are no verdict."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A field of a verdict that came out otherwise: its name, what was written, and what was computed."""

    field: str
    written: str
    found: str


def replay(digest: Digest, *, store: Store) -> Judgement:
    """Judge again from what a verdict names: rules, suite, both sets of evidence, training data. No ledger is asked.

    What the ledger said when it was made (what the stage served, how often the slices had been used, why there was
    nothing to compare with) is taken from the verdict.

    Args:
        digest: A verdict in the store.
        store: Where everything is; nothing is written.

    Returns:
        The verdict, computed anew, whose bytes are those behind `digest`.

    Raises:
        NotTheSame: They are not; the first fields that differ are named.
        NoVerdict: `digest` is of something else.
        OtherTool: Another version of the judgement made it.
        Missing, DigestMismatch: Something that it names is not in the store, or damaged.
    """
    data = store.get(digest)
    try:
        written = Verdict.parse(data)
    except NotCanonical as error:
        raise NoVerdict(f"{short(digest)} is no verdict", why=error.what, mend="see `registry log` for those") from None
    if written.tool != TOOL:
        why = f"it was judged by {written.tool}; this is {TOOL}"
        mend = "replay it with the release of lockstep-registry that made it"
        raise OtherTool(f"the verdict {short(digest)} cannot be replayed here", why=why, mend=mend)
    found = conclude(_hearing(written, store))
    if differing := differences(written, found):
        told = [f"{one.field}: written {one.written}, computed {one.found}" for one in differing[:SHOWN]]
        rest = [f"and {len(differing) - SHOWN} more"] if len(differing) > SHOWN else []
        raise NotTheSame(f"{short(digest)} is not what its inputs say", why="; ".join([*told, *rest]))
    return Judgement(found, digest)


def differences(written: Verdict, found: Verdict) -> tuple[Difference, ...]:
    """The fields in which two verdicts differ, in the form's order; rules are told one by one."""
    one, other = (verdict.model_dump(mode="json", exclude_none=True) for verdict in (written, found))
    told: list[Difference] = []
    for name in Verdict.model_fields:
        if one.get(name) == other.get(name):
            continue
        if name != "rules" or len(one[name]) != len(other[name]):
            told.append(Difference(name, _shown(one.get(name)), _shown(other.get(name))))
            continue
        for rule, again in zip(one[name], other[name], strict=True):
            told += [
                Difference(f"{rule['rule']} {key}", _shown(rule.get(key)), _shown(again.get(key)))
                for key in dict.fromkeys((*rule, *again))
                if rule.get(key) != again.get(key)
            ]
    return tuple(told)


def _shown(value: object) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 120 else f"{text[:117]}…"


def _hearing(written: Verdict, store: Store) -> Hearing:
    file = gate_of(store.get(Digest(written.gate_file)), written.stage)
    manifest = Manifest.parse(store.get(Digest(written.candidate)))
    suite = suite_in(manifest, store)
    check_gate(file, suite)
    evidence = None if written.candidate_evidence is None else Digest(written.candidate_evidence)
    candidate = candidate_side(manifest, evidence, suite, store=store)
    sifted = sift(manifest, suite, store=store)
    return Hearing(
        gate_file=Digest(written.gate_file),
        file=file,
        suite=suite,
        candidate=candidate,
        baseline=_baseline(written, candidate, suite, store=store),
        canary=canary_in(candidate, store),
        attempts=written.attempts or (),
        leaks=sifted.leaks,
        datasets=sifted.datasets,
        unsearched=sifted.closed,
    )


def _baseline(written: Verdict, candidate: Side, suite: Suite, *, store: Store) -> Side | None:
    if written.baseline is None:
        return None
    if written.baseline_evidence is None:
        return Side(Digest(written.baseline), None, None, None, written.no_baseline or "")
    manifest = Manifest.parse(store.get(Digest(written.baseline)))
    return baseline_side(manifest, Digest(written.baseline_evidence), suite, candidate=candidate, store=store)
