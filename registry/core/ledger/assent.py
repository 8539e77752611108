"""Assent: who approved that a stage serves a manifest, and whether that is enough."""

from collections.abc import Mapping
from dataclasses import dataclass

from registry.core.ledger.entry import Link
from registry.core.ledger.policy import Role


@dataclass(frozen=True, slots=True)
class Assent:
    """The approvals of one manifest for one stage, by key; only those of keys that are approvers now.

    `role` are the approvers, None where the stage wants no approvals. `makers` are the keys that registered the
    manifest.
    """

    role: Role | None
    approvals: Mapping[str, Link]
    makers: frozenset[str]

    def lacking(self, promoters: frozenset[str]) -> str:
        """Why this does not let `promoters` promote; empty where it does.

        It takes as many approvers as the role's threshold, and one of them has neither made the model known nor signs
        its promotion: nobody decides alone.
        """
        if self.role is None:
            return ""
        if (missing := self.role.threshold - len(self.approvals)) > 0:
            return f"{len(self.approvals)} of {self.role.threshold} approvals are there, {missing} more must come"
        if not set(self.approvals) - self.makers - promoters:
            return "only who registered or promotes it has approved it, and nobody decides alone"
        return ""


def assent_of(role: Role | None, approvals: Mapping[str, Link], makers: frozenset[str]) -> Assent:
    """What counts of `approvals`, now that `role` are the approvers: a key that lost the role has no say."""
    may = role.keys if role else ()
    return Assent(role, {key_id: link for key_id, link in approvals.items() if key_id in may}, makers)
