"""Wear: what the ledger says of how often the slices of a suite were used to judge candidates for a stage."""

from collections.abc import Mapping
from functools import cache, partial

from registry.core.digest import Digest
from registry.core.gate.judging.conclude import Side
from registry.core.gate.judging.wear import Use, wear_of
from registry.core.gate.language.gatefile import Gate
from registry.core.gate.verdict import Attempts
from registry.core.heldout.evidence import Evidence
from registry.core.heldout.suite import CASES, Suite, slice_digests
from registry.core.ledger.entry import Judge
from registry.core.ledger.views import State
from registry.core.store import Missing
from registry.core.tree import Tree
from registry.ports import Store


def wear(side: Side, suite: Suite, *, gate: Gate, state: State, store: Store) -> tuple[Attempts, ...]:
    """How often each slice of `suite` was used for the gate's stage, this use of it included; nothing without evidence.

    What was judged on a suite that is no longer in the store counts where it was the same suite, and not otherwise.
    """
    if side.label is None:
        return ()
    own = Use(side.label.subject, side.label.rows, suite.digest, suite.slice_digests)
    slices = cache(partial(_slices, store=store))
    before = [_use(look, slices(Digest(look.suite)), store) for look in state.judged(gate.stage)]

    @cache
    def shares(name: str, other: Digest) -> bool:
        """Whether the slice of another suite has one of our cases."""
        return bool(_cases(name, other, store) & _cases(name, suite.digest, store))

    return wear_of(own, before, gate, shares=shares)


def _slices(suite: Digest, *, store: Store) -> Mapping[str, Digest]:
    """The digest of each slice of a suite; none where it is not here."""
    try:
        return slice_digests(Tree.parse(store.get(suite)))
    except Missing:
        return {}


def _use(look: Judge, slices: Mapping[str, Digest], store: Store) -> Use:
    suite = Digest(look.suite)
    try:
        label = Evidence.parse(store.get(Digest(look.evidence)))
    except Missing:
        # why: a look counts, though nobody can say any more at which answers; the model's manifest stands for it.
        return Use(Digest(look.manifest), Digest(look.evidence), suite, slices)
    return Use(label.subject, label.rows, suite, slices)


def _cases(name: str, suite: Digest, store: Store) -> frozenset[bytes]:
    """The lines of a slice's cases; none where they are not here."""
    try:
        tree = Tree.parse(store.get(suite))
        found = next((entry.digest for entry in tree.entries if entry.path == f"{name}/{CASES}"), None)
        return frozenset(store.get(found).splitlines()) if found else frozenset()
    except Missing:
        return frozenset()
