"""Handing a model on: to a directory, to a host, to other tools."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from registry.workspace.place import Place
from registry.workspace.settings import inside, read_file

if TYPE_CHECKING:
    from registry.ports import Signer
    from registry.verbs.bundle import Bundled
    from registry.verbs.export import Kind
    from registry.verbs.pull import Pulled
    from registry.verbs.sign import Checked, ModelSignature


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
        from registry.verbs.pull import pull
        from registry.verbs.reading import read_signed

        return pull(
            stage,
            read=lambda: read_signed(self.ledger, self.settings.genesis),
            store=self.store,
            host=HostDirectory(Path(directory)),
            clock=SystemClock(),
            entries=self.ledger.read,
        )

    def sign(self, ref: str) -> "ModelSignature":
        """Sign the files of the bundle that `ref` makes, as an OpenSSF model signature."""
        from registry.core.manifest import Manifest
        from registry.verbs.bundle import plan_of
        from registry.verbs.sign import sign

        manifest = Manifest.parse(self.store.get(self.state.resolve(ref)))
        plan, _ = plan_of(manifest, store=self.store)
        return sign(manifest.name, plan.tree, signer=self.signer)

    def check_signature(self, signature: str | Path, directory: str | Path) -> "Checked":
        """Check a directory against a model signature by one of the policy's keys that is not revoked.

        A signature stands in no ledger, so nobody can tell whether it was made before its key was revoked.
        """
        policy = self.state.policy
        keys = [pem for key_id, pem in policy.pems.items() if key_id not in policy.revocations]
        return check_signature(Path(signature), Path(directory), keys)

    def export(self, ref: str, kind: "Kind", *, stage: str | None = None, signed: bool = True) -> bytes:
        """What is known of the model `ref`, as another tool reads it; statements are signed unless told otherwise."""
        from registry.verbs.export import export

        state = self.state
        signer = self.signer if signed and kind != "bom" else None
        return export(state.resolve(ref), kind, state=state, store=self.store, signer=signer, stage=stage)


def sign_directory(directory: Path, signer: "Signer", out: Path) -> "ModelSignature":
    """Sign the files of any directory; the signature file `out` is no part of it if it lies inside."""
    from registry.adapters.sources.path import tree_at
    from registry.core.tree import tree_of
    from registry.verbs.sign import sign

    place, tree = _place_in(directory, out), tree_at(directory)
    files = tree_of(entry for entry in tree.entries if entry.path != place)
    return sign(directory.resolve().name, files, signer=signer, ignored=(place,) if place else ())


def check_signature(signature: Path, directory: Path, keys: "Sequence[str]") -> "Checked":
    """Check the files of any directory against a model signature by one of `keys`, public keys in PEM."""
    from registry.adapters.sources.path import tree_at
    from registry.verbs.sign import check_signature

    data = read_file(signature)
    return check_signature(data, tree_at(directory), keys=keys, place=_place_in(directory, signature))


def _place_in(directory: Path, file: Path) -> str | None:
    """Where `file` lies in `directory`, or None."""
    place = inside(directory, file)
    return None if place.startswith("/") else place
