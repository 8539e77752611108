"""Ask a model the samples of one slice: all that are live take their next turn together, tools are replayed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from registry.core.digest import Digest
from registry.core.heldout.case import Case
from registry.core.heldout.evidence import Said, Status
from registry.core.heldout.seeds import seed_of
from registry.core.heldout.slice import Slice
from registry.core.heldout.tools import NOT_RECORDED, Replay
from registry.core.heldout.verifiers.calls import Call, calls_in
from registry.errors import RegistryError, UsageError
from registry.ports import Engine, Message, Reply, Turn

MOST_CALLS = 8  # in one turn; a model that calls more is not debugging but stuck


class EngineBroken(RegistryError):
    """The engine did not keep the contract of its door; nothing that it said is evidence."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How a slice is asked: of which suite, with which sampling, tools and batch size."""

    suite: Digest
    slice: Slice
    replay: Replay
    sampling: Mapping[str, str]
    batch_size: int


@dataclass(slots=True)
class Talk:
    """One sample under way: what was said so far, and what became of it."""

    case: Case
    sample: int
    adapter: str | None
    said: list[Said] = field(default_factory=list)
    status: Status = "ok"
    is_over: bool = False
    steps: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


def talks_of(slice: Slice, cases: Sequence[Case], adapter: str | None) -> list[Talk]:
    """A talk to be had for each sample of `cases`."""
    return [Talk(case, sample, adapter) for case in cases for sample in range(slice.samples)]


def converse(talks: Sequence[Talk], setting: Setting, *, engine: Engine, told: Callable[[int], None]) -> None:
    """Hold every talk to its end; `told` hears how many ended after each batch.

    Raises:
        EngineBroken: The engine gave another number of replies than there were turns.
        UsageError: The engine does not know an adapter or a sampling setting: a fault of the whole evaluation.
    """
    for step in range(setting.slice.max_steps):
        live = [talk for talk in talks if not talk.is_over]
        for start in range(0, len(live), setting.batch_size):
            batch = live[start : start + setting.batch_size]
            replies = _replies([_turn(talk, step, setting) for talk in batch], setting, engine=engine)
            for talk, reply in zip(batch, replies, strict=True):
                _take(talk, reply, setting)
            told(sum(talk.is_over for talk in batch))


def _turn(talk: Talk, step: int, setting: Setting) -> Turn:
    said = (Message(one.role, one.content) for one in talk.said)
    return Turn(
        messages=(Message("user", talk.case.prompt), *said),
        adapter=talk.adapter,
        seed=seed_of(setting.suite, (setting.slice.name, talk.case.id, talk.sample), step),
        max_new_tokens=setting.slice.max_new_tokens,
    )


def _replies(turns: list[Turn], setting: Setting, *, engine: Engine) -> Sequence[Reply | None]:
    """A reply to each turn; None where the engine fails on a turn by itself.

    A batch that fails is asked again one by one, so that who is lost never depends on who was asked beside it.
    """
    try:
        replies = engine.reply(turns, setting.sampling)
    except UsageError:
        raise
    except RegistryError:
        if len(turns) == 1:
            return [None]
        return [reply for turn in turns for reply in _replies([turn], setting, engine=engine)]
    if len(replies) != len(turns):
        raise EngineBroken(f"the engine gave {len(replies)} replies to {len(turns)} turns")
    return replies


def _take(talk: Talk, reply: Reply | None, setting: Setting) -> None:
    """Write a reply down, replay the tools that it calls, and see whether the talk is over."""
    if reply is None:
        talk.status, talk.is_over = "error", True
        return
    # why: a row is UTF-8; half a surrogate pair has no such form, and is what U+FFFD is for.
    text = reply.text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    talk.said.append(Said(role="assistant", content=text))
    talk.steps += 1
    talk.prompt_tokens += reply.prompt_tokens
    talk.completion_tokens += reply.completion_tokens
    calls = calls_in(text) if setting.slice.tools else ()
    if not calls:
        talk.is_over = True
    elif talk.steps == setting.slice.max_steps or len(calls) > MOST_CALLS:
        talk.status, talk.is_over = "invalid", True
    else:
        _replay(talk, calls, setting.replay)


def _replay(talk: Talk, calls: Sequence[Call], replay: Replay) -> None:
    """Answer each call from the recording; one that is not there makes the row invalid, and the talk goes on."""
    for call in calls:
        answer = replay.answer(call)
        if answer is None:
            talk.status = "invalid"
        talk.said.append(Said(role="tool", content=NOT_RECORDED if answer is None else answer))
