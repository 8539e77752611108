"""Gather: find every part that a config names before a byte of any is read, and tell all faults at once."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from registry.core.config import Config
from registry.core.document import did_you_mean
from registry.core.formats import PICKLED
from registry.core.heldout.verifiers import VERIFIERS
from registry.core.pin import Pin, Role
from registry.core.reference import Known, Located, NothingThere, Reference, Registered, named, parse_reference, resolve
from registry.errors import RegistryError, UsageError, refuse
from registry.ports import Found, Sources

PICKLES = frozenset(PICKLED)
"""Suffixes of files that may hold Python pickles, which run code when they are loaded."""

_Looked = TypeVar("_Looked")


class PickleRefused(UsageError):
    """A file could run code when a server loads it."""


@dataclass(frozen=True, slots=True)
class Part:
    """One artefact that was found: registered already, or files to read."""

    role: Role
    name: str
    label: str | None
    found: Pin | Found


@dataclass(frozen=True, slots=True)
class InSuite:
    """Fixtures that are a file of the suite, by its path there."""

    path: str


@dataclass(frozen=True, slots=True)
class Gathered:
    """Everything that a config names, found."""

    parts: Mapping[str, tuple[Part, ...]]
    fixtures: Part | InSuite | None
    suite: Found | None
    evidence: Found | None

    @property
    def founds(self) -> Iterator[Found]:
        """All that is to be read."""
        fixtures = (self.fixtures,) if isinstance(self.fixtures, Part) else ()
        for part in (*(part for parts in self.parts.values() for part in parts), *fixtures):
            if isinstance(part.found, Found):
                yield part.found
        yield from (found for found in (self.suite, self.evidence) if found)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of place that it is to be read from."""
        return frozenset(found.source.kind for found in self.founds)


def gather(
    config: Config, *, sources: Sources, state: Known, suite: str, pickles: Collection[str] = PICKLES
) -> Gathered:
    """Find all that `config` names.

    Args:
        config: The parsed config.
        sources: Where locations are looked up.
        state: What is registered.
        suite: Where the held-out suite is if the config does not say; it may be missing.
        pickles: Suffixes of files to refuse.

    Raises:
        Faults: Everything that leads nowhere, to several things, or to something unfit, in the order of the keys.
        Refused, IntegrityError: What a source has to say against what it found.
    """
    looking = _Looking(sources, state, frozenset(pickles))
    parts = {key: looking.references(key, role, found) for key, role, found in _references(config)}
    parts["verifiers"] = looking.verifiers(config.verifiers)
    found_suite = looking.suite(config.suite, suite)
    fixtures = looking.attempt("tools.fixtures", lambda: looking.fixtures(config.fixtures, found_suite))
    looking.check_routes(config, found_suite)
    evidence = config.evidence
    found_evidence = looking.attempt("evidence", lambda: sources.find(evidence)) if evidence else None
    refuse(f"config {config.name}", looking.faults)
    return Gathered(parts, fixtures, found_suite, found_evidence)


def look_up(reference: Reference, role: Role, *, sources: Sources, state: Known) -> Part:
    """Find what one reference names.

    Raises:
        UsageError: Nothing, or several things.
    """
    match reference:
        case Registered():
            pin = resolve(reference, role, state)
            return Part(role, pin.name, pin.label, pin)
        case Located(name, label, location):
            return Part(role, name, label, sources.find(location))


def check_pickles(part: Part, pickles: Collection[str]) -> None:
    """Refuse files that could run code.

    Raises:
        PickleRefused: With the first such file.
    """
    if not isinstance(part.found, Found):
        return
    for file in part.found.files:
        if any(file.path.lower().endswith(suffix) for suffix in pickles):
            why = "loading a pickle runs whatever code it holds"
            mend = "save it as safetensors (`save_pretrained(…)`), and remove this file"
            raise PickleRefused(f"{file.path} of {part.name} may hold a pickle", why=why, mend=mend)


def _references(config: Config) -> Sequence[tuple[str, Role, tuple[Reference, ...]]]:
    def maybe(reference: Reference | None) -> tuple[Reference, ...]:
        return () if reference is None else (reference,)

    return (
        ("llm_sha", "llm", (config.llm_sha,)),
        ("adapters", "adapter", config.adapters),
        ("input_sha", "input", maybe(config.input_sha)),
        ("tokenizer_sha", "tokenizer", (config.tokenizer_sha,)),
        ("reward_model_sha", "reward_model", maybe(config.reward_model_sha)),
        ("datasets", "dataset", config.datasets),
    )


@dataclass(slots=True)
class _Looking:
    """One look at everything; faults are gathered, what was found is returned."""

    sources: Sources
    state: Known
    pickles: frozenset[str]
    faults: list[RegistryError] = field(default_factory=list)

    def attempt(self, key: str, look: Callable[[], _Looked]) -> _Looked | None:
        """What `look` finds; its complaint is noted under `key`."""
        try:
            return look()
        except UsageError as error:
            self.faults.append(type(error)(f"{key}: {error.what}", why=error.why, mend=error.mend))
            return None

    def references(self, key: str, role: Role, references: tuple[Reference, ...]) -> tuple[Part, ...]:
        parts = [self.attempt(key, partial(self.part, one, role)) for one in references]
        return tuple(part for part in parts if part is not None)

    def part(self, reference: Reference, role: Role) -> Part:
        part = look_up(reference, role, sources=self.sources, state=self.state)
        check_pickles(part, self.pickles)
        return part

    def verifiers(self, wanted: Mapping[str, str]) -> tuple[Part, ...]:
        parts = [self.attempt("verifiers", partial(self.verifier, name, wanted[name])) for name in sorted(wanted)]
        return tuple(part for part in parts if part is not None)

    def verifier(self, name: str, version: str) -> Part:
        if (verifier := VERIFIERS.get(name)) is None:
            raise UsageError(f"there is no verifier {name!r}", mend=did_you_mean(name, VERIFIERS))
        if version.removeprefix("v") != verifier.version.removeprefix("v"):
            why = f"the config wants {version}, this installation has {verifier.version}"
            mend = "install the version of lockstep-registry that has it, or pin the one that is here"
            raise UsageError(f"verifier {name} has another version", why=why, mend=mend)
        found = self.sources.find(f"package:{','.join(verifier.modules)}")
        return Part("verifier", name, verifier.version, found)

    def suite(self, wanted: str | None, default: str) -> Found | None:
        if wanted is not None:
            return self.attempt("suite", lambda: self.sources.find(wanted))
        try:
            return self.sources.find(default)
        except NothingThere:
            return None

    def fixtures(self, text: str | None, suite: Found | None) -> Part | InSuite | None:
        """What `tools.fixtures` names: a bare file name is looked for in the suite, then in the ledger, then as a path.

        The suite comes first because it is what the evaluation replays; a name in the ledger may be of an older file.
        """
        if text is None:
            return None
        if "/" not in text and "@" not in text and ":" not in text:
            inside = [file.path for file in suite.files if file.path.split("/")[-1] == text] if suite else []
            if len(inside) > 1:
                raise UsageError(
                    f"{text} is ambiguous", why=f"the suite has {', '.join(inside)}", mend="write its path"
                )
            if inside:
                return InSuite(inside[0])
            if pin := named(text, "fixture", self.state):
                return Part("fixture", pin.name, pin.label, pin)
        return self.part(parse_reference(text), "fixture")

    def check_routes(self, config: Config, suite: Found | None) -> None:
        """Refuse a route of a slice that the suite does not have: a typo would send that slice to the bare base."""
        if suite is None:
            return
        slices = {file.path.split("/")[0] for file in suite.files if file.path.endswith("/slice.yaml")}
        known = {"default", *slices, *(reference.name for reference in config.adapters)}
        for name in config.routes:
            if name not in known:
                mend = did_you_mean(name, known)
                self.faults.append(UsageError(f"routes: the suite has no slice {name!r}", mend=mend))
