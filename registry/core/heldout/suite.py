"""The suite: all slices of a held-out evaluation, frozen: a changed byte of it is another suite."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from registry.core.canonical import NotCanonical
from registry.core.digest import Digest, digest_of
from registry.core.document import did_you_mean
from registry.core.heldout.case import Case as Case
from registry.core.heldout.needs import Need, fault_of
from registry.core.heldout.slice import Slice as Slice
from registry.core.heldout.slice import VerifierCall as VerifierCall
from registry.core.heldout.slice import slice_of
from registry.core.heldout.tools import fixture_of
from registry.core.heldout.verifiers import VERIFIERS
from registry.core.record import Record
from registry.core.tree import Entry, Tree, tree_of
from registry.errors import Faults, RegistryError, UsageError

SLICE, CASES = "slice.yaml", "cases.jsonl"
MOST_FAULTS = 50


class Suite(Record):
    """All slices with their cases, the text of every file by its path, and the tree of these files.

    Its digest is the tree's: a changed case, fixture, schema or unit test is another suite.
    """

    slices: tuple[Slice, ...]
    cases: dict[str, tuple[Case, ...]]
    files: dict[str, str]
    tree: Tree

    @property
    def digest(self) -> Digest:
        """The suite's identity."""
        return self.tree.digest

    @property
    def slice_digests(self) -> dict[str, Digest]:
        """The identity of each slice: a changed byte in its directory makes it another one, in whatever suite."""
        return slice_digests(self.tree)

    def files_of(self, name: str) -> dict[str, bytes]:
        """The files of the slice `name`, by path inside it."""
        start = f"{name}/"
        return {path.removeprefix(start): text.encode() for path, text in self.files.items() if path.startswith(start)}


def slice_digests(tree: Tree) -> dict[str, Digest]:
    """The digest of each directory at the top of a suite's tree, by its name."""
    found: dict[str, list[Entry]] = {}
    for entry in tree.entries:
        name, _, path = entry.path.partition("/")
        found.setdefault(name, []).append(Entry(path=path, size=entry.size, digest=entry.digest))
    return {name: tree_of(entries).digest for name, entries in found.items()}


def suite_of(files: Mapping[str, bytes]) -> Suite:
    """Read a suite from its files: `SLICE/slice.yaml`, `SLICE/cases.jsonl` and whatever these name.

    Args:
        files: Every file below the suite's directory: relative POSIX path to bytes.

    Returns:
        The slices in order of their names; the cases in the order of their file.

    Raises:
        Faults: The faults of all files (the first 50 are told), each with its place.
        UnsafeName: A file name could mean another place.
    """
    tree = tree_of(Entry(path=path, size=len(data), digest=digest_of(data)) for path, data in files.items())
    faults: list[RegistryError] = []
    texts = dict(_texts(files, faults))
    names = sorted({path.split("/")[0] for path in files if "/" in path})
    if not names:
        faults.append(UsageError("there is no slice", mend=f"write a directory with {SLICE} and {CASES}"))
    found = [pair for name in names if (pair := _SliceReading(name, _inside(files, name), faults).read())]
    if faults:
        more = [UsageError(f"and {len(faults) - MOST_FAULTS} more")] if len(faults) > MOST_FAULTS else []
        raise Faults("the suite", [*faults[:MOST_FAULTS], *more])
    return Suite(
        slices=tuple(one for one, _ in found), cases={one.name: cases for one, cases in found}, files=texts, tree=tree
    )


def _inside(files: Mapping[str, bytes], name: str) -> dict[str, bytes]:
    return {path.removeprefix(f"{name}/"): data for path, data in files.items() if path.startswith(f"{name}/")}


def _texts(files: Mapping[str, bytes], faults: list[RegistryError]) -> Iterator[tuple[str, str]]:
    """Every file as text; one that is not UTF-8, or that stands outside every slice, is a fault."""
    for path in sorted(files):
        if "/" not in path:
            faults.append(UsageError(f"{path}: the file belongs to no slice", mend="move it out of the suite"))
        try:
            yield path, files[path].decode()
        except UnicodeDecodeError:
            faults.append(UsageError(f"{path}: the file is not UTF-8"))


@dataclass(frozen=True, slots=True)
class _SliceReading:
    """One slice under reading; `files` are by path inside it, `faults` those of the whole suite."""

    name: str
    files: Mapping[str, bytes]
    faults: list[RegistryError] = field(default_factory=list)

    def fault(self, path: str, what: str, **parts: str) -> None:
        self.faults.append(UsageError(f"{self.name}/{path}: {what}", **parts))

    def read(self) -> tuple[Slice, tuple[Case, ...]] | None:
        """The slice with its cases; None after noting a fault that hides the rest."""
        missing = [path for path in (SLICE, CASES) if path not in self.files]
        for path in missing:
            self.fault(path, "the file is missing")
        if missing:
            return None
        one = self.slice()
        cases = tuple(self.cases())
        if one is None:
            return None
        self.check_tools(one)
        for case in cases:
            self.check_case(one, case)
        return one, cases

    def slice(self) -> Slice | None:
        try:
            return slice_of(self.files[SLICE], self.name, self.files)
        except Faults as faults:
            for fault in faults.faults:
                self.fault(SLICE, fault.what, why=fault.why, mend=fault.mend)
        except NotCanonical as error:
            self.fault(SLICE, error.what, why=error.why)
        return None

    def cases(self) -> Iterator[Case]:
        data = self.files[CASES]
        if not data.endswith(b"\n"):
            self.fault(CASES, "the file is empty, or its last line is cut off")
        seen: dict[str, int] = {}
        for number, line in enumerate(data.removesuffix(b"\n").split(b"\n") if data else (), 1):
            try:
                case = Case.parse(line)
            except NotCanonical as error:
                self.fault(f"{CASES} line {number}", error.what, why=error.why)
                continue
            if (first := seen.setdefault(case.id, number)) != number:
                self.fault(f"{CASES} line {number}", f"the case {case.id} stands twice", why=f"first in line {first}")
            yield case

    def check_tools(self, one: Slice) -> None:
        """The tool loop needs turns, tools and recordings, or none of them."""
        has = (one.max_steps > 1, bool(one.tools), one.fixtures is not None)
        if any(has) and not all(has):
            self.fault(SLICE, "max_steps above 1, tools and fixtures go together")
        if one.fixtures is None:
            return
        if one.fixtures not in self.files:
            self.fault(SLICE, f"there is no file {one.fixtures!r}", mend=did_you_mean(one.fixtures, self.files))
            return
        try:
            fixture = fixture_of(self.files[one.fixtures])
        except NotCanonical as error:
            self.fault(one.fixtures, error.what, why=error.why)
            return
        if one.tools and one.tools != (fixture.tool,):
            self.fault(SLICE, f"the tools are {', '.join(one.tools)}, the fixture is of {fixture.tool}")

    def check_case(self, one: Slice, case: Case) -> None:
        """A case tells each verifier of its slice what that needs."""
        for call in one.verifiers:
            for need in _owed(call):
                if why := fault_of(need, case.expect.get(need.key), self.files):
                    self.fault(CASES, f"the case {case.id} owes {call.name} its expect.{need.key}", why=why)


def _owed(call: VerifierCall) -> Iterator[Need]:
    """What each case owes a verifier: all but what is optional, or what the slice says in its place."""
    verifier = VERIFIERS[call.name]
    either = {need.key for need in verifier.arguments} - set(call.arguments)
    for need in verifier.expects:
        if not need.is_optional or need.key in either:
            yield need
