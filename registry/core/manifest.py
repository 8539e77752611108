"""The manifest: a config with every reference resolved. Its digest is the model's identity."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from registry.core.canonical import canonical
from registry.core.digest import Digest, Sha256, digest_of
from registry.core.pin import Name, Pin
from registry.core.record import Record

Decimal = Annotated[str, Field(pattern=r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$")]
"""A number written down: decimal digits in a string, so that it has one spelling and no rounding."""

Sampling = dict[str, Decimal]
"""Sampling settings by their usual names: `temperature` (0 is greedy), `top_p` in (0, 1], `top_k`, `max_tokens`."""


class Tools(Record):
    """The tools that the model may call: their versions, and the recorded replies that evaluation uses."""

    versions: dict[Name, str] = {}
    fixtures: Pin | None = None


class Environment(Record):
    """Where training and evaluation ran, as far as it can change a bit of the result."""

    python: str
    platform: str
    device: str
    torch: str | None = None
    cuda: str | None = None
    driver: str | None = None
    packages: Sha256


class Manifest(Record):
    """What `registry pin` makes of a config: the same keys with full digests, and all sources.

    `routes` sends a slice or a model name to an adapter; `default` catches the rest, and `base` means no adapter.
    """

    form: Literal["registry.manifest/1"] = "registry.manifest/1"
    name: Name
    llm_sha: Pin
    adapters: tuple[Pin, ...] = ()
    input_sha: Pin | None = None
    tokenizer_sha: Pin
    sampling: Sampling = {}
    reward_model_sha: Pin | None = None
    verifiers: tuple[Pin, ...] = ()
    tools: Tools = Tools()
    routes: dict[str, Name] = {}
    datasets: tuple[Pin, ...] = ()
    suite: Sha256 | None = None
    repo_sha: Pin
    dvc_lock: Sha256 | None = None
    environment: Environment

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        names = [pin.name for pin in self.adapters]
        if len(set(names)) != len(names):
            raise ValueError("two adapters have one name")
        for slice_name, adapter in self.routes.items():
            if adapter != "base" and adapter not in names:
                raise ValueError(f"the route of {slice_name} names {adapter}, which is not among the adapters")
        return self

    @property
    def digest(self) -> Digest:
        """The model's identity."""
        return digest_of(self.canonical())

    @property
    def pins(self) -> tuple[Pin, ...]:
        """Every artefact, in the order of the config's keys."""
        single = (self.llm_sha, *self.adapters, self.input_sha, self.tokenizer_sha, self.reward_model_sha)
        rest = (*self.verifiers, self.tools.fixtures, *self.datasets, self.repo_sha)
        return tuple(pin for pin in (*single, *rest) if pin is not None)

    @property
    def subject(self) -> Digest:
        """The digest of what decides the model's behaviour, and of nothing else.

        Evidence is made before the manifest is (an evaluation is a pipeline stage, and the commit that pins it comes
        after), so evidence names this digest: the same parts give the same answers, whoever commits them.
        """
        return subject_of(
            llm=self.llm_sha.digest,
            adapters={pin.name: pin.digest for pin in self.adapters},
            tokenizer=self.tokenizer_sha.digest,
            input=self.input_sha.digest if self.input_sha else None,
            sampling=self.sampling,
            reward_model=self.reward_model_sha.digest if self.reward_model_sha else None,
            fixtures=self.tools.fixtures.digest if self.tools.fixtures else None,
            routes=self.routes,
        )

    def adapter_for(self, slice_name: str) -> str | None:
        """The adapter that answers `slice_name`, or None for the bare base."""
        name = self.routes.get(slice_name, self.routes.get("default", "base"))
        return None if name == "base" else name


def subject_of(
    *,
    llm: Digest,
    adapters: dict[str, Digest],
    tokenizer: Digest,
    input: Digest | None,
    sampling: Sampling,
    reward_model: Digest | None,
    fixtures: Digest | None,
    routes: dict[str, str],
) -> Digest:
    """The digest of a model's behaviour-deciding parts, before or after they are pinned."""
    parts = {
        "form": "registry.subject/1",
        "llm": llm,
        "adapters": adapters,
        "tokenizer": tokenizer,
        "input": input,
        "sampling": sampling,
        "reward_model": reward_model,
        "fixtures": fixtures,
        "routes": routes,
    }
    return digest_of(canonical(parts))
