"""What a team types besides promoting: hold, drill, waive, revoke, approve, change the policy, and ask the doctor."""

import re
from pathlib import Path

import pytest

from tests.cli.scene import Scene

pytestmark = pytest.mark.slow

UNMET = (
    "delta.success@1{division_hard}.point >= 0.07",
    "delta.success@1{division_hard}.p_value < 0.05",
    "no_regressions_on: ['math_basic']",
    "canary.safety_incidents.count == 0",
)


def test_a_night_on_call(pinned: Scene) -> None:
    """Freeze, rehearse, go back, ask what was served then, go on."""
    pinned.done("promote", "new", "--to", "staging")
    pinned.done("hold", "staging", "--reason", "users complain")
    assert "on hold" in pinned.done("promote", "old", "--to", "staging", code=3)
    assert "nothing was changed" in pinned.done("rollback", "staging", "--drill")
    assert "reason" in pinned.done("rollback", "staging", code=2)
    assert "one target" in pinned.done("rollback", "staging", "--to", "1", "--last-good", "--reason", "x", code=2)
    assert "generation 3" in pinned.done("rollback", "staging", "--reason", "users complain")
    assert "ON HOLD" in pinned.done("status")
    pinned.done("resume", "staging", "--reason", "all is well")

    assert "generation 2" in pinned.done("at", "staging", "--time", "#7")
    assert "served nothing" in pinned.done("at", "staging", "--time", "2020-02-02")
    assert "no time" in pinned.done("at", "staging", "--time", "yesterday", code=2)
    assert "~ route division_hard division -> division_rl" in pinned.done("log", "staging")
    assert '"action": "hold"' in pinned.done("show", "7")


def test_a_waived_release_says_so_and_a_revoked_one_is_not_pulled(pinned: Scene, tmp_path: Path) -> None:
    """Over HOLD with a waiver that names every rule; then it turns out to be bad."""
    pinned.done("promote", "new", "--to", "staging")
    words = ("waive", "new", "--to", "production", "--until", "2999-12-31", "--reason", "no traffic yet")
    assert "canary.safety" in pinned.done(*words, "--rule", UNMET[0], code=2)
    pinned.done(*words, *(word for rule in UNMET for word in ("--rule", rule)))
    assert "let in by the waiver" in pinned.done("promote", "new", "--to", "production")

    assert "WAIVER until 2999-12-31T23:59:59Z" in pinned.done("status")
    pinned.done("pull", "production", str(tmp_path / "host"))
    assert "production serves it still" in pinned.done("revoke", "new", "--reason", "it lies")
    assert "revoked" in pinned.done("pull", "production", str(tmp_path / "host"), code=3)
    assert "REVOKED" in pinned.done("doctor", code=3)


def test_two_people_agree(pinned: Scene) -> None:
    """Bob gets a key, both sign the new policy, and from then on he has to approve what enters staging."""
    pinned.done("key", "new", "bob")
    keys = pinned.root.parent / "config/lockstep/keys"
    shown = pinned.done("policy", "show")
    alice = re.search(r"key-[0-9a-f]{12}", shown)
    assert alice
    changed = shown.replace(alice[0], "alice").replace("keys:\n", f"keys:\n  bob: {keys / 'bob.pub'}\n")
    heads = [pinned.read("key", "show", name)["head"] for name in ("default", "bob")]
    assert f"keys: [{heads[0]}]" in changed
    changed = changed.replace(f"keys: [{heads[0]}]", f"keys: {heads}".replace("'", ""))
    changed = changed.replace("root: [alice]", "root: {keys: [alice, bob], threshold: 2}\n  approver:staging: [bob]")
    pinned.write("policy.yaml", changed)
    assert "1 of 2" in pinned.done("policy", "propose", "policy.yaml")
    assert "too few" in pinned.done("policy", "apply", "policy-change.json", code=3)
    bob = str(keys / "bob.pem")
    pinned.done("policy", "sign", "policy-change.json", REGISTRY_KEY=bob)
    pinned.done("policy", "apply", "policy-change.json", "--reason", "Bob joins")

    assert "approver:staging: [bob]" in pinned.done("policy", "show")
    assert "0 of 1 approvals" in pinned.done("promote", "new", "--to", "staging", code=3)
    assert "may not approve" in pinned.done("approve", "new", "--to", "staging", code=3)
    assert "1 of 1 approvals" in pinned.done("approve", "new", "--to", "staging", REGISTRY_KEY=bob)
    pinned.done("promote", "new", "--to", "staging")
    assert "clean" in pinned.done("verify")
    pinned.done("ledger", "checkpoint", REGISTRY_KEY=bob)
    pinned.done("prove", "staging", "--out", "proof.json")
    assert "holds" in pinned.done("verify-proof", "proof.json")


def test_a_waiver_outlives_a_look_at_another_candidate(pinned: Scene) -> None:
    """What was judged in between wears the suite, and changes nothing in the verdict that was waived."""
    pinned.done("promote", "new", "--to", "staging")
    rule = "delta.success@1{division_hard}.point >= 0.07"
    pinned.done("waive", "old", "--to", "staging", "--rule", rule, "--until", "2999-12-31", "--reason", "urgent")
    pinned.write("manifests/again.yaml", (pinned.root / "manifests/old.yaml").read_text() + "\n")
    pinned.commit()
    pinned.done("pin", "manifests/again.yaml")
    assert "NO-GO" in pinned.done("gate", "again", "--to", "staging", code=3)

    assert "waiver: NO-GO" in pinned.done("promote", "old", "--to", "staging")


def test_a_stage_goes_back_to_what_it_never_served_where_the_policy_lets_it(pinned: Scene) -> None:
    """By default it does not; with `any-approved` it takes an approval by somebody else, and says so."""
    pinned.done("promote", "new", "--to", "staging")
    pinned.done("promote", "new", "--to", "production", "--bootstrap", "--reason", "first")
    back = ("rollback", "production", "--to", "old", "--reason", "it lies")
    assert "production never served" in pinned.done(*back, code=3)
    assert "nothing is called" in pinned.done("rollback", "production", "--to", "odl", "--drill", code=2)
    assert "generation 1" in pinned.done("rollback", "staging", "--to", "old", "--drill")
    assert "generations 1 to 1" in pinned.done("rollback", "production", "--to", "-1", "--drill", code=2)

    pinned.done("key", "new", "bob")
    bob = pinned.root.parent / "config/lockstep/keys/bob"
    shown = pinned.done("policy", "show").replace("keys:\n", f"keys:\n  bob: {bob}.pub\n")
    targets = "rollback_targets: {production: any-approved}\n"
    pinned.write("policy.yaml", targets + shown.replace("\n  root:", "\n  approver:production: [bob]\n  root:"))
    assert "rollbacks of production" in pinned.done("policy", "propose", "policy.yaml")
    pinned.done("policy", "apply", "policy-change.json")
    assert "production: any-approved" in pinned.done("policy", "show")
    assert "a rollback of production may go to any" in pinned.done("doctor", code=3)
    assert "0 of 1 approvals" in pinned.done(*back, code=3)
    pinned.done("approve", "old", "--to", "production", REGISTRY_KEY=f"{bob}.pem")
    assert "approved, and never served there before" in pinned.done(*back[:4], "--drill")
    assert "production is now generation 2" in pinned.done(*back)

    assert "rollback: approved" in pinned.done("status")
    assert "no gate let it in" in pinned.done("at", "production", "--time", "2999-01-01")
    assert "approved and never served there before" in pinned.done("log", "production")
    settings = (pinned.root / "registry.toml").read_text()
    pinned.write("registry.toml", f'{settings}\n[mirrors]\nname = "assistant"\ngit = true\n')
    pinned.done("mirror", "--repair")
    pinned.done("mirror", "--check")
    pinned.done("pull", "production", str(pinned.root.parent / "host"))
    assert "clean" in pinned.done("verify")
