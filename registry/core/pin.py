"""The pin: one artefact of a model, by content, and where it came from."""

from typing import Annotated, Literal

from pydantic import Field

from registry.core.digest import Sha256, short
from registry.core.record import Record

Role = Literal["llm", "adapter", "tokenizer", "input", "reward_model", "verifier", "tool", "fixture", "dataset", "repo"]

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
"""What people call an artefact or a model."""

Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$")]
"""The opaque text behind `@`: a label somebody chose, such as `e91f` or `3.2.1`."""


class Source(Record):
    """Where the bytes were read, exactly enough to find them again.

    `kind` says how to read `location`; `revision` is what the place itself calls these bytes: a git commit (40 hex), a
    Hub commit (40 hex), a DVC md5 or an MLflow version.
    """

    kind: Literal["path", "dvc", "hf", "git", "mlflow", "package"]
    location: str
    revision: str | None = None


class Pin(Record):
    """One artefact: what it is for, what it is called, which bytes it is."""

    role: Role
    name: Name
    label: Label | None = None
    digest: Sha256
    size: Annotated[int, Field(ge=0)]
    source: Source

    @property
    def card(self) -> str:
        """The short form that people write: `name@label`, or `name@` and 12 hex digits."""
        return f"{self.name}@{self.label or short(self.digest)}"
