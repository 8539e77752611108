"""The gate file: the rules of one stage and the settings they are judged with."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from registry.core.digest import Digest, digest_of
from registry.core.gate.language.marked import Marked, Pairs, Places, read_marked, text_places
from registry.core.gate.language.rule import NoRegressions, Rule, RuleFault, Word, parse_rule, parse_window
from registry.core.manifest import Decimal
from registry.core.record import Record

Share = Annotated[str, Field(pattern=r"^(0(\.[0-9]{1,9})?|1(\.0{1,9})?)$")]
"""A decimal string from 0 to 1 with at most nine decimals, which is the grid that bounds are compared on."""
WINDOW = "N > 5k requests; 24h"
Method = Literal["clopper_pearson", "wilson"]
Tries = Annotated[int, Field(ge=1, le=1_000_000)]
ATTEMPTS = 20
"""How many candidates a frozen slice judges for one stage before its rules say no more."""


class Gate(Record):
    """What a gate file says, with every default written out. Its digest is the gate's identity.

    `confidence` belongs to an interval with `sides` sides: "0.95" with 2 leaves 2.5 % on each side, and with `looks`
    above 1 that is shared among them. `p` is the p-value of a delta. `margins` and `minimum_n` overrule the defaults by
    name: `margins` by slice or by `metric(slice)`, `minimum_n` by metric or by `metric(slice)`. Empty `weights` are
    equal weights; `guards` replace the guard metrics of a slice. `attempts` is how many candidates one frozen slice may
    judge, for all slices or by slice; `looks` how often the same model may be judged on more and more answers.
    """

    form: Literal["registry.gate/1"] = "registry.gate/1"
    stage: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
    confidence: Share = "0.95"
    sides: Literal[1, 2] = 2
    method: Method = "clopper_pearson"
    p: Literal["exact", "midp"] = "exact"
    margin: Share = "0.02"
    margins: dict[str, Share] = {}
    weights: dict[str, Decimal] = {}
    minimum_n: dict[str, Annotated[int, Field(ge=1, le=10**9)]] = {}
    guards: dict[str, tuple[str, ...]] = {}
    attempts: Tries | dict[str, Tries] = ATTEMPTS
    looks: Annotated[int, Field(ge=1, le=100)] = 1
    window: str = WINDOW
    rules: tuple[str, ...]

    @property
    def digest(self) -> Digest:
        """The gate's identity: layout and comments of the file do not enter it, defaults do."""
        return digest_of(self.canonical())

    @property
    def level(self) -> Fraction:
        """How often each bound may be wrong: 1/40 by default."""
        return (1 - Fraction(self.confidence)) / self.sides / self.looks

    def attempts_on(self, name: str) -> int:
        """How many candidates the slice `name` may judge."""
        return self.attempts.get(name, ATTEMPTS) if isinstance(self.attempts, dict) else self.attempts


@dataclass(frozen=True, slots=True)
class Placed:
    """A rule, and where each letter of its text stands in the file."""

    rule: Rule
    places: Places


@dataclass(frozen=True, slots=True)
class GateFile:
    """A gate file that was read: its settings, its rules in order, and where everything stands."""

    gate: Gate
    rules: tuple[Placed, ...]
    marked: Marked
    settings: Pairs

    def fault(self, placed: Placed, at: int, what: str, *, mend: str = "") -> None:
        """Note a fault at offset `at` of a rule's text."""
        self.marked.fault(*placed.places[at], what, mend=mend)

    def fault_in(self, setting: str, what: str, *, key: str = "", mend: str = "") -> None:
        """Note a fault at a setting's value or, where that is a mapping, at one of its keys."""
        value = self.settings[setting][1]
        pairs = value.value if isinstance(value, yaml.MappingNode) else ()
        node = next((key_node for key_node, _ in pairs if key_node.value == key), value)
        self.marked.fault_at(node, what, mend=mend)


def read_gate(data: bytes, *, name: str = "the gate file", stage: str = "unnamed") -> GateFile:
    """Read a gate file's bytes, without knowing the suite; `check.check_gate` does the rest.

    Args:
        data: YAML, UTF-8, at most 1 MiB: a mapping of settings and rules, or the list of rules alone.
        name: What messages call the file.
        stage: Whose rules a list alone is; a mapping says so itself.

    Returns:
        The file. Faults that leave it readable (an unknown setting, a rule with a typo) are noted there, so that they
        are told together with what `check_gate` finds.

    Raises:
        Faults: It is not YAML, or neither a mapping nor a list.
    """
    marked = read_marked(data, name)
    found = _settings(marked)
    values = {key: read(marked, found[key][1]) for key, read in _SETTINGS.items() if key in found}
    checked = {key: _valid(marked, key, value, node=found[key][1]) for key, value in values.items()}
    valid = {key: value for key, value in checked.items() if value is not None}
    rules = _rules(marked, found)
    texts = [placed.rule.text for placed in rules]
    return GateFile(Gate.of({"stage": stage, **valid, "rules": texts}), rules, marked, found)


def _settings(marked: Marked) -> Pairs:
    """The file's keys; a list alone is its rules, with every setting at its default."""
    root = marked.document.root
    if isinstance(root, yaml.SequenceNode):
        return {"rules": (root, root)}
    found = marked.document.mapping(root, [*_SETTINGS, "rules"])
    if not isinstance(root, yaml.MappingNode):
        marked.refuse()
    for key in ("form", "stage"):
        if key not in found:
            marked.fault(0, 0, f"the setting {key!r} is missing")
    return found


def _text(marked: Marked, node: yaml.Node) -> str | None:
    return marked.document.text(node)


def _number(marked: Marked, node: yaml.Node) -> int | None:
    text = _text(marked, node)
    if text is not None and text.isascii() and text.isdigit() and len(text) <= 12:
        return int(text)
    if text is not None:
        marked.fault_at(node, f"{text!r} is not a whole number")
    return None


def _texts(marked: Marked, node: yaml.Node) -> tuple[str, ...]:
    found = (_text(marked, item) for item in marked.document.sequence(node))
    return tuple(text for text in found if text is not None)


def _each(read: Callable[[Marked, yaml.Node], Any]) -> Callable[[Marked, yaml.Node], dict[str, Any]]:
    """A reader of a mapping whose values `read` reads; what cannot be read is noted and left out."""

    def read_all(marked: Marked, node: yaml.Node) -> dict[str, Any]:
        pairs = marked.document.mapping(node)
        for key, (key_node, _) in pairs.items():
            if not key.isascii() or len(key) > 256:
                marked.fault_at(key_node, "a name here is plain ASCII, at most 256 letters")
        found = {key: read(marked, value) for key, (_, value) in pairs.items() if key.isascii() and len(key) <= 256}
        return {key: value for key, value in found.items() if value is not None}

    return read_all


def _tries(marked: Marked, node: yaml.Node) -> int | dict[str, int] | None:
    """One number for all slices, or a number for each that is named."""
    return _each(_number)(marked, node) if isinstance(node, yaml.MappingNode) else _number(marked, node)


_SETTINGS: dict[str, Callable[[Marked, yaml.Node], Any]] = {
    "form": _text,
    "stage": _text,
    "confidence": _text,
    "sides": _number,
    "method": _text,
    "p": _text,
    "margin": _text,
    "margins": _each(_text),
    "weights": _each(_text),
    "minimum_n": _each(_number),
    "guards": _each(_texts),
    "attempts": _tries,
    "looks": _number,
    "window": _text,
}


_WANTED = {
    "form": "registry.gate/1",
    "stage": "lower-case letters, digits and hyphens",
    "confidence": "a number between 0.5 and 1, such as 0.95",
    "sides": "1 or 2",
    "method": "clopper_pearson or wilson",
    "p": "exact or midp",
    "margin": "a fraction of 1 with at most nine decimals, such as 0.02",
    "margins": "a fraction of 1 with at most nine decimals, such as 0.02",
    "weights": "a decimal number, such as 0.25",
    "minimum_n": "a number from 1 to 1,000,000,000",
    "attempts": "a number from 1 to 1,000,000",
    "looks": "a number from 1 to 100",
}


def _valid(marked: Marked, key: str, value: Any, *, node: yaml.Node) -> Any:
    """A value as far as its field takes it; each fault has its own place. None where nothing is left."""
    if not isinstance(value, dict) or not isinstance(node, yaml.MappingNode):
        return value if value is not None and _is_valid(marked, key, value, node=node) else None
    places = {key_node.value: one for key_node, one in node.value}
    valid = {name: one for name, one in value.items() if _is_valid(marked, key, {name: one}, node=places[name])}
    # why: some of the weights would not add up to 1, and that is not what is wrong with them.
    return None if key == "weights" and len(valid) < len(value) else valid


def _is_valid(marked: Marked, key: str, value: Any, *, node: yaml.Node) -> bool:
    """Check a value, or one of a mapping's, by its field."""
    field = Gate.model_fields[key]
    adapter: TypeAdapter[Any] = TypeAdapter(Annotated[field.annotation, key, *field.metadata])  # type: ignore[arg-type] # built at run time
    try:
        adapter.validate_python(value)
    except ValidationError:
        told = f"{key} of {next(iter(value))}" if isinstance(value, dict) else key
        shown = next(iter(value.values())) if isinstance(value, dict) else value
        marked.fault_at(node, f"{told} cannot be {str(shown)!r}", mend=f"it is {_WANTED[key]}")
        return False
    if key == "confidence" and not Fraction(1, 2) < Fraction(value) < 1:
        marked.fault_at(node, "confidence lies between 0.5 and 1, both excluded")
        return False
    return key != "window" or _is_window(marked, value, node=node)


def _is_window(marked: Marked, text: str, *, node: yaml.Node) -> bool:
    try:
        parse_window(text)
    except RuleFault as fault:
        marked.fault(*text_places(node)[fault.at], fault.what, mend=fault.mend)
        return False
    return True


def _rules(marked: Marked, found: Pairs) -> tuple[Placed, ...]:
    """All rules, in file order; those with a typo are noted and left out."""
    nodes = marked.document.sequence(found["rules"][1]) if "rules" in found else ()
    if not nodes and not ("rules" in found and not isinstance(found["rules"][1], yaml.SequenceNode)):
        # why: a list of no rules would let everything through.
        marked.fault_at(found["rules"][0] if "rules" in found else marked.document.root, "there are no rules")
    rules: list[Placed] = []
    for node in nodes:
        placed = _rule(marked, node)
        if placed is not None and placed.rule.text in {one.rule.text for one in rules}:
            marked.fault(*placed.places[0], "this rule stands here twice")
        elif placed is not None:
            rules.append(placed)
    return tuple(rules)


def _rule(marked: Marked, node: yaml.Node) -> Placed | None:
    if isinstance(node, yaml.MappingNode):
        return _unquoted_rule(marked, node)
    if (text := _text(marked, node)) is None:
        return None
    places = text_places(node)
    try:
        return Placed(parse_rule(text), places)
    except RuleFault as fault:
        marked.fault(*places[fault.at], fault.what, mend=fault.mend)
        return None


def _unquoted_rule(marked: Marked, node: yaml.MappingNode) -> Placed | None:
    """`no_regressions_on: [a, b]` without quotes is a mapping to YAML; take it as the rule that it is."""
    found = marked.document.mapping(node)
    if list(found) != ["no_regressions_on"] or len(node.value) != 1:
        marked.fault_at(node, "a rule is one quoted line", mend="only no_regressions_on may stand without quotes")
        return None
    key, value = found["no_regressions_on"]
    items = [item for item in marked.document.sequence(value) if marked.document.text(item) is not None]
    if not items:
        if isinstance(value, yaml.SequenceNode) and not value.value:
            marked.fault_at(value, "no_regressions_on names no slice")
        return None
    text, places, words = "no_regressions_on: [", list(text_places(key)[:1] * 20), []
    for item in items:
        words.append(Word(item.value, len(text) + 1))
        text += f"'{item.value}', "
        places += [places[0], *text_places(item)[:-1], *places[:1] * 3]
    text = text.removesuffix(", ") + "]"
    return Placed(NoRegressions(text, tuple(words)), tuple(places))
