"""Handing a model on: to a directory, to a host, to other tools."""

from pathlib import Path
from typing import TYPE_CHECKING

from registry.workspace.place import Place

if TYPE_CHECKING:
    from registry.verbs.bundle import Bundled
    from registry.verbs.pull import Pulled


class Delivering(Place):
    """What takes a model out."""

    def bundle(self, ref: str, directory: str | Path) -> "Bundled":
        """Lay the model `ref` out in the new directory `directory`, as a server loads it."""
        from registry.adapters.hosts.folder import Folder
        from registry.core.manifest import Manifest
        from registry.verbs.bundle import bundle

        state = self.state
        manifest, formats = Manifest.parse(self.store.get(state.resolve(ref))), state.policy.formats
        return bundle(manifest, store=self.store, destination=Folder(Path(directory)), formats=formats)

    def pull(self, stage: str, directory: str | Path) -> "Pulled":
        """Make `directory/current` what `stage` serves."""
        from registry.adapters.clocks import SystemClock
        from registry.adapters.hosts.directory import HostDirectory
        from registry.verbs.checkpoint import read_signed
        from registry.verbs.pull import pull

        return pull(
            stage,
            read=lambda: read_signed(self.ledger, self.settings.genesis),
            store=self.store,
            host=HostDirectory(Path(directory)),
            clock=SystemClock(),
            entries=self.ledger.read,
        )
