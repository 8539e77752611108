"""Damage to one file of each kind that there is: what reads it refuses, or gives the answer that it gave before."""

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from registry.adapters.sources.path import tree_at
from tests.crash.scenes import Scene
from tests.crash.victim import HUNG, Ended, Victims

Answer = object
Probe = Callable[[Scene, Victims], tuple[Ended, Answer]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file: where they lie below the scene's parent, who reads them, and which readers must refuse damage.

    Who may not refuse must give the right answer, and so must who does not refuse.
    """

    pattern: str
    readers: tuple[str, ...]
    refusers: tuple[str, ...] = ()
    least_bytes: int = 0
    most_bytes: int = 1 << 62


@dataclass(frozen=True, slots=True)
class Damage:
    """What is done to a file of which kind; `seed` says to which, and where in it."""

    kind: str
    how: str
    seed: int


def files_of(kind: Kind, scene: Scene) -> list[Path]:
    """The files of a kind, in order, relative to the scene."""
    found = (path for path in scene.parent.glob(kind.pattern) if path.is_file() and not path.is_symlink())
    sized = (path for path in found if kind.least_bytes <= path.stat().st_size <= kind.most_bytes)
    return sorted(path.relative_to(scene.parent) for path in sized)


def _typed(*words: str) -> Probe:
    """What a command prints."""

    def probe(scene: Scene, victims: Victims) -> tuple[Ended, Answer]:
        ended = victims.run(scene.project.root, scene.project.environment, *words)
        return ended, ended.out

    return probe


def _said(part: str, *words: str) -> Probe:
    """The lines of what a command prints that begin with `part`."""

    def probe(scene: Scene, victims: Victims) -> tuple[Ended, Answer]:
        ended = victims.run(scene.project.root, scene.project.environment, *words)
        return ended, [line for line in ended.out.splitlines() if line.startswith(part)]

    return probe


def _delivering(place: str, *words: str) -> Probe:
    """What lies in a place after a command: the digest of its tree."""

    def probe(scene: Scene, victims: Victims) -> tuple[Ended, Answer]:
        ended = victims.run(scene.project.root, scene.project.environment, *words)
        where = scene.parent / place
        return ended, tree_at(where.resolve()).digest if where.exists() else None

    return probe


def _pinning(scene: Scene, victims: Victims) -> tuple[Ended, Answer]:
    """Pin again what is pinned already: it must say the same, and the store must be whole afterwards."""
    ended = victims.run(scene.project.root, scene.project.environment, "pin", "manifests/one.json", "--json")
    lock = (scene.project.root / "manifests/one.lock.json").read_bytes() if ended.code == 0 else b""
    return ended, (lock, scene.project.registry.verify().is_clean if ended.code == 0 else None)


READERS: dict[str, Probe] = {
    "status": _typed("status", "--json"),
    "log": _typed("log", "--json"),
    "show": _typed("show", "dev", "--json"),
    "at": _typed("at", "dev", "--time", "2100-01-01"),
    "drill": _typed("rollback", "dev", "--drill", "--reason", "x"),
    "verify": _said("clean", "verify"),
    "quick": _said("ledger", "verify", "--quick"),
    "ledger": _said("head", "verify", "--ledger"),
    "policy": _typed("policy", "show"),
    "proof": _typed("verify-proof", "../proof.json"),
    "oms": _typed("verify", "--oms", "../model.sig", "../bundle"),
    "gc": _said("kept", "gc", "--dry-run"),
    "sign": _typed("policy", "sign", "../change.json"),
    "recover": _typed("ledger", "recover", "--from", "../host"),
    "new host": _delivering("new/current", "pull", "dev", "../new"),
    "host": _delivering("host/current", "pull", "dev", "../host"),
    "bundle": _delivering("laid", "bundle", "dev", "../laid"),
    "hold": _typed("hold", "staging", "--reason", "x"),
    "pin": _pinning,
}
_PLACE = "project/.registry"
_TOLD = ("status", "log", "at", "show", "new host", "host")
KINDS: dict[str, Kind] = {
    "weights": Kind(f"{_PLACE}/blobs/*/*/*", ("verify", "drill", "bundle", "new host"), ("verify",), 4096),
    "record": Kind(f"{_PLACE}/blobs/*/*/*", ("verify", "show", "drill", "new host"), ("verify",), 3, 4095),
    "ledger entry": Kind(f"{_PLACE}/ledger/*.json", (*_TOLD, "ledger", "verify"), ("ledger", "status", "new host")),
    "checkpoint": Kind(f"{_PLACE}/ledger/checkpoint", ("status", "ledger", "hold", "new host", "host")),
    "trash": Kind(f"{_PLACE}/trash/*/*", ("status", "gc", "verify", "new host")),
    "list of what was deleted": Kind(f"{_PLACE}/collected.json", ("status", "gc", "verify")),
    "notes of what was hashed": Kind(f"{_PLACE}/seen-1.sqlite", ("pin", "host")),
    "lease": Kind(f"{_PLACE}/leases/.unfinished-*", ("gc", "pin", "verify")),
    "lock": Kind(f"{_PLACE}/lock", ("gc", "pin", "verify")),
    "user's memory": Kind("state/lockstep/ledgers/*.json", ("status", "log", "hold")),
    "user's recollection": Kind("state/lockstep/ledgers/*.recalled", ("status", "log", "hold", "host")),
    "host's memory": Kind("host/seen.json", ("host",)),
    "host's record": Kind("host/record.json", ("host",)),
    "host's marker": Kind("host/.registry-host", ("host",)),
    "host's copy of the ledger": Kind("host/ledger/*.jsonl", ("host", "recover")),
    "release file": Kind("host/releases/*/*", ("host",)),
    "bundle lock": Kind("host/releases/*/.bundle/*", ("host",)),
    "settings": Kind("project/registry.toml", ("status", "show", "new host")),
    "model signature": Kind("model.sig", ("oms",), ()),
    "signed file": Kind("bundle/**/*", ("oms",), ("oms",)),
    "proof": Kind("proof.json", ("proof",), ()),
    "change of the policy": Kind("change.json", ("sign",)),
    "private key": Kind("config/lockstep/keys/default.*", ("hold", "status")),
    "lock file": Kind("project/manifests/one.lock.json", ("pin", "status")),
    "gate file": Kind("project/manifests/gates/dev.yaml", ("status", "show")),
}
"""Where nobody must refuse, damage may be harmless, as in a cache; but it must not change an answer."""


def flip(path: Path, draw: random.Random) -> str:
    """Turn one bit over."""
    data = bytearray(path.read_bytes())
    at, bit = draw.randrange(len(data)), draw.randrange(8)
    data[at] ^= 1 << bit
    _rewrite(path, bytes(data))
    return f"bit {bit} of byte {at}"


def _cut(path: Path, draw: random.Random) -> str:
    size = draw.randrange(path.stat().st_size)
    _rewrite(path, path.read_bytes()[:size])
    return f"cut to {size} bytes"


def _empty(path: Path, _: random.Random) -> str:
    _rewrite(path, b"")
    return "emptied"


def _zero(path: Path, draw: random.Random) -> str:
    data = path.read_bytes()
    page = draw.randrange(len(data)) // 4096 * 4096
    _rewrite(path, data[:page] + bytes(len(data[page : page + 4096])) + data[page + 4096 :])
    return f"zeroed from byte {page}"


def _append(path: Path, draw: random.Random) -> str:
    more = draw.choice((b"\n", b"\0", b" ", b"{}", b"x" * 4096))
    _rewrite(path, path.read_bytes() + more)
    return f"{more[:4]!r} appended"


def _swap(path: Path, draw: random.Random) -> str:
    """Change its bytes for those of another file of its kind."""
    near = [*path.parent.iterdir(), *path.parent.parent.glob("*/*")]
    others = sorted({one for one in near if one.suffix == path.suffix and one.is_file()} - {path})
    other = draw.choice(others)
    mine, its = path.read_bytes(), other.read_bytes()
    _rewrite(path, its)
    _rewrite(other, mine)
    return f"swapped with {other.name}" if mine != its else ""


def _link(path: Path, _: random.Random) -> str:
    scene = next(place for place in path.parents if (place / "project").is_dir())
    shutil.move(path, scene / "moved")
    path.symlink_to(scene / "moved")
    return "replaced by a link to itself"


def _dangle(path: Path, _: random.Random) -> str:
    path.unlink()
    path.symlink_to("/nowhere")
    return "replaced by a link to nothing"


def _fifo(path: Path, _: random.Random) -> str:
    path.unlink()
    os.mkfifo(path)
    return "replaced by a FIFO"


def _directory(path: Path, _: random.Random) -> str:
    path.unlink()
    path.mkdir()
    return "replaced by a directory"


def _gone(path: Path, _: random.Random) -> str:
    path.unlink()
    return "removed"


def _open_to_all(path: Path, _: random.Random) -> str:
    path.chmod(0o666)
    return "writable by all"


DAMAGES: dict[str, Callable[[Path, random.Random], str]] = {
    "flip": flip,
    "cut": _cut,
    "empty": _empty,
    "zero": _zero,
    "append": _append,
    "swap": _swap,
    "link": _link,
    "dangling link": _dangle,
    "fifo": _fifo,
    "directory": _directory,
    "gone": _gone,
    "mode": _open_to_all,
}
HARMLESS = frozenset({"mode", "link", "gone"})
"""Here the bytes are as they were, or there are none: a reader may answer rightly even where damage is refused."""


def _rewrite(path: Path, data: bytes) -> None:
    """Put other bytes into the same inode, whatever its mode says."""
    mode = path.stat().st_mode & 0o777
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(mode)


def right_answers(scene: Scene, victims: Victims, place: Path) -> dict[str, Answer]:
    """What each reader says where nothing is damaged."""
    answers: dict[str, Answer] = {}
    for name, probe in READERS.items():
        fresh = scene.copy(place)
        ended, answers[name] = probe(fresh, victims)
        assert ended.code == 0, f"{name}: {ended}"
        shutil.rmtree(fresh.parent)
    return answers


def probe_damage(scene: Scene, victims: Victims, case: Damage, right: dict[str, Answer], place: Path) -> bool:
    """Damage a file in a copy of `scene` for each of those who read it, and ask them; False if there is none."""
    kind, is_done = KINDS[case.kind], False
    found = [
        path for path in files_of(kind, scene) if (scene.parent / path).stat().st_size or case.how not in _NEED_BYTES
    ]
    for reader in kind.readers if found else ():
        draw = random.Random(case.seed)
        fresh = scene.copy(place)
        path = draw.choice(found)
        told = DAMAGES[case.how](fresh.parent / path, draw) if case.how != "swap" or len(found) > 1 else ""
        try:
            ended, answer = READERS[reader](fresh, victims)
        finally:
            shutil.rmtree(fresh.parent)
        if told:
            must = reader in kind.refusers and case.how not in HARMLESS
            _judge(f"{path}: {told}; {reader}", ended, is_right=answer == right[reader], must_refuse=must)
            is_done = True
    return is_done


def _judge(where: str, ended: Ended, *, is_right: bool, must_refuse: bool) -> None:
    assert ended.code != HUNG, f"{where} hangs"
    assert "Traceback" not in ended.err, f"{where} falls over:\n{ended.err}"
    assert not must_refuse or ended.code, f"{where} does not refuse\n{ended.out}"
    assert ended.code or is_right, f"{where} gives another answer:\n{ended.out}\n{ended.err}"
    assert not ended.code or ended.err or ended.out, f"{where} fails silently"


_NEED_BYTES = frozenset({"flip", "cut", "zero"})
