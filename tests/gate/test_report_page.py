"""The page of a verdict: whole, closed to the world, the same bytes each time, and true to the verdict."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from registry.core.digest import digest_of
from registry.core.gate.report import page
from registry.core.gate.report.figure import panels
from registry.core.gate.report.forest import drawing
from registry.core.gate.report.style import CSS
from registry.core.gate.verdict import (
    Attempts,
    Flip,
    Leak,
    Part,
    RuleVerdict,
    Seen,
    SliceResult,
    Verdict,
    answer_of,
)
from tests.gate.worked import EXAMPLES, judged, reports

SOME = digest_of(b"something")
HOSTILE = "<script>alert('x')</script>\"'&\u202e\u2066\x1b[31m\x00\n\u200b<!-- ]]> --> {}"


def rule(text: str, **fields: object) -> RuleVerdict:
    """A rule that passed, unless told otherwise."""
    given = {"verdict": "pass", "sentence": "Seen.", **fields}
    return RuleVerdict(rule=text, **given)  # type: ignore[arg-type] # fields by name


def seen(point: str, lower: str, upper: str) -> Seen:
    """An estimate on 400."""
    return Seen(point=point, lower=lower, upper=upper, n=400)


def verdict(*rules: RuleVerdict, **fields: object) -> Verdict:
    """A verdict of these rules."""
    given = {"stage": "staging", "flips": (), "baseline": SOME, **fields}
    return Verdict(
        answer=answer_of([one.verdict for one in rules]),
        rules=rules,
        gate_file=SOME,
        gate=SOME,
        candidate=SOME,
        **given,  # type: ignore[arg-type] # fields by name
    )


def full(*, slices: int = 3, worst: str = "fail") -> Verdict:
    """A verdict in which everything has happened."""
    names = [f"slice_with_a_long_name_{n:02}" for n in range(slices)]
    numbers = {"point": "0.97", "lower": "0.95", "upper": "0.985", "n": 400}
    rates = [
        rule(f"math_correct_rate({name}).lower_ci >= 0.98", verdict=worst, threshold="0.98", more_for_half=120,
             more_for_most=900, chance_at_threshold="0.022", chance_one_margin_worse="0", margin="0.02",
             baseline=seen("0.9", "0.87", "0.93"), **numbers)
        for name in names
    ]  # fmt: skip
    others = [
        rule("steps_to_solve_median(a).point <= 5", point="infinity", lower="4", upper="infinity", threshold="5", n=9),
        rule("latency_p95_ms.point <= 900", point="880", lower="870", upper="890.5", threshold="900", n=400),
        rule("delta.success@1{a}.p_value < 0.05", point="0.11", lower="0.03", upper="0.19", p_value="0.010337662"),
        rule("no_regressions_on: ['a']", parts=(Part(slice="a", metric="success@1", verdict="pass", point="0",
             lower="-0.01", upper="0.01", margin="0.02", n=400),)),
        rule("canary.safety_incidents.count == 0", verdict="inconclusive", sentence="There is no canary data."),
        rule("success@1(a).n >= 400", point="0.97", lower="0.95", upper="0.98", n=400),
    ]  # fmt: skip
    return verdict(
        *rates,
        *others,
        flips=tuple(Flip(slice=names[0], case=f"case-{n:04}", sample=n % 2) for n in range(80)),
        flips_in_all=1234,
        slices=tuple(
            SliceResult(slice=name, digest=SOME, scheduled=400, lost=n, candidate=seen("0.5", "0.45", "0.55"),
                        baseline=seen("0.6", "0.55", "0.65") if n else None)
            for n, name in enumerate(names)
        ),
        attempts=tuple(Attempts(slice=name, attempt=3, allowed=20, risk="0.064", look=1, looks=3) for name in names),
        contaminated=(Leak(slice=names[0], case="case-0001", dataset="sft_math", how="8-gram"),),
        datasets={"sft_math": SOME},
    )  # fmt: skip


def tree(text: str) -> ElementTree.Element:
    """The page, read strictly: every element closed, every attribute quoted, every sign escaped."""
    return ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>\n"))


def words(text: str) -> str:
    """What a reader reads."""
    return " ".join(" ".join(tree(text).itertext()).split())


def attributes(text: str) -> Iterator[tuple[str, str]]:
    """Every attribute of every element."""
    return (pair for element in tree(text).iter() for pair in element.items())


PAGES = [full(), full(slices=1, worst="inconclusive"), full(slices=30, worst="pass"), verdict(rule("x"))]


@pytest.mark.parametrize("one", PAGES)
def test_a_page_is_whole_and_closed_to_the_world(one: Verdict) -> None:
    """No script, no handler, nothing that is loaded, and a policy that would forbid it."""
    text = page(one)
    tags = {element.tag for element in tree(text).iter()}
    named = list(attributes(text))

    assert not tags & {"script", "iframe", "object", "embed", "img", "image", "form", "input", "base", "a", "use"}
    assert not [key for key, _ in named if key.startswith("on") or key in {"src", "style", "action", "srcset"}]
    assert ["data:,"] == [value for key, value in named if key == "href"]
    assert any(value.startswith("default-src 'none'") for key, value in named if key == "content")
    assert not re.search(r"url\(|@import|https?:|//", CSS)
    assert "http:" not in text
    assert "https:" not in text


def test_hostile_text_stays_text() -> None:
    """Whatever a gate file, a verifier or a forger wrote: it is shown, not obeyed, and nothing hides in it."""
    part = Part(slice="a", metric=HOSTILE, verdict="fail", point="0", lower="-0.1", upper="0.1", margin="0.02", n=9)
    bad = rule(HOSTILE, sentence=HOSTILE, verdict="fail", parts=(part,))
    numbers = {"point": "0.5", "lower": "0.4", "upper": "0.6", "threshold": "0.5"}
    scored = rule(f"{HOSTILE}.point >= 0.5", **numbers)
    text = page(verdict(bad, scored, stage=HOSTILE, tool=HOSTILE))

    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert [sign for sign in text if not sign.isprintable() and sign != "\n"] == []
    assert "\\u202e\\u2066\\u001b[31m\\u0000\\u000a\\u200b" in text
    assert {"html"} == {tree(text).tag}


def test_the_same_verdict_is_the_same_bytes() -> None:
    """Also after it was written and read."""
    assert page(full()) == page(Verdict.parse(full().canonical()))


@pytest.mark.parametrize("file", ["worked_example.html", "worked_example.md"])
def test_the_worked_example_is_what_the_program_makes(file: str) -> None:
    """Down to the last byte."""
    kept, mend = (
        (EXAMPLES / file).read_text(encoding="utf-8"),
        "if you meant it: `python -m tests.gate.worked`, and look",
    )

    assert reports()[file] == kept, mend


@pytest.mark.parametrize("one", [*PAGES, judged().verdict])
def test_every_rule_stands_on_the_page_with_its_sentence(one: Verdict) -> None:
    """And the answer stands before all of them."""
    text, whole = words(page(one)), "".join(tree(page(one)).itertext())

    assert text.index(one.answer) < text.index("The rules")
    for each in one.rules:
        assert " ".join(each.sentence.split()) in text
        assert each.rule in whole


def test_everything_that_happened_is_told() -> None:
    """Flips, also those not listed; attempts and luck; leaks; losses; strength; what more it takes; the replay."""
    text = words(page(full()))

    for told in (
        "case-0000",
        "case-0079 #1",
        "and 20 more",
        "And 1,154 more, which the verdict does not list.",
        "3 of 20",
        "6.4 %",
        "1 case of slice_with_a_long_name_00 also in the training data sft_math.",
        "2 of 400",
        "A model exactly at the threshold would pass 2.2 % of the time; one worse by 0.02, less than 0.1 %.",
        "120 and 900",
        f"registry gate --replay {digest_of(full().canonical())}",
    ):
        assert told in text


def test_an_old_verdict_is_shown_too() -> None:
    """One without slices, attempts, strength and data sets."""
    text = words(page(verdict(rule("latency_p95_ms.point <= 900", point="880"), baseline=None)))

    assert "There is nothing to compare with." in text
    assert "against nothing" in text


def test_each_rule_is_drawn_on_the_scale_that_belongs_to_it() -> None:
    """A rate as a rate, a difference as a difference, a measurement as a share of its limit, `n` not at all."""
    found = {panel.heading: [(row.label, row.asked) for row in panel.rows] for panel in panels(full(slices=1))}

    assert {
        "Slices": [("slice_with_a_long_name_00", "400 answers")],
        "Rates": [("math_correct_rate(slice_with_a_long_name_00)", "lower_ci >= 0.98")],
        "Changes": [("delta.success@1{a}", "p_value < 0.05"), ("success@1 on a", "no regression: above -0.02")],
        "Measurements": [("steps_to_solve_median(a)", "point <= 5"), ("latency_p95_ms", "point <= 900")],
        "safety_incidents": [("canary.safety_incidents", "count == 0")],
    } == found


def test_what_shares_no_scale_is_drawn_alone() -> None:
    """Milliseconds are not rates, and nothing is a share of a limit of 0."""
    texts = ("delta.latency_p95_ms{a}.point <= 20", "delta.success@1{a}.point >= 0", "reward_score_mean(a).point >= -1",
             "reward_score_mean(b).lower_ci >= 0", "completion_tokens_p90(a).point <= 100")  # fmt: skip
    found = panels(verdict(*(rule(text, point="5", lower="4", upper="6") for text in texts)))

    assert ["Changes", "Measurements", "Change of latency_p95_ms", "reward_score_mean"] == [
        one.heading for one in found
    ]
    assert 2 == len(found[-1].rows)


def test_slices_with_the_greatest_loss_stand_first() -> None:
    """And those that nobody saw stand last."""
    results = [("better", "0.9", "0.5"), ("worse", "0.4", "0.8"), ("same", "0.7", "0.7")]
    slices = [
        SliceResult(slice=name, digest=SOME, scheduled=9, candidate=seen(new, new, new), baseline=seen(old, old, old))
        for name, new, old in results
    ]
    unseen = SliceResult(slice="unseen", digest=SOME, scheduled=9)
    (found,) = panels(verdict(rule("x"), slices=(unseen, *slices)))

    assert ["worse", "same", "better", "unseen"] == [row.label for row in found.rows]


def test_a_drawing_says_in_words_what_it_shows() -> None:
    """Its title holds the number, the interval, the threshold, the verdict and what is served."""
    (found,) = [one for one in panels(full(slices=1)) if one.heading == "Rates"]
    row = found.rows[0]
    title = tree(drawing(row, found.scale(row.numbers))).findtext("title")

    assert title == (
        "math_correct_rate(slice_with_a_long_name_00) lower_ci >= 0.98: fails; 0.97 (0.95 to 0.985); served now 0.9."
    )


def test_an_endless_interval_is_an_arrow() -> None:
    """Unsolved runs took forever."""
    (found,) = [one for one in panels(full(slices=1)) if one.heading == "Measurements"]
    steps, latency = (drawing(row, found.scale(row.numbers)) for row in found.rows)

    assert ("M-6-4L1 0-6 4Z" in steps, "M-6-4L1 0-6 4Z" in latency) == (True, False)


def test_numbers_that_no_scale_knows_do_not_break_the_page() -> None:
    """A forged rate of 5, a limit of 0, a limit that is no number."""
    odd = {"point": "5", "lower": "-3", "upper": "infinity", "threshold": "0"}
    rules = [rule(text, **odd) for text in ("success@1(a).point >= 0.5", "latency_p95_ms.point <= 0", "x.point >= nan",
                                            f"x.point >= {'9' * 400}")]  # fmt: skip

    assert "success@1(a)" in words(page(verdict(*rules)))


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PROBE = """<!DOCTYPE html><title>waiting</title><iframe src="page.html" width="{width}" height="900"
style="border:0"></iframe><script>onload = () => {{
const inside = document.querySelector("iframe").contentDocument, found = [];
if (inside.documentElement.scrollWidth > {width}) found.push("the page is " + inside.documentElement.scrollWidth);
for (const each of inside.querySelectorAll("text, td, th, p, code, dd, dt, h1, h2, li, caption")) {{
  const box = each.getBoundingClientRect();
  if (each.closest(".wide") || box.width === 0) continue;
  if (box.left < -0.5 || box.right > {width} + 0.5) found.push(each.tagName + " " + each.textContent);
}}
for (const axis of inside.querySelectorAll(".axis svg")) {{
  const boxes = [...axis.querySelectorAll("text")].map(text => text.getBoundingClientRect());
  boxes.slice(1).forEach((box, at) => {{ if (box.left < boxes[at].right) found.push("ticks touch"); }});
}}
document.title = "probed"; document.body.textContent = JSON.stringify(found);
}}</script>"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
@pytest.mark.parametrize("width", [320, 400, 900, 1400])
@pytest.mark.parametrize("one", [PAGES[0], PAGES[2], judged().verdict], ids=["full", "thirty slices", "worked"])
def test_in_a_browser_nothing_is_cut_off(one: Verdict, width: int, tmp_path: Path) -> None:
    """On a phone as on a wide screen: no sideways scrolling, no text beyond the edge, no ticks on top of each other."""
    assert CHROMIUM is not None
    (tmp_path / "page.html").write_text(page(one), encoding="utf-8")
    (tmp_path / "probe.html").write_text(PROBE.format(width=width), encoding="utf-8")
    words = ("--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--disable-quic",
             "--hide-scrollbars", f"--user-data-dir={tmp_path / 'chromium'}", "--dump-dom")  # fmt: skip
    command = [CHROMIUM, *words, f"--window-size={width + 50},1000", str(tmp_path / "probe.html")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    assert "<title>probed</title>" in done.stdout, done.stderr[-500:]
    assert "<body>[]</body>" in done.stdout.replace("\n", "")
