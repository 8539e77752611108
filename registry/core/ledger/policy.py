"""The policy: which keys may do what, on which stages. Entry 0 is one; a later entry may replace it."""

import base64
from collections.abc import Collection, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from registry.core.digest import Digest, Sha256, digest_of
from registry.core.ledger.envelope import BadEnvelope, KeyId, key_id_of
from registry.core.ledger.text import Actor, Line
from registry.core.record import Record

Stage = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
"""A stage's name: lowercase letters, digits and hyphens."""

HeadKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$")]
"""A public Ed25519 key: 32 bytes in base64, in its one spelling."""

ROOT = "root"
"""The role that changes the policy."""

RollbackTargets = Literal["previously-live", "any-approved"]
"""What a stage may be rolled back to: what it served before, or also what it never served and is approved for it."""

REGISTRAR = "registrar"
"""The role that makes artefacts and models known."""


ANYONE = "anyone"
"""No role: any key of the policy that is not revoked."""


def promoter(stage: str) -> str:
    """The role that decides what `stage` serves: it promotes, refuses, rolls back, holds and resumes."""
    return f"promoter:{stage}"


def approver(stage: str) -> str:
    """The role of which as many as its threshold must have approved what is promoted to `stage`."""
    return f"approver:{stage}"


def waiver(stage: str) -> str:
    """The role that excuses rules which did not pass; where a policy does not have it, the promoter does that."""
    return f"waiver:{stage}"


class Key(Record):
    """A public key, PEM, whose it is, and from which entry on its signatures count for nothing.

    What a key signed before `revoked_from_index` stays good for ever. An index of the past says that the key was in
    other hands since then: what it signed from there on is void.
    """

    pem: str
    owner: Actor | None = None
    revoked_from_index: Annotated[int, Field(ge=1)] | None = None
    why: Line | None = None

    @model_validator(mode="after")
    def _is_a_key(self) -> Self:
        try:
            key_id_of(self.pem)
        except BadEnvelope as error:
            raise ValueError(str(error)) from None
        return self


class Role(Record):
    """Keys, and how many different ones of them must sign; of approvers, each signs an entry of their own."""

    keys: Annotated[tuple[KeyId, ...], Field(min_length=1)]
    threshold: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if list(self.keys) != sorted(set(self.keys)):
            raise ValueError("keys are not sorted, or one stands twice")
        if self.threshold > len(self.keys):
            raise ValueError(f"a threshold of {self.threshold} cannot be met by {len(self.keys)} keys")
        return self

    def met_by(self, key_ids: Collection[str]) -> bool:
        """Whether enough of the role's keys are among `key_ids`."""
        return len(set(self.keys) & set(key_ids)) >= self.threshold


class Head(Record):
    """Who may sign checkpoints, and how old one may be before a host takes the ledger for frozen.

    `keys` are public Ed25519 keys: 32 bytes, base64. Without `max_age_hours` no age is too old.
    """

    keys: Annotated[tuple[HeadKey, ...], Field(min_length=1)]
    max_age_hours: Annotated[int, Field(ge=1, le=100_000)] | None = None

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if list(self.keys) != sorted(set(self.keys)):
            raise ValueError("head keys are not sorted, or one stands twice")
        return self

    @property
    def publics(self) -> tuple[bytes, ...]:
        """The keys, 32 bytes each."""
        return tuple(base64.b64decode(key) for key in self.keys)


class Formats(Record):
    """What of a model's files may run code when it is loaded: nothing, unless it is said here.

    `allow` lets in whole kinds: `pickle` (what unpickling loads, by content or by name) and `python` (`.py` files in
    what a server loads). `exempt` lets in single files by their digests.
    """

    allow: tuple[Literal["pickle", "python"], ...] | None = None
    exempt: tuple[Sha256, ...] | None = None

    def lets_in(self, kind: Literal["pickle", "python"], file: Digest) -> bool:
        """Whether a file of that kind may be part of a model."""
        return kind in (self.allow or ()) or file in (self.exempt or ())


class Policy(Record):
    """Who may do what.

    `stages` are in order, the first the least exposed. `after` maps a stage to one that must have served a manifest
    before this one may. Every stage has its promoter role, and may have approvers and those who waive. A revoked key
    stays listed and has no role. `head` says who signs checkpoints; without it there are none. `rollback_targets` says
    where a stage may be rolled back to; one that is not named there, to what it served.
    """

    form: Literal["registry.policy/1"] = "registry.policy/1"
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]
    after: dict[Stage, Stage]
    keys: dict[KeyId, Key]
    roles: dict[str, Role]
    head: Head | None = None
    formats: Formats | None = None
    rollback_targets: dict[Stage, RollbackTargets] | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if len(set(self.stages)) != len(self.stages):
            raise ValueError("a stage stands twice")
        wanted = {ROOT, REGISTRAR, *(promoter(stage) for stage in self.stages)}
        if missing := wanted - set(self.roles):
            raise ValueError(f"there is no role {min(missing)}")
        known = {*wanted, *(role(stage) for stage in self.stages for role in (approver, waiver))}
        if strange := set(self.roles) - known:
            raise ValueError(f"there can be no role {min(strange)}: known are {', '.join(sorted(known))}")
        self._check_order()
        self._check_targets()
        self._check_keys()
        return self

    def _check_order(self) -> None:
        for stage, earlier in self.after.items():
            if stage not in self.stages or earlier not in self.stages[: self.stages.index(stage)]:
                raise ValueError(f"{stage} cannot come after {earlier}: they are not stages in that order")

    def _check_targets(self) -> None:
        for stage in self.rollback_targets or ():
            if stage not in self.stages:
                raise ValueError(f"rollback_targets names {stage}, which is no stage")
            if self.takes_any_approved(stage) and approver(stage) not in self.roles:
                raise ValueError(f"{stage} goes back to any approved manifest, and no role {approver(stage)} approves")

    def _check_keys(self) -> None:
        for key_id, key in self.keys.items():
            if key_id_of(key.pem) != key_id:
                raise ValueError(f"the key called {key_id[:12]} is another key")
        for name, role in self.roles.items():
            if strangers := set(role.keys) - set(self.keys):
                raise ValueError(f"the role {name} names the unknown key {min(strangers)[:12]}")
            if revoked := set(role.keys) & set(self.revocations):
                raise ValueError(f"the role {name} names the revoked key {min(revoked)[:12]}")

    @property
    def digest(self) -> Digest:
        """The policy's identity."""
        return digest_of(self.canonical())

    @property
    def pems(self) -> dict[str, str]:
        """Key id to public key, PEM."""
        return {key_id: key.pem for key_id, key in self.keys.items()}

    @property
    def revocations(self) -> dict[str, int]:
        """Each revoked key's id, and the index from which on its signatures count for nothing."""
        found = {key_id: key.revoked_from_index for key_id, key in self.keys.items()}
        return {key_id: index for key_id, index in found.items() if index is not None}

    def takes_any_approved(self, stage: str) -> bool:
        """Whether `stage` may be rolled back to what it never served, if that is approved for it."""
        return (self.rollback_targets or {}).get(stage) == "any-approved"

    def may(self, role: str, key_ids: Collection[str]) -> bool:
        """Whether `key_ids`, having signed one entry, may act as `role`; False for a role that does not exist."""
        if role == ANYONE:
            keys = (self.keys.get(key_id) for key_id in key_ids)
            return any(key is not None and key.revoked_from_index is None for key in keys)
        found = self.role(role)
        if found is not None and role.startswith(approver("")):
            return bool(set(found.keys) & set(key_ids))
        return found is not None and found.met_by(key_ids)

    def role(self, name: str) -> Role | None:
        """The role, or the one that stands in for it."""
        kind, _, stage = name.partition(":")
        return self.roles.get(name) or (self.roles.get(promoter(stage)) if f"{kind}:" == waiver("") else None)


def one_key_policy(
    pem: str, *, stages: Sequence[str] = ("dev", "staging", "production"), head: bytes | None = None
) -> Policy:
    """The policy of a team of one: a single key may do everything, and the last stage follows the one before it.

    Args:
        pem: The key.
        stages: In order, the least exposed first.
        head: The public Ed25519 key that signs checkpoints, 32 bytes; None signs none.
    """
    key_id = key_id_of(pem)
    alone = Role(keys=(key_id,), threshold=1)
    roles = {ROOT: alone, REGISTRAR: alone, **{promoter(stage): alone for stage in stages}}
    after = {stages[-1]: stages[-2]} if len(stages) > 1 else {}
    signs = Head(keys=(base64.b64encode(head).decode(),)) if head is not None else None
    return Policy(stages=tuple(stages), after=after, keys={key_id: Key(pem=pem)}, roles=roles, head=signs)
