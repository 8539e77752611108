"""A verdict laid out for people: lines for a terminal's table, and Markdown for a pull request."""

from dataclasses import dataclass

from registry.core.digest import short
from registry.core.gate.verdict import RuleVerdict, Verdict

MARKS = {"pass": "PASS", "fail": "FAIL", "inconclusive": "UNDECIDED"}
SHOWN_FLIPS = 20


@dataclass(frozen=True, slots=True)
class Line:
    """One rule as a row of a table; every cell is text, empty where there is nothing to tell."""

    mark: str
    rule: str
    value: str
    interval: str
    n: str
    sentence: str


def lines_of(verdict: Verdict) -> tuple[Line, ...]:
    """The rules of a verdict, in the gate file's order."""
    return tuple(_line(rule) for rule in verdict.rules)


def headline(verdict: Verdict) -> str:
    """The answer in one line, such as `NO-GO for staging: of 12 rules, 1 failed, 2 undecided.`."""
    words = [rule.verdict for rule in verdict.rules]
    failed, undecided = words.count("fail"), words.count("inconclusive")
    parts = [f"{failed} failed"] if failed else []
    parts += [f"{undecided} undecided"] if undecided else []
    told = ", ".join(parts) if parts else "all passed"
    return f"{verdict.answer} for {verdict.stage}: of {len(words)} {'rule' if len(words) == 1 else 'rules'}, {told}."


def flip_lines(verdict: Verdict, *, most: int = SHOWN_FLIPS) -> tuple[str, ...]:
    """The cases that passed before and do not now, one a line; the last line counts those left out."""
    shown = [f"{flip.slice} {flip.case}" + (f" #{flip.sample}" if flip.sample else "") for flip in verdict.flips[:most]]
    rest = verdict.flip_count - len(shown)
    return (*shown, f"and {rest:,} more") if rest else tuple(shown)


def markdown(verdict: Verdict) -> str:
    """The whole verdict as GitHub Markdown, ending in a line break."""
    table = ["| | rule | seen | interval | n | |", "|---|---|---|---|---|---|"]
    table += [_row(line) for line in lines_of(verdict)]
    flips = flip_lines(verdict)
    told = ["", f"Passed before, not now ({verdict.flip_count:,}):", "", *(f"- `{line}`" for line in flips)]
    return "\n".join([f"**{headline(verdict)}**", "", *table, *(told if flips else []), "", _origin(verdict), ""])


def _line(rule: RuleVerdict) -> Line:
    interval = f"{_cut(rule.lower)} to {_cut(rule.upper)}" if rule.lower and rule.upper else ""
    n = f"{rule.n:,}" if rule.n is not None else ""
    return Line(MARKS[rule.verdict], rule.rule, _cut(rule.p_value or rule.point), interval, n, rule.sentence)


def _cut(number: str | None) -> str:
    """A decimal string cut, not rounded: a cell to glance at; the verdict keeps all nine decimals.

    Four decimals are shown, or as many as it takes to see two digits that are not zero.
    """
    if number is None:
        return ""
    whole, point, rest = number.partition(".")
    zeros = len(rest) - len(rest.lstrip("0")) if whole.lstrip("-") == "0" else 0
    return f"{whole}{point}{rest[: max(4, zeros + 2)]}"


def _row(line: Line) -> str:
    cells = (line.mark, f"`{line.rule}`", line.value, line.interval, line.n, line.sentence)
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _origin(verdict: Verdict) -> str:
    """Which bytes this speaks of."""
    before = f"`{short(verdict.baseline)}`" if verdict.baseline else "nothing"
    return f"Candidate `{short(verdict.candidate)}` against {before}, by gate `{short(verdict.gate)}` ({verdict.tool})."
