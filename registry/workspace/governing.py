"""Governing: the policy that says who may do what, and a look over everything."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from registry.errors import RegistryError
from registry.workspace.place import Place
from registry.workspace.settings import SETTINGS, read_file

if TYPE_CHECKING:
    from registry.verbs.append import Decided
    from registry.verbs.doctor import Finding
    from registry.verbs.policy import Proposal


class Governing(Place):
    """What changes the rules of the house, and what looks whether it is in order."""

    def policy_text(self) -> str:
        """The policy in force, as YAML that can be edited and proposed."""
        from registry.core.ledger.policyfile import policy_text

        return policy_text(self.state.policy)

    def propose_policy(self, file: Path, out: Path) -> "Proposal":
        """Sign the change to the policy that `file` spells, and write it to `out` for other root keys to sign."""
        from registry.core.ledger.policyfile import read_policy
        from registry.verbs.policy import propose

        state = self.state
        policy = read_policy(
            read_file(file),
            file.name,
            current=state.policy,
            pem_at=lambda path: read_file(file.parent / path).decode("ascii", "replace"),
            next_index=state.next_index,
        )
        return _written(propose(policy, state=state, signer=self.signer), out)

    def sign_policy(self, change: Path) -> "Proposal":
        """Add your signature to a change that somebody proposed."""
        from registry.verbs.policy import sign

        return _written(sign(read_file(change), state=self.state, signer=self.signer), change)

    def look_at_policy(self, change: Path) -> "Proposal":
        """What a change would change, and who has signed it."""
        from registry.verbs.policy import look_at

        return look_at(read_file(change), state=self.state)

    def apply_policy(self, change: Path, *, reason: str | None = None) -> "Decided":
        """Write a change into the ledger that enough root keys have signed."""
        from registry.verbs.policy import apply

        return apply(read_file(change), reason=reason, **self.doors)

    def doctor(self) -> "tuple[Finding, ...]":
        """What is weak, what will soon be, and what somebody forgot."""
        from registry.adapters.clocks import SystemClock
        from registry.verbs.doctor import doctor

        return doctor(self.state, clock=SystemClock(), found=tuple(self._found()))

    def _found(self) -> "Iterator[Finding]":
        from registry.verbs.doctor import Finding

        try:
            role = {name for name, role in self.state.policy.roles.items() if self.signer.key_id in role.keys}
            if not role:
                yield Finding("note", f"your key {self.signer.key_id[:12]} has no role in the policy in force")
        except RegistryError as error:
            yield Finding("warning", f"you cannot sign: {error.what}", error.mend)
        if not self.settings.remotes and isinstance(self.where, Path):
            what = "there is one copy of everything: if this disk is lost, so is the registry"
            yield Finding("warning", what, "name a remote in registry.toml, and `registry push` to it")
        try:
            yield from self._uncommitted()
        except RegistryError as error:
            yield Finding("warning", f"nobody can tell what is committed: {error.what}", error.mend)

    def _uncommitted(self) -> "Iterator[Finding]":
        """Files that decide, and that are not as everybody else has them."""
        from registry.verbs.doctor import Finding

        gates = [f"{self.settings.gates}/{stage}.yaml" for stage in self.state.policy.stages]
        with closing(self.sources) as sources:
            for path in (SETTINGS, *gates):
                there = (self.root / path).is_file()
                committed = sources.codebase.committed(path)
                if not there and committed is None:
                    yield Finding("note", f"there is no {path}: nothing can be judged for that stage")
                elif not there or committed != (self.root / path).read_bytes():
                    yield Finding("warning", f"{path} is not what is committed", "commit it, or take it back")


def _written(proposal: "Proposal", out: Path) -> "Proposal":
    from registry.adapters import durable

    durable.replace(out, proposal.data)
    return proposal
