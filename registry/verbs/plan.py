"""plan: what a suite can decide by the rules of a stage, and how many cases each needs, before a token is spent."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from registry.core.document import did_you_mean
from registry.core.gate.forecast import Forecast, Truth, forecast, joint, targets
from registry.core.gate.judging import check
from registry.core.heldout.suite import suite_of
from registry.errors import UsageError
from registry.verbs.gate import gate_of


class BadRate(UsageError):
    """A true rate is stated for something that the rules do not measure, or cannot be."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A forecast for each rule, in the gate file's order, and the chance that all of them pass together.

    `cases` are the suite's, by slice; `wanted` is the chance that `needed` was computed for.
    """

    stage: str
    cases: Mapping[str, int]
    rules: tuple[Forecast, ...]
    wanted: Fraction
    together: Fraction | None


def plan(stage: str, *, gate_file: bytes, suite: Mapping[str, bytes], truth: Truth) -> Planned:
    """Forecast every rule.

    Args:
        stage: Whose rules these are.
        gate_file: The bytes of its gate file.
        suite: The suite's files, by path.
        truth: What is taken for true, and how often a rule should pass then.

    Raises:
        Faults: The gate file or the suite has faults. A rule that cannot pass on so few cases is none here.
        BadRate: A rate is stated that no rule measures.
    """
    file, found = gate_of(gate_file, stage), suite_of(suite)
    check.check_names(file, found)
    planned = check.plan_of(file, found)
    _check_rates(truth, planned)
    forecasts = tuple(forecast(placed.rule, planned, truth) for placed in file.rules)
    chances = [one.probability for one in forecasts if one.probability is not None]
    return Planned(
        stage=stage,
        cases={name: len(cases) for name, cases in sorted(found.cases.items())},
        rules=forecasts,
        wanted=truth.chance,
        together=joint(chances) if chances else None,
    )


def _check_rates(truth: Truth, planned: check.Plan) -> None:
    known = list(dict.fromkeys(targets(planned)))
    for name, rate in truth.rates.items():
        if name not in known:
            raise BadRate(f"no rule of this gate measures {name!r}", mend=did_you_mean(name, known))
        low = -1 if name.startswith(("delta.", "no_regressions_on")) else 0
        if not low <= rate <= 1:
            raise BadRate(f"{name} cannot truly be {float(rate):g}", why=f"it lies from {low} to 1")
