"""export: say what is known of a model in the form that another tool reads."""

from typing import Literal

from registry.core.attestation.bom import bill_of
from registry.core.attestation.provenance import provenance_of
from registry.core.attestation.result import result_of
from registry.core.digest import Digest, short
from registry.core.gate.verdict import Verdict
from registry.core.ledger.entry import Judge, Promote, Refuse
from registry.core.ledger.views import State
from registry.core.manifest import Manifest
from registry.core.tree import Tree
from registry.errors import UsageError
from registry.ports import Signer, Store
from registry.verbs.sign import attest

Kind = Literal["bom", "provenance", "test-result"]


class NeverJudged(UsageError):
    """There is no verdict on a model to be exported."""


def export(
    model: Digest, kind: Kind, *, state: State, store: Store, signer: Signer | None = None, stage: str | None = None
) -> bytes:
    """Say what is known of `model`.

    Args:
        model: Digest of a manifest in the store.
        kind: `bom` is a CycloneDX 1.6 document; `provenance` (SLSA 1.0) and `test-result` (in-toto) are statements.
        state: What the ledger says.
        store: Where manifest, trees and verdicts are.
        signer: Puts a statement into a DSSE envelope; without one the bare statement is returned. A `bom` has none.
        stage: Whose gate a `test-result` is of; the newest verdict of any stage if it is None.

    Raises:
        NeverJudged: No gate has judged the model.
        UnknownReference: There is no such stage.
        Missing: A blob is not in the store.
    """
    manifest = Manifest.parse(store.get(model))
    if kind == "bom":
        trees = {pin.digest: Tree.parse(store.get(pin.digest)) for pin in manifest.pins if pin.role != "repo"}
        return bill_of(manifest, trees, facts=_stages(model, state))
    statement = provenance_of(manifest) if kind == "provenance" else _result(model, stage, state=state, store=store)
    return attest(statement, signer=signer) if signer else statement


def _stages(model: Digest, state: State) -> dict[str, str]:
    """The stages that serve the model, with the generation."""
    serving = ((stage, state.serving(stage)) for stage in state.policy.stages)
    return {f"stage.{name}": f"generation {one.number}" for name, one in serving if one and one.manifest == model}


def _result(model: Digest, stage: str | None, *, state: State, store: Store) -> bytes:
    if stage is not None:
        state.generations(stage)
    for link in reversed(state.entries):
        entry = link.entry
        if isinstance(entry, Judge | Promote | Refuse) and entry.manifest == model and stage in (None, entry.stage):
            return result_of(Verdict.parse(store.get(entry.verdict)), entry.verdict)
    where = f" for {stage}" if stage else ""
    mend = "run `registry gate` first; with a key at hand it is recorded"
    raise NeverJudged(f"no gate has judged {short(model)}{where}", mend=mend)
