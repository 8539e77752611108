"""The parts of the page below the picture: rules, flips, slices, training data, digests."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from registry.core.digest import Digest, digest_of, short
from registry.core.gate.report.lines import (
    MARKS,
    flip_name,
    leak_lines,
    lost_of,
    near,
    percent,
    small,
    span,
    strength_of,
    unsearched_lines,
)
from registry.core.gate.report.markup import Markup, breakable, tag
from registry.core.gate.verdict import Attempts, Flip, RuleVerdict, SliceResult, Verdict

_USE = (
    "Candidate: the place of this model among those judged on the slice for {}, and how many are allowed. "
    "Look: the place of these answers among those of this model. "
    "Luck: how often the best of so many candidates, all exactly at a threshold, would pass a bound."
)
_OPEN = 60
"""Of a longer list the rest is folded away."""


def rules(verdict: Verdict) -> list[Markup]:
    """Each rule with everything that is known of it, in the gate file's order."""
    return [tag("ol", *(_rule(rule) for rule in verdict.rules), class_="rules")]


def _rule(rule: RuleVerdict) -> Markup:
    facts = [tag("div", tag("dt", name), tag("dd", text)) for name, text in _facts(rule) if text]
    return tag(
        "li",
        tag("p", tag("span", MARKS[rule.verdict], class_="word"), " ", tag("code", breakable(rule.rule))),
        tag("p", rule.sentence),
        *[tag("p", told, class_="soft") for told in [strength_of(rule)] if told],
        *[tag("dl", *facts, class_="facts") for _ in facts[:1]],
        class_=rule.verdict,
    )


def _facts(rule: RuleVerdict) -> tuple[tuple[str, str], ...]:
    more = [f"{count:,}" for count in (rule.more_for_half, rule.more_for_most) if count is not None]
    return (
        ("seen", near(rule.point)),
        ("interval", span(rule.lower, rule.upper) if rule.lower and rule.upper else ""),
        ("p", small(rule.p_value).removeprefix("= ") if rule.p_value else ""),
        ("asked", near(rule.threshold)),
        ("n", f"{rule.n:,}" if rule.n is not None else ""),
        ("served now", near(rule.baseline.point) if rule.baseline else ""),
        ("more for a chance of 50 % and 80 %", " and ".join(more)),
    )


def flips(verdict: Verdict) -> list[Markup]:
    """The cases that the baseline passed and the candidate does not, by slice."""
    if verdict.baseline is None:
        return [tag("p", "There is nothing to compare with.")]
    if not verdict.flip_count:
        return [tag("p", "No case.")]
    parts: list[Markup] = []
    for name, group in groupby(verdict.flips, key=lambda flip: flip.slice):
        found = list(group)
        parts += [tag("p", tag("strong", name), f": {len(found):,}"), _cases(found[:_OPEN])]
        if rest := found[_OPEN:]:
            parts.append(tag("details", tag("summary", f"and {len(rest):,} more"), _cases(rest)))
    unlisted = verdict.flip_count - len(verdict.flips)
    return [*parts, tag("p", f"And {unlisted:,} more, which the verdict does not list.")] if unlisted else parts


def _cases(found: Sequence[Flip]) -> Markup:
    return tag("ul", *(tag("li", tag("code", flip_name(flip))) for flip in found), class_="cases")


def slices(verdict: Verdict) -> list[Markup]:
    """What each slice is, what was lost on it, and how often it has been used."""
    if not verdict.slices:
        return [tag("p", "This verdict does not list its slices.")]
    used = {one.slice: one for one in verdict.attempts or ()}
    rows = [tag("tr", *_slice(one, used.get(one.slice))) for one in verdict.slices]
    if not used:
        return [_table(("slice", "lost answers", "digest"), rows)]
    heads = ("slice", "lost answers", "candidate", "look", "luck", "digest")
    return [_table(heads, rows), tag("p", _USE.format(verdict.stage), class_="soft")]


def _slice(one: SliceResult, used: Attempts | None) -> list[Markup]:
    cells = [lost_of(one)]
    if used:
        tried, looks = f"{used.attempt:,} of {used.allowed:,}", f"{used.look:,} of {used.looks:,}"
        cells += [tried, looks, percent(used.risk)]
    cells.append(tag("code", short(one.digest)))
    return [tag("th", one.slice, scope="row"), *(tag("td", cell) for cell in cells)]


def training(verdict: Verdict) -> list[Markup]:
    """Held-out cases that stand in the candidate's training data."""
    if not verdict.datasets:
        return [tag("p", "No training data is pinned, so none was searched for these cases.")]
    names = ", ".join(sorted(verdict.datasets))
    unread = [tag("p", line) for line in unsearched_lines(verdict)]
    if not verdict.contaminated:
        return [tag("p", f"No case of these slices was found in the training data ({names})."), *unread]
    ways = {"text": "its whole text", "8-gram": "eight words in a row"}
    rows = [tag("tr", *(tag("td", cell) for cell in (leak.slice, leak.case, leak.dataset, ways[leak.how])))
            for leak in verdict.contaminated]  # fmt: skip
    told = [tag("p", line) for line in leak_lines(verdict)]
    return [*told, *unread, _table(("slice", "case", "stands in", "how"), rows)]


def origin(verdict: Verdict) -> list[Markup]:
    """The digests of everything that was read, and how to judge again from them."""
    digest = digest_of(verdict.canonical())
    pairs = [(name, found) for name, found in _digests(verdict, digest) if found]
    return [
        tag("p", "The same rows by the same rules give the same verdict, byte for byte. Judge again, offline:"),
        tag("pre", tag("code", f"registry gate --replay {digest}")),
        tag("dl", *_terms(pairs), class_="digests"),
        tag("p", f"Judged by {verdict.tool}.", class_="soft"),
    ]


def _digests(verdict: Verdict, own: Digest) -> Iterable[tuple[str, Digest | None]]:
    yield "verdict", own
    yield "gate file", verdict.gate_file
    yield "rules and settings", verdict.gate
    yield "suite", verdict.suite
    sides = (
        ("candidate", verdict.candidate, verdict.candidate_evidence, verdict.inputs),
        ("served now", verdict.baseline, verdict.baseline_evidence, verdict.baseline_inputs),
    )
    for side, manifest, evidence, inputs in sides:
        yield side, manifest
        yield f"{side}: evidence", evidence
        if inputs:
            yield f"{side}: rows", inputs.rows
            yield f"{side}: timings", inputs.timings
            yield f"{side}: price book", inputs.price_book
    yield "canary", verdict.canary
    yield from (verdict.datasets or {}).items()


def _terms(pairs: Iterable[tuple[str, Digest | None]]) -> list[Markup]:
    return [term for name, found in pairs for term in (tag("dt", name), tag("dd", _digest(found)))]


def _digest(found: str | None) -> Markup:
    return tag("code", found or "")


def _table(heads: Sequence[str], rows: Sequence[Markup]) -> Markup:
    head = tag("thead", tag("tr", *(tag("th", head, scope="col") for head in heads)))
    return tag(
        "div",
        tag("table", head, tag("tbody", *rows), class_="list"),
        class_="wide",
        role="group",
        aria_label=f"table by {heads[0]}",
        tabindex="0",
    )
