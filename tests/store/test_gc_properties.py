"""Whatever was registered, promoted, gone back from, held and revoked: gc keeps exactly what another count says."""

import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.adapters.stores.memory import MemoryStore
from registry.core.digest import Digest, digest_of
from registry.core.ledger.entry import Hold, Revoke, Rollback
from registry.core.ledger.retreat import NothingBefore, retreat
from registry.core.manifest import Manifest
from registry.testing.models import Parts, adapter_files, base_files
from tests.ledger.desk import Desk
from tests.store.conftest import MEMORY
from tests.store.estate import SMALL, Estate

NAMES = ("assistant", "helper")
KINDS = [*["promote"] * 9, *["rollback"] * 7, "register", "hold", "revoke", "revoke"]
ADAPTERS = 7
STEP = st.tuples(
    st.sampled_from(KINDS),
    st.integers(0, 1),
    st.integers(0, ADAPTERS - 1),
    st.sampled_from(["assistant", *NAMES]),
    st.sampled_from(["dev", "dev", "dev", "staging"]),
)


@cache
def closure(base: int, adapter: int, name: str) -> tuple[Manifest, frozenset[Digest]]:
    """A model and everything that it needs, counted by putting it into an empty store."""
    store = MemoryStore()
    parts = Parts(base=base_files(salt=f"{base}"), tokenizer=SMALL, name=name)
    manifest = parts.with_adapter("math", adapter_files(salt=f"{adapter}")).keep(store)
    return manifest, frozenset(store.digests()) - {digest_of(b"0" * 40)}


def play(estate: Estate, steps: Sequence[tuple[str, int, int, str, str]]) -> None:
    """Do what the ledger would allow of `steps`; the rest is left out."""
    for what, base, adapter, name, stage in steps:
        manifest, _ = closure(base, adapter, name)
        if what == "register" or manifest.digest not in {one.digest for one in estate.models}:
            estate.register(estate.make(f"{base}", f"{adapter}", name=name))
        decide(estate, what, manifest, stage)


def decide(estate: Estate, what: str, manifest: Manifest, stage: str) -> None:
    """Write one decision down, if it is allowed now."""
    state = estate.desk.state
    serving = state.serving(stage)
    may_enter = not state.held(stage) and manifest.digest not in state.revoked
    match what:
        case "revoke" if manifest.digest not in state.revoked:
            estate.desk.write(Revoke(**estate.desk.common(), manifest=manifest.digest, reason="bad"))
        case "hold" if not state.held(stage):
            fields = {key: value for key, value in estate.desk.on(stage, 0).items() if key != "manifest"}
            estate.desk.write(Hold(**fields, reason="wait"))
        case "promote" if may_enter and (serving is None or serving.manifest != manifest.digest):
            estate.promote(manifest, stage)
        case "rollback" if serving:
            with suppress(NothingBefore):
                target = retreat(state, stage, "previous").target
                assert target
                estate.rollback(target.number, stage)


def expected(estate: Estate, keep: int) -> set[Digest]:
    """What must stay, by doing the rollbacks instead of foreseeing them, and by whole models instead of walks."""
    state, wanted = estate.desk.state, set[Digest]()
    for stage in state.stages:
        served = [one.manifest for one in state.generations(stage)]
        wanted |= set(served if state.held(stage) else served[-keep:])
        wanted |= _by_rolling_back(estate.desk, stage, keep - 1)
    wanted |= {manifests[-1] for manifests in state.models.values() if manifests[-1] not in state.revoked}
    closures = {manifest.digest: found for manifest, found in _closures()}
    kept = {digest for manifest in wanted for digest in closures[manifest]}
    for manifest in estate.models:
        kept |= {manifest.digest, manifest.repo_sha.digest}
    return kept | _newest_artefacts(estate) | _explanations(estate)


def _by_rolling_back(desk: Desk, stage: str, times: int) -> set[Digest]:
    """What as many rollbacks bring back, each written into a copy of the ledger."""
    copy, found = Desk.__new__(Desk), set[Digest]()
    copy.policy, copy.signers, copy.tips = desk.policy, desk.signers, dict(desk.tips)
    copy.ledger = type(desk.ledger)(list(desk.entries))  # type: ignore[call-arg] # the ledger in memory
    for _ in range(times):
        state = copy.state
        try:
            way = retreat(state, stage, "previous")
        except NothingBefore:
            break
        assert way.target
        found.add(way.manifest)
        fields = {**copy.on(stage, 0), "manifest": way.manifest, "replaces": way.before.manifest}
        number = len(state.generations(stage)) + 1
        copy.write(Rollback(**fields, generation=number, target=way.target.number, reason="back"))
    return found


def _newest_artefacts(estate: Estate) -> set[Digest]:
    """The lists of files and the files of the newest artefact of each role and name."""
    from registry.core.tree import Tree

    store, found = estate.store, set[Digest]()
    for pin in {(pin.role, pin.name): pin for pin in estate.desk.state.pins}.values():
        found.add(pin.digest)
        if pin.role != "repo":
            found |= {entry.digest for entry in Tree.parse(store.get(pin.digest)).entries}
    return found


def _explanations(estate: Estate) -> set[Digest]:
    stages = estate.desk.state.stages.values()
    verdicts = {one.verdict for served in stages for one in served if one.verdict}
    return verdicts | ({digest_of(b"gate file"), digest_of(b"gate")} if verdicts else set())


def _closures() -> list[tuple[Manifest, frozenset[Digest]]]:
    return [closure(base, adapter, name) for base in range(2) for adapter in range(ADAPTERS) for name in NAMES]


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEP, min_size=5, max_size=20), st.integers(2, 4), st.integers(0, 3))
def test_gc_keeps_exactly_what_is_reached(steps: list[tuple[str, int, int, str, str]], keep: int, orphans: int) -> None:
    """After both graces, the store holds that and nothing else, and is clean."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as place:
        estate = Estate(Path(place) / "store")
        play(estate, steps)
        for number in range(orphans):
            estate.store.put(b"orphan %d" % number)
        estate.days = 100
        wanted = expected(estate, keep)
        estate.gc(keep=keep)
        assert wanted == estate.blobs()
        estate.days = 200
        estate.gc(keep=keep)

        assert wanted == estate.blobs()
        assert not estate.store.attic.trashed()
        report = estate.verify()
        assert report.is_clean, report.faults
