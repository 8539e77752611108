"""The four tasks of the reference pipeline; each module draws instances of one."""

from typing import Protocol

from registry.training.die import Die
from registry.training.tasks import arithmetic, division, headache, search
from registry.training.tasks.instance import Instance


class Task(Protocol):
    """What a task module offers."""

    SLICE: str

    def draw(self, die: Die) -> Instance:
        """An instance with every slot thrown."""

    def example(self) -> Instance:
        """The instance of the design document; always held out."""


TASKS: dict[str, Task] = {task.SLICE: task for task in (headache, arithmetic, division, search)}
EXAMPLES = frozenset(task.example().key for task in TASKS.values())
"""Keys that are held out whatever their hash says."""
