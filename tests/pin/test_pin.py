"""Pinning a real project: a git repository with a DVC pipeline that trained and evaluated."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.adapters.sources.dvc import StaleLock
from registry.adapters.stores.directory import DirectoryStore
from registry.core.binding import ForeignEvidence
from registry.core.digest import DigestMismatch, digest_of
from registry.core.manifest import Manifest
from registry.core.reference import UnknownArtefact
from registry.core.tree import Tree
from registry.errors import Faults, IntegrityError, RegistryError, UsageError
from registry.ports import OpenFile
from registry.verbs.pin import DirtyTree, Misplaced, NotCommitted, OtherCommit, check_committed, check_place
from tests.pin.project import CONFIG, HERE, THERE, Project

pytestmark = pytest.mark.slow


def digest_md5(data: bytes) -> bytes:
    """The MD5 of `data`, as a listing spells it."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest().encode()


EVIDENCE = CONFIG + "evidence: dvc:evaluation/one\n"


def test_a_model_is_pinned_whole(project: Project) -> None:
    """Every blob that the manifest names, directly or through a tree, is in the store, and the manifest too."""
    pinned = project.pin(EVIDENCE)

    held = set(project.store.digests())
    trees = [Tree.parse(project.store.get(one.digest)) for one in pinned.pins if one.role != "repo"]
    assert {entry.digest for tree in trees for entry in tree.entries} <= held
    assert {one.digest for one in pinned.pins} <= held
    assert {pinned.manifest.digest, pinned.manifest.suite, pinned.manifest.dvc_lock, *pinned.evidence} <= held
    assert pinned.manifest == Manifest.parse(pinned.lock)


def test_the_same_inputs_give_the_same_bytes(project: Project) -> None:
    """Also after what the first pin made was registered, and by way of a durable store."""
    first = project.pin(EVIDENCE)
    project.state.pins = [*reversed(first.pins)]
    second = project.pin(EVIDENCE)

    assert first.lock == second.lock
    assert first.evidence == second.evidence


def test_committing_the_lock_does_not_make_another_model(project: Project) -> None:
    """What pin wrote is no reason to pin anew; a change of anything else is."""
    first = project.pin()
    project.write("manifests/one.lock.json", first.lock)
    before_commit = project.pin()
    project.commit("the lock")
    after_commit = project.pin()
    project.write("README.md", "words")
    project.commit("a change")
    after_change = project.pin()

    assert first.lock == before_commit.lock
    assert first.lock == after_commit.lock
    assert first.manifest.repo_sha != after_change.manifest.repo_sha


def test_the_environment_is_that_of_the_evaluation(project: Project) -> None:
    """Where there is evidence, what this process runs on is beside the point."""
    assert project.pin(EVIDENCE).manifest.environment == THERE
    assert project.pin().manifest.environment == HERE


def test_sources_say_where_the_bytes_were(project: Project) -> None:
    """A DVC out carries DVC's own name for it, however the config spelled the path."""
    manifest = project.pin().manifest

    assert (manifest.llm_sha.source.kind, manifest.llm_sha.source.location) == ("dvc", "models/base")
    assert (manifest.llm_sha.source.revision or "").endswith(".dir")
    assert manifest.tokenizer_sha.source.kind == "dvc"
    assert manifest.repo_sha.source.revision == project.git("rev-parse", "HEAD").strip()


def test_a_bare_fixture_name_is_the_suites_file_even_if_an_older_one_is_registered(project: Project) -> None:
    """The evaluation replays the suite's file; a pin of another would be a lie."""
    older = project.pin()
    project.state.pins = list(older.pins)
    project.write("manifests/heldout/division_hard/search_v3.json", '{"form":"registry.fixture/1","new":1}')
    project.commit()
    newer = project.pin().manifest.tools.fixtures

    assert newer is not None
    assert newer != older.manifest.tools.fixtures
    assert newer.source.location == "manifests/heldout/division_hard/search_v3.json"


@pytest.mark.parametrize("path", ["untracked.py", "build.py", "dvc.lock", "manifests/one.yaml"])
def test_a_dirty_tree_is_refused(project: Project, path: str) -> None:
    """New and changed files alike; the paths are told."""
    project.write(path, "something else\n")

    with pytest.raises(DirtyTree, match=path) as caught:
        project.pin()
    assert caught.value.exit_code == 3


def test_a_change_that_git_was_told_to_overlook_is_refused(project: Project) -> None:
    """`--assume-unchanged` hides a change from status, not from pin."""
    project.git("update-index", "--assume-unchanged", "build.py")
    project.write("build.py", "something else\n")

    with pytest.raises(DirtyTree, match=r"build\.py"):
        project.pin()


@pytest.mark.parametrize("change", ["command", "dependency"])
def test_a_stale_lock_is_refused(project: Project, change: str) -> None:
    """A stage that would run again did not make what is there; a stage before it neither."""
    if change == "command":
        text = (project.root / "dvc.yaml").read_text()
        project.write("dvc.yaml", text.replace("python build.py", "python -u build.py"))
    else:
        project.write("build.py", (project.root / "build.py").read_text() + "# more\n")
    project.commit()

    with pytest.raises(StaleLock, match="build is not up to date") as caught:
        project.pin()
    assert caught.value.exit_code == 3
    assert "dvc repro" in caught.value.mend


def test_a_stage_that_never_ran_is_refused(project: Project) -> None:
    """There is nothing that the lock could say of its output."""
    stage = "  late:\n    cmd: python late.py\n    outs: [models/late]\n"
    project.write("dvc.yaml", (project.root / "dvc.yaml").read_text() + stage)
    project.write(".gitignore", ".registry/\n/models/late\n")
    project.write("models/late/a", "x")
    project.commit()

    with pytest.raises(StaleLock, match="never made"):
        project.pin(CONFIG.replace("models/base", "models/late"))


def test_a_lock_that_is_not_committed_is_refused(project: Project) -> None:
    """Even where git ignores it, so that the tree is clean, and where DVC was told not to care about git."""
    project.write(".dvc/config", "[core]\n    no_scm = True\n")
    project.git("rm", "-q", "--cached", "dvc.lock")
    project.write(".gitignore", ".registry/\ndvc.lock\n")
    project.commit()

    with pytest.raises(StaleLock, match="not committed"):
        project.pin()


@pytest.mark.parametrize(
    ("path", "spoken"),
    [
        ("models/base/shards/one.safetensors", "models/base/shards/one.safetensors"),
        ("models/adapters/math/adapter_model.safetensors", "adapter_model.safetensors"),
        ("models/tokenizer/chat_template.jinja", "chat_template.jinja"),
    ],
)
def test_bytes_that_differ_from_the_lock_are_refused(project: Project, path: str, spoken: str) -> None:
    """One byte is enough, and the file is named; exit code 5."""
    content = (project.root / path).read_bytes()
    project.write(path, content[:-1] + b"!")

    with pytest.raises(DigestMismatch, match=spoken) as caught:
        project.pin()
    assert caught.value.exit_code == 5


def test_the_lock_alone_is_enough_to_check_by(project: Project) -> None:
    """Without DVC's cache a directory is known by the md5 of its listing, which is computed anew."""
    whole = project.pin()
    for listing in (project.root / ".dvc" / "cache").rglob("*.dir"):
        listing.unlink()
    config = CONFIG.replace("models/adapters/math", "models/adapters").replace("/chat_template.jinja", "")
    again = project.pin(config)
    project.write("models/base/config.json", "content of base/config.jsom")

    assert whole.manifest.llm_sha == again.manifest.llm_sha
    with pytest.raises(DigestMismatch, match="a file in models/base"):
        project.pin(config)


def test_a_part_of_a_directory_cannot_be_checked_without_its_listing(project: Project) -> None:
    """The lock has one md5 for the whole; which file is which only the cache tells."""
    for listing in (project.root / ".dvc" / "cache").rglob("*.dir"):
        listing.unlink()

    with pytest.raises(Faults, match="models/adapters/math cannot be checked alone"):
        project.pin()


def test_a_listing_that_was_tampered_with_is_not_believed(project: Project) -> None:
    """It is hashed before it is used; DVC itself would look at its mode only."""
    listing = next(
        found for found in (project.root / ".dvc" / "cache").rglob("*.dir") if b"config.json" in found.read_bytes()
    )
    changed = digest_md5(b"content of base/config.jsom")
    text = listing.read_bytes().replace(digest_md5(b"content of base/config.json"), changed)
    listing.chmod(0o644)
    listing.write_bytes(text)
    listing.chmod(0o444)
    project.write("models/base/config.json", "content of base/config.jsom")

    with pytest.raises(DigestMismatch, match="models/base"):
        project.pin()


@pytest.mark.parametrize("how", ["symlink", "relative"])
def test_a_root_in_another_spelling_is_checked_too(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """DVC's outs are found however the way to the project is written."""
    project.write("models/base/config.json", "content of base/config.jsom")
    (tmp_path / "link").symlink_to("project")
    monkeypatch.chdir(tmp_path)
    project.root = tmp_path / "link" if how == "symlink" else Path("project")

    with pytest.raises(DigestMismatch, match=r"models/base/config\.json"):
        project.pin()


@pytest.mark.parametrize("how", ["missing", "extra"])
def test_a_file_too_many_or_too_few_is_refused(project: Project, how: str) -> None:
    """A directory is what the lock says, no less and no more."""
    if how == "missing":
        (project.root / "models/base/config.json").unlink()
    else:
        project.write("models/base/more.txt", "x")

    with pytest.raises(DigestMismatch, match=r"config\.json|more\.txt"):
        project.pin()


def test_an_output_that_is_not_there_is_told_with_the_mend(project: Project) -> None:
    """A fresh clone has a lock and no files."""
    shutil.rmtree(project.root / "models/tokenizer")

    with pytest.raises(RegistryError, match=r"tokenizer") as caught:
        project.pin()
    assert "dvc" in str(caught.value)


def test_a_location_that_dvc_does_not_track_is_refused(project: Project) -> None:
    """`dvc:` is a promise; the nearest out is named."""
    with pytest.raises(Faults, match="did you mean 'models/base'"):
        project.pin(CONFIG.replace("llm_sha: models/base", "llm_sha: dvc:models/bose"))


def test_all_that_leads_nowhere_is_told_at_once(project: Project) -> None:
    """Six faults of six kinds in one config, none hidden by another."""
    config = """\
llm_sha: LLM@abc123
adapters: [math=models/adapters/moth]
tokenizer_sha: models/tokenizer
verifiers: {json_schema: v4.2, spam: v2.1}
tools: {fixtures: search_v4.json}
routes: {division_hart: math}
"""
    with pytest.raises(Faults) as caught:
        project.pin(config)

    told = str(caught.value)
    assert caught.value.exit_code == 2
    assert len(caught.value.faults) == 6
    for words in ("LLM@abc123", "moth", "v4.2", "v4.3", "'span'", "search_v4.json", "'division_hard'"):
        assert words in told


def test_a_suite_that_cannot_be_read_is_refused(plain: Project) -> None:
    """No evaluation could use it."""
    plain.write("models/base/config.json", "x")
    plain.write("manifests/heldout/math_basic/slice.yaml", "form: registry.slice/1\n")
    plain.commit()

    with pytest.raises(Faults, match="the suite"):
        plain.pin("llm_sha: models/base\ntokenizer_sha: models/base\n")


@pytest.mark.parametrize("suffix", [".bin", ".pt", ".PKL", ".ckpt"])
def test_a_file_that_may_hold_a_pickle_is_refused(plain: Project, suffix: str) -> None:
    """It could run code on every server that loads it."""
    plain.write(f"models/base/pytorch_model{suffix}", "x")
    plain.commit()

    with pytest.raises(Faults, match=f"pytorch_model{suffix}") as caught:
        plain.pin("llm_sha: models/base\ntokenizer_sha: models/base\n")
    assert "safetensors" in str(caught.value)


def test_nothing_is_promised_before_all_is_kept(project: Project) -> None:
    """If a later part fails, there is no manifest in the store."""

    class FailsLate(type(project.store)):  # type: ignore[misc] # the store's class is a value here
        count = 0

        def put_files(self, files: list[OpenFile]) -> Tree:
            type(self).count += 1
            if type(self).count == 3:
                raise OSError("the disk is full")
            return super().put_files(files)  # type: ignore[no-any-return]

    project.store = FailsLate()
    with pytest.raises(OSError, match="full"):
        project.pin()
    assert not any(b"registry.manifest/1" in project.store.get(digest) for digest in project.store.digests())


def test_a_durable_store_takes_the_same_bytes(project: Project, tmp_path: Path) -> None:
    """Pinned twice into a directory store, which remembers what it has read: the check against DVC still happens."""
    store = DirectoryStore(tmp_path / "store")
    in_memory = project.pin(EVIDENCE)
    project.store = store  # type: ignore[assignment] # another Store
    first, second = project.pin(EVIDENCE), project.pin(EVIDENCE)

    assert in_memory.lock == first.lock == second.lock
    assert store.get(first.manifest.digest) == first.lock


# --- the commit -----------------------------------------------------------------------------------------------------


def test_a_tag_of_head_is_taken_and_kept_as_the_label(project: Project) -> None:
    """So that the card can print it back."""
    project.git("tag", "v3")
    pinned = project.pin(CONFIG + "repo_sha: v3\n").manifest.repo_sha

    assert ("v3", project.git("rev-parse", "HEAD").strip()) == (pinned.label, pinned.source.revision)


def test_another_commit_is_refused_while_files_of_this_one_are_read(project: Project) -> None:
    """Files of the working tree are no part of an older commit."""
    project.git("tag", "old")
    project.write("README.md", "words")
    project.commit()

    with pytest.raises(OtherCommit, match="not checked out") as caught:
        project.pin(CONFIG + "repo_sha: old\n")
    assert "git+.@old#" in caught.value.mend


def test_another_commit_is_taken_if_all_is_read_from_it(plain: Project) -> None:
    """`git+.@tag#directory` reads the older commit itself."""
    plain.write("models/base/config.json", "old")
    plain.commit()
    plain.git("tag", "old")
    plain.write("models/base/config.json", "new")
    plain.commit()
    config = """\
llm_sha: git+.@old#models/base
tokenizer_sha: git+.@old#models/base
suite: git+.@old#manifests/heldout
repo_sha: old
"""
    pinned = plain.pin(config)

    tree = Tree.parse(plain.store.get(pinned.manifest.llm_sha.digest))
    assert digest_of(b"old") == tree.entries[0].digest
    assert plain.git("rev-parse", "old").strip() == pinned.manifest.repo_sha.source.revision
    assert pinned.manifest.suite is not None


def test_an_unknown_commit_is_refused(project: Project) -> None:
    """With the label that was probably meant."""
    with pytest.raises(UnknownArtefact, match="no commit 'v4'"):
        project.pin(CONFIG + "repo_sha: v4\n")


# --- evidence -------------------------------------------------------------------------------------------------------


def test_a_tampered_row_is_refused_by_the_lock(project: Project) -> None:
    """DVC's md5 tells first."""
    project.write("evaluation/one/rows.jsonl", '{"row":2}\n')

    with pytest.raises(DigestMismatch, match=r"rows\.jsonl"):
        project.pin(EVIDENCE)


def test_a_tampered_row_is_refused_by_the_evidence(project: Project) -> None:
    """Even where the lock was made to agree."""
    project.write("prepared/rows.jsonl", '{"row":2}\n')
    project.evaluate()

    with pytest.raises(DigestMismatch, match=r"rows\.jsonl was changed after the evaluation") as caught:
        project.pin(EVIDENCE)
    assert caught.value.exit_code == 5


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("subject", digest_of(b"another"), "another model"),
        ("suite", digest_of(b"another"), "another suite"),
        ("verifiers", {"json_schema": f"v4.3@{digest_of(b'another')}"}, "json_schema changed"),
    ],
)
def test_evidence_about_something_else_is_refused(project: Project, field: str, value: object, words: str) -> None:
    """It is whole, but its digests do not match: exit code 5."""
    project.prepare_evidence(project.pin().manifest, **{field: value})
    project.evaluate()

    with pytest.raises(ForeignEvidence, match=words) as caught:
        project.pin(EVIDENCE)
    assert caught.value.exit_code == 5


def test_evidence_about_other_sampling_is_refused(project: Project) -> None:
    """A setting that changes the answers makes another model of it."""
    with pytest.raises(ForeignEvidence, match="another model"):
        project.pin(EVIDENCE.replace("0.2", "0.3"))


@pytest.mark.parametrize("name", ["rows.jsonl", "evidence.json"])
def test_evidence_with_a_file_missing_is_refused(plain: Project, name: str) -> None:
    """Evidence is whole or it is none."""
    plain.write("models/base/config.json", "x")
    plain.commit()
    config = "llm_sha: models/base\ntokenizer_sha: models/base\n"
    plain.prepare_evidence(plain.pin(config).manifest)
    (plain.root / "prepared" / name).unlink()
    plain.commit()

    with pytest.raises(UsageError, match=name):
        plain.pin(config + "evidence: prepared\n")


def test_evidence_in_another_spelling_is_refused(plain: Project) -> None:
    """Its digest is of its bytes; a nicer layout is another document."""
    plain.write("models/base/config.json", "x")
    plain.commit()
    config = "llm_sha: models/base\ntokenizer_sha: models/base\n"
    plain.prepare_evidence(plain.pin(config).manifest)
    file = plain.root / "prepared" / "evidence.json"
    plain.write("prepared/evidence.json", file.read_bytes().replace(b",", b", ", 1))
    plain.commit()

    with pytest.raises(IntegrityError, match="canonical"):
        plain.pin(config + "evidence: prepared\n")


@pytest.mark.parametrize("spoil", [lambda data: data[:-20], lambda data: b'{"form":"other"}', lambda _: b""])
def test_a_cut_label_of_evidence_is_told_by_name(plain: Project, spoil: Callable[[bytes], bytes]) -> None:
    """Not only that some JSON somewhere ends too early."""
    plain.write("models/base/config.json", "x")
    plain.commit()
    config = "llm_sha: models/base\ntokenizer_sha: models/base\n"
    plain.prepare_evidence(plain.pin(config).manifest)
    plain.write("prepared/evidence.json", spoil((plain.root / "prepared/evidence.json").read_bytes()))
    plain.commit()

    with pytest.raises(IntegrityError, match=r"evidence\.json") as caught:
        plain.pin(config + "evidence: prepared\n")
    assert (5, "run `dvc repro`") == (caught.value.exit_code, caught.value.mend)
    assert caught.value.why


# --- the config -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["cfg/m.yaml", "m.yaml", "manifests/sub/m.yaml", "/etc/m.yaml", "manifests/", "Manifests/m.yaml", ""]
)
def test_a_config_elsewhere_is_refused(path: str) -> None:
    """Its lock file would make the tree dirty, and each pin another model."""
    with pytest.raises(Misplaced, match="no place for a config") as caught:
        check_place(path)
    assert (2, True) == (caught.value.exit_code, "manifests/" in caught.value.mend)
    check_place("manifests/m.yaml")


def test_a_config_that_the_last_commit_does_not_have_is_refused(plain: Project) -> None:
    """New, ignored by git, hidden from it, or changed: nobody else could make the model."""
    codebase = plain.sources().codebase
    plain.write("manifests/m.yaml", CONFIG)
    plain.write(".git/info/exclude", "manifests/m.yaml\n")
    with pytest.raises(NotCommitted, match="is not committed") as new:
        check_committed("manifests/m.yaml", CONFIG.encode(), codebase)
    plain.git("add", "-f", "manifests/m.yaml")
    plain.commit()
    check_committed("manifests/m.yaml", CONFIG.encode(), codebase)
    with pytest.raises(NotCommitted, match="not committed as it is") as changed:
        check_committed("manifests/m.yaml", CONFIG.encode() + b"#", codebase)

    assert (3, 3) == (new.value.exit_code, changed.value.exit_code)
    assert "git add -f manifests/m.yaml" in new.value.mend
