"""Judging a model by the rules of a stage, which decides nothing yet."""

from contextlib import closing
from typing import TYPE_CHECKING

from registry.core.digest import digest_of
from registry.errors import Refused
from registry.workspace.place import Place
from registry.workspace.settings import read_file

if TYPE_CHECKING:
    from registry.core.gate.verdict import Verdict
    from registry.verbs.gate import Judgement


class UncommittedRules(Refused):
    """A gate file is not what is committed."""


class Judging(Place):
    """What asks a gate."""

    def gate(self, ref: str, stage: str) -> "Judgement":
        """Judge the model `ref` by the rules of `stage` as they stand in the working tree, and decide nothing."""
        from registry.verbs.gate import gate

        state = self.state
        state.generations(stage)  # why first: a stage that does not exist has no gate file to miss
        rules = read_file(self.root / self.settings.gates / f"{stage}.yaml")
        return gate(state.resolve(ref), stage, store=self.store, state=state, gate_file=rules)

    def agreed_verdict(self, ref: str, stage: str) -> "Verdict":
        """The verdict of committed rules: what only lies in a working tree was agreed on by nobody."""
        judged = self.gate(ref, stage).verdict
        path = f"{self.settings.gates}/{stage}.yaml"
        with closing(self.sources) as sources:
            committed = sources.codebase.committed(path)
        if committed is None or digest_of(committed) != judged.gate_file:
            why = "it is in no commit" if committed is None else "it was changed since the last commit"
            raise UncommittedRules(
                f"the rules in {path} decide nothing yet", why=why, mend="have it reviewed, commit it"
            )
        return judged
