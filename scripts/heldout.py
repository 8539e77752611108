"""Stage `heldout@NAME`: run the held-out suite against one config, and write the evidence."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path

from registry.adapters.engines.transformers_engine import Layout, Settings, TransformersEngine
from registry.adapters.environment import read_environment
from registry.adapters.sandbox import LocalSandbox
from registry.core.heldout.prices import price_book_of
from registry.core.heldout.suite import Suite
from registry.training.runtime import prepare
from registry.training.settings import read_settings
from registry.verbs.evaluate import Plan, evaluate
from registry.workspace.subject import Described, describe


def main(name: str) -> None:
    """Write `evaluation/NAME/` and the metrics of the suite."""
    settings = read_settings()
    prepare(settings.heldout.threads, 0)
    described = describe(Path(f"manifests/{name}.yaml"), Path.cwd())
    engine = TransformersEngine(
        layout_of(described),
        Settings(settings.heldout.dtype, settings.heldout.batch_size, settings.heldout.threads),
    )
    found = evaluate(
        described.subject,
        described.suite if settings.heldout.cases is None else cut(described.suite, settings.heldout.cases),
        engine=engine,
        sandbox=LocalSandbox(),
        timer=time.perf_counter,
        prices=price_book_of(Path("manifests/price_book.yaml").read_bytes()),
        environment=read_environment(engine.device),
        code=described.code,
        # why so many turns at once: the engine makes its own batches of prompts of one length.
        plan=Plan(batch_size=settings.heldout.turns, cross_cases=settings.heldout.cross_cases),
        progress=tell,
    )
    write(found.files, Path("evaluation") / name, Path(f"metrics/heldout/{name}.json"))


def cut(suite: Suite, cases: int) -> Suite:
    """The first `cases` of each slice, two of them timed; the digest stays that of the whole, so rows are missing."""
    return suite.model_copy(
        update={
            "slices": tuple(one.model_copy(update={"timed": 2}) for one in suite.slices),
            "cases": {name: found[:cases] for name, found in suite.cases.items()},
        }
    )


def layout_of(described: Described) -> Layout:
    """Where the engine finds the parts of the config."""
    paths, adapters = described.paths, described.subject.adapters
    return Layout(
        base=paths["llm_sha"],
        tokenizer=paths["tokenizer_sha"],
        template=paths["input_sha"].read_text(),
        adapters={name: paths[name] for name in adapters},
        reward_model=paths.get("reward_model_sha"),
    )


def write(files: Mapping[str, bytes], directory: Path, metrics: Path) -> None:
    """Write the evidence, and beside it the summary that DVC compares."""
    directory.mkdir(parents=True, exist_ok=True)
    metrics.parent.mkdir(parents=True, exist_ok=True)
    for file, data in files.items():
        (metrics if file == "metrics.json" else directory / file).write_bytes(data)


def tell(what: str, done: int, total: int) -> None:
    """Say on stderr what is finished."""
    if done == total:
        print(f"{what}: {total}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
