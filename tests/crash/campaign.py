"""All fault tests of a room or of every room, drawn by a seed: what there is to do, doing it, and counting it."""

import os
import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from tests.crash import damage, disks, names, outage, syscalls
from tests.crash.bench import Bench
from tests.crash.clouds import LIES, Counted, at_request
from tests.crash.power import drawn_state
from tests.crash.scenes import LOCAL, ONCE, check, look
from tests.crash.victim import Ended

_LASTING = 0.2
"""The share of lies that go on."""

Case = tuple[Any, ...]
"""What is done once: plain values, so that they can be sent, printed and done again."""


@dataclass(frozen=True, slots=True)
class Room:
    """One kind of fault: `cases` lists what could be done, `act` does one, False if it could not be done."""

    what: str
    cases: Callable[[Bench, random.Random], Iterator[Case]]
    act: Callable[..., bool]
    few: int
    fast: int
    full: int
    why_not: str | None = None

    def drawn(self, bench: Bench, seed: int, most: int) -> tuple[list[Case], int]:
        """At most so many cases, drawn by the seed, and how many there are."""
        draw = random.Random(f"{seed} {self.what}")
        cases = list(self.cases(bench, draw))
        chosen = draw.sample(range(len(cases)), min(most, len(cases)))
        return [cases[at] for at in sorted(chosen)], len(cases)


def _at_calls(bench: Bench, strikes: Sequence[str], kinds: Sequence[str]) -> Iterator[Case]:
    for verb in bench.verbs:
        for kind, count in bench.counts(verb).items():
            if kind in kinds:
                for strike in strikes:
                    yield from ((verb, kind, number, strike) for number in range(1, count + 1))


def _at_lies(bench: Bench, draw: random.Random) -> Iterator[Case]:
    for verb in bench.verbs:
        if verb not in LOCAL:
            for lie in LIES:
                for number in range(1, bench.requests(verb) + 1):
                    yield verb, number, lie, draw.random() < _LASTING


def _lie(bench: Bench, verb: str, number: int, lie: str, is_lasting: bool) -> bool:
    scene = bench.fresh(verb)
    before, mischief = look(scene), Counted(at_request(number, lie, is_lasting=is_lasting))
    with bench.stage.cloud.doing(mischief):
        ended = scene.run(bench.victims)
    check(scene, before, ended, bench.victims)
    shutil.rmtree(scene.parent)
    return mischief.count >= number


def _strike(bench: Bench, *case: Any) -> bool:
    point = syscalls.Point(*case)
    scene = bench.fresh(point.verb)
    before = look(scene)
    ended, was_struck = syscalls.strike(scene, bench.victims, point, scene.parent.with_suffix(".log"))
    check(scene, before, ended, bench.victims, may_be_silent=point.kind == "write")
    shutil.rmtree(scene.parent)
    return was_struck


def _at_times(bench: Bench, draw: random.Random) -> Iterator[Case]:
    for _round in range(400):
        for verb in bench.verbs:
            yield verb, round(draw.uniform(0.0, 1.1), 4)


def _kill_at_time(bench: Bench, verb: str, share: float) -> bool:
    scene = bench.fresh(verb)
    timed = bench.fresh(verb)
    takes_s = timed.run(bench.victims).took_s
    shutil.rmtree(timed.parent)
    before = look(scene)
    ended = scene.run(bench.victims, kill_after_s=share * takes_s)
    check(scene, before, ended, bench.victims)
    shutil.rmtree(scene.parent)
    return ended.code < 0


def _cuts(bench: Bench, draw: random.Random) -> Iterator[Case]:
    yield from ((verb, draw.randrange(2**32)) for _ in range(200) for verb in bench.local)


def _cut_power(bench: Bench, verb: str, seed: int) -> bool:
    done = bench.recorded(verb)
    state = drawn_state(done.events, done.names, random.Random(seed))
    scene = outage.restore(done, state, bench.scratch())
    # why 0 where the caller was told: then it was acknowledged, and must be so.
    check(scene, done.before, Ended(0 if state[2] else -9, "", "", 0.0), bench.victims)
    shutil.rmtree(scene.parent)
    return True


def _second_lives(bench: Bench, draw: random.Random) -> Iterator[Case]:
    verbs = [verb for verb in bench.local if verb not in ONCE]
    yield from ((verb, draw.randrange(2**32)) for _ in range(200) for verb in verbs)


def _cut_second_life(bench: Bench, verb: str, seed: int) -> bool:
    draw = random.Random(seed)
    dies_at = draw.randrange(len(bench.recorded(verb).events))
    done = outage.record(bench.fresh(verb), dies_at=dies_at)
    # why mostly at the end: what was acknowledged must rest on nothing that only the first life knew.
    least = draw.choice((dies_at, len(done.events), len(done.events)))
    state = drawn_state(done.events, done.names, draw, least=least)
    scene = outage.restore(done, state, bench.scratch())
    # why not gc: a collector that finds nothing to delete has not said that what the killed one deleted is gone.
    is_told = state[2] and verb != "gc"
    check(scene, done.before, Ended(0 if is_told else -9, "", "", 0.0), bench.victims)
    shutil.rmtree(scene.parent)
    done.close()
    return True


def _short(bench: Bench, draw: random.Random) -> Iterator[Case]:
    yield from ((verb, draw.randrange(2**32)) for _ in range(20) for verb in bench.local)


def _write_short(bench: Bench, verb: str, seed: int) -> bool:
    scene = bench.fresh(verb)
    before = look(scene)
    ended = scene.run(bench.victims, short_writes=seed)
    assert ended.code == 0, f"a short write is no fault\n{ended.err}"
    check(scene, before, ended, bench.victims)
    shutil.rmtree(scene.parent)
    return True


def _all_damage(bench: Bench, draw: random.Random) -> Iterator[Case]:
    del bench
    for kind in damage.KINDS:
        for how in damage.DAMAGES:
            yield from ((kind, how, draw.randrange(2**32)) for _ in range(40 if how == "flip" else 4))


def _damage(bench: Bench, *case: Any) -> bool:
    scene = bench.stage.scene("everything")
    right = bench.right
    return damage.probe_damage(scene, bench.victims, damage.Damage(*case), right, bench.scratch())


def _levels(bench: Bench, draw: random.Random) -> Iterator[Case]:
    for disk in disks.DISKS:
        for lack in disks.LACKS:
            for verb in bench.local:
                for level in range(20):
                    yield disk, lack, verb, round(draw.uniform(level, level + 1) / 20, 4)


def _fill(bench: Bench, disk: str, lack: str, verb: str, level: float) -> bool:
    needs = bench.needs(disk, verb)
    size, inodes = (int(level * need) for need in needs)
    plenty = disks.SIZE, disks.INODES
    scene = bench.fresh(verb)
    done = disks.run_full(scene, disk, (size, plenty[1]) if lack == "bytes" else (plenty[0], inodes), bench.victims)
    shutil.rmtree(scene.parent)
    return done


def _name(bench: Bench, place: str, text: str) -> bool:
    scene = bench.fresh("pull" if place in ("reference", "place") else "promote")
    was_let_in = names.name_it(scene, bench.victims, place, text)
    shutil.rmtree(scene.parent)
    return was_let_in


ROOMS: Mapping[str, Room] = {
    "kill at a call": Room(
        "kill -9 before each call that changes a disk",
        lambda bench, _: _at_calls(bench, ("KILL",), (*syscalls.MUTATING, "net")),
        _strike,
        few=10,
        fast=16,
        full=300,
        why_not=syscalls.WHY_NOT,
    ),
    "failing call": Room(
        "a call that changes a disk fails with EIO, ENOSPC, EDQUOT or EINTR",
        lambda bench, _: _at_calls(bench, syscalls.ERRORS, syscalls.MUTATING),
        _strike,
        few=8,
        fast=16,
        full=300,
        why_not=syscalls.WHY_NOT,
    ),
    "failing look": Room(
        "a call that looks, reads or locks fails with EIO",
        lambda bench, _: _at_calls(bench, ("EIO",), ("open", "read", "list", "stat", "lock")),
        _strike,
        few=4,
        fast=8,
        full=250,
        why_not=syscalls.WHY_NOT,
    ),
    "broken line": Room(
        "a call that connects, sends or receives fails with ECONNRESET or EIO, or all do from one on",
        lambda bench, _: _at_calls(bench, syscalls.LINE_ERRORS, ("net",)),
        _strike,
        few=2,
        fast=4,
        full=60,
        why_not=syscalls.WHY_NOT,
    ),
    "lying bucket": Room(
        "one request of a verb, or all from one on, is answered by a lie or an error",
        _at_lies,
        _lie,
        few=3,
        fast=6,
        full=120,
    ),
    "kill at a time": Room(
        "kill -9 at a time drawn from 1.1 times what the command takes",
        _at_times,
        _kill_at_time,
        few=6,
        fast=8,
        full=200,
    ),
    "power cut": Room(
        "a disk as it may be after a power cut, by the weakest promises of POSIX",
        _cuts,
        _cut_power,
        few=12,
        fast=22,
        full=300,
    ),
    "kill, then cut": Room(
        "killed at a call, done again, and then a power cut: nothing relies on what the killed one left unsure",
        _second_lives,
        _cut_second_life,
        few=4,
        fast=8,
        full=200,
    ),
    "short write": Room("every write takes only a part of its bytes", _short, _write_short, few=3, fast=4, full=60),
    "full disk": Room(
        "a disk with less room or fewer inodes than the command takes, at 20 levels; then room is made",
        _levels,
        _fill,
        few=8,
        fast=8,
        full=250,
        why_not=disks.WHY_NOT,
    ),
    "hostile name": Room(
        "a name or a text of a stranger: control signs, bidi, traversal, devices, too long, not UTF-8",
        lambda _, draw: names.cases(draw),
        _name,
        few=6,
        fast=12,
        full=200,
    ),
    "damaged file": Room(
        "one bit, one page, the length, the kind or the place of one file is wrong",
        _all_damage,
        _damage,
        few=5,
        fast=12,
        full=250,
    ),
}


@dataclass(slots=True)
class Count:
    """What became of a room: the cases that there are, those that were drawn and struck, and those that failed."""

    there: int = 0
    done: int = 0
    struck: int = 0
    took_s: float = 0.0
    failures: list[str] = field(default_factory=list)


Part = tuple[int, int]
"""Which of how many parts, from 0: the cases of part n of t are the n-th, the n + t-th and so on of what is drawn."""


def run_room(name: str, seed: int, most: int, bench: Bench, part: Part = (0, 1)) -> Count:
    """Do one part of what the seed draws in a room."""
    room, count, began = ROOMS[name], Count(), time.monotonic()
    cases, count.there = room.drawn(bench, seed, most)
    for case in cases[part[0] :: part[1]]:
        count.done += 1
        try:
            count.struck += room.act(bench, *case)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong is what we are looking for
            count.failures.append(f"{name} {case}: {type(error).__name__}: {error}")
    count.took_s = time.monotonic() - began
    return count


def run_all(
    names: Sequence[str],
    place: Path,
    tell: Callable[[str], None],
    *,
    seed: int,
    size_of: Callable[[Room], int],
    part: Part = (0, 1),
    workers: int = 2,
) -> dict[str, Count]:
    """Do all rooms, each by several processes that have a bench each."""
    found: dict[str, Count] = {name: Count() for name in names}
    with ProcessPoolExecutor(workers, initializer=_open_bench, initargs=(str(place),)) as pool:
        for name in names:
            # why so: the workers share this part as all parts share the whole.
            shares = [(part[0] + part[1] * n, part[1] * workers) for n in range(workers)]
            waiting = [pool.submit(_work, name, seed, size_of(ROOMS[name]), share) for share in shares]
            for future in as_completed(waiting):
                one, all_ = future.result(), found[name]
                all_.there, all_.took_s = one.there, max(all_.took_s, one.took_s)
                all_.done, all_.struck = all_.done + one.done, all_.struck + one.struck
                all_.failures += one.failures
            tell(f"{name}: {found[name].done} of {found[name].there}, {len(found[name].failures)} failed")
            for failure in found[name].failures:
                tell(failure)
    return found


_benches: list[Bench] = []
"""The bench of this worker: scenes are made once, not for each room."""


def _open_bench(place: str) -> None:
    _benches.append(bench := Bench(Path(place) / f"bench-{os.getpid()}"))
    Finalize(None, bench.close, exitpriority=1)  # why not atexit: a worker leaves without it


def _work(name: str, seed: int, most: int, part: Part) -> Count:
    return run_room(name, seed, most, _benches[0], part)
