"""What every verifier shares: what it is given, what it looks at, and how it says what it found."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from registry.core.heldout.case import Case, Value
from registry.core.heldout.evidence import Finding, Said
from registry.errors import RegistryError

SEEN_LETTERS = 200
LONGEST = 64 * 1024  # characters of code or prose that a verifier reads closely; a longer text fails
Arguments = Mapping[str, Value]
Transcript = Sequence[Said]


class VerifierFailed(RegistryError):
    """A verifier could not do its work; this says nothing about the answer."""


class Outcome(Protocol):
    """What became of a program that was run with limits."""

    @property
    def exit_code(self) -> int:
        """0 where it ended well."""

    @property
    def output(self) -> str:
        """The end of what it printed."""

    @property
    def timed_out(self) -> bool:
        """Whether the limits stopped it."""


@dataclass(frozen=True, slots=True)
class Instruments:
    """What a verifier may use besides the case and the answer.

    `files` are the frozen files of the slice, by path inside it. `run` executes a Python program with limits. `score`
    gives the reward model's logit for (prompt, answer) as a decimal string.
    """

    files: Mapping[str, bytes]
    run: Callable[[str], Outcome]
    score: Callable[[str, str], str]

    def file(self, path: str) -> bytes:
        """A file of the slice.

        Raises:
            VerifierFailed: There is none at `path`.
        """
        if path not in self.files:
            raise VerifierFailed(f"the slice has no file {path!r}")
        return self.files[path]


class Check(Protocol):
    """A verifier: the same inputs give the same finding, for ever, under one version."""

    def __call__(
        self, case: Case, transcript: Transcript, *, arguments: Arguments, instruments: Instruments
    ) -> Finding:
        """Judge one row."""


def answer_of(transcript: Transcript) -> str:
    """The final answer: the last message of the model, empty where it said nothing."""
    return next((said.content for said in reversed(transcript) if said.role == "assistant"), "")


def passed_if(claim: object, seen: str, *, passed: int | None = None, total: int | None = None) -> Finding:
    """A pass where `claim` is true, else a fail; `seen` is cut to 200 characters that have a UTF-8 form."""
    shown = seen[:SEEN_LETTERS].encode("utf-8", "replace").decode()
    return Finding(verdict="pass" if claim else "fail", seen=shown, passed=passed, total=total)


def passed(seen: str) -> Finding:
    """A pass, and of what."""
    return passed_if(claim=True, seen=seen)


def failed(seen: str) -> Finding:
    """A fail, and why."""
    return passed_if(claim=False, seen=seen)


def text_of(values: Mapping[str, Value], key: str) -> str:
    """The text at `key`; an integer is taken as its digits.

    Raises:
        VerifierFailed: There is none, or it is a list.
    """
    value = values.get(key)
    if value is None or isinstance(value, tuple):
        raise VerifierFailed(f"{key!r} should be a text and is {value!r}")
    return str(value)


def texts_of(values: Mapping[str, Value], key: str) -> tuple[str, ...]:
    """The texts at `key`; a single text is a list of one.

    Raises:
        VerifierFailed: There is none.
    """
    value = values.get(key)
    return value if isinstance(value, tuple) and value else (text_of(values, key),)


def number_of(text: str) -> Fraction:
    """The exact value of a decimal string that a slice, a case or the reward model wrote.

    Raises:
        VerifierFailed: It is not decimal digits with an optional sign and point.
    """
    digits = text.removeprefix("-").replace(".", "", 1)
    if not (digits.isascii() and digits.isdigit()) or len(text) > SEEN_LETTERS:
        raise VerifierFailed(f"{text[:SEEN_LETTERS]!r} is not a decimal number")
    return Fraction(text)
