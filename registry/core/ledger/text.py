"""What people write into the ledger: one printable line; and how a time is spelled there."""

import re
import unicodedata
from datetime import UTC, datetime, time
from typing import Annotated

from pydantic import AfterValidator, Field

from registry.errors import UsageError

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_SHAPE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def _is_one_line(text: str) -> str:
    # why: reasons are printed on terminals; an escape sequence or a line break there could draw a false log.
    if text.isascii() and text.isprintable() and text == text.strip():
        return text
    if any(unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp") for letter in text) or text != text.strip():
        raise ValueError("it is not one line of printable text")
    return text


def _is_a_moment(text: str) -> str:
    datetime.fromisoformat(text)  # why not `time_of`: its shape was looked at already, and every entry has a moment
    return text


Line = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_is_one_line)]
"""What a person wrote: one line of printable text."""

Actor = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_is_one_line)]
"""Who says that they did it; the signatures say whose keys did."""

Moment = Annotated[
    str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"), AfterValidator(_is_a_moment)
]
"""A claimed time: RFC 3339, UTC, whole seconds. Nothing is ordered by it."""


def moment_of(time: datetime) -> str:
    """Spell an aware `time` as entries do: RFC 3339, UTC, whole seconds, rounded down."""
    return time.astimezone(UTC).strftime(_FORMAT)


def time_of(moment: str) -> datetime:
    """The time that `moment_of` spelled.

    Raises:
        ValueError: It is spelled otherwise.
    """
    if not _SHAPE.fullmatch(moment):
        raise ValueError(f"{moment!r} is not a time as the ledger spells it")
    return datetime.fromisoformat(moment)


class NotATime(UsageError):
    """A time is spelled in another way, or says not in which zone it is."""


def read_time(text: str, *, of_day: time = time.min) -> datetime:
    """The time that a person typed: RFC 3339 with its zone, or a date, which means `of_day` in UTC on it.

    Raises:
        NotATime: It is neither.
    """
    mend = "type a date such as 2026-03-31, or a time such as 2026-03-31T12:00:00Z"
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return datetime.combine(datetime.fromisoformat(text), of_day, UTC)
        found = datetime.fromisoformat(text)
    except ValueError:
        raise NotATime(f"{text!r} is no time", mend=mend) from None
    if found.tzinfo is None:
        raise NotATime(f"{text!r} says not in which zone it is", mend="add Z for UTC, or an offset such as +02:00")
    return found


def read_when(text: str) -> datetime | int:
    """A time as `read_time`, or an entry of the ledger: its index, also as `#N`.

    Raises:
        NotATime: It is neither.
    """
    return int(text.lstrip("#")) if re.fullmatch(r"#?[0-9]{1,18}", text) else read_time(text)
