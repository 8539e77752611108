"""mirror: hold what other registries show against the ledger, and put right where they differ."""

from collections.abc import Mapping
from dataclasses import dataclass

from registry.core.ledger.picture import Picture, picture_of, served
from registry.core.ledger.views import State
from registry.core.manifest import Manifest
from registry.ports import Mirror, Store


@dataclass(frozen=True, slots=True)
class Reflection:
    """What became of one mirror: where it differs from the ledger, or what was put right; nothing if all is well."""

    mirror: str
    differences: tuple[str, ...]
    is_mended: bool


def draw(name: str, *, state: State, store: Store) -> Picture:
    """The picture that every mirror should show.

    Raises:
        Missing: A manifest that a stage served is not in the store.
    """
    manifests = {digest: Manifest.parse(store.get(digest)) for digest in served(state)}
    return picture_of(state, manifests, name)


def check(picture: Picture, mirrors: Mapping[str, Mirror]) -> tuple[Reflection, ...]:
    """Where the mirrors differ from the ledger; nothing is changed."""
    return tuple(Reflection(name, tuple(one.differences(picture)), is_mended=False) for name, one in mirrors.items())


def repair(picture: Picture, mirrors: Mapping[str, Mirror]) -> tuple[Reflection, ...]:
    """Make the mirrors show what the ledger says; what they had otherwise is told.

    Raises:
        RegistryError: A mirror cannot be reached or will not change; those before it are mended.
    """
    return tuple(Reflection(name, tuple(one.mend(picture)), is_mended=True) for name, one in mirrors.items())
