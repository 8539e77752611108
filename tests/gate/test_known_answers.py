"""Every estimator gives what was published, to the last decimal that was published."""

import inspect
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from registry.core.gate import estimate

BOOK = yaml.safe_load((Path(__file__).parent / "known_answers.yaml").read_text(encoding="utf-8"))
ANSWERS = [(name, answer) for name, answers in BOOK["answers"].items() for answer in answers]
IDS = [f"{name}-{answer.get('given', answer.get('named'))}"[:60] for name, answer in ANSWERS]
GOLDEN = (math.sqrt(5) - 1) / 2


def clusters(hits: list[int], of: list[int]) -> list[list[int]]:
    """So many hits of so many in each cluster."""
    return [[1] * hit + [0] * (size - hit) for hit, size in zip(hits, of, strict=True)]


BUILT: Mapping[str, Callable[..., estimate.Interval]] = {
    "korn_graubard": lambda hits, of: estimate.korn_graubard(clusters(hits, of)),
    "quantile_interval": lambda exp_of_hundredths, q: estimate.quantile_interval(
        [math.exp(i / 100) for i in range(exp_of_hundredths)], q
    ),
    "clustered_mean": lambda count, modulo: estimate.clustered_mean(range(count), [i % modulo for i in range(count)]),
    "empirical_bernstein_sequence": lambda golden=0, every_tenth_of=0: estimate.empirical_bernstein_sequence(
        [i * GOLDEN % 1 for i in range(1, golden + 1)] + [float(i % 10 == 0) for i in range(every_tenth_of)]
    ),
}
"""Arguments that are too long to be written out."""


def close(published: str, *, cut: bool) -> Any:
    """Half a unit of the last decimal, and a hair for a number that lies in the middle."""
    decimals = len(published.partition(".")[2])
    return pytest.approx(float(published), abs=(1.0 if cut else 0.5001) * 10**-decimals, rel=1e-12)


@pytest.mark.parametrize(("name", "answer"), ANSWERS, ids=IDS)
def test_an_estimator_gives_the_published_answer(name: str, answer: dict[str, Any]) -> None:
    """Textbooks, papers and the packages of others, each with its source."""
    call = BUILT.get(name, getattr(estimate, name))
    found = call(*answer.get("given", []), **answer.get("named", {}))
    told = {key: answer[key] for key in ("point", "lower", "upper", "standard_error", "p_value") if key in answer}
    seen = {key: found if key == "p_value" else getattr(found, key) for key in told}

    assert {key: close(value, cut=answer.get("cut", False)) for key, value in told.items()} == seen


def test_every_answer_has_its_source_and_every_estimator_an_answer() -> None:
    """A number without a source proves nothing. Sums of strata are checked by hand in test_estimate."""
    told = {answer["source"] for _, answer in ANSWERS}
    estimators = set(estimate.__all__) - {"Interval", "MeanInterval", "NoSample"}

    assert set(BOOK["sources"]) == told
    assert {"stratified"} == estimators - set(BOOK["answers"])


def test_every_estimator_is_in_the_table_of_the_docs() -> None:
    """With its arguments in their order."""
    page = (Path(__file__).parents[2] / "docs" / "gates.md").read_text(encoding="utf-8")
    for name in set(estimate.__all__) - {"Interval", "MeanInterval", "NoSample"}:
        row = re.search(rf"^\| `{name}\((.*?)\)`", page, re.MULTILINE)
        told = row[1].split(", ") if row else []

        assert told
        assert told == [name for name in inspect.signature(getattr(estimate, name)).parameters if name in told]
