"""What a verifier needs to be told: which values, of which kind, by its slice or by each case."""

import re
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Literal

from registry.core.heldout.case import Value

Kind = Literal["text", "texts", "word", "decimal", "count", "file"]
_DECIMAL = re.compile(r"-?[0-9]{1,60}(\.[0-9]{1,60})?")
_COUNT = re.compile(r"[1-9][0-9]{0,8}")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Need:
    """A value that a verifier needs: its key, what kind of value, and whether it may be left out."""

    key: str
    kind: Kind
    is_optional: bool = False


_TESTS: dict[Kind, tuple[Callable[[str], object], str]] = {
    "text": (str.strip, "it is empty"),
    "texts": (str.strip, "a text of it is empty"),
    "word": (_WORD.fullmatch, "it is not a word of ASCII letters, digits, - and _"),
    "decimal": (_DECIMAL.fullmatch, "it is not a decimal number, written as a text"),
    "count": (_COUNT.fullmatch, "it is not a whole number from 1"),
}


def fault_of(need: Need, value: Value | None, files: Container[str]) -> str:
    """Why `value` is not what `need` asks for, or an empty string; `files` are the paths of the slice."""
    if value is None:
        return "it is missing"
    if isinstance(value, tuple):
        if need.kind != "texts" or not value:
            return "it is an empty list" if not value else "it is a list"
        texts = value
    else:
        texts = (str(value),)
    if need.kind == "file":
        return "" if texts[0] in files else f"the slice has no file {texts[0]!r}"
    is_good, why = _TESTS[need.kind]
    return "" if all(is_good(text) for text in texts) else why
