"""What a fault test works with: a warm process, the scenes, a scratch directory, and what was measured of each verb."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.crash import damage, disks, outage, syscalls
from tests.crash.clouds import Counted
from tests.crash.scenes import LOCAL, VERBS, Scene
from tests.crash.stage import Stage
from tests.crash.victim import Victims
from tests.remote.proxy import honest


class Bench:
    """A warm process, the scenes, and a scratch directory of its own below `place`."""

    def __init__(self, place: Path, verbs: Sequence[str] = tuple(VERBS)) -> None:
        """Begin with nothing; scenes are made when they are asked for. Only `verbs` are struck."""
        self.place, self.verbs = place, verbs
        self.place.mkdir(parents=True)
        self.victims = Victims({**os.environ})
        self.stage = Stage(place / "scenes", self.victims)
        self._counts: dict[str, dict[str, int]] = {}
        self._requests: dict[str, int] = {}
        self._needs: dict[tuple[str, str], disks.Free] = {}
        self._right: dict[str, Any] = {}
        self.recordings: dict[str, outage.Recorded] = {}
        self._number = 0

    @property
    def local(self) -> Sequence[str]:
        """Those of its verbs that need no bucket."""
        return [verb for verb in self.verbs if verb in LOCAL]

    def fresh(self, verb: str) -> Scene:
        """A copy of the scene of `verb`."""
        return self.stage.scene(verb).copy(self.scratch())

    def scratch(self) -> Path:
        """A place where nothing is."""
        self._number += 1
        return self.place / f"case-{self._number}"

    def counts(self, verb: str) -> dict[str, int]:
        """How many calls of each class the verb makes."""
        if verb not in self._counts:
            scene = self.fresh(verb)
            scene.copy(self.scratch()).run(self.victims)  # why: so that what it imports is imported
            self._counts[verb] = syscalls.count_calls(scene, self.victims, self.place / "calls")
            shutil.rmtree(scene.parent)
        return self._counts[verb]

    def requests(self, verb: str) -> int:
        """How many requests the verb makes of the bucket."""
        if verb not in self._requests:
            scene, mischief = self.fresh(verb), Counted(honest)
            with self.stage.cloud.doing(mischief):
                assert scene.run(self.victims).code == 0
            self._requests[verb] = mischief.count
            shutil.rmtree(scene.parent)
        return self._requests[verb]

    def needs(self, disk: str, verb: str) -> disks.Free:
        """What the verb takes of a disk."""
        if (disk, verb) not in self._needs:
            scene = self.fresh(verb)
            self._needs[disk, verb] = disks.needs(scene, disk, self.victims)
            shutil.rmtree(scene.parent)
        return self._needs[disk, verb]

    @property
    def right(self) -> dict[str, Any]:
        """What everybody says of the undamaged scene."""
        if not self._right:
            scene = self.stage.scene("everything")
            self._right |= damage.right_answers(scene, self.victims, self.scratch())
        return self._right

    def recorded(self, verb: str) -> outage.Recorded:
        """What the verb asks of the system, and the disk before it."""
        if verb not in self.recordings:
            self.recordings[verb] = outage.record(self.fresh(verb))
        return self.recordings[verb]

    def close(self) -> None:
        """Remove everything."""
        for done in self.recordings.values():
            done.close()
        self.victims.close()
        self.stage.close()
        shutil.rmtree(self.place, ignore_errors=True)
