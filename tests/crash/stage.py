"""Makes for each verb the project in which it has something to do, step by step, each step once."""

import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from registry.adapters.stores.directory import DirectoryStore
from registry.core.digest import Digest, hex_of
from registry.core.store import CollectedList, place_of
from tests.crash.clouds import PREFIX, Cloud, CloudScene
from tests.crash.project import GATE, Project, make_project
from tests.crash.scenes import LOCAL, RULE, URL, VERBS, Scene
from tests.crash.victim import Victims


class Stage:
    """Makes the scenes below `parent`, each once."""

    def __init__(self, parent: Path, victims: Victims) -> None:
        """Nothing is made yet."""
        self.parent, self.victims = parent, victims
        self._made: dict[str, Path] = {}
        self._clouds: list[Cloud] = []

    @property
    def cloud(self) -> Cloud:
        """The bucket, started when it is first asked for."""
        if not self._clouds:
            self._clouds.append(Cloud())
        return self._clouds[0]

    def close(self) -> None:
        """Stop what was started."""
        for cloud in self._clouds:
            cloud.close()

    def scene(self, verb: str) -> Scene:
        """The scene of `verb`, to be copied and not to be touched."""
        place = self._make(_BASES[verb])
        return Scene(verb, place) if verb in LOCAL else CloudScene(verb, place, cloud=self.cloud)

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
        scene = CloudScene("", parent, cloud=self.cloud) if (parent / "cloud").exists() else Scene("", parent)
        with scene.served():
            done = self.victims.run(scene.project.root, scene.project.environment, *words)
        assert done.code == 0, f"registry {' '.join(words)}: {done}"


Type = Callable[..., None]


def _bare(parent: Path, _: Type) -> None:
    make_project(parent, is_founded=False)
    (parent / "out").mkdir()


def _pinned(parent: Path, type_: Type) -> None:
    type_(parent, "init")
    Scene("", parent).project.commit()
    type_(parent, "pin", "manifests/one.json")
    Scene("", parent).project.commit()


def _clouded(parent: Path, type_: Type) -> None:
    """As pinned, but store and ledger are in the bucket."""
    (parent / "cloud").mkdir()
    type_(parent, "init", "--place", URL)
    Scene("", parent).project.commit()
    type_(parent, "pin", "manifests/one.json")
    Scene("", parent).project.commit()


def _receiving(parent: Path, _: Type) -> None:
    """There is a bucket with nothing in it."""
    (parent / "cloud").mkdir()


def _giving(parent: Path, _: Type) -> None:
    """The bucket has what came later."""
    (parent / "cloud").mkdir()
    shutil.move(parent / "remote", parent / "cloud" / PREFIX)


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
    _rot(Scene("", parent).project.place)


def _clouded_rotten(parent: Path, type_: Type) -> None:
    """The same in the bucket."""
    _pushed(parent, type_)
    _rot(parent / "cloud" / PREFIX)


def _rot(place: Path) -> None:
    blobs = sorted(path for path in (place / "blobs").rglob("*") if path.is_file() and path.stat().st_size > 500)
    blobs[0].unlink()
    blobs[1].chmod(0o644)
    blobs[1].write_bytes(blobs[1].read_bytes()[:-1] + b"!")
    blobs[1].chmod(0o444)


def _held(parent: Path, type_: Type) -> None:
    type_(parent, *VERBS["hold"])


def _shown(parent: Path, type_: Type) -> None:
    type_(parent, *VERBS["pull"])


def _short_of_entries(parent: Path, _: Type) -> None:
    """The end of the ledger is gone; a host has a copy."""
    entries = sorted((Scene("", parent).project.place / "ledger").glob("*.json"))
    for path in entries[-2:]:
        path.unlink()


def _quizzed(parent: Path, type_: Type) -> None:
    """A suite that was made of a log, so that the log can be imported; `one` is pinned with it."""
    project = Scene("", parent).project
    said: list[dict[str, Any]] = [{"form": "registry.samples/1", "tool": "quizzer", "version": "1", "model": "it"}]
    said += [{"task": "quiz", "case": f"quiz-{at}", "scores": {"exact": 1}, "answer": str(at)} for at in range(40)]
    (parent / "quiz.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in said))
    type_(parent, "evidence", "import", "../quiz.jsonl", "--make-suite", "manifests/heldout", "--metric", "exact")
    (project.root / "manifests/gates/dev.yaml").write_text(GATE.replace("success@1(sums).point >= 0.5", RULE))
    project.commit()
    type_(parent, "pin", "manifests/one.json")
    project.commit()


def _imported(parent: Path, type_: Type) -> None:
    type_(parent, *VERBS["import"])


def _changing(parent: Path, type_: Type) -> None:
    """A change of the policy that names another key, signed and ready to be applied."""
    type_(parent, "key", "new", "other")
    _propose(parent, type_, lambda policy: policy["keys"].update(other="config/lockstep/keys/other.pub"))


def _approvable(parent: Path, type_: Type) -> None:
    """The stage takes an approval."""
    _propose(parent, type_, lambda policy: policy["roles"].update({"approver:dev": policy["roles"]["root"]}))
    type_(parent, *VERBS["apply"])


def _propose(parent: Path, type_: Type, change: Callable[[dict[str, Any]], None]) -> None:
    policy = yaml.safe_load(Scene("", parent).project.run("policy", "show"))
    change(policy)
    (parent / "policy.yaml").write_text(yaml.safe_dump(policy, sort_keys=False))
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
    "bare": (None, _bare),
    "pinned": ("bare", _pinned),
    "quizzed": ("pinned", _quizzed),
    "imported": ("quizzed", _imported),
    "approvable": ("pinned", _approvable),
    "promoted": ("pinned", _promoted),
    "held": ("promoted", _held),
    "shown": ("promoted", _shown),
    "short of entries": ("shown", _short_of_entries),
    "twice": ("promoted", _twice),
    "behind": ("promoted", _behind),
    "aged": ("twice", _aged),
    "rotten": ("twice", _rotten),
    "changing": ("promoted", _changing),
    "clouded": ("bare", _clouded),
    "clouded, promoted": ("clouded", _promoted),
    "clouded, rotten": ("clouded, promoted", _clouded_rotten),
    "receiving": ("twice", _receiving),
    "giving": ("behind", _giving),
    "furnished": ("aged", _furnished),
}
_BASES = {
    "init": "bare",
    "add": "pinned",
    "resume": "held",
    "revoke": "pinned",
    "approve": "approvable",
    "waive": "quizzed",
    "import": "quizzed",
    "judge": "imported",
    "sign": "shown",
    "bundle": "promoted",
    "recover": "short of entries",
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
    "bucket pin": "clouded",
    "bucket promote": "clouded",
    "bucket pull": "clouded, promoted",
    "bucket push": "receiving",
    "bucket fetch": "giving",
    "bucket repair": "clouded, rotten",
    "everything": "furnished",
}
