"""Canonical JSON: one spelling for each value, and a loader that accepts nothing doubtful.

The profile is RFC 8785 (JCS) narrowed until it has no trap left: no floats (a measured number is a decimal string),
integers within ±(2^53-1), keys of plain ASCII (so that UTF-16 order is code-point order), no lone surrogate, no key
twice, at most 32 levels, at most 64 MiB.
"""

import json
import re
from functools import lru_cache
from typing import Any

from registry.errors import IntegrityError

MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 32
MAX_INTEGER = 2**53 - 1
_KEY = re.compile(r"[ -~]{1,256}")
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


class NotCanonical(IntegrityError):
    """A document is not JSON, or not the one spelling of its value."""


def canonical(value: Any) -> bytes:
    """Spell `value` in the one way that its digest is taken of.

    Args:
        value: None, booleans, integers, strings, and lists, tuples and string-keyed dicts of these.

    Returns:
        UTF-8 bytes, keys sorted, no white space, no trailing newline.

    Raises:
        NotCanonical: A float, a wide integer, a lone surrogate, an odd key, or too deep.

    Source: RFC 8785, JSON Canonicalization Scheme.
    """
    _check(value, 0)
    return _ENCODER.encode(value).encode()


def load(data: bytes) -> Any:
    """Read strict JSON: everything `canonical` can spell, in any layout.

    Raises:
        NotCanonical: Not UTF-8, a byte-order mark, NaN, a float, a key twice, a lone surrogate, too deep or too large.
    """
    if len(data) > MAX_BYTES:
        raise NotCanonical("a JSON document is too large", why=f"{len(data)} bytes; at most {MAX_BYTES} are read")
    try:
        text = data.decode("utf-8", "strict")
        if text.startswith("\ufeff"):
            raise NotCanonical("a JSON document starts with a byte-order mark")
        value = json.loads(text, object_pairs_hook=_pairs, parse_constant=_no_number, parse_float=_no_number)
    except RecursionError:
        raise NotCanonical("a JSON document is nested too deep", why=f"at most {MAX_DEPTH} levels are read") from None
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are both ValueErrors
        raise NotCanonical("this is not JSON", why=str(error)) from None
    _check(value, 0)
    return value


def load_canonical(data: bytes) -> Any:
    """Read JSON that must already be in its canonical spelling.

    Raises:
        NotCanonical: As `load`, or the bytes are another spelling of the value.
    """
    value = load(data)
    if canonical(value) != data:
        raise NotCanonical(
            "a JSON document is not in its canonical spelling", why="the value is legal, the bytes are not"
        )
    return value


def _check(value: Any, depth: int) -> None:
    """Refuse whatever has no single spelling."""
    if depth > MAX_DEPTH:
        raise NotCanonical("a JSON document is nested too deep", why=f"at most {MAX_DEPTH} levels are read")
    match value:
        case str():
            _check_text(value)
        case dict():
            for key, item in value.items():
                _check_key(key)
                _check(item, depth + 1)
        case list() | tuple():
            for item in value:
                _check(item, depth + 1)
        case _:
            _check_scalar(value)


def _check_scalar(value: Any) -> None:
    match value:
        case None | bool():
            return
        case int():
            if abs(value) > MAX_INTEGER:
                raise NotCanonical(f"the integer {value} is too wide", why="other readers would round it past 2^53")
        case _:
            why = f"{type(value).__name__} has no single spelling in JSON"
            raise NotCanonical(f"{value!r} cannot be written down", why=why)


def _check_text(text: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NotCanonical(f"{text!r} holds a lone surrogate", why="it has no UTF-8 form") from None


@lru_cache(maxsize=1024)  # why: records have few keys, over and over
def _check_key(key: Any) -> None:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise NotCanonical(f"{key!r} cannot be a key", why="keys are 1 to 256 printable ASCII characters")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise NotCanonical(f"the key {twice!r} stands twice in one object")
    return found


def _no_number(spelling: str) -> Any:
    raise NotCanonical(f"the number {spelling} is not allowed", why="only integers are; write decimals as strings")
