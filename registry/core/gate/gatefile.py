"""The gate file: the rules of one stage and the settings they are judged with."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from registry.core.digest import Digest, digest_of
from registry.core.gate.document import Document, entries, items_of, mapping_of, open_document, text_of
from registry.core.gate.rule import Comparison, NoRegressions, Rule, RuleFault, Word, nearest, parse_rule, parse_window
from registry.core.manifest import Decimal
from registry.core.record import Record

if TYPE_CHECKING:
    from yaml.nodes import MappingNode, Node

Share = Annotated[str, Field(pattern=r"^(0(\.[0-9]{1,9})?|1(\.0{1,9})?)$")]
"""A decimal string from 0 to 1 with at most nine decimals, which is the grid that bounds are compared on."""
Method = Literal["clopper_pearson", "wilson"]


class Gate(Record):
    """What a gate file says, with every default written out. Its digest is the gate's identity.

    `confidence` belongs to an interval with `sides` sides: "0.95" with 2 leaves 2.5 % on each side. `margins` and
    `minimum_n` overrule the defaults by name: `margins` by slice or by `metric(slice)`, `minimum_n` by metric. Empty
    `weights` are equal weights; `guards` replace the guard metrics of a slice.
    """

    form: Literal["registry.gate/1"] = "registry.gate/1"
    stage: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
    confidence: Share = "0.95"
    sides: Literal[1, 2] = 2
    method: Method = "clopper_pearson"
    margin: Share = "0.02"
    margins: dict[str, Share] = {}
    weights: dict[str, Decimal] = {}
    minimum_n: dict[str, Annotated[int, Field(ge=1, le=10**9)]] = {}
    guards: dict[str, tuple[str, ...]] = {}
    window: str | None = None
    rules: tuple[str, ...]

    @property
    def digest(self) -> Digest:
        """The gate's identity: layout and comments of the file do not enter it, defaults do."""
        return digest_of(self.canonical())

    @property
    def level(self) -> Fraction:
        """How often each bound may be wrong: 1/40 by default."""
        return (1 - Fraction(self.confidence)) / self.sides


@dataclass(frozen=True, slots=True)
class Placed:
    """A rule, and where its text begins in the file, counted from 0."""

    rule: Rule
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class GateFile:
    """A gate file that was read: its settings, its rules in order, and the document for showing faults."""

    gate: Gate
    rules: tuple[Placed, ...]
    document: Document
    settings: "dict[str, tuple[Node, Node]]"

    def fault(self, placed: Placed, at: int, what: str, *, mend: str = "") -> None:
        """Note a fault at offset `at` of a rule's text."""
        self.document.fault(placed.line, placed.column + at, what, mend=mend)

    def fault_in(self, setting: str, what: str, mend: str = "") -> None:
        """Note a fault at a setting's key."""
        self.document.fault_at(self.settings[setting][0], what, mend=mend)


_SETTINGS: dict[str, Callable[[Document, "Node"], Any]] = {
    "form": text_of,
    "stage": text_of,
    "confidence": text_of,
    "sides": lambda document, node: _number(document, node),
    "method": text_of,
    "margin": text_of,
    "margins": lambda document, node: _texts(document, node),
    "weights": lambda document, node: _texts(document, node),
    "minimum_n": lambda document, node: {
        name: _number(document, value) for name, (_, value) in mapping_of(document, node).items()
    },
    "guards": lambda document, node: {
        name: [text_of(document, item) for item in items_of(document, value)]
        for name, (_, value) in mapping_of(document, node).items()
    },
    "window": text_of,
}


def read_gate(data: bytes, *, name: str = "the gate file") -> GateFile:
    """Read a gate file's bytes, without knowing the suite; `check.check_gate` does the rest.

    Args:
        data: YAML, UTF-8, at most 1 MiB.
        name: What messages call the file.

    Returns:
        The file. Faults that leave it readable (an unknown setting, a rule with a typo) are noted in its document, so
        that they are told together with what `check_gate` finds.

    Raises:
        Faults: It is not YAML, has an impossible value, or has no rules.
    """
    document, root = open_document(data, name)
    found = entries(document, root)
    for key in found.keys() - _SETTINGS.keys() - {"rules"}:
        document.fault_at(found[key][0], f"there is no setting {key!r}", mend=nearest(key, [*_SETTINGS, "rules"]))
    values = {key: _SETTINGS[key](document, found[key][1]) for key in _SETTINGS if key in found}
    for key in ("form", "stage"):
        if key not in found:
            document.fault(0, 0, f"the setting {key!r} is missing")
    _check_values(document, found, values)
    texts, rules = _rules(document, root, found)
    gate = Gate.of({"stage": "unnamed", **_valid(values), "rules": texts})
    return GateFile(gate, rules, document, found)


def _check_values(document: Document, found: "dict[str, tuple[Node, Node]]", values: dict[str, Any]) -> None:
    """Check each value by its field, so that each fault has its own place; take out what is wrong."""
    for key in list(values):
        field = Gate.model_fields[key]
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(Annotated[field.annotation, *field.metadata])  # type: ignore[arg-type]  # built at run time
            adapter.validate_python(values[key])
        except ValidationError as error:
            document.fault_at(found[key][1], f"{key}: {error.errors()[0]['msg']}")
            del values[key]
    if "window" in values:
        node = found["window"][1]
        try:
            parse_window(values["window"])
        except RuleFault as fault:
            column = node.start_mark.column + (1 if node.style else 0) + fault.at  # type: ignore[attr-defined]  # a scalar
            document.fault(node.start_mark.line, column, fault.what, mend=fault.mend or "write `N > 5k requests; 24h`")
    if "confidence" in values and not Fraction(1, 2) < Fraction(values["confidence"]) < 1:
        document.fault_at(found["confidence"][1], "confidence lies between 0.5 and 1, both excluded")
        del values["confidence"]


def _valid(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _rules(
    document: Document, root: "MappingNode", found: "dict[str, tuple[Node, Node]]"
) -> tuple[tuple[str, ...], tuple[Placed, ...]]:
    """All rules, in file order; those with a typo are noted and left out."""
    nodes = items_of(document, found["rules"][1]) if "rules" in found else []
    if not nodes:
        # why: a list of no rules would let everything through.
        document.fault_at(found["rules"][0] if "rules" in found else root, "there are no rules")
    rules = tuple(placed for node in nodes if (placed := _rule(document, node)) is not None)
    for twice in _repeated(rules):
        document.fault(twice.line, twice.column, "this rule stands here twice")
    return tuple(placed.rule.text for placed in rules), rules


def _repeated(rules: tuple[Placed, ...]) -> list[Placed]:
    seen: set[str] = set()
    again = []
    for placed in rules:
        if placed.rule.text in seen:
            again.append(placed)
        seen.add(placed.rule.text)
    return again


def _rule(document: Document, node: "Node") -> Placed | None:
    from yaml.nodes import MappingNode

    if isinstance(node, MappingNode):
        return _unquoted_rule(document, node)
    text = text_of(document, node)
    if text is None:
        return None
    line, column = node.start_mark.line, node.start_mark.column + (1 if node.style else 0)  # type: ignore[attr-defined]  # a scalar
    try:
        return Placed(parse_rule(text), line, column)
    except RuleFault as fault:
        document.fault(line, column + fault.at, fault.what, mend=fault.mend)
        return None


def _unquoted_rule(document: Document, node: "MappingNode") -> Placed | None:
    """`no_regressions_on: [a, b]` without quotes is a mapping to YAML; take it as the rule that it is."""
    found = entries(document, node)
    if list(found) != ["no_regressions_on"]:
        document.fault_at(node, "a rule is one quoted line", mend="only no_regressions_on may stand without quotes")
        return None
    key, value = found["no_regressions_on"]
    line, column = key.start_mark.line, key.start_mark.column
    words = []
    for item in items_of(document, value):
        if (text := text_of(document, item)) is not None:
            at = item.start_mark.column - column if item.start_mark.line == line else 0
            words.append(Word(text, at + (1 if item.style else 0)))  # type: ignore[attr-defined]  # a scalar
    if not words:
        document.fault_at(value, "no_regressions_on names no slice")
        return None
    names = ", ".join(f"'{word.text}'" for word in words)
    return Placed(NoRegressions(f"no_regressions_on: [{names}]", tuple(words)), line, column)


def _number(document: Document, node: "Node") -> int | None:
    text = text_of(document, node)
    if text is not None and text.isascii() and text.isdigit():
        return int(text[:12])
    if text is not None:
        document.fault_at(node, f"{text!r} is not a whole number")
    return None


def _texts(document: Document, node: "Node") -> dict[str, str]:
    found = {name: text_of(document, value) for name, (_, value) in mapping_of(document, node).items()}
    return {name: text for name, text in found.items() if text is not None}


def comparisons(file: GateFile) -> list[tuple[Placed, Comparison]]:
    """The rules that compare a number, with their places."""
    return [(placed, placed.rule) for placed in file.rules if isinstance(placed.rule, Comparison)]
