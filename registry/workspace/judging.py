"""Judging a model by the rules of a stage, which decides nothing yet."""

from contextlib import closing
from typing import TYPE_CHECKING

from registry.core.digest import digest_of, parse_digest
from registry.errors import Refused, RegistryError
from registry.workspace.keys import open_key, who
from registry.workspace.place import Place
from registry.workspace.settings import GATES, SETTINGS, SUITE, read_file, read_gate, read_settings

if TYPE_CHECKING:
    from fractions import Fraction
    from pathlib import Path

    from registry.core.gate.forecast import Truth
    from registry.core.gate.judging.triggers import Caps
    from registry.core.gate.verdict import Verdict
    from registry.verbs.gate import Judgement
    from registry.verbs.plan import Planned
    from registry.verbs.selftest import Tested
    from registry.verbs.watch import Watched


class UncommittedRules(Refused):
    """A gate file is not what is committed."""


class Judging(Place):
    """What asks a gate."""

    def gate(self, ref: str, stage: str) -> "Judgement":
        """Judge the model `ref` by the rules of `stage` as they stand in the working tree, and decide nothing."""
        from registry.verbs.gate import gate

        state = self.state
        state.generations(stage)  # why first: a stage that does not exist has no gate file to miss
        rules = read_gate(self.root, self.settings.gates, stage)
        return gate(state.resolve(ref), stage, store=self.store, state=state, gate_file=rules)

    def remember(self, judged: "Judgement") -> str:
        """Write down that somebody looked, with the key that is at hand without asking for a passphrase.

        Returns:
            Why that could not be; nothing where it is written, was before, or nothing was looked at.
        """
        from registry.adapters.clocks import SystemClock
        from registry.adapters.keys import find_key
        from registry.verbs.look import look

        try:
            signer = open_key(find_key(self.environment), None)
            look(
                judged.verdict,
                judged.digest,
                ledger=self.ledger,
                genesis=self.settings.genesis,
                signer=signer,
                clock=SystemClock(),
                actor=who(self.environment),
            )
        except RegistryError as error:
            return f"{error.what}: {error.why}" if error.why else error.what
        return ""

    def replay(self, digest: str) -> "Judgement":
        """Judge again from the store alone what the verdict `digest` says, and compare byte for byte."""
        from registry.verbs.replay import replay

        return replay(parse_digest(digest), store=self.store)

    def selftest(self, stage: str, draws: int) -> "Tested":
        """Draw what `stage` serves twice from its own answers, and see whether its gate tells the two apart."""
        from registry.verbs.selftest import selftest

        state = self.state
        state.generations(stage)
        rules = read_gate(self.root, self.settings.gates, stage)
        return selftest(stage, store=self.store, state=state, gate_file=rules, draws=draws)

    def watch(self, stage: str, canary: "Path", *, risk: "Fraction", caps: "Caps | None" = None) -> "Watched":
        """Say which rules of `stage` the canary in a file is proven to break so far; it is written down nowhere."""
        from registry.verbs.watch import watch

        state = self.state
        state.generations(stage)
        rules = read_gate(self.root, self.settings.gates, stage)
        return watch(stage, canary=read_file(canary), gate_file=rules, state=state, risk=risk, caps=caps)

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


def plan_at(root: "Path", stage: str, truth: "Truth") -> "Planned":
    """What the suite in a working tree could decide by the rules of `stage`: no ledger, key or evidence is needed.

    A tree without `registry.toml` has suite and gates where they usually are.
    """
    from registry.adapters.sources.path import find_path
    from registry.verbs.plan import plan

    settings = read_settings(root / SETTINGS) if (root / SETTINGS).is_file() else None
    gates, suite = (settings.gates, settings.suite) if settings else (GATES, SUITE)
    rules = read_gate(root, gates, stage)
    files = {file.path: (root / suite / file.path).read_bytes() for file in find_path(root, suite).files}
    return plan(stage, gate_file=rules, suite=files, truth=truth)
