"""The picture: what the ledger says, as registries of another kind can show it: versions, and who moved which stage.

A picture is computed from the ledger alone, so a mirror that shows it can be checked and mended at any time. It has one
name for all that the project's stages serve; each manifest that any stage ever served is a version, counted by when it
first was.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from registry.core.digest import Digest
from registry.core.ledger.past import Generation
from registry.core.ledger.views import State
from registry.core.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Version:
    """A manifest that some stage served. `number` counts from 1; `moment` is when it first was; `lock` is its bytes."""

    number: int
    manifest: Digest
    model: str
    commit: str
    moment: datetime
    lock: bytes


@dataclass(frozen=True, slots=True)
class Move:
    """A stage began to serve a version. `number` counts the moves of all stages from 1.

    `moment` is the claimed time, put later where need be: no two are the same, and they are in the ledger's order.
    """

    number: int
    version: Version
    generation: Generation
    moment: datetime


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that a mirror shows. `serving` has the stages that serve something."""

    name: str
    versions: tuple[Version, ...]
    moves: tuple[Move, ...]
    serving: Mapping[str, Move]


def picture_of(state: State, manifests: Mapping[Digest, Manifest], name: str) -> Picture:
    """Draw the picture.

    Args:
        state: What the ledger says.
        manifests: Every manifest that a stage serves or served, by digest.
        name: What other registries call what this project releases.
    """
    versions: dict[Digest, Version] = {}
    moves: list[Move] = []
    for generation, moment in _in_order(state):
        digest = generation.manifest
        if digest not in versions:
            manifest = manifests[digest]
            commit = manifest.repo_sha.source.revision or ""
            versions[digest] = Version(len(versions) + 1, digest, manifest.name, commit, moment, manifest.canonical())
        moves.append(Move(len(moves) + 1, versions[digest], generation, moment))
    serving = {move.generation.stage: move for move in moves}
    return Picture(name, tuple(versions.values()), tuple(moves), serving)


def served(state: State) -> tuple[Digest, ...]:
    """Every manifest that a stage serves or served, each once, in the ledger's order."""
    return tuple(dict.fromkeys(generation.manifest for generation, _ in _in_order(state)))


def _in_order(state: State) -> Iterator[tuple[Generation, datetime]]:
    """All generations of all stages in the ledger's order, with moments that are two seconds apart at least."""
    last = datetime.min.replace(tzinfo=UTC)
    for generation in sorted((one for found in state.stages.values() for one in found), key=lambda one: one.index):
        claimed = datetime.strptime(generation.since, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        # why two: a version and the move to it are two marks, and some mirrors order marks by their second.
        last = max(claimed, last + timedelta(seconds=2)) if last.year > 1 else claimed
        yield generation, last
