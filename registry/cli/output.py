"""How every command speaks: data on stdout, talk on stderr, one versioned document with `--json`."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, is_dataclass
from typing import Annotated, Any

import typer

from registry.core.visible import visible
from registry.errors import RegistryError

Json = Annotated[bool, typer.Option("--json", help="Print one versioned JSON document instead of text.")]


def document(form: str, value: Any) -> str:
    """One JSON document: the fields of `value` (a dataclass, a record or a dict), and `form`, which names them.

    Args:
        form: What it is and in which version, such as `registry.status/1`.
        value: What to show.
    """
    return json.dumps({"form": form, **_plain(value)}, indent=2, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", exclude_none=True)
    return value if isinstance(value, dict) else str(value)


def data(text: str) -> None:
    """Print what was asked for."""
    typer.echo(_shown(text))


def talk(text: str) -> None:
    """Print what a person may want to know; never on stdout."""
    typer.echo(_shown(text), err=True)


def _shown(text: str) -> str:
    # why every line of every command: a name that a stranger chose must not clear the screen, or draw a false line.
    return "\n".join(map(visible, text.split("\n")))


def complain(error: RegistryError) -> None:
    """Print an error as what, why and mend; as one JSON line on stderr where `--json` was asked for."""
    if "--json" in sys.argv:
        parts = {"what": error.what, "why": error.why, "mend": error.mend, "exit_code": error.exit_code}
        talk(json.dumps({"form": "registry.error/1", "kind": type(error).__name__, **parts}, ensure_ascii=False))
    else:
        talk(f"error: {error}")


def columns(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows as plain aligned columns, two spaces apart, without trailing spaces."""
    table = [tuple(heads), *(tuple(map(visible, row)) for row in rows)]
    widths = [max(len(row[place]) for row in table) for place in range(len(heads))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table)
    return "\n".join(lines)


def size(count: int) -> str:
    """Bytes for people: `3.7 MB`; powers of 1000, as disks are sold."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
