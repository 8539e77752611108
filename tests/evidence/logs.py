"""The logs beside this module, which the tools really wrote (`scripts/foreign_evidence.py`), to be read and spoiled."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

LOGS = Path(__file__).parent / "logs"
DATE = "2026-01-01T00-00-00.000000"
RESULTS, SUMS, CHOICES = f"results_{DATE}.json", f"samples_sums_{DATE}.jsonl", f"samples_choices_{DATE}.jsonl"
RAN_AS = "/made-here/model"


def harness() -> dict[str, bytes]:
    """The files of the lm-eval run."""
    return {path.name: path.read_bytes() for path in sorted((LOGS / "lm_eval").iterdir())}


def archive() -> bytes:
    """The `.eval` log of Inspect: ten sums twice, one of which breaks its solver."""
    return (LOGS / "inspect" / "sums.eval").read_bytes()


def document() -> bytes:
    """The `.json` log of Inspect: nine sums with a graded score."""
    return (LOGS / "inspect" / "graded.json").read_bytes()


def lines(data: bytes) -> list[dict[str, Any]]:
    """A file of JSON lines."""
    return [json.loads(line) for line in data.splitlines()]


def written(values: list[dict[str, Any]]) -> bytes:
    """A file of JSON lines."""
    return "".join(json.dumps(value) + "\n" for value in values).encode()


def repacked(change: Callable[[str, bytes], bytes | None], more: Mapping[str, bytes] | None = None) -> bytes:
    """The archive with every entry changed, left out where that is None, and with more entries."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive())) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if (data := change(name, old.read(name))) is not None:
                new.writestr(name, data)
        for name, data in (more or {}).items():
            new.writestr(name, data)
    return made.getvalue()


def edited(name: str, **fields: object) -> bytes:
    """The archive with some fields of one entry changed."""
    return repacked(lambda entry, data: json.dumps({**json.loads(data), **fields}).encode() if entry == name else data)
