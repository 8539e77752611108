"""A canary is rolled back early only on proof, and a look after every request is no chance for luck."""

import random
from decimal import Decimal
from fractions import Fraction
from statistics import median

import pytest

from registry.core.gate.judging.triggers import Caps, Trigger, first_excess, watch_canary
from registry.core.gate.language.rule import parse_rule
from tests.gate.traffic import LOST, TIMEOUT, Traffic

RULES = [
    parse_rule(text)
    for text in (
        "canary.abandon_rate.point <= 0.05",
        "canary.safety_incidents.count == 0",
        "canary.latency_p95_ms.point <= 950",
        "canary.cost_per_1k_tokens_usd.point <= 0.022",
    )
]
CAPS = Caps(Decimal("0.1"), 4000)
LEFT: dict[str, object] = {"abandoned": True}
NO_CAPS = "It takes what a request can cost at most: --max-cost-usd and --max-tokens."


def fired(traffic: Traffic, caps: Caps | None = CAPS) -> dict[str, int | None]:
    """The request at which each trigger fired, by metric."""
    found = watch_canary(traffic.read(), RULES, caps=caps)
    return {trigger.rule.split(".")[1]: trigger.request for trigger in found}


def test_a_good_canary_fires_nothing() -> None:
    """At the limit itself, too."""
    at_the_limit = Traffic(every={20: {**LEFT, "latency_ms": "951"}})

    assert dict.fromkeys(("abandon_rate", "safety_incidents", "latency_p95_ms", "cost_per_1k_tokens_usd")) == fired(
        at_the_limit
    )


def test_a_bad_canary_fires_what_is_bad_and_says_when() -> None:
    """Long before the window is full; and each trigger by its own evidence."""
    left, slow = fired(Traffic(every={8: LEFT})), fired(Traffic(every={4: TIMEOUT}))
    dear = fired(Traffic(every={1: {"cost_usd": "0.09"}}))

    assert left["abandon_rate"] is not None
    assert left["abandon_rate"] < 400
    assert slow["latency_p95_ms"] is not None
    assert slow["latency_p95_ms"] < 100
    assert dear["cost_per_1k_tokens_usd"] is not None
    assert dear["cost_per_1k_tokens_usd"] < 100
    assert [3, 3, 3] == [list(found.values()).count(None) for found in (left, slow, dear)]


def test_the_first_incident_fires() -> None:
    """Needs no risk, for nothing is estimated; also when the request's telemetry was lost."""
    traffic = Traffic(changed={41: {**LOST, "incident": True}, 77: {"incident": True}})
    found = watch_canary(traffic.read(), RULES, caps=CAPS)[1]

    assert Trigger(RULES[1].text, None, 42, traffic.lines()[41].at_ms) == found
    two = watch_canary(traffic.read(), [parse_rule("canary.safety_incidents.count <= 1")])
    assert [78] == [one.request for one in two]


def test_the_risk_is_shared_by_what_can_err() -> None:
    """Three of four; two where cost is not watched, which is said."""
    canary = Traffic(30).read()
    third, half = Fraction(1, 60), Fraction(1, 40)

    assert [third, None, third, third] == [one.risk for one in watch_canary(canary, RULES, caps=CAPS)]
    without = watch_canary(canary, RULES)
    assert [half, None, half, None] == [one.risk for one in without]
    assert ["", "", "", NO_CAPS] == [one.unwatched for one in without]


def test_only_limits_of_live_traffic_are_triggers() -> None:
    """A lower bound, a number of requests, a count at the end: nothing to roll back for, and that is said."""
    others = ["canary.abandon_rate.lower_ci >= 0.01", "canary.abandon_rate.n >= 10", "canary.abandon_rate.count <= 3"]
    found = watch_canary(Traffic(30, every={1: LEFT}).read(), [parse_rule(text) for text in (*others, RULES[0].text)])

    assert others == [one.rule for one in found if one.unwatched and not one.is_blind]
    assert [None, None, None, Fraction(1, 20)] == [one.risk for one in found]
    assert found[3].request is not None


def test_a_rule_on_rows_is_no_rule_on_traffic() -> None:
    """Left out."""
    others = ["latency_p95_ms.point <= 900", "no_regressions_on: ['math_basic']"]

    assert () == watch_canary(Traffic(30).read(), [parse_rule(text) for text in others])


def test_lost_telemetry_rolls_nothing_back() -> None:
    """It keeps a canary from being promoted, but proves nothing of the model."""
    assert {None} == set(fired(Traffic(2000, every={2: LOST})).values())


@pytest.mark.parametrize("change", [{"cost_usd": "0.100000001"}, {"tokens": 4001}])
def test_a_cap_that_is_passed_is_no_cap(change: dict[str, object]) -> None:
    """The bound on cost would not hold, so that nothing more is proven of it; other triggers do not care."""
    found = watch_canary(Traffic(500, changed={7: change}, every={2: LEFT}).read(), RULES, caps=CAPS)

    assert [False, False, False, True] == [one.is_blind for one in found]
    assert found[3].unwatched.startswith("Request 8 cost 0.")
    assert found[0].request is not None


def test_a_request_at_its_cap_keeps_it() -> None:
    """In dollars and in tokens."""
    found = watch_canary(Traffic(50, changed={7: {"cost_usd": "0.1", "tokens": 4000}}).read(), RULES, caps=CAPS)

    assert not any(one.is_blind for one in found)


def test_what_was_proven_stays_proven() -> None:
    """A trigger that fired says the same whatever comes later; also where what comes is beyond the caps."""
    dear: dict[str, object] = {"cost_usd": "0.09"}
    short = Traffic(200, every={1: dear, 3: LEFT, 5: TIMEOUT})
    longer = Traffic(400, changed={at: {"cost_usd": "0.5"} for at in range(300, 400)}, every=short.every)

    assert fired(short) == fired(longer)
    assert None not in [one.request for one in watch_canary(short.read(), RULES, caps=CAPS) if one.risk]


def test_an_empty_canary_fires_nothing() -> None:
    """Nothing was seen."""
    assert {None} == set(fired(Traffic(0)).values())


def test_a_rate_at_its_limit_is_rarely_rolled_back_and_a_bad_one_soon() -> None:
    """500 seeded canaries of 1,500 requests each at 0.05: at most 1 in 20. At 0.10, half within 300 requests."""
    die, limit, risk = random.Random(26), Fraction(1, 20), Fraction(1, 20)

    def runs(rate: float, times: int) -> list[int | None]:
        return [first_excess([die.random() < rate for _ in range(1500)], limit, risk) for _ in range(times)]

    false_alarms = [one for one in runs(0.05, 500) if one is not None]
    assert len(false_alarms) <= 25
    assert median(one if one is not None else 1500 for one in runs(0.10, 100)) < 300
