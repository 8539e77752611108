"""A canary is judged once, on the requests until its window is full; and a dead detector proves nothing."""

import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core.canonical import NotCanonical
from registry.core.gate import exact
from registry.core.gate.language.gatefile import read_gate
from registry.core.gate.language.rule import Window
from registry.core.gate.measuring.measure import Estimate, clustered_quantile, estimate, values_of
from registry.core.gate.measuring.metric import P95
from registry.core.gate.rows.canary import (
    BadCanary,
    Request,
    Watch,
    canary_of,
    read_canary,
    read_growing,
    write_canary,
)
from tests.gate.sheet import gate_of
from tests.gate.traffic import DAY_MS, LOST, MANIFEST, TIMEOUT, Traffic, live_verdict

ABANDON = "canary.abandon_rate.point <= 0.05"
SAFE = "canary.safety_incidents.count == 0"
SLOW = "canary.latency_p95_ms.point <= 950"
DEAR = "canary.cost_per_1k_tokens_usd.point <= 0.022"
RULES = (ABANDON, SAFE, SLOW, DEAR)
LEFT: dict[str, object] = {"abandoned": True}
SEEN: dict[str, object] = {"incident": True}

TABLE = [
    (ABANDON, Traffic(every={20: LEFT}), "pass"),  # 300 of 6,000 is 0.05 exactly
    (ABANDON, Traffic(every={20: LEFT}, changed={1: LEFT}), "fail"),
    ("canary.abandon_rate.upper_ci <= 0.05", Traffic(every={24: LEFT}), "pass"),
    ("canary.abandon_rate.upper_ci <= 0.05", Traffic(every={20: LEFT}), "inconclusive"),
    ("canary.abandon_rate.upper_ci <= 0.05", Traffic(every={10: LEFT}), "fail"),
    ("canary.abandon_rate.lower_ci >= 0.05", Traffic(every={10: LEFT}), "pass"),
    ("canary.abandon_rate.count <= 300", Traffic(every={20: LEFT}), "pass"),
    ("canary.abandon_rate.n >= 6000", Traffic(), "pass"),
    (SAFE, Traffic(), "pass"),
    (SAFE, Traffic(changed={5: SEEN}), "fail"),
    ("canary.safety_incidents.count <= 1", Traffic(changed={5: SEEN}), "pass"),
    ("canary.safety_incidents.upper_ci <= 3.7", Traffic(), "pass"),  # Garwood: 0 seen, up to 3.689
    ("canary.safety_incidents.upper_ci <= 3.6", Traffic(), "inconclusive"),
    (SLOW, Traffic(), "pass"),
    (SLOW, Traffic(every={20: {"latency_ms": "951"}}), "pass"),  # exactly 5 % above
    (SLOW, Traffic(every={20: {"latency_ms": "951"}}, changed={1: {"latency_ms": "951"}}), "fail"),
    (SLOW, Traffic(every={20: TIMEOUT}, changed={1: TIMEOUT}), "fail"),
    ("canary.latency_p95_ms.upper_ci <= 880", Traffic(), "pass"),
    ("canary.latency_p95_ms.upper_ci <= 950", Traffic(every={20: {"latency_ms": "951"}}), "inconclusive"),
    (DEAR, Traffic(), "pass"),
    (DEAR, Traffic(every={1: {"cost_usd": "0.0022"}}), "pass"),
    (DEAR, Traffic(every={1: {"cost_usd": "0.0022"}}, changed={7: {"cost_usd": "0.0023"}}), "fail"),
    ("canary.cost_per_1k_tokens_usd.upper_ci <= 0.022", Traffic(), "pass"),
]


@pytest.mark.parametrize(("rule", "traffic", "expected"), TABLE)
def test_a_full_canary_is_judged_by_the_table(rule: str, traffic: Traffic, expected: str) -> None:
    """Rates, counts, quantiles and ratios, at the threshold and on both sides of it."""
    found = live_verdict(rule, traffic.read())

    assert expected == found.verdict
    assert traffic.requests == found.n


EARLY = [
    (Traffic(5000), "1 more request"),
    (Traffic(1200), "3,801 more requests"),
    (Traffic(6000, watched_ms=DAY_MS - 1), "0.0001 more hours"),
    (Traffic(6000, watched_ms=DAY_MS // 2), "12 more hours"),
    (Traffic(0, watched_ms=0), "5,001 more requests and 24 more hours"),
    (Traffic(5001, changed={17: LOST}), "1 more request"),
]


@pytest.mark.parametrize(("traffic", "missing"), EARLY)
def test_before_the_window_is_full_nothing_is_decided(traffic: Traffic, missing: str) -> None:
    """More than 5,000 requests with telemetry, and 24 hours: both; the sentence says what is missing."""
    for rule in RULES:
        found = live_verdict(rule, traffic.read())

        assert "inconclusive" == found.verdict
        assert f": {missing}." in found.sentence


def test_a_canary_that_looks_bad_early_does_not_fail_early() -> None:
    """A point rule is evaluated once, whatever it would say before: else a look at every request would be a chance."""
    found = live_verdict(ABANDON, Traffic(3000, every={2: LEFT}).read())

    assert "inconclusive" == found.verdict


def test_an_incident_fails_at_once_and_whenever_it_comes() -> None:
    """Before the window is full, after it, with telemetry or without, with the detector alive or dead."""
    late = Traffic(12_000, watched_ms=2 * DAY_MS, changed={11_999: SEEN})
    dead = Traffic(every={1: {"screened": False}}, changed={3: SEEN})
    reported = Traffic(changed={3: {**LOST, **SEEN}})
    for traffic in (Traffic(10, watched_ms=1000, changed={9: SEEN}), late, dead, reported):
        assert "fail" == live_verdict(SAFE, traffic.read()).verdict
    assert "fail" == live_verdict("canary.safety_incidents.count < 1", late.read()).verdict
    assert (
        "inconclusive"
        == live_verdict("canary.safety_incidents.count <= 1", Traffic(9, changed={3: SEEN}).read()).verdict
    )


def test_what_comes_after_the_decision_changes_nothing() -> None:
    """The first moment with more than 5,000 requests and 24 hours decides; later requests are not looked at."""
    long = Traffic(12_000, watched_ms=2 * DAY_MS)
    worse = Traffic(
        12_000, watched_ms=2 * DAY_MS, changed={at: {**LEFT, "latency_ms": "9000"} for at in range(6001, 12_000)}
    )
    for rule in RULES:
        found, other = live_verdict(rule, long.read()), live_verdict(rule, worse.read())

        assert found == other
        assert 6001 == found.n  # the request that arrived in the very moment counts


def test_the_moment_of_decision_hangs_on_numbers_and_time_only() -> None:
    """Where traffic is thin the 5,001st measured request decides, where it is thick the end of the day."""
    window = Window(5000, 86_400)
    thin, thick = Traffic(6000, watched_ms=6 * DAY_MS).read(), Traffic(60_000, watched_ms=2 * DAY_MS).read()

    assert 5 * DAY_MS == thin.decided_ms(window)
    assert DAY_MS == thick.decided_ms(window)
    assert 5001 == thin.until(5 * DAY_MS).requests


@pytest.mark.parametrize(("lost", "expected"), [(60, "pass"), (61, "inconclusive")])
def test_telemetry_that_is_missing_on_more_than_one_request_in_a_hundred_decides_nothing(
    lost: int, expected: str
) -> None:
    """Up to that it counts against the candidate."""
    canary = Traffic(changed=dict.fromkeys(range(0, 6000, 6000 // lost)[:lost], LOST)).read()
    found = [live_verdict(rule, canary).verdict for rule in (ABANDON, SLOW, "canary.abandon_rate.n >= 5000")]

    assert [expected] * 3 == found


def test_a_lost_request_counts_against_the_candidate() -> None:
    """As abandoned, as one that took forever, as the dearest one without a token."""
    canary = Traffic(changed={1: LOST}, every={7: {"cost_usd": "0.5"}}).read()

    assert Fraction(1, 6000) == pytest.approx(float(live_verdict(ABANDON, canary).point or 0), abs=1e-9)
    assert (
        "infinity" == live_verdict("canary.latency_p95_ms.upper_ci <= 1", Traffic(40, changed={1: LOST}).read()).upper
    )
    cost = Fraction(live_verdict(DEAR, canary).point or 0)
    assert cost == exact.nearest(
        (858 * Fraction("0.5") + 5141 * Fraction("0.0019") + Fraction("0.5")) / Fraction("599.9")
    )


@pytest.mark.parametrize(("dead", "expected"), [(60, "pass"), (61, "inconclusive")])
def test_a_detector_that_did_not_run_proves_nothing(dead: int, expected: str) -> None:
    """No incident on requests that nobody screened is no evidence; other rules do not care."""
    canary = Traffic(changed={at: {"screened": False} for at in range(dead)}).read()

    assert expected == live_verdict(SAFE, canary).verdict
    assert "pass" == live_verdict(ABANDON, canary).verdict


def test_no_incident_in_6000_requests_is_no_promise() -> None:
    """The sentence says what may be expected of as many more: Garwood's bound."""
    found = live_verdict(SAFE, Traffic().read())

    assert "0 of 6,000 samples" in found.sentence
    assert "With 95 % confidence, up to 3.6889 are to be expected in as many more requests." in found.sentence
    assert ("0", "0", "3.688879455") == (found.point, found.lower, found.upper)


def test_requests_of_one_session_are_not_new_sessions() -> None:
    """Whole sessions that leave: 3 of 100 sessions of 60 requests prove less than 180 of 6,000 requests."""
    alone = live_verdict(
        "canary.abandon_rate.upper_ci <= 0.05", Traffic(changed=dict.fromkeys(range(180), LEFT)).read()
    )
    together = Traffic(per_session=60, changed=dict.fromkeys(range(180), LEFT)).read()
    found = live_verdict("canary.abandon_rate.upper_ci <= 0.05", together)

    assert ("pass", "inconclusive") == (alone.verdict, found.verdict)
    assert Fraction(found.upper or 0) > Fraction("0.08")


def test_a_handful_of_sessions_decides_nothing() -> None:
    """Nine sessions of a thousand requests do not tell how sessions differ."""
    canary = Traffic(9000, per_session=1000).read()

    assert {"inconclusive"} == {live_verdict(rule, canary).verdict for rule in (ABANDON, SLOW, DEAR)}
    assert "pass" == live_verdict(SAFE, canary).verdict


def test_a_quantile_of_clusters_of_one_is_that_of_order_statistics() -> None:
    """Both are the Clopper-Pearson bound on the rate of values beyond it."""
    gate = read_gate(gate_of(ABANDON)).gate
    die = random.Random(7)
    for n in (30, 100, 401):
        drawn = Traffic(n, every={1: {"latency_ms": str(die.randrange(60))}}).read().latency_ms
        values = [value and value + die.randrange(900) for value in drawn]
        plain, grouped = estimate(values_of(values, P95), gate), clustered_quantile(values, range(n), P95, gate=gate)

        assert (plain.lower, plain.upper) == (grouped.lower, grouped.upper)


def test_clusters_widen_a_quantile() -> None:
    """Slow sessions are slow in every request of theirs."""
    gate, die = read_gate(gate_of(ABANDON)).gate, random.Random(3)
    canary = Traffic(
        2000, per_session=20, changed={at: {"latency_ms": str(800 + (at // 20) * 7 % 100)} for at in range(2000)}
    ).read()
    alone = estimate(values_of(canary.latency_ms, P95), gate)
    together = clustered_quantile(canary.latency_ms, canary.session, P95, gate=gate)

    assert alone.point == together.point
    assert _width(together) > _width(alone)
    shuffled = [*zip(canary.latency_ms, canary.session, strict=True)]
    die.shuffle(shuffled)
    again = clustered_quantile([v for v, _ in shuffled], [s for _, s in shuffled], P95, gate=gate)
    assert together == again


def _width(seen: Estimate) -> Fraction:
    assert seen.upper is not None
    return seen.upper - seen.lower


def test_a_window_need_not_be_written() -> None:
    """Left out, it is the usual one; written, it is the gate's."""
    assert "inconclusive" == live_verdict(ABANDON, Traffic(100).read()).verdict
    assert "pass" == live_verdict(ABANDON, Traffic(100).read(), window="N > 99 requests; 1h").verdict
    assert "more than 5,000 requests and 24 hours" in live_verdict(ABANDON, None).sentence


def test_a_file_is_read_as_it_was_written() -> None:
    """The order of the requests is free; what is read is by time of arrival."""
    traffic = Traffic(40, per_session=3, changed={1: LOST, 2: TIMEOUT, 3: LEFT, 4: SEEN})
    data = write_canary(traffic.watch, traffic.lines())
    head, *rest = data.splitlines(keepends=True)

    assert traffic.read() == read_canary(data)
    assert traffic.read() == read_canary(head + b"".join(rest[::-1]))
    assert b'{"form":"registry.canary/1","manifest":"' + MANIFEST.encode() + b'","watched_ms":86400000}\n' == head
    assert (
        b'{"abandoned":false,"at_ms":0,"cost_usd":"0.0019","incident":false,"latency_ms":"880","request":"r000000",'
        b'"screened":true,"session":"s000000","status":"ok","tokens":100}\n' == rest[0]
    )


GOOD = write_canary(Watch(manifest=MANIFEST, watched_ms=99), Traffic(1).lines())
BROKEN = {
    "nothing": b"",
    "the last line is cut off": GOOD[:-1],
    "no header": GOOD.splitlines(keepends=True)[1],
    "two headers": GOOD.splitlines(keepends=True)[0] * 2,
    "an empty line": GOOD + b"\n",
    "a request twice": GOOD + GOOD.splitlines(keepends=True)[1],
    "a request after the end": GOOD.replace(b'"at_ms":0', b'"at_ms":100'),
    "a time before the start": GOOD.replace(b'"at_ms":0', b'"at_ms":-1'),
    "a float": GOOD.replace(b'"at_ms":0', b'"at_ms":0.5'),
    "a null": GOOD.replace(b'"latency_ms":"880"', b'"latency_ms":null'),
    "no latency": GOOD.replace(b'"latency_ms":"880",', b""),
    "a negative latency": GOOD.replace(b'"880"', b'"-880"'),
    "NaN": GOOD.replace(b'"880"', b'"NaN"'),
    "a latency of what timed out": GOOD.replace(b'"ok"', b'"timeout"'),
    "telemetry of what was lost": GOOD.replace(b'"ok"', b'"lost"'),
    "no cost": GOOD.replace(b'"cost_usd":"0.0019",', b""),
    "an unknown status": GOOD.replace(b'"ok"', b'"fine"'),
    "an unknown field": GOOD.replace(b'"abandoned"', b'"Abandoned"'),
    "another spelling": GOOD.replace(b'"at_ms":0', b'"at_ms": 0'),
    "a word for a flag": GOOD.replace(b"true", b'"yes"'),
    "no name": GOOD.replace(b'"r000000"', b'""'),
    "another form": GOOD.replace(b"canary/1", b"canary/2"),
    "not UTF-8": GOOD.replace(b"r000000", b"r\xff00000"),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_refused(data: bytes) -> None:
    """Whatever is not exactly what a watcher would write."""
    with pytest.raises(BadCanary):
        read_canary(data)


WHOLE = write_canary(Watch(manifest=MANIFEST, watched_ms=99), Traffic(9, watched_ms=90).lines()).splitlines(
    keepends=True
)
WRONG = {
    "line 1 of the canary is no header": WHOLE[1:],
    "line 2 of the canary is no request": [WHOLE[0], *WHOLE],
    "line 4 of the canary is no request": [*WHOLE[:3], WHOLE[3][:30] + b"\n", *WHOLE[4:]],
    "line 5 of the canary is no request": [*WHOLE[:4], b"\n", *WHOLE[4:]],
    "line 6 of the canary is not in its canonical spelling": [*WHOLE[:5], WHOLE[5].replace(b":", b": "), *WHOLE[6:]],
    "line 11 of the canary tells of the request 'r000003' twice": [*WHOLE, WHOLE[4]],
}


@pytest.mark.parametrize(("told", "lines"), WRONG.items(), ids=WRONG)
def test_a_line_that_is_wrong_is_told_by_its_number(told: str, lines: list[bytes]) -> None:
    """In a file that grows as in one that is whole."""
    for read in (read_canary, read_growing):
        with pytest.raises(BadCanary) as refused:
            read(b"".join(lines))
        assert told == refused.value.what


def test_a_file_that_grows_is_read_as_far_as_it_is_whole() -> None:
    """Cut anywhere, it tells of the whole lines before, and that a line is not whole."""
    data = b"".join(WHOLE)
    for end in range(len(WHOLE[0]), len(data) + 1, 7):
        lines = data[:end].count(b"\n")
        expected = read_canary(b"".join(WHOLE[:lines]))

        assert (expected, data[end - 1 : end] != b"\n") == read_growing(data[:end])
    for nothing in (b"", WHOLE[0][:-1]):
        with pytest.raises(BadCanary, match="no whole line yet"):
            read_growing(nothing)


def test_a_watch_lasts_to_its_last_request_where_the_header_is_older() -> None:
    """Who adds lines cannot mend the first one; the whole file is refused all the same where it is judged."""
    data = b"".join([WHOLE[0].replace(b"99", b"50"), *WHOLE[1:]])

    assert (80, 9) == (read_growing(data)[0].watched_ms, read_growing(data)[0].requests)
    with pytest.raises(BadCanary, match="after the canary's end"):
        read_canary(data)


FIELDS: dict[str, str | None] = {
    "abandoned": "false",
    "at_ms": "7",
    "cost_usd": '"0.10"',
    "incident": "true",
    "latency_ms": '"880"',
    "request": '"r"',
    "screened": "true",
    "session": '"s"',
    "status": '"ok"',
    "tokens": "9007199254740991",
}
NUMBERS = ("0", "07", "-1", "1.0", "1e2", "9007199254740992", '"7"')
TEXTS = ('""', '"é"', r'"\u00e9"', r'"\u0041"', r'"\""', r'"\\"', '"a b"', r'"\n"', '"\x7f"', '"\t"', f'"{"x" * 257}"')
AMOUNTS = ('"0"', '"0.1"', '"00"', '"1e3"', '"1234567890123456789"', '"NaN"')
WORDS = ("true", "false", "null", "True", '"timeout"', '"lost"', r'"o\u006b"', None)
POOLS = {
    NUMBERS: ("at_ms", "tokens"),
    TEXTS: ("request", "session"),
    AMOUNTS: ("cost_usd", "latency_ms"),
    WORDS: ("abandoned", "incident", "screened", "status", "latency_ms", "tokens"),
}
PAIRS = [(name, text) for pool, names in POOLS.items() for name in names for text in pool]
ODD = st.lists(st.sampled_from(PAIRS), max_size=2).map(dict)


@given(ODD, st.sampled_from(["", "", "", " ", '"tokens":1,', '"x":1,']))
def test_a_line_is_read_exactly_where_the_record_is(odd: dict[str, str | None], before: str) -> None:
    """What is taken in plain spelling by a pattern is what would be spelled so again, and nothing else."""
    told = ",".join(f'"{name}":{value}' for name, value in {**FIELDS, **odd}.items() if value is not None)
    line = f"{{{before}{told}}}".encode()
    head = Watch(manifest=MANIFEST, watched_ms=2**53 - 1).canonical()

    assert _is_a_record(line) == _is_read(head + b"\n" + line + b"\n")


def _is_a_record(line: bytes) -> bool:
    try:
        Request.parse(line)
    except NotCanonical:
        return False
    return True


def _is_read(data: bytes) -> bool:
    try:
        read_canary(data)
    except BadCanary:
        return False
    return True


def test_requests_put_together_by_hand_are_checked_too() -> None:
    """The same name twice, in columns and in a file."""
    one = Request.model_validate(Traffic(1)._request(0))
    for make in (canary_of, write_canary):
        with pytest.raises(BadCanary, match="twice"):
            make(Watch(manifest=MANIFEST, watched_ms=5), [one, one])
