"""A verdict as lines of text, which the terminal, Markdown and HTML all show."""

import re
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

from registry.core.digest import short
from registry.core.gate import exact
from registry.core.gate.verdict import Attempts, Flip, RuleVerdict, SliceResult, Verdict
from registry.core.visible import visible

MARKS = {"pass": "PASS", "fail": "FAIL", "inconclusive": "UNDECIDED"}
SHOWN_FLIPS = 20
_P_VALUE = re.compile(r"\.p_value\s*[<>]")
_QUANTILE = re.compile(r"(canary\.)?[a-z_]+_(median|p[0-9]+)(_ms)?[.(]")
_UP = Fraction(999_999_999, 1_000_000_000)


@dataclass(frozen=True, slots=True)
class Line:
    """One rule as a row of a table; every cell is text, empty where there is nothing to tell."""

    mark: str
    rule: str
    value: str
    interval: str
    n: str
    sentence: str
    strength: str


def lines_of(verdict: Verdict) -> tuple[Line, ...]:
    """The rules of a verdict, in the gate file's order."""
    return tuple(_line(rule) for rule in verdict.rules)


def headline(verdict: Verdict) -> str:
    """The answer in one line, such as `NO-GO for staging: of 12 rules, 1 failed, 2 undecided.`."""
    return f"{verdict.answer} for {visible(verdict.stage)}: {counted(verdict)}"


def counted(verdict: Verdict) -> str:
    """What became of the rules, such as `of 12 rules, 1 failed, 2 undecided.`."""
    words = [rule.verdict for rule in verdict.rules]
    failed, undecided = words.count("fail"), words.count("inconclusive")
    parts = [f"{failed} failed"] if failed else []
    parts += [f"{undecided} undecided"] if undecided else []
    told = ", ".join(parts) if parts else "all passed"
    return f"of {len(words)} {'rule' if len(words) == 1 else 'rules'}, {told}."


def flip_lines(verdict: Verdict, *, most: int = SHOWN_FLIPS) -> tuple[str, ...]:
    """The cases that passed before and do not now, one a line; the last line counts those left out."""
    shown = [f"{flip.slice} {flip_name(flip)}" for flip in verdict.flips[:most]]
    rest = verdict.flip_count - len(shown)
    return (*shown, f"and {rest:,} more") if rest else tuple(shown)


def flip_name(flip: Flip) -> str:
    """The case, and which sample of it where there are several."""
    return flip.case + (f" #{flip.sample}" if flip.sample else "")


def notes(verdict: Verdict) -> tuple[str, ...]:
    """What a reader should know beside the rules: lost answers, contaminated cases, earlier looks at the slices."""
    return (*loss_lines(verdict), *leak_lines(verdict), *unsearched_lines(verdict), *attempt_lines(verdict))


def loss_lines(verdict: Verdict) -> tuple[str, ...]:
    """The slices that lost answers, one a line."""
    return tuple(
        f"{one.slice} lost {lost_of(one)} answers; they count as failures." for one in verdict.slices or () if one.lost
    )


def lost_of(one: SliceResult) -> str:
    """How many answers a slice lost, of how many."""
    return f"{one.lost or 0:,} of {one.scheduled:,}"


def leak_lines(verdict: Verdict) -> tuple[str, ...]:
    """The slices with cases that stand in training data, one a line."""
    found = Counter((leak.slice, leak.dataset) for leak in verdict.contaminated or ())
    told = [
        f"{count:,} {'case' if count == 1 else 'cases'} of {name} also in the training data {dataset}."
        for (name, dataset), count in sorted(found.items())
    ]
    rest = (verdict.contaminated_in_all or 0) - sum(found.values())
    return (*told, f"And {rest:,} more contaminated cases.") if rest > 0 else tuple(told)


def unsearched_lines(verdict: Verdict) -> tuple[str, ...]:
    """The files of training data in which nobody could look for the cases."""
    found = [visible(name) for name in verdict.unsearched or ()]
    if not found:
        return ()
    files = "file" if len(found) == 1 else "files"
    first = ", ".join(found[:3]) + (", …" if len(found) > 3 else "")
    return (f"{len(found):,} {files} of training data cannot be read as text, and was not searched: {first}.",)


def attempt_lines(verdict: Verdict) -> tuple[str, ...]:
    """How often the slices have been used, slices alike on one line; a first look is not worth a line."""
    alike: dict[str, list[str]] = {}
    for one in verdict.attempts or ():
        if one.attempt > 1 or one.look > 1:
            alike.setdefault(_use_of(one), []).append(one.slice)
    return tuple(f"{', '.join(names)}: {told}" for told, names in alike.items())


def _use_of(one: Attempts) -> str:
    """How often a slice has been used, and what choosing the best of several candidates on it costs."""
    told = f"candidate {one.attempt:,} of {one.allowed:,}, look {one.look:,} of {one.looks:,} at this one"
    best = f"the best of {one.attempt:,}" if one.attempt > 1 else "a model"
    return f"{told}; {best} exactly at a threshold passes a bound by luck {percent(one.risk)} of the time."


def strength_of(rule: RuleVerdict) -> str:
    """How much a pass of this rule is worth, as a sentence; empty where that was not computed."""
    if rule.chance_at_threshold is None:
        return ""
    at = "that is no different" if _P_VALUE.search(rule.rule) else "exactly at the threshold"
    told = f"A model {at} would pass {percent(rule.chance_at_threshold)} of the time"
    if rule.chance_one_margin_worse is None or rule.margin is None:
        return f"{told}."
    worse = f"one worse by {near(rule.margin)}"
    if _QUANTILE.match(rule.rule):  # why: the margin of a quantile is a share of the samples, and no milliseconds
        worse = f"one with {percent(rule.margin)} more of its samples on the wrong side"
    return f"{told}; {worse}, {percent(rule.chance_one_margin_worse)}."


def percent(chance: str) -> str:
    """A chance for people: `2.2 %`; nothing is said to be impossible or sure."""
    tenths = round(Fraction(chance) * 1000)
    if tenths in {0, 1000}:
        return "more than 99.9 %" if tenths else "less than 0.1 %"
    return f"{tenths // 10} %" if tenths % 10 == 0 else f"{tenths // 10}.{tenths % 10} %"


def near(number: str | None, *, decimals: int = 4) -> str:
    """A number to glance at, rounded to the nearest; the verdict keeps all nine decimals.

    So many decimals are shown, or as many as it takes to see two digits after leading zeros, or one after leading
    nines; of large numbers one decimal.
    """
    return _rounded(number, decimals, push=Fraction(1, 2))


def span(lower: str, upper: str, *, decimals: int = 4) -> str:
    """An interval to glance at, rounded outward."""
    ends = _rounded(lower, decimals, push=Fraction(0)), _rounded(upper, decimals, push=_UP)
    return " to ".join(ends)


def _rounded(number: str | None, decimals: int, *, push: Fraction) -> str:
    """A number cut after `push` was added to its last place."""
    if number is None or number == "infinity":
        return number or ""
    whole, _, rest = number.lstrip("-").partition(".")
    zeros, nines = (len(rest) - len(rest.lstrip(digit)) if whole == "0" else 0 for digit in "09")
    places = 10 ** (1 if len(whole) > 1 else max(decimals, zeros + 2, nines + 1))
    return exact.spelled(Fraction((Fraction(number) * places + push).__floor__(), places))


def small(p_value: str) -> str:
    """A p-value for people, rounded up; a tiny one is not spelled out."""
    return f"= {_rounded(p_value, 4, push=_UP)}" if Fraction(p_value) >= Fraction(1, 10**4) else "< 0.0001"


def origin(verdict: Verdict) -> str:
    """Which bytes this speaks of, in a sentence."""
    before = short(verdict.baseline) if verdict.baseline else "nothing"
    return f"Candidate {short(verdict.candidate)} against {before}, by gate {short(verdict.gate)}"


def _line(rule: RuleVerdict) -> Line:
    interval = span(rule.lower, rule.upper) if rule.lower and rule.upper else ""
    return Line(
        MARKS[rule.verdict],
        visible(rule.rule),
        small(rule.p_value).removeprefix("= ") if rule.p_value else near(rule.point),
        interval,
        f"{rule.n:,}" if rule.n is not None else "",
        visible(rule.sentence),
        strength_of(rule),
    )
