"""One case of a slice: what is asked, and what its verifiers need to know of a right answer."""

from registry.core.pin import Name
from registry.core.record import Record

Value = str | int | tuple[str, ...]
"""What a case or a slice may tell a verifier: data, never code."""


class Case(Record):
    """One line of `cases.jsonl`; `expect` holds what the verifiers of its slice need."""

    id: Name
    prompt: str
    expect: dict[str, Value] = {}
