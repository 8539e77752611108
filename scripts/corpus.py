"""Stage `corpus`: draw the training data, and fail if a held-out case is in it."""

from collections.abc import Iterator
from pathlib import Path

from registry.core.canonical import load
from registry.training.artefact import write_metrics
from registry.training.corpus import ADAPTERS, adapter_documents, base_documents, exercises, pairs
from registry.training.documents import read_lines, write_lines
from registry.training.leak import check_leaks
from registry.training.settings import read_settings

ROOT = Path("data/corpus")


def main() -> None:
    """Write one file for each trainer, then read them all back and look for leaks."""
    settings = read_settings().corpus
    write_lines(ROOT / "base.jsonl", base_documents(settings))
    for name in ADAPTERS:
        write_lines(ROOT / "adapters" / f"{name}.jsonl", adapter_documents(name, settings))
    write_lines(ROOT / "pairs.jsonl", pairs(settings))
    write_lines(ROOT / "exercises.jsonl", exercises(settings))
    cases = heldout_prompts(Path("manifests/heldout"))
    looked = check_leaks(cases, texts(ROOT))
    write_metrics(Path("metrics/corpus.json"), {"texts_checked": looked, "cases_checked": len(cases), "leaks": 0})


def heldout_prompts(suite: Path) -> dict[str, str]:
    """The id and the prompt of every case."""
    lines = (line for path in sorted(suite.glob("*/cases.jsonl")) for line in path.read_bytes().splitlines())
    return {case["id"]: case["prompt"] for case in map(load, lines)}


def texts(root: Path) -> Iterator[tuple[str, str]]:
    """Every text of the corpus, message by message, with the file and line that it is from."""
    for path in sorted(root.rglob("*.jsonl")):
        for number, row in enumerate(read_lines(path), start=1):
            messages = [message["content"] for message in row.get("messages", [])]
            for text in (*messages, *(row[key] for key in ("prompt", "good", "poor") if key in row)):
                yield f"{path}:{number}", text


if __name__ == "__main__":
    main()
