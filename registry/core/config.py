"""The config: what a person writes in `manifests/NAME.yaml` (or `.json`) to say which parts make a model."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TypeVar

import yaml

from registry.core.document import Document, did_you_mean, nearest, read_document
from registry.core.reference import Located, Reference, check_location, parse_reference
from registry.errors import UsageError

KEYS = (
    "name",
    "llm_sha",
    "adapters",
    "input_sha",
    "tokenizer_sha",
    "sampling",
    "reward_model_sha",
    "verifiers",
    "tools",
    "routes",
    "datasets",
    "suite",
    "evidence",
    "repo_sha",
)
REQUIRED = ("llm_sha", "tokenizer_sha")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_REVISION = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_./@{}~^+=-]{0,199}")
_BOUNDS: Mapping[str, tuple[Decimal, Decimal, bool]] = {
    # setting: least value, greatest value, whether it counts something
    "temperature": (Decimal(0), Decimal(100), False),
    "top_p": (Decimal("1e-9"), Decimal(1), False),
    "min_p": (Decimal(0), Decimal(1), False),
    "top_k": (Decimal(0), Decimal(10**9), True),
    "max_tokens": (Decimal(1), Decimal(10**9), True),
    "presence_penalty": (Decimal(-100), Decimal(100), False),
    "frequency_penalty": (Decimal(-100), Decimal(100), False),
    "repetition_penalty": (Decimal("1e-9"), Decimal(100), False),
}


Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Config:
    """A model card config, parsed. Nothing in it was looked up yet.

    `sampling` has decimal strings; `verifiers` and `tools` map names to versions; `fixtures`, `suite`, `evidence` and
    `repo_sha` are as written. `suite` None means `manifests/heldout`, if that exists; `repo_sha` None means HEAD.
    """

    name: str
    llm_sha: Reference
    tokenizer_sha: Reference
    adapters: tuple[Reference, ...] = ()
    input_sha: Reference | None = None
    sampling: Mapping[str, str] = field(default_factory=dict)
    reward_model_sha: Reference | None = None
    verifiers: Mapping[str, str] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)
    fixtures: str | None = None
    routes: Mapping[str, str] = field(default_factory=dict)
    datasets: tuple[Reference, ...] = ()
    suite: str | None = None
    evidence: str | None = None
    repo_sha: str | None = None


def parse_config(data: bytes, file: str) -> Config:
    """Read a config.

    Args:
        data: The file's exact bytes, at most 1 MiB.
        file: Its name, for messages; its stem is the model's name unless the config has one, and `.json` is JSON.

    Raises:
        Faults: Everything that is wrong with it, each with line and column.
    """
    reading = _Reading(read_document(data, file))
    config = reading.config(_stem(file))
    reading.document.finish()
    return config


def decimal_of(text: str) -> str:
    """The one spelling of a decimal number: `0.20` and `2e-1` are `0.2`.

    Raises:
        UsageError: It is not a number, or has more than 20 digits before or after the point.
    """
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise UsageError(f"{text!r} is not a number") from None
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):  # NaN and the infinities have a letter there
        raise UsageError(f"{text!r} is not a finite number")
    if len(digits) > 40 or not -20 <= exponent <= 20 or number.adjusted() > 20:
        raise UsageError(f"{text!r} has too many digits", why="at most 20 on each side of the point are kept")
    spelled = format(number, "f")
    spelled = spelled.rstrip("0").rstrip(".") if "." in spelled else spelled
    return "0" if number == 0 else spelled


class _Reading:
    """One pass over a document; each method reads one kind of value and notes what is wrong with it."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.pairs = document.mapping(document.root, KEYS)

    def config(self, stem: str) -> Config:
        for key in REQUIRED:
            if key not in self.pairs:
                self.document.fault(self.document.root, f"the key {key!r} is missing", mend=f"add `{key}: LOCATION`")
        stand_in = Located("missing", None, "missing")
        adapters = self.references("adapters")
        versions, fixtures = self.tools()
        return Config(
            name=self.one("name", _name) or self.named_for(stem),
            llm_sha=self.one("llm_sha", parse_reference) or stand_in,
            tokenizer_sha=self.one("tokenizer_sha", parse_reference) or stand_in,
            adapters=adapters,
            input_sha=self.one("input_sha", parse_reference),
            sampling=self.sampling(),
            reward_model_sha=self.one("reward_model_sha", parse_reference),
            verifiers=self.table("verifiers", _version),
            tools=versions,
            fixtures=fixtures,
            routes=self.routes({reference.name for reference in adapters}),
            datasets=self.references("datasets"),
            suite=self.one("suite", check_location),
            evidence=self.one("evidence", check_location),
            repo_sha=self.one("repo_sha", _revision),
        )

    def one(self, key: str, read: Callable[[str], Value]) -> Value | None:
        return self.document.attempt(self.pairs[key][1], read) if key in self.pairs else None

    def named_for(self, stem: str) -> str:
        """The file's stem as a name; what cannot be one must be given by the key."""
        if _NAME.fullmatch(stem) or "name" in self.pairs:
            return stem
        why = f"the file's name cannot be one: {stem!r} has other signs than letters, digits and ._-"
        mend = "add `name: NAME`, or call the file NAME.yaml"
        self.document.fault(self.document.root, "the key 'name' is missing", why=why, mend=mend)
        return stem

    def table(self, key: str, read: Callable[[str], str]) -> dict[str, str]:
        """A mapping from names to texts."""
        return self.texts(self.document.mapping(self.pairs[key][1]), read) if key in self.pairs else {}

    def texts(self, pairs: Mapping[str, tuple[yaml.Node, yaml.Node]], read: Callable[[str], str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, (key_node, value) in pairs.items():
            self.document.attempt(key_node, _name)
            if (text := self.document.attempt(value, read)) is not None:
                found[name] = text
        return found

    def sampling(self) -> dict[str, str]:
        if "sampling" not in self.pairs:
            return {}
        pairs = self.document.mapping(self.pairs["sampling"][1], tuple(_BOUNDS)).items()
        found = {name: self.document.attempt(value, _setting(name)) for name, (_, value) in pairs}
        return {name: text for name, text in found.items() if text is not None}

    def references(self, key: str) -> tuple[Reference, ...]:
        """A list of references, or a mapping from names to locations; each name once."""
        if key not in self.pairs:
            return ()
        node = self.pairs[key][1]
        found: dict[str, Reference] = {}
        for place, reference in self._mapped(node) if isinstance(node, yaml.MappingNode) else self._listed(node):
            if reference.name in found:
                self.document.fault(place, f"two {key} are called {reference.name!r}", mend="put NAME= before one")
            if key == "adapters" and reference.name == "base":
                self.document.fault(place, "an adapter cannot be called 'base'", why="routes mean the bare LLM by it")
            found[reference.name] = reference
        return tuple(found.values())

    def _listed(self, node: yaml.Node) -> list[tuple[yaml.Node, Reference]]:
        items = self.document.sequence(node)
        return [(item, found) for item in items if (found := self.document.attempt(item, parse_reference))]

    def _mapped(self, node: yaml.Node) -> list[tuple[yaml.Node, Reference]]:
        found: list[tuple[yaml.Node, Reference]] = []
        for name, (key_node, value) in self.document.mapping(node).items():
            self.document.attempt(key_node, _name)
            if (location := self.document.attempt(value, check_location)) is not None:
                found.append((key_node, Located(name, None, location)))
        return found

    def tools(self) -> tuple[dict[str, str], str | None]:
        """The tools' versions, and the fixtures that stand among them."""
        if "tools" not in self.pairs:
            return {}, None
        pairs = self.document.mapping(self.pairs["tools"][1])
        fixtures = self.document.attempt(pairs.pop("fixtures")[1], _fixtures) if "fixtures" in pairs else None
        if near := nearest("fixtures", pairs):
            self.document.fault(pairs[near][0], f"there is no tool {near!r}", mend="did you mean 'fixtures'?")
        return self.texts(pairs, _version), fixtures

    def routes(self, adapters: set[str]) -> dict[str, str]:
        """Which adapter answers which slice; `default` is every other slice, `base` is no adapter."""
        if "routes" not in self.pairs:
            return {}

        def known(text: str) -> str:
            if text in adapters or text == "base":
                return text
            raise UsageError(f"no adapter is called {text!r}", mend=did_you_mean(text, {*adapters, "base"}))

        return self.table("routes", known)


def _setting(name: str) -> Callable[[str], str]:
    least, greatest, is_count = _BOUNDS[name]

    def read(text: str) -> str:
        spelled = decimal_of(text)
        if not least <= Decimal(spelled) <= greatest or (is_count and "." in spelled):
            kind = "a whole number" if is_count else "a number"
            raise UsageError(f"{name} cannot be {text}", why=f"it is {kind} from {least:f} to {greatest:f}")
        return spelled

    return read


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise UsageError(f"{text!r} is not a name", why="a name has letters, digits and ._- only, at most 128")
    return text


def _version(text: str) -> str:
    if not _VERSION.fullmatch(text):
        raise UsageError(f"{text!r} is not a version", why="a version has letters, digits and ._+- only, at most 64")
    return text


def _revision(text: str) -> str:
    if not _REVISION.fullmatch(text) or ".." in text:
        raise UsageError(f"{text!r} is not a git revision", mend="write a tag, a branch or a commit, or leave it out")
    return text


def _fixtures(text: str) -> str:
    parse_reference(text)
    return text


def _stem(file: str) -> str:
    name = file.replace("\\", "/").rsplit("/", 1)[-1]
    return re.sub(r"\.(ya?ml|json)$", "", name)
