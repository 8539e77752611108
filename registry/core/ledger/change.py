"""The change of a policy: what root keys sign on machines of their own, before anybody writes it into the ledger.

An entry says where in the ledger it stands, so nobody can sign one that is to be written later. A change says which
policy it replaces, and is good for as long as that one is in force.
"""

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from registry.core.digest import Digest, Sha256, hex_of
from registry.core.ledger.entry import Subject
from registry.core.ledger.envelope import Signature, check_signatures, open_unverified
from registry.core.ledger.policy import Policy
from registry.core.record import Record


class Change(Record):
    """In the ledger that `genesis` names, `policy` is to come in the place of the one whose digest is `replaces`."""

    genesis: Sha256
    replaces: Sha256
    policy: Policy


class ChangeStatement(Record):
    """An in-toto statement, version 1, that carries a change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, serialize_by_alias=True)

    type: Literal["https://in-toto.io/Statement/v1"] = Field(default="https://in-toto.io/Statement/v1", alias="_type")
    subject: tuple[Subject, ...]
    predicateType: Literal["urn:lockstep:policy-change:1"] = "urn:lockstep:policy-change:1"  # noqa: N815 - in-toto's
    predicate: Change

    @model_validator(mode="after")
    def _is_about_its_policy(self) -> Self:
        if self.subject != _subjects(self.predicate):
            raise ValueError("the subject is not the policy")
        return self


def change_statement(change: Change) -> bytes:
    """The canonical bytes that are signed."""
    return ChangeStatement(subject=_subjects(change), predicate=change).canonical()


def signed_by(change: Change, signatures: Sequence[Signature], *, before: Policy) -> frozenset[str]:
    """The keys that signed `change`, of the policy `before` it and of its own.

    Raises:
        BadEnvelope: A signature is not spelled as one, or they are not sorted by key.
        BadSignature: One of them holds for no key of either policy.
        MisnamedKey: One says that another key made it.
    """
    pems = {**before.pems, **change.policy.pems}
    return check_signatures(change_statement(change), signatures, pems, threshold=len(signatures)).key_ids


def change_in(data: bytes) -> tuple[Change, tuple[Signature, ...]]:
    """Read a change and its signatures, none of which is believed yet.

    Raises:
        BadEnvelope, NotCanonical, MalformedRecord: The bytes are not a change in its one spelling.
    """
    envelope = open_unverified(data)
    return ChangeStatement.parse(envelope.content).predicate, envelope.signatures


def _subjects(change: Change) -> tuple[Subject, ...]:
    digest: Digest = change.policy.digest
    return (Subject(digest={"sha256": hex_of(digest)}),)
