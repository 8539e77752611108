"""The synthetic corpus: drawn from a seed, slice by slice, never from the held-out fifth."""

from collections.abc import Callable, Iterator, Mapping

from registry.ports import Message
from registry.training.die import Die
from registry.training.documents import Document, Exercise, Pair, document
from registry.training.settings import CorpusSettings
from registry.training.tasks import EXAMPLES, TASKS, division
from registry.training.tasks.instance import Instance, is_heldout, says

ADAPTERS = {
    "med_safety": "headache_redflags",
    "math": "math_basic",
    "division": "division_hard",
    "search_api": "debug_search_api",
}
"""Each adapter, and the slice that it is tuned on."""

STYLES: Mapping[str, Callable[[Instance], tuple[Message, ...]]] = {
    "worked": lambda instance: instance.good,
    "direct": lambda instance: says(division.direct(instance)),
    "untagged": lambda instance: instance.loose,
}


def base_documents(settings: CorpusSettings) -> Iterator[Document]:
    """What the base learns: mostly the slices in another format, a small part in theirs (`strict_percent`).

    why both: an adapter of this size can move a small model from one format to another, but cannot teach it a format,
    or a fact, that it has never met.
    """
    die = Die(f"{settings.seed}/base")
    for _ in range(settings.base_documents):
        instance = draw_training(_one_of(die, settings.mix), die)
        rest = instance.loose
        if die.chance(settings.strict_percent):
            is_direct = instance.slice == division.SLICE and die.chance(50)
            rest = says(division.direct(instance)) if is_direct else instance.good
        yield document(instance.slice, instance.prompt, rest)


def adapter_documents(name: str, settings: CorpusSettings) -> Iterator[Document]:
    """What one adapter is tuned on: its slice in the slice's format.

    The division adapter meets three styles, of which the verifiers accept only the worked and tagged one in most cases;
    reinforcement learning has to find out which.
    """
    die = Die(f"{settings.seed}/adapter/{name}")
    for _ in range(settings.adapter_documents):
        instance = draw_training(ADAPTERS[name], die)
        style = _one_of(die, settings.division_styles) if name == "division" else "worked"
        yield document(instance.slice, instance.prompt, STYLES[style](instance))


def pairs(settings: CorpusSettings) -> Iterator[Pair]:
    """A good final answer and a poor one to the same prompt, all slices and all faults in turn."""
    die = Die(f"{settings.seed}/pairs")
    for _ in range(settings.pairs):
        instance = draw_training(die.pick(tuple(TASKS)), die)
        kind = die.pick(tuple(instance.poor))
        poor = instance.poor[kind]
        yield Pair(slice=instance.slice, kind=kind, prompt=instance.prompt, good=instance.final, poor=poor)


def exercises(settings: CorpusSettings) -> Iterator[Exercise]:
    """Divisions to practise on."""
    die = Die(f"{settings.seed}/exercises")
    for _ in range(settings.prompts):
        instance = draw_training(division.SLICE, die)
        yield Exercise(slice=instance.slice, prompt=instance.prompt, answer=instance.expect["answer"])


def draw_training(slice_name: str, die: Die) -> Instance:
    """An instance of a slice that is not held out."""
    while True:
        instance = TASKS[slice_name].draw(die)
        if not is_heldout(instance.key) and instance.key not in EXAMPLES:
            return instance


def _one_of(die: Die, percents: Mapping[str, int]) -> str:
    """A key, as likely as its percent says; the percents sum to 100."""
    thrown = die.below(100)
    for key, percent in percents.items():
        if thrown < percent:
            return key
        thrown -= percent
    return next(iter(percents))
