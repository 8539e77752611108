"""Tools in an evaluation: only what was recorded is ever answered, and nothing live is ever called."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from registry.core.canonical import canonical, load
from registry.core.heldout.verifiers.calls import Call
from registry.core.pin import Name
from registry.core.record import MalformedRecord, Record

NOT_RECORDED = canonical({"error": "not recorded"}).decode()
"""What the model is told where the recording has no answer; the row fails."""


class Recording(Record):
    """One call that was made once, and what the tool said."""

    arguments: dict[str, Any]
    reply: dict[str, Any]


class Fixture(Record):
    """The recorded replies of one tool at one version."""

    form: Literal["registry.fixture/1"]
    tool: Name
    version: str
    recordings: tuple[Recording, ...]


@dataclass(frozen=True, slots=True)
class Replay:
    """The tools of a slice: recorded replies by tool and canonical arguments."""

    replies: Mapping[tuple[str, bytes], str]

    def answer(self, call: Call) -> str | None:
        """The recorded reply as canonical JSON, or None where the call cannot be read or is not recorded."""
        return None if call.fault else self.replies.get((call.name, canonical(call.arguments)))


def fixture_of(data: bytes) -> Fixture:
    """Read a fixture file.

    Raises:
        NotCanonical: It is not strict JSON.
        MalformedRecord: It is not a fixture, has no recording, or answers one call in two ways.
    """
    fixture = Fixture.of(load(data))
    if not fixture.recordings:
        raise MalformedRecord("a fixture has no recordings")
    replies: dict[bytes, bytes] = {}
    for recording in fixture.recordings:
        arguments, reply = canonical(recording.arguments), canonical(recording.reply)
        if replies.setdefault(arguments, reply) != reply:
            raise MalformedRecord("a fixture answers one call in two ways", why=arguments.decode())
    return fixture


def replay_of(*fixtures: Fixture) -> Replay:
    """The replay of `fixtures`, one for each tool."""
    return Replay(dict(pair for fixture in fixtures for pair in _replies(fixture)))


def _replies(fixture: Fixture) -> Iterator[tuple[tuple[str, bytes], str]]:
    for recording in fixture.recordings:
        yield (fixture.tool, canonical(recording.arguments)), canonical(recording.reply).decode()
