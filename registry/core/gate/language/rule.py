"""One rule of a gate: a single comparison, read by a grammar and never by `eval`."""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

from registry.core.document import did_you_mean, nearest
from registry.errors import UsageError

if TYPE_CHECKING:
    from lark import Lark, Token, Tree, UnexpectedInput

Scope = Literal["slice", "aggregate", "delta", "canary"]
STATISTICS = ("point", "lower_ci", "upper_ci", "p_value", "count", "n")
_PROTECTS = "no_regressions_on"
_SCOPES: dict[str, Scope] = {"aggregate": "aggregate", "delta": "delta", "canary": "canary"}
_WORDS = {
    "NAME": "a name",
    "SLICE": "a slice",
    "STAT": "a statistic",
    "CMP": "a comparison",
    "NUMBER": "a number",
    "STRING": "a quoted name",
    "NOREG": "no_regressions_on",
    "COUNT": "a count such as 5k",
    "DURATION": "a time such as 24h",
    "$END": "the end of the rule",
    "<END-OF-FILE>": "the end of the rule",
    "DOT": "'.'",
    "COLON": "':'",
    "COMMA": "','",
    "EQUAL": "'='",
    "LPAR": "'('",
    "RPAR": "')'",
    "LSQB": "'['",
    "RSQB": "']'",
    "LBRACE": "'{'",
    "RBRACE": "'}'",
    "SEMICOLON": "';'",
    "MORETHAN": "'>'",
    "REQUESTS": "requests",
}


class RuleFault(UsageError):
    """A rule cannot be read, or cannot mean anything; `at` is the place in its text, counted from 0."""

    def __init__(self, what: str, *, at: int, mend: str = "") -> None:
        """Remember the place; the gate file adds line, column and caret."""
        super().__init__(what, mend=mend)
        self.at = at


@dataclass(frozen=True, slots=True)
class Word:
    """A part of a rule, and where in the rule's text it begins, counted from 0."""

    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Argument:
    """What stands in a metric's brackets after the slice; `name` is None for a positional one."""

    name: Word | None
    value: Word


@dataclass(frozen=True, slots=True)
class Comparison:
    """`measure statistic comparator number`; the number stays the decimal string that was written."""

    text: str
    scope: Scope
    metric: Word
    slice: Word | None
    arguments: tuple[Argument, ...]
    statistic: Word
    comparator: Word
    number: Word

    @property
    def threshold(self) -> Fraction:
        """The number, exactly."""
        return Fraction(self.number.text)


@dataclass(frozen=True, slots=True)
class NoRegressions:
    """None of these slices may get worse by the margin or more."""

    text: str
    slices: tuple[Word, ...]


Rule = Comparison | NoRegressions


@dataclass(frozen=True, slots=True)
class Window:
    """When a canary may be judged: once, with more than `requests` requests and after `seconds`."""

    requests: int
    seconds: int


def parse_rule(text: str) -> Rule:
    """Read one rule.

    Args:
        text: One line of the rule language, without YAML quotes.

    Raises:
        RuleFault: The first place at which it stops being a rule.

    Source: grammar.lark beside this module.
    """
    (tree,) = _branches(_parse(text, "rule"))
    if tree.data == "noreg":
        return NoRegressions(text, tuple(_unquoted(token) for token in _tokens(tree) if token.type == "STRING"))
    return _comparison(text, tree)


def parse_window(text: str) -> Window:
    """Read a canary window such as `N > 5k requests; 24h`; both conditions must hold.

    Raises:
        RuleFault: The first place at which it stops being a window.
    """
    count, duration = (str(token) for token in _tokens(_parse(text, "window")) if token.type in {"COUNT", "DURATION"})
    requests = int(count.removesuffix("k")) * (1000 if count.endswith("k") else 1)
    return Window(requests, int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[duration[-1]])


@cache
def _grammar(start: str) -> "Lark":
    from lark import Lark

    text = files("registry.core.gate.language").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(text, start=start, parser="lalr", maybe_placeholders=False)


def _parse(text: str, start: str) -> "Tree[Token]":
    from lark import UnexpectedInput

    try:
        return _grammar(start).parse(text)
    except UnexpectedInput as error:
        raise _fault_of(text, error) from None


def _fault_of(text: str, error: "UnexpectedInput") -> RuleFault:
    """Say in plain words what was met and what could have stood there."""
    at = error.pos_in_stream if isinstance(error.pos_in_stream, int) else len(text)
    token = getattr(error, "token", None)
    if token is not None and token.type == "$END":
        at = len(text)
    wanted: set[str] = set()
    for known in ("accepts", "expected", "allowed"):
        wanted = wanted or set(getattr(error, known, None) or ())
    if "STAT" in wanted or (token is not None and token.type == "CMP" and "DOT" in wanted):
        return _statistic_fault(text, at)
    first = _word_at(text, 0)
    if "DOT" in wanted and text[at : at + 1] in set(":[") and nearest(first, [_PROTECTS]):
        mend = f"write {_PROTECTS}: ['SLICE', …]"
        return RuleFault(f"{first!r} cannot stand before {text[at]!r}", at=0 if first != _PROTECTS else at, mend=mend)
    met = "the rule ends here" if at >= len(text) else f"{_word_at(text, at)!r} cannot stand here"
    return RuleFault(met, at=at, mend="expected " + " or ".join(sorted(_WORDS.get(name, name) for name in wanted)))


def _statistic_fault(text: str, at: int) -> RuleFault:
    """A rule whose statistic is missing or misspelt: the caret belongs under the word where it should stand."""
    if text[at : at + 1] in set("<>=") and (last := re.search(r"[A-Za-z_0-9@]+\s*$", text[:at])):
        at = last.start()
    word = _word_at(text, at)
    return RuleFault(f"{word!r} is not a statistic" if word else "a statistic is missing", at=at,
                     mend=did_you_mean(word, STATISTICS))  # fmt: skip


def _word_at(text: str, at: int) -> str:
    found = re.match(r"[A-Za-z_0-9@]+|\S", text[at:])
    return found.group() if found else ""


def _tokens(tree: "Tree[Token]") -> list["Token"]:
    from lark import Token

    return list(tree.scan_values(lambda value: isinstance(value, Token)))


def _branches(tree: "Tree[Token]") -> list["Tree[Token]"]:
    from lark import Tree

    return [child for child in tree.children if isinstance(child, Tree)]


def _word(token: "Token") -> Word:
    return Word(str(token), token.start_pos or 0)


def _unquoted(token: "Token") -> Word:
    """A literal's text without its quotes; the place is that of the text."""
    if token.type != "STRING":
        return _word(token)
    return Word(str(token)[1:-1], (token.start_pos or 0) + 1)


def _comparison(text: str, tree: "Tree[Token]") -> Comparison:
    (measure,) = _branches(tree)
    path, *middle = _branches(measure)
    words = [_word(token) for token in _tokens(path)]
    scope = _SCOPES.get(words[0].text, "slice") if len(words) > 1 else "slice"
    names = words[1:] if scope != "slice" else words
    if scope == "slice" and len(words) > 1 and (meant := nearest(words[0].text, list(_SCOPES))):
        raise RuleFault(f"nothing is called {words[0].text!r}", at=words[0].at, mend=f"did you mean {meant!r}?")
    metric = Word(".".join(word.text for word in names), names[0].at)
    _check_brackets(scope, middle[0] if middle else None, metric)
    slice_name, arguments = _bracketed(middle[0]) if middle else (None, ())
    *_, statistic, comparator, number = (_word(token) for token in _tokens(tree))
    return Comparison(text, scope, metric, slice_name, arguments, statistic, comparator, number)


def _check_brackets(scope: Scope, brackets: "Tree[Token] | None", metric: Word) -> None:
    """Only `delta` takes braces, and no other brackets; `aggregate` and `canary` speak of all slices."""
    kind = brackets.data if brackets is not None else None
    if scope == "delta" and kind == "call":
        raise RuleFault("a delta needs its slice in braces", at=metric.at, mend=f"write delta.{metric.text}{{SLICE}}")
    if scope == "slice" and kind == "selector":
        raise RuleFault(
            "braces belong to a delta", at=metric.at, mend=f"write {metric.text}(SLICE) or delta.{metric.text}{{…}}"
        )
    if scope in {"aggregate", "canary"} and kind is not None:
        raise RuleFault(f"{scope} takes no slice", at=metric.at, mend=f"leave the brackets out, or leave {scope}. out")


def _bracketed(brackets: "Tree[Token]") -> tuple[Word, tuple[Argument, ...]]:
    return _word(_tokens(brackets)[0]), tuple(_argument(item) for item in _branches(brackets))


def _argument(tree: "Tree[Token]") -> Argument:
    tokens = _tokens(tree)
    return Argument(_word(tokens[0]) if tree.data == "kwarg" else None, _unquoted(tokens[-1]))
