"""Git tags follow the ledger, and GTO reads them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.scene import Scene
from tests.mirrors.conftest import reflect

pytestmark = pytest.mark.slow


@pytest.fixture
def tagged(pinned: Scene) -> Scene:
    """A project whose staging went forward and back, with git tags as a mirror."""
    reflect(pinned, git="true")
    pinned.done("promote", "new", "--to", "staging")
    pinned.done("rollback", "staging", "--reason", "slower")
    return pinned


def git(scene: Scene, *words: str) -> str:
    """What git prints."""
    return subprocess.run(["git", *words], cwd=scene.root, check=True, capture_output=True, text=True).stdout


def gto(scene: Scene, *words: str) -> dict[str, Any]:
    """What GTO prints as JSON."""
    program = Path(sys.executable).with_name("gto")
    done = subprocess.run([program, *words, "--json"], cwd=scene.root, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def tags(scene: Scene) -> list[str]:
    return sorted(git(scene, "tag").split())


def test_gto_shows_what_staging_serves(tagged: Scene) -> None:
    """Both models were pinned at one commit, and are two versions all the same."""
    shown = gto(tagged, "show")["assistant"]

    assert ("v0.0.2", {"staging": "v0.0.1"}) == (shown["version"], shown["stage"])


def test_every_move_has_its_tag_with_manifest_and_verdict(tagged: Scene) -> None:
    """The tags alone say what was served when, and why."""
    told = git(tagged, "tag", "-l", "--format=%(contents)", "assistant#staging#2")
    served = json.loads(tagged.done("log", "staging", "--json"))["lines"]
    promoted = next(line for line in served if line["action"] == "promote" and line["generation"] == 2)

    assert ["assistant#staging#1", "assistant#staging#2", "assistant#staging#3", *_versions(2)] == tags(tagged)
    assert f"manifest: {promoted['manifest']}\n" in told
    assert f"verdict: {promoted['verdict']}\n" in told


def test_a_version_checks_out_as_the_code_and_its_exact_manifest(tagged: Scene) -> None:
    """Nothing else differs from the commit that it was pinned at."""
    changed = git(tagged, "diff", "--name-only", "assistant@v0.0.2~", "assistant@v0.0.2").split()
    lock = git(tagged, "show", "assistant@v0.0.2:manifests/new.lock.json")

    assert ["manifests/new.lock.json"] == changed
    assert (tagged.root / "manifests/new.lock.json").read_text() == lock


def test_drift_is_found_and_mended_and_the_same_tags_come_again(tagged: Scene) -> None:
    """A tag that was moved, one that was deleted, one that nobody decided; tags of others are left alone."""
    before = git(tagged, "show-ref", "--tags")
    git(tagged, "tag", "-f", "assistant#staging#2", "HEAD")
    git(tagged, "tag", "-d", "assistant@v0.0.1")
    git(tagged, "tag", "assistant#production#9", "HEAD")
    git(tagged, "tag", "v1.0", "HEAD")
    found = tagged.done("mirror", "--check", code=3)
    tagged.done("mirror", "--repair")
    tagged.done("mirror", "--check")
    git(tagged, "tag", "-d", "v1.0")

    assert 3 == found.count("differs")
    assert before == git(tagged, "show-ref", "--tags")


def test_another_clone_makes_the_same_tags(tagged: Scene) -> None:
    """They are computed from the ledger, so it does not matter who writes them."""
    before = git(tagged, "show-ref", "--tags")
    for tag in tags(tagged):
        git(tagged, "tag", "-d", tag)
    git(tagged, "gc", "-q", "--prune=now")
    tagged.done("mirror", "--repair")

    assert before == git(tagged, "show-ref", "--tags")


def test_nothing_is_tagged_where_no_mirror_is_named(pinned: Scene) -> None:
    """And whoever asks is told how to name one."""
    pinned.done("promote", "new", "--to", "staging")

    assert [] == tags(pinned)
    assert "[mirrors]" in pinned.done("mirror", code=2)


def test_settings_that_name_no_mirror_are_refused(pinned: Scene) -> None:
    """A name alone shows nothing anywhere."""
    reflect(pinned)

    assert "name a mirror" in pinned.done("mirror", code=2)


def test_a_commit_that_is_not_here_is_told(tagged: Scene) -> None:
    """A shallow clone cannot tag what it does not have."""
    clone = tagged.root.parent / "clone"
    for tag in tags(tagged):
        git(tagged, "tag", "-d", tag)
    subprocess.run(["git", "clone", "-q", "--depth=1", tagged.root.as_uri(), clone], check=True)
    (clone / ".registry").symlink_to(tagged.root / ".registry")

    assert "fetch --unshallow" in Scene(clone).done("mirror", "--repair", code=1)


def _versions(count: int) -> list[str]:
    return [f"assistant@v0.0.{number}" for number in range(1, count + 1)]
