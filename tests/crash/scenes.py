"""For each verb that writes, a small real project in which it has something to do, and what must hold afterwards.

What must hold, however the verb ended:

    I1  what was acknowledged is there          I5  no blob that is needed is missing or damaged
    I2  nothing half done is shown              I6  what hosts and users remember never decreases
    I3  `current` names a whole release         I7  done again, it succeeds, and leaves nothing behind
    I4  the ledger only grew, and holds, and its checkpoint is of these entries
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from registry.adapters.hosts.directory import HostDirectory
from registry.adapters.ledgers.directory import DirectoryLedger
from registry.adapters.sources.path import tree_at
from registry.adapters.stores.attic import CollectedList
from registry.adapters.stores.directory import DirectoryStore
from registry.core.digest import Digest, digest_of, hex_of
from registry.core.store import place_of
from registry.verbs.verify import verify
from tests.crash.project import Project, make_project
from tests.crash.victim import Ended, Victims

LOST, DAMAGED = b"a tokenizer that will be lost", b"a tokenizer that will rot"
VERBS: dict[str, tuple[str, ...]] = {
    "pin": ("pin", "manifests/two.json"),
    "promote": ("promote", "one", "--to", "dev", "--bootstrap", "--reason", "the first"),
    "rollback": ("rollback", "dev", "--reason", "the second is worse"),
    "hold": ("hold", "dev", "--reason", "an incident"),
    "apply": ("policy", "apply", "../change.json", "--reason", "another key"),
    "pull": ("pull", "dev", "../host"),
    "switch": ("pull", "dev", "../host"),
    "push": ("push", "../remote"),
    "fetch": ("fetch", "../remote"),
    "gc": ("gc", "--delete"),
    "repair": ("repair", "--from", "../remote"),
}
"""What is typed. `switch` is a pull by a host that shows another release already; `apply` gives a key a role."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A project below `parent` in which `verb` has something to do; with a `host` and a `remote` beside it."""

    verb: str
    parent: Path

    @property
    def project(self) -> Project:
        """The project."""
        return Project(self.parent / "project", self.parent / "project" / ".registry")

    @property
    def host(self) -> Path:
        """A host's directory, perhaps not there yet."""
        return self.parent / "host"

    @property
    def remote(self) -> Path:
        """A copy of the registry, perhaps not there yet."""
        return self.parent / "remote"

    def copy(self, parent: Path) -> "Scene":
        """The same scene elsewhere, with all times as they are."""
        shutil.copytree(self.parent, parent, symlinks=True)
        return replace(self, parent=parent)

    def run(self, victims: Victims) -> Ended:
        """Do the verb, unharmed."""
        return victims.run(self.project.root, self.project.environment, *VERBS[self.verb])


@dataclass(frozen=True, slots=True)
class Before:
    """What was so before the verb: the entries of each ledger, how far the host had seen, and what it showed."""

    entries: tuple[bytes, ...]
    remote: tuple[bytes, ...]
    seen: int
    shown: str | None


def look(scene: Scene) -> Before:
    """Note what may not be lost."""
    seen = HostDirectory(scene.host).seen() if scene.host.exists() else None
    link = scene.host / "current"
    return Before(
        entries=tuple(DirectoryLedger(scene.project.place / "ledger").read()),
        remote=tuple(DirectoryLedger(scene.remote / "ledger").read()),
        seen=seen.index if seen else -1,
        shown=str(link.readlink()) if link.is_symlink() else None,
    )


def check(scene: Scene, before: Before, ended: Ended, victims: Victims, *, may_be_silent: bool = False) -> None:
    """All of I1 to I7 after `ended`, which may be anything; the same command is run once more for I7.

    It may be silent where its words could not be written.
    """
    assert "Traceback" not in ended.err, f"it fell over:\n{ended.err}"
    assert ended.code < 8, f"code {ended.code}\n{ended.err}"
    assert ended.code <= 0 or may_be_silent or ended.err or ended.out, f"it failed with {ended.code} and is silent"
    _check_state(scene, before, is_whole=scene.verb != "repair")
    if ended.code == 0:
        assert is_done(scene), f"it was acknowledged, and is not so\n{ended.out}"
    after = look(scene)
    if scene.verb != "rollback" or not is_done(scene):
        again = scene.run(victims)
        assert (0, "") == (again.code, again.err if again.code else ""), f"done again: {again.out}{again.err}"
    _check_state(scene, before, is_whole=True)
    assert is_done(scene), "done again, it is not so"
    if len(after.entries) < len(look(scene).entries) or scene.verb in ("pull", "switch", "push", "fetch"):
        _check_litter(scene)


def is_done(scene: Scene) -> bool:
    """Whether what the verb is for is so."""
    return _DONE[scene.verb](scene)


def _is_pinned(scene: Scene) -> bool:
    return "two" in scene.project.registry.state.models and (scene.project.root / "manifests/two.lock.json").exists()


def _has_generations(count: int) -> Callable[[Scene], bool]:
    return lambda scene: len(scene.project.registry.state.generations("dev")) == count


def _is_shown(scene: Scene) -> bool:
    serving, shown = scene.project.registry.state.serving("dev"), scene.host / "current/.bundle/manifest.json"
    return serving is not None and shown.exists() and digest_of(shown.read_bytes()) == serving.manifest


def _is_carried(scene: Scene) -> bool:
    now = look(scene)
    return now.remote == now.entries


_DONE: dict[str, Callable[[Scene], bool]] = {
    "pin": _is_pinned,
    "promote": _has_generations(1),
    "rollback": _has_generations(3),
    "hold": lambda scene: scene.project.registry.state.held("dev") is not None,
    "apply": lambda scene: len(scene.project.registry.state.policy.keys) == 2,
    "pull": _is_shown,
    "switch": _is_shown,
    "push": _is_carried,
    "fetch": _is_carried,
    "gc": lambda scene: not list((scene.project.place / "trash").glob("2020*/*")),
    "repair": lambda scene: scene.project.registry.verify().is_clean,
}


def _check_state(scene: Scene, before: Before, *, is_whole: bool) -> None:
    now, registry = look(scene), scene.project.registry
    assert before.entries == now.entries[: len(before.entries)], "I4: an entry is gone"
    assert before.remote == now.remote[: len(before.remote)], "I4: an entry is gone from the copy"
    assert before.seen <= now.seen, "I6: the host forgot how far it saw"
    assert registry.audit().checkpoint in ("signed", "lags"), "I4"
    report = registry.verify()
    assert report.breach is None, report.breach
    assert report.health in (("clean",) if is_whole else ("clean", "data-loss", "repairable")), f"I5: {report.faults}"
    assert not [stray for stray in report.strays if "unfinished" not in stray], report.strays
    _check_remote(scene, now)
    _check_host(scene, now)


def _check_remote(scene: Scene, now: Before) -> None:
    """Entries that are at the copy have all their blobs there."""
    if now.remote:
        genesis, store = digest_of(now.entries[0]), DirectoryStore(scene.remote)
        found = verify(store=store, ledger=DirectoryLedger(scene.remote / "ledger"), genesis=genesis)
        assert found.is_clean, f"I5, at the copy: {found}"


def _check_host(scene: Scene, now: Before) -> None:
    """`current` is not there, or names a release whose bytes hash to its name."""
    if now.shown is None:
        assert not os.path.lexists(scene.host / "current"), "I3: current is something else"
        return
    release = scene.host / now.shown
    assert hex_of(tree_at(release).digest) == release.name, "I3: current names what is not whole"


def _check_litter(scene: Scene) -> None:
    litter = [path for place in (scene.project.place, scene.remote) for path in DirectoryStore(place).strays()]
    ledgers = (scene.project.place / "ledger", scene.remote / "ledger")
    litter += [str(path) for place in ledgers for path in place.glob(".unfinished-*")]
    if scene.verb in ("pull", "switch"):
        litter += [str(path) for path in scene.host.glob("staging/*")]
    # why leases may stay: only a process that needs one clears away another's, and they harm nobody.
    assert not [path for path in litter if "leases" not in path and not _is_read_only(scene, path)], f"I7: {litter}"


def _is_read_only(scene: Scene, path: str) -> bool:
    """Whether the verb writes nothing to the place of `path`, so that it clears nothing there either."""
    return scene.verb in ("pull", "switch") or (scene.verb in ("push", "fetch", "gc") and "unfinished/" in path)


class Stage:
    """Makes the scenes below `parent`, each once."""

    def __init__(self, parent: Path, victims: Victims) -> None:
        """Nothing is made yet."""
        self.parent, self.victims = parent, victims
        self._made: dict[str, Path] = {}

    def scene(self, verb: str) -> Scene:
        """The scene of `verb`, to be copied and not to be touched."""
        return Scene(verb, self._make(_BASES[verb]))

    def _make(self, name: str) -> Path:
        if name not in self._made:
            before, build = _STEPS[name]
            place = self.parent / name
            if before is None:
                place.mkdir(parents=True)
            else:
                shutil.copytree(self._make(before), place, symlinks=True)
            build(place, self._type)
            self._made[name] = place
        return self._made[name]

    def _type(self, parent: Path, *words: str) -> None:
        project = Scene("", parent).project
        done = self.victims.run(project.root, project.environment, *words)
        assert done.code == 0, f"registry {' '.join(words)}: {done}"


Type = Callable[..., None]


def _pinned(parent: Path, type_: Type) -> None:
    make_project(parent, wide=64)
    type_(parent, "pin", "manifests/one.json")
    Scene("", parent).project.commit()


def _promoted(parent: Path, type_: Type) -> None:
    type_(parent, *VERBS["promote"])


def _twice(parent: Path, type_: Type) -> None:
    type_(parent, "pull", "dev", "../host")
    type_(parent, "pin", "manifests/two.json")
    project = Scene("", parent).project
    project.commit()
    serve_past_the_gate(project, "two")


def _pushed(parent: Path, type_: Type) -> None:
    type_(parent, "push", "../remote")


def _behind(parent: Path, type_: Type) -> None:
    """The remote has what came later: `two`, pinned and promoted."""
    later = parent / "later"
    shutil.copytree(parent, later, symlinks=True, ignore=shutil.ignore_patterns("later"))
    _twice(later, type_)
    type_(later, "push", "../remote")
    shutil.move(later / "remote", parent / "remote")
    shutil.rmtree(later)


def _aged(parent: Path, _: Type) -> None:
    """Blobs that nothing needs, old ones, and some in the trash that are older still."""
    place = Scene("", parent).project.place
    store = DirectoryStore(place)
    spare = [store.put(b"spare %d" % number) for number in range(4)]
    grave = place / "trash" / "20200101T000000Z"
    grave.mkdir(parents=True)
    for digest in spare[:2]:
        shutil.move(place / place_of(digest), grave / hex_of(digest))
    old = (datetime.now(UTC) - timedelta(days=100)).timestamp()
    for path in (place / "blobs").rglob("*"):
        os.utime(path, (old, old))


def _rotten(parent: Path, type_: Type) -> None:
    """Two blobs that are needed: one is gone, one has another byte; the remote has both."""
    _pushed(parent, type_)
    place = Scene("", parent).project.place
    blobs = sorted(path for path in (place / "blobs").rglob("*") if path.is_file() and path.stat().st_size > 500)
    blobs[0].unlink()
    blobs[1].chmod(0o644)
    blobs[1].write_bytes(blobs[1].read_bytes()[:-1] + b"!")
    blobs[1].chmod(0o444)


def _changing(parent: Path, type_: Type) -> None:
    """A change of the policy that gives a new key the roles of the old one, signed and ready to be applied."""
    project = Scene("", parent).project
    type_(parent, "key", "new", "other")
    shown = yaml.safe_load(project.run("policy", "show"))
    shown["keys"]["other"] = "config/lockstep/keys/other.pub"
    (parent / "policy.yaml").write_text(yaml.safe_dump(shown, sort_keys=False))
    type_(parent, "policy", "propose", "../policy.yaml", "--out", "../change.json")


def _furnished(parent: Path, type_: Type) -> None:
    """One file at least of each kind that there is."""
    place = Scene("", parent).project.place
    _changing(parent, type_)
    type_(parent, "pull", "dev", "../host")
    type_(parent, "bundle", "dev", "../bundle")
    type_(parent, "sign", "dev", "--out", "../model.sig")
    type_(parent, "prove", "dev", "--out", "../proof.json")
    spare = sorted(one.name for one in (place / "trash").rglob("*") if one.is_file())
    listed = CollectedList(digests=(Digest(f"sha256:{spare[0]}"),))
    (place / "collected.json").write_bytes(listed.canonical())
    (place / "leases" / f".unfinished-{'a' * 16}").write_text(f"\nsha256:{spare[0]}\n")


def serve_past_the_gate(project: Project, ref: str) -> None:
    """Let dev serve `ref`. There is no evidence for a GO here, so the entry is written past the gate."""
    from registry.core.ledger.entry import Promote
    from registry.core.ledger.text import moment_of
    from registry.verbs.append import append

    registry = project.registry
    state, doors = registry.state, registry.doors
    verdict = registry.gate(ref, "dev")
    state = registry.state
    served = state.generations("dev")
    entry = Promote(
        index=state.next_index,
        previous=state.head.digest,
        stage="dev",
        stage_previous=state.tips["dev"],
        actor="tester",
        at=moment_of(doors["clock"].now()),
        manifest=state.resolve(ref),
        generation=len(served) + 1,
        replaces=served[-1].manifest,
        verdict=verdict.digest,
        answer="GO",
        basis="gate",
    )
    append(lambda _: entry, ledger=doors["ledger"], genesis=doors["genesis"], signer=doors["signer"])


_STEPS: dict[str, tuple[str | None, Callable[[Path, Type], None]]] = {
    "pinned": (None, _pinned),
    "promoted": ("pinned", _promoted),
    "twice": ("promoted", _twice),
    "behind": ("promoted", _behind),
    "aged": ("twice", _aged),
    "rotten": ("twice", _rotten),
    "changing": ("promoted", _changing),
    "furnished": ("aged", _furnished),
}
_BASES = {
    "pin": "pinned",
    "promote": "pinned",
    "rollback": "twice",
    "hold": "promoted",
    "apply": "changing",
    "pull": "promoted",
    "switch": "twice",
    "push": "twice",
    "fetch": "behind",
    "gc": "aged",
    "repair": "rotten",
    "everything": "furnished",
}
