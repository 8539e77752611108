"""How many samples a rule needs: against the planning table, and never promising what more samples cannot give."""

from fractions import Fraction

import pytest

from registry.core.gate.language.gatefile import read_gate
from registry.core.gate.measuring.measure import Estimate, estimate
from registry.core.gate.measuring.power import could_have_shown, least_to_pass, more_samples, samples_to_pass
from registry.core.gate.measuring.sample import Hits
from tests.gate.sheet import Sheet, gate_of, suite_of_size, verdict_of

EXACT = read_gate(gate_of("latency_p95_ms.point <= 900")).gate
SCORE = read_gate(gate_of("latency_p95_ms.point <= 900", method="wilson")).gate


@pytest.mark.parametrize(("rate", "threshold", "four_in_five"), [
    ("0.993", "0.98", 650), ("0.997", "0.98", 361), ("0.999", "0.99", 564), ("0.99", "0.98", 1296),
])  # fmt: skip
def test_the_planning_table_is_met(rate: str, threshold: str, four_in_five: int) -> None:
    """Samples for an 80 % chance with Wilson's bound, within 6 % (the curve has teeth)."""
    found = samples_to_pass(Fraction(rate), Fraction(threshold), SCORE, chance=Fraction(4, 5))

    assert found == pytest.approx(four_in_five, rel=0.06)


def test_a_large_plan_uses_the_normal_approximation() -> None:
    """0.83 against 0.82 takes over ten thousand."""
    found = samples_to_pass(Fraction("0.83"), Fraction("0.82"), EXACT, chance=Fraction(9, 10))

    assert found == pytest.approx(15246, rel=0.03)


def test_perfection_needs_as_many_as_the_bound_does() -> None:
    """183 of 183 for 0.98, 368 of 368 for 0.99; any chance will do."""
    assert (183, 368) == (least_to_pass(Fraction("0.98"), EXACT), least_to_pass(Fraction("0.99"), EXACT))
    assert samples_to_pass(Fraction(1), Fraction("0.98"), EXACT, chance=Fraction(4, 5)) == 183


def test_no_number_of_samples_helps_a_rate_below_the_bar() -> None:
    """None, and the sentence says so."""
    seen = estimate(Hits(bytes([1] * 390 + [0] * 10), 1), EXACT)

    assert more_samples(seen, Fraction("0.98"), EXACT, chance=Fraction(1, 2)) is None
    assert samples_to_pass(Fraction("0.98"), Fraction("0.98"), EXACT, chance=Fraction(1, 2)) is None


def test_an_undecided_rule_says_what_would_settle_it() -> None:
    """0.99 on 400 is short of 0.98 by about 353 samples."""
    sheet = Sheet(suite_of_size(400), wrong={"math_basic": 4})
    found = verdict_of("math_correct_rate(math_basic).lower_ci >= 0.98", sheet)

    assert found.verdict == "inconclusive"
    assert found.more_for_half == pytest.approx(353, abs=60)
    assert (found.more_for_most or 0) > (found.more_for_half or 0)
    assert f"About {found.more_for_half} more" in found.sentence


def test_an_upper_bound_is_planned_like_a_lower_one() -> None:
    """Counted by what did not happen."""
    sheet = Sheet(suite_of_size(400), wrong={"headache_redflags": 14})
    found = verdict_of("ruleViolationRate(headache_redflags).upper_ci <= 0.05", sheet)
    hopeless = verdict_of("ruleViolationRate(headache_redflags).upper_ci <= 0.02", sheet)

    assert found.verdict == "inconclusive"
    assert (found.more_for_half or 0) > 100
    assert (hopeless.more_for_half, hopeless.verdict) == (None, "inconclusive")
    assert "would not help" in hopeless.sentence


def test_clusters_follow_the_square_root_law() -> None:
    """Half the width takes four times as many."""
    seen = Estimate(Fraction("0.9"), Fraction("0.86"), Fraction("0.94"), 1000, 100)

    assert more_samples(seen, Fraction("0.88"), EXACT, chance=Fraction(1, 2)) == 3000


def test_the_power_of_a_paired_test_needs_differing_pairs() -> None:
    """None differ: nothing could have shown. Many differ and the difference is large: it would have."""
    level = Fraction(1, 20)

    assert not could_have_shown((0, 400), Fraction("0.07"), level)
    assert not could_have_shown((5, 400), Fraction("0.07"), level)
    assert could_have_shown((60, 400), Fraction("0.07"), level)
    assert not could_have_shown((200, 400), Fraction("0.02"), level)
