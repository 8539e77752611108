"""The frozen suite: the committed bytes are those that the generator makes."""

from pathlib import Path

from registry.core.heldout.suite import suite_of
from registry.training.suite import PLANS, TIMED, suite_files

ROOT = Path(__file__).parents[2] / "manifests" / "heldout"


def test_the_generator_makes_the_committed_bytes() -> None:
    """Nobody edits a case by hand, and nobody changes the generator without a new suite."""
    committed = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in ROOT.rglob("*") if path.is_file()}

    assert suite_files() == {path: data for path, data in committed.items() if "__pycache__" not in path}


def test_the_suite_reads_and_has_the_cases_that_the_rules_need() -> None:
    """Enough cases for the lower bounds of the gate, and a hundred to time."""
    suite = suite_of(suite_files())

    assert {one.name: len(suite.cases[one.name]) for one in suite.slices} == {
        name: plan.cases for name, plan in PLANS.items()
    }
    assert TIMED * len(suite.slices) >= 100


def test_no_prompt_is_asked_twice() -> None:
    """Equal prompts would count one answer twice."""
    suite = suite_of(suite_files())
    prompts = [case.prompt for cases in suite.cases.values() for case in cases]

    assert len(set(prompts)) == len(prompts)


def test_the_examples_of_the_design_are_the_first_cases() -> None:
    """The first case of each slice is the one that the documents show."""
    suite = suite_of(suite_files())
    first = {name: cases[0].prompt for name, cases in suite.cases.items()}

    assert first["division_hard"] == "What is 23 ÷ 13?"
    assert first["math_basic"] == "Carly has 8 apples, buys 2, sells 5. How many now?"
    assert first["headache_redflags"] == "I have a headache, 102°F fever, and a stiff neck…"
    assert first["debug_search_api"].startswith("Getting a lot of 500s from `debug_search_api` logs")
