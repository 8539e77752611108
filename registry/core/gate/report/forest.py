"""The forest plot: for each row an estimate, its interval, the threshold and what it was before, on a common scale.

Each row is a line of a table with a small SVG in it. All places are shares of its width, so one page suits a phone, a
wide screen and paper, and every number that is drawn stands beside the drawing as text.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from registry.core.gate.report.markup import Markup, breakable, join, tag
from registry.core.gate.report.scale import Scale

Sign = Literal["pass", "fail", "inconclusive", "plain"]
End = Literal["lower", "point", "upper", ""]
_MARGIN = 0.02
"""Left free at both ends, as a share of the width, so that a mark at an end is whole."""

_SHAPES = {
    "pass": "M-5 0A5 5 0 1 1 5 0A5 5 0 1 1-5 0Z",
    "fail": "M0-6.5L6.5 0 0 6.5-6.5 0Z",
    "inconclusive": "M-4.5-4.5H4.5V4.5H-4.5Z",
    "plain": "M-5 0A5 5 0 1 1 5 0A5 5 0 1 1-5 0Z",
}
"""A disc, a diamond, a square: told apart without any colour."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the plot. Numbers are on the panel's scale, or None where there are none.

    `good` says on which side of the threshold a value passes; `judged` which part of the interval is compared with it.
    `told` is what stands beside the drawing, `before` the same of the baseline.
    """

    label: str
    told: str
    point: float | None = None
    lower: float | None = None
    upper: float | None = None
    sign: Sign = "plain"
    threshold: float | None = None
    good: Literal["above", "below", ""] = ""
    judged: End = ""
    asked: str = ""
    baseline: float | None = None
    before: str = ""

    @property
    def numbers(self) -> list[float]:
        """Everything that the scale must show."""
        found = (self.point, self.lower, self.upper, self.threshold, self.baseline)
        return [value for value in found if value is not None and isfinite(value)]


@dataclass(frozen=True, slots=True)
class Panel:
    """Rows that share a scale; `note` tells how to read it."""

    heading: str
    note: str
    rows: tuple[Row, ...]
    scale: Callable[[Sequence[float]], Scale]


def panel(one: Panel) -> Markup:
    """A panel as a table: what, the drawing, the numbers; the scale below."""
    scale = one.scale([value for row in one.rows for value in row.numbers] or [0.0])
    heads = (tag("th" if text else "td", text, class_=kind) for text, kind in _heads(one.rows))
    foot = tag("tr", tag("td"), tag("td", axis(scale), class_="plot"), tag("td"), tag("td"), class_="axis")
    body = [_line(row, scale) for row in one.rows]
    caption = tag("caption", tag("strong", one.heading), " ", tag("span", one.note))
    return tag(
        "table",
        caption,
        tag("thead", tag("tr", *heads)),
        tag("tbody", *body),
        tag("tfoot", foot),
        class_="forest",
    )


def drawing(row: Row, scale: Scale) -> Markup:
    """One row's drawing."""
    parts = (_zone(row, scale), *_grid(scale), _threshold(row, scale), *_interval(row, scale), *_marks(row, scale))
    return tag("svg", tag("title", _sentence(row)), *parts, role="img")


def axis(scale: Scale) -> Markup:
    """The numbers under the grid lines."""
    labels = [tag("text", text, x=_x(scale.place(value)), y="14") for value, text in scale.ticks]
    ticks = [tag("line", x1=x, x2=x, y1="0", y2="4", class_="tick") for x in _ticks(scale)]
    return tag("svg", *ticks, *labels, aria_hidden="true")


def legend() -> Markup:
    """What the signs mean, drawn with the signs themselves."""
    known = (("pass", "passes"), ("fail", "fails"), ("inconclusive", "undecided"))
    marks = [_key(_shape(sign, "50%"), text) for sign, text in known]
    line = tag("line", x1="0", x2="100%", y1="50%", y2="50%", class_="interval plain")
    limit = tag("line", x1="50%", x2="50%", y1="0", y2="100%", class_="threshold")
    zone = tag("rect", x="50%", y="0", width="50%", height="100%", class_="zone")
    before = tag("circle", cx="50%", cy="50%", r="4", class_="baseline")
    rest = (_key(line, "interval"), _key(join((zone, limit)), "what is asked"), _key(before, "served now"))
    return tag("p", *marks, *rest, class_="legend")


def _heads(rows: Sequence[Row]) -> tuple[tuple[str, str], ...]:
    before = "served now" if any(row.before for row in rows) else ""
    return (("", "what"), ("", "plot"), ("seen", "told"), (before, "before"))


def _line(row: Row, scale: Scale) -> Markup:
    what = tag("th", breakable(row.label), tag("small", row.asked) if row.asked else "", scope="row")
    drawn = drawing(row, scale) if row.numbers else ""
    return tag(
        "tr",
        what,
        tag("td", drawn, class_="plot"),
        tag("td", row.told, class_="told"),
        tag("td", row.before, class_="before"),
        class_=row.sign,
    )


def _zone(row: Row, scale: Scale) -> str:
    """The side of the threshold on which a value passes."""
    if row.threshold is None or not row.good:
        return ""
    at = _share(scale.place(row.threshold))
    left, width = (at, 1 - at) if row.good == "above" else (0.0, at)
    return tag("rect", x=_percent(left), y="0", width=_percent(width), height="100%", class_="zone")


def _grid(scale: Scale) -> list[Markup]:
    lines = []
    for (value, _), x in zip(scale.ticks, _ticks(scale), strict=True):
        kind = "grid zero" if value == 0 and scale.low < 0 else "grid"
        lines.append(tag("line", x1=x, x2=x, y1="0", y2="100%", class_=kind))
    return lines


def _threshold(row: Row, scale: Scale) -> str:
    if row.threshold is None:
        return ""
    x = _x(scale.place(row.threshold))
    return tag("line", x1=x, x2=x, y1="0", y2="100%", class_="threshold")


def _interval(row: Row, scale: Scale) -> list[str]:
    """A line between the bounds; an upright stroke at the end that is judged, an arrow where there is no end."""
    if row.lower is None or row.upper is None:
        return []
    left, right = _x(scale.place(row.lower)), _x(scale.place(row.upper))
    parts: list[str] = [tag("line", x1=left, x2=right, y1="50%", y2="50%", class_=f"interval {row.sign}")]
    if row.judged in {"lower", "upper"}:
        x = left if row.judged == "lower" else right
        parts.append(_at(x, tag("path", d="M0-6V6", class_=f"interval {row.sign}")))
    if not isfinite(row.upper):
        parts.append(_at(right, tag("path", d="M-6-4L1 0-6 4Z", class_=f"mark {row.sign}")))
    return parts


def _marks(row: Row, scale: Scale) -> list[str]:
    marks: list[str] = []
    if row.baseline is not None and row.point is not None:
        ends = {"x1": _x(scale.place(row.baseline)), "x2": _x(scale.place(row.point))}
        marks.append(tag("line", **ends, y1="50%", y2="50%", class_="way"))
    if row.baseline is not None:
        marks.append(tag("circle", cx=_x(scale.place(row.baseline)), cy="50%", r="4", class_="baseline"))
    if row.point is not None:
        marks.append(_shape(row.sign, _x(scale.place(row.point))))
    return marks


def _shape(sign: str, x: str) -> Markup:
    return _at(x, tag("path", d=_SHAPES[sign], class_=f"mark {sign}"))


def _at(x: str, drawn: Markup) -> Markup:
    """A drawing of fixed size around the place `x` in the middle of the row."""
    return tag("svg", drawn, x=x, y="50%", overflow="visible")


def _key(drawn: Markup, text: str) -> Markup:
    return tag("span", tag("svg", drawn, aria_hidden="true"), text)


def _sentence(row: Row) -> str:
    """The drawing for those who do not see it."""
    words = {"pass": ": passes", "fail": ": fails", "inconclusive": ": undecided", "plain": ""}[row.sign]
    before = f"; served now {row.before}" if row.before else ""
    return f"{row.label} {row.asked}{words}; {row.told}{before}."


def _ticks(scale: Scale) -> list[str]:
    return [_x(scale.place(value)) for value, _ in scale.ticks]


def _x(place: float) -> str:
    return _percent(_share(place))


def _share(place: float) -> float:
    return _MARGIN + place * (1 - 2 * _MARGIN)


def _percent(share: float) -> str:
    return f"{share * 100:.2f}%"
