"""The suite: named, frozen slices of cases, each with its verifiers and its pass/fail rule."""

from typing import Annotated, Literal

from pydantic import Field

from registry.core.digest import Digest
from registry.core.heldout.case import Case as Case
from registry.core.heldout.case import Value
from registry.core.pin import Name
from registry.core.record import Record
from registry.core.tree import Tree


class VerifierCall(Record):
    """One verifier as a slice uses it; its arguments are data, never code."""

    name: Name
    arguments: dict[str, Value] = {}


class Slice(Record):
    """One `slice.yaml`. A row succeeds when every verifier of its slice passes."""

    form: Literal["registry.slice/1"]
    name: Name
    behaviour: str
    samples: Annotated[int, Field(ge=1)] = 1
    max_new_tokens: Annotated[int, Field(ge=1)]
    max_steps: Annotated[int, Field(ge=1)] = 1
    tools: tuple[Name, ...] = ()
    fixtures: str | None = None
    verifiers: tuple[VerifierCall, ...]


class Suite(Record):
    """All slices with their cases, and the tree of the files that they were read from.

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
