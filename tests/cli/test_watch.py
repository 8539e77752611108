"""`registry gate watch` as it is typed: what on-call, or a clock, asks every minute of a running canary."""

from collections.abc import Mapping
from pathlib import Path

import pytest

import registry
from registry.core.digest import Digest
from registry.core.gate.rows.canary import Watch, write_canary
from tests.cli.scene import Scene
from tests.gate.traffic import LOST, Traffic

LIMITS = ("canary.abandon_rate.point <= 0.05", "canary.cost_per_1k_tokens_usd.point <= 0.022")
CAPS = ("--max-cost-usd", "0.10", "--max-tokens", "4000")
LEFT: Mapping[str, object] = {"abandoned": True}
BAD = Traffic(600, every={8: LEFT})
GOOD = Traffic(600, every={50: LEFT}, changed={3: LOST})


@pytest.fixture
def live(pinned: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A project whose rules for production have two more limits on live traffic; its ledger can be asked here too."""
    monkeypatch.setenv("XDG_STATE_HOME", str(pinned.root.parent / "state"))
    file = pinned.root / "manifests/gates/production.yaml"
    file.write_text(file.read_text() + "".join(f'- "{rule}"\n' for rule in LIMITS))
    return pinned


def served(scene: Scene, traffic: Traffic) -> bytes:
    """The file of traffic that the candidate answered."""
    return canary_file(registry.open(scene.root).state.resolve("new"), traffic)


def canary_file(digest: Digest, traffic: Traffic) -> bytes:
    """The file of traffic that a model answered."""
    return write_canary(Watch(manifest=digest, watched_ms=traffic.watched_ms), traffic.lines())


def test_while_nothing_fired_the_exit_code_is_0(live: Scene) -> None:
    """With each rule, its state and its share of the risk; nothing is written down."""
    live.write("live.jsonl", served(live, GOOD))
    before = live.done("log")
    told = live.done("gate", "watch", "production", "live.jsonl", *CAPS)

    assert told == live.done("gate", "watch", "production", "live.jsonl", *CAPS)
    assert [
        "rule                                          state     risk",
        "canary.safety_incidents.count == 0            watching",
        "canary.abandon_rate.point <= 0.05             watching  2.5 %",
        "canary.cost_per_1k_tokens_usd.point <= 0.022  watching  2.5 %",
    ] == told.splitlines()[:4]
    assert "600 requests in 24:00:00: 1 without telemetry, 599 screened" in told
    assert "which no stage serves" in told
    assert "rollback" not in told
    assert before == live.done("log")


def test_a_trigger_that_fired_exits_with_3_and_says_since_when(live: Scene) -> None:
    """And the same as a document, which a program reads."""
    live.write("live.jsonl", served(live, BAD))
    told = live.done("gate", "watch", "production", "live.jsonl", code=3)
    found = live.read("gate", "watch", "production", "live.jsonl", "--risk", "0.01", code=3)
    rules = found["rules"]
    assert isinstance(rules, list)

    assert "canary.abandon_rate.point <= 0.05             FIRED by request 113 at 4:28:48" in told
    assert "not watched: It takes what a request can cost at most: --max-cost-usd and --max-tokens." in told
    assert ["watching", "fired", "unwatched"] == [rule["state"] for rule in rules]
    assert {"rule", "state", "risk", "request", "at_ms"} == set(rules[1])
    assert ("0.01", True) == (rules[1]["risk"], rules[1]["request"] > 113)


def test_what_is_to_be_typed_names_the_stage_that_serves_the_model(live: Scene) -> None:
    """Not the one whose rules are watched: that serves a good model, which a rollback would take away."""
    live.write("new.jsonl", served(live, BAD))
    nowhere = live.done("gate", "watch", "production", "new.jsonl", code=3)
    live.done("promote", "new", "--to", "staging")
    told = live.done("gate", "watch", "production", "new.jsonl", code=3)
    typed = told.splitlines()[-1]

    assert "Nothing is there to roll back: take its share of the traffic away." == nowhere.splitlines()[-1]
    assert 'registry rollback staging --reason "the canary breaks canary.abandon_rate.point <= 0.05"' == typed
    live.done("rollback", "staging", "--reason", typed.split('"')[1])
    again = live.done("gate", "watch", "production", "new.jsonl", code=3)
    assert nowhere == again


def test_a_file_that_is_being_written_is_watched(live: Scene) -> None:
    """Half a last line is left out, and that is said; requests may have come after the header was written."""
    head, *lines = served(live, BAD).splitlines(keepends=True)
    growing = head.replace(b"86400000", b"0") + b"".join(lines[:200])
    live.write("live.jsonl", growing + lines[200][:40])
    torn = live.run("gate", "watch", "production", "live.jsonl", *CAPS)
    live.write("live.jsonl", growing)
    whole = live.run("gate", "watch", "production", "live.jsonl", *CAPS)

    assert (3, 3, whole.stdout) == (torn.returncode, whole.returncode, torn.stdout)
    assert "200 requests in 7:57:36" in whole.stdout
    assert "the last line of the file is not whole yet, and is left out\n" == torn.stderr
    assert "" == whole.stderr


def test_a_line_that_is_wrong_is_refused_with_its_number(live: Scene) -> None:
    """What cannot be believed exits with 5, as it does on import."""
    head, *lines = served(live, BAD).splitlines(keepends=True)
    live.write("live.jsonl", b"".join((head, *lines[:2], lines[2][:30] + b"\n", *lines[3:])))

    assert "line 4 of the canary is no request" in live.done("gate", "watch", "production", "live.jsonl", code=5)


def test_a_model_that_the_ledger_does_not_know_is_refused(live: Scene) -> None:
    """Nobody could say what to go back from."""
    live.write("live.jsonl", canary_file(Digest("sha256:" + "0" * 64), BAD))
    told = live.done("gate", "watch", "production", "live.jsonl", code=2)

    assert "the canary is of 000000000000, which is not registered" in told
    assert "run `registry pin`" in told


def test_a_cap_that_is_passed_is_told_and_hides_no_trigger(live: Scene) -> None:
    """A rule that should be watched and cannot be is no quiet minute: exit code 2, and 3 where another has fired."""
    caps = ("--max-cost-usd", "0.001", "--max-tokens", "4000")
    for traffic, code in ((GOOD, 2), (BAD, 3)):
        live.write("live.jsonl", served(live, traffic))
        told = live.run("gate", "watch", "production", "live.jsonl", *caps)

        assert code == told.returncode
        assert "not watched: Request 1 cost 0.0019 dollars and has 100 tokens: beyond the caps.  2.5 %" in told.stdout
        assert "limits of the server" in told.stderr


@pytest.mark.parametrize(("words", "told"), [
    (("staging", "live.jsonl"), "it has no rule on live traffic"),
    (("nowhere", "live.jsonl"), "there is no stage 'nowhere'"),
    (("production", "none.jsonl"), "there is no such file"),
    (("production", "live.jsonl", "--max-tokens", "9"), "takes both caps"),
    (("production", "live.jsonl", "--max-tokens", "9", "--max-cost-usd", "NaN"), "takes dollars, not 'NaN'"),
    (("production", "live.jsonl", "--risk", "5"), "lies between 0 and 1"),
    (("production", "live.jsonl", "--risk", "1e-400"), "too small"),
])  # fmt: skip
def test_a_call_that_watches_nothing_is_no_quiet_minute(live: Scene, words: tuple[str, ...], told: str) -> None:
    """Exit code 2: whoever waits for a 3 would wait for ever."""
    live.write("live.jsonl", served(live, Traffic(5)))

    assert told in live.done("gate", "watch", *words, code=2)


def test_only_the_rules_on_live_traffic_are_asked(live: Scene, tmp_path: Path) -> None:
    """No suite, store or key is needed; a fault in a rule that is watched is told with its place."""
    live.write("live.jsonl", served(live, BAD))
    (live.root / ".registry" / "blobs").rename(tmp_path / "blobs")
    (tmp_path / "scene" / "config").rename(tmp_path / "config")

    assert "FIRED" in live.done("gate", "watch", "production", "live.jsonl", code=3)
    file = live.root / "manifests/gates/production.yaml"
    file.write_text(file.read_text().replace("abandon_rate", "abandoned_rate"))
    assert "did you mean 'abandon_rate'?" in live.done("gate", "watch", "production", "live.jsonl", code=2)
