"""For each verb that writes, a small real project in which it has something to do, and what must hold afterwards.

What must hold, however the verb ended:

    I1  what was acknowledged is there          I5  no blob that is needed is missing or damaged
    I2  nothing half done is shown              I6  what hosts and users remember never decreases
    I3  `current` names a whole release         I7  done again, it succeeds, and leaves nothing behind
    I4  the ledger only grew, and holds, and its checkpoint is of these entries
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from registry.adapters.hosts.copies import read_copy
from registry.adapters.hosts.directory import HostDirectory
from registry.adapters.hosts.ground import read_seen
from registry.adapters.ledgers.directory import DirectoryLedger
from registry.adapters.sources.path import tree_at
from registry.adapters.stores.directory import DirectoryStore
from registry.core.digest import digest_of, hex_of
from registry.verbs.verify import verify
from tests.crash.project import Project
from tests.crash.victim import Ended, Victims

LOST, DAMAGED = b"a tokenizer that will be lost", b"a tokenizer that will rot"
URL = "s3://models/registry"
RULE = "success@1(quiz).point >= 0.5"
VERBS: dict[str, tuple[str, ...]] = {
    "init": ("init",),
    "add": ("add", "adapter", "spare=models/two"),
    "pin": ("pin", "manifests/two.json"),
    "promote": ("promote", "one", "--to", "dev", "--bootstrap", "--reason", "the first"),
    "rollback": ("rollback", "dev", "--reason", "the second is worse"),
    "hold": ("hold", "dev", "--reason", "an incident"),
    "resume": ("resume", "dev", "--reason", "it is over"),
    "revoke": ("revoke", "one", "--reason", "it is poisoned"),
    "approve": ("approve", "one", "--to", "dev", "--reason", "it was read"),
    "waive": ("waive", "one", "--to", "dev", "--rule", RULE, "--until", "2100-01-01", "--reason", "a fire"),
    "import": ("evidence", "import", "../quiz.jsonl", "--for", "one", "--ran-as", "it"),
    "judge": ("gate", "one", "--to", "dev"),
    "sign": ("sign", "dev", "--out", "../out/model.sig"),
    "bundle": ("bundle", "dev", "../out/laid"),
    "apply": ("policy", "apply", "../change.json", "--reason", "another key"),
    "pull": ("pull", "dev", "../host"),
    "switch": ("pull", "dev", "../host"),
    "push": ("push", "../remote"),
    "fetch": ("fetch", "../remote"),
    "gc": ("gc", "--delete"),
    "repair": ("repair", "--from", "../remote"),
    "recover": ("ledger", "recover", "--from", "../host"),
    "bucket pin": ("pin", "manifests/two.json"),
    "bucket promote": ("promote", "one", "--to", "dev", "--bootstrap", "--reason", "the first"),
    "bucket pull": ("pull", "dev", "../host"),
    "bucket push": ("push", URL),
    "bucket fetch": ("fetch", URL),
    "bucket repair": ("repair", "--from", "../remote"),
}
"""What is typed. `switch` is a pull by a host that shows another release already; `apply` names another key."""

LOCAL = tuple(verb for verb in VERBS if not verb.startswith("bucket"))
"""Those that need no bucket."""

ONCE = frozenset({"rollback", "resume"})
"""What is refused when it is done already, or would be done once more."""

_UNWRITTEN = "is not written into the ledger"
"""What a judgement says that nobody will know of."""


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

    def run(self, victims: Victims, **how: Any) -> Ended:
        """Do the verb; `how` are options of `Victims.start`."""
        with self.served():
            return victims.run(self.project.root, self.project.environment, *VERBS[self.verb], **how)

    @contextmanager
    def served(self) -> Iterator[None]:
        """Have what it speaks to running meanwhile: here, nothing."""
        yield


@dataclass(frozen=True, slots=True)
class Before:
    """What was so before the verb: the entries of each ledger, how far host and user had seen, and what was shown."""

    entries: tuple[bytes, ...]
    remote: tuple[bytes, ...]
    seen: int
    shown: str | None
    memories: Mapping[str, int]


def look(scene: Scene) -> Before:
    """Note what may not be lost."""
    seen = HostDirectory(scene.host).seen() if scene.host.exists() else None
    link = scene.host / "current"
    return Before(
        entries=tuple(DirectoryLedger(scene.project.place / "ledger").read()),
        remote=tuple(DirectoryLedger(scene.remote / "ledger").read()),
        seen=seen.index if seen else -1,
        shown=str(link.readlink()) if link.is_symlink() else None,
        memories={path.name: read_seen(path).index for path in scene.parent.glob("state/lockstep/ledgers/*.json")},
    )


def check(scene: Scene, before: Before, ended: Ended, victims: Victims, *, may_be_silent: bool = False) -> None:
    """All of I1 to I7 after `ended`, which may be anything; the same command is run once more for I7.

    It may be silent where its words could not be written.
    """
    assert "Traceback" not in ended.err, f"it fell over:\n{ended.err}"
    assert ended.code < 8, f"code {ended.code}\n{ended.err}"
    assert ended.code <= 0 or may_be_silent or ended.err or ended.out, f"it failed with {ended.code} and is silent"
    _check_state(scene, before, is_whole="repair" not in scene.verb)
    if ended.code == 0 and _UNWRITTEN not in ended.err:
        assert is_done(scene), f"it was acknowledged, and is not so\n{ended.out}"
    after = look(scene)
    if scene.verb not in ONCE or not is_done(scene):
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


def _is_founded(scene: Scene) -> bool:
    entries = look(scene).entries
    return len(entries) == 1 and digest_of(entries[0]) in (scene.project.root / "registry.toml").read_text()


def _is_decided(action: str) -> Callable[[Scene], bool]:
    return lambda scene: scene.project.registry.log()[-1].action == action


def _is_signed(scene: Scene) -> bool:
    """Its last step is one file, which holds for what a host was given."""
    signature = scene.parent / "out/model.sig"
    return scene.project.registry.check_signature(signature, (scene.host / "current").resolve()).files > 0


def _is_laid(scene: Scene) -> bool:
    serving, laid = scene.project.registry.state.serving("dev"), scene.parent / "out/laid/.bundle/manifest.json"
    return serving is not None and digest_of(laid.read_bytes()) == serving.manifest


_DONE: dict[str, Callable[[Scene], bool]] = {
    "init": _is_founded,
    "add": _is_decided("register"),
    "pin": _is_pinned,
    "promote": _has_generations(1),
    "rollback": _has_generations(3),
    "hold": lambda scene: scene.project.registry.state.held("dev") is not None,
    "resume": lambda scene: scene.project.registry.state.held("dev") is None,
    "revoke": _is_decided("revoke"),
    "approve": _is_decided("approve"),
    "waive": _is_decided("waive"),
    "import": _is_decided("register"),
    "judge": _is_decided("judge"),
    "sign": _is_signed,
    "bundle": _is_laid,
    "apply": lambda scene: len(scene.project.registry.state.policy.keys) == 2,
    "pull": _is_shown,
    "switch": _is_shown,
    "push": _is_carried,
    "fetch": _is_carried,
    "gc": lambda scene: not list((scene.project.place / "trash").glob("2020*/*")),
    "repair": lambda scene: scene.project.registry.verify().is_clean,
    "recover": lambda scene: len(look(scene).entries) == len(read_copy(scene.host)),
}
_DONE |= {f"bucket {verb}": _DONE[verb] for verb in ("pin", "promote", "pull", "push", "fetch", "repair")}


def _check_state(scene: Scene, before: Before, *, is_whole: bool) -> None:
    now = look(scene)
    assert before.entries == now.entries[: len(before.entries)], "I4: an entry is gone"
    assert before.remote == now.remote[: len(before.remote)], "I4: an entry is gone from the copy"
    assert before.seen <= now.seen, "I6: the host forgot how far it saw"
    for place, index in before.memories.items():
        assert index <= now.memories.get(place, -1), "I6: the user forgot how far he saw"
    if not (scene.project.root / "registry.toml").exists() or (scene.verb == "recover" and not is_done(scene)):
        return  # why: it is not founded yet, or its end is still lost
    registry = scene.project.registry
    # why none: the first entry was written, and its checkpoint was not, which is the next writer's then.
    assert registry.audit().checkpoint in ("signed", "lags", *(("none",) if len(now.entries) == 1 else ())), "I4"
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
    modes = {path.stat().st_mode & 0o777 for path in (release, *release.rglob("*"))}
    assert modes <= {0o444, 0o755}, "I3: current names what not everybody may read"


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
