"""Making a model known: pin, add, and look at what was pinned."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from registry.workspace.place import Place
from registry.workspace.settings import inside, read_file

if TYPE_CHECKING:
    from registry.core.gate.verdict import Verdict
    from registry.core.pin import Pin
    from registry.verbs.add import Addable
    from registry.verbs.pin import Pinned
    from registry.verbs.show import Shown


class Making(Place):
    """What brings artefacts, models and evidence in."""

    def pin(self, config: str | Path) -> "Pinned":
        """Read every part that the config file names, keep and register it, and write `manifests/NAME.lock.json`."""
        from registry.adapters import durable
        from registry.adapters.environment import read_environment
        from registry.core.config import parse_config
        from registry.core.formats import PICKLED
        from registry.verbs.pin import check_committed, check_place, pin
        from registry.verbs.register import Model, register
        from registry.verbs.screen import screen

        path = self.root / config
        written, place = read_file(path), inside(self.root, path)
        check_place(place)
        durable.sweep(path.parent)  # why: what a killed pin left of the lock file would make the git tree dirty
        parsed = parse_config(written, str(config))
        state = self.state
        with closing(self.sources) as sources:
            check_committed(place, written, sources.codebase)
            pinned = pin(
                parsed,
                sources=sources,
                codebase=sources.codebase,
                store=self.grounds,
                state=state,
                environment=read_environment,
                suite=self.settings.suite,
                # why none: what the policy lets in is known by its digest, so only once it was read.
                pickles=() if state.policy.formats else PICKLED,
            )
        screen(pinned.manifest, policy=state.policy, store=self.grounds)
        model = Model(pinned.manifest.name, pinned.manifest.digest, pinned.evidence)
        register(model, pinned.pins, **self.doors)
        durable.replace(path.parent / f"{pinned.manifest.name}.lock.json", pinned.lock)
        return pinned

    def add(self, role: "Addable | Literal['repo']", text: str) -> "Pin":
        """Keep one artefact and register it, so that configs can name it: `text` is `[NAME[@LABEL]=]LOCATION`.

        With the role `repo`, `text` is `LABEL=REVISION` of this repository.
        """
        from registry.verbs.add import add, add_commit
        from registry.verbs.register import register

        with closing(self.sources) as sources:
            if role == "repo":
                label, _, revision = text.rpartition("=")
                pin = add_commit(
                    label or revision, revision, codebase=sources.codebase, store=self.grounds, state=self.state
                )
            else:
                pin = add(role, text, sources=sources, store=self.grounds, state=self.state)
        register(None, (pin,), **self.doors)
        return pin

    def show(self, ref: str) -> "Shown":
        """A manifest, a ledger entry (`#N`) or any record of the store, by what people call it."""
        from registry.verbs.show import show

        return show(ref, state=self.state, store=self.store)

    def card(self, ref: str) -> dict[str, Any]:
        """The model `ref` in the short form that people write."""
        from registry.verbs.show import card

        return card(ref, state=self.state, store=self.store)

    def verdict(self, ref: str) -> "Verdict":
        """The verdict `ref`, or the one that the ledger entry `ref` rests on."""
        from registry.verbs.show import verdict

        return verdict(ref, state=self.state, store=self.store)
