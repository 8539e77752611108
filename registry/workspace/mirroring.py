"""Showing in other registries what the ledger says: after a decision, and whenever somebody asks."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from registry.errors import RegistryError, UsageError
from registry.workspace.place import Place
from registry.workspace.settings import Mirrors

if TYPE_CHECKING:
    from registry.core.ledger.picture import Picture
    from registry.ports import Mirror
    from registry.verbs.mirror import Reflection

Decided = TypeVar("Decided")


class NoMirrors(UsageError):
    """The settings name no mirror."""


class Mirroring(Place):
    """What keeps mirrors true."""

    def check_mirrors(self) -> "tuple[Reflection, ...]":
        """Where each mirror differs from the ledger; nothing is changed."""
        from registry.verbs.mirror import check

        return check(*self._before_mirrors())

    def repair_mirrors(self) -> "tuple[Reflection, ...]":
        """Make each mirror show what the ledger says, and tell what it had otherwise."""
        from registry.verbs.mirror import repair

        return repair(*self._before_mirrors())

    def reflected(self, decided: Decided) -> Decided:
        """Give `decided` back once the mirrors show it; one that cannot be reached is told, and changes nothing."""
        if self.settings.mirrors is not None:
            try:
                self.repair_mirrors()
            except RegistryError as error:
                # why no failure: the ledger has decided, and a mirror is never the truth.
                self.tell(f"warning: a mirror does not show this yet: {error}")
        return decided

    def _before_mirrors(self) -> "tuple[Picture, Mapping[str, Mirror]]":
        from registry.verbs.mirror import draw

        if self.settings.mirrors is None:
            mend = 'add `[mirrors]` with `name = "…"`, and `git = true` or `mlflow = "http://…"`, to registry.toml'
            raise NoMirrors("there is no mirror to look at", mend=mend)
        state = self.state
        picture = draw(self.settings.mirrors.name, state=state, store=self.store)
        return picture, _open(self.settings.mirrors, self.root, tuple(state.stages))


def _open(settings: Mirrors, root: Path, stages: tuple[str, ...]) -> "dict[str, Mirror]":
    from registry.adapters.mirrors.mlflow import MlflowRegistry
    from registry.adapters.mirrors.tags import GitTags

    found: dict[str, Mirror] = {}
    if settings.git:
        found["git"] = GitTags(root)
    if settings.mlflow:
        found["mlflow"] = MlflowRegistry(settings.mlflow, stages)
    return found
