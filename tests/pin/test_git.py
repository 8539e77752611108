"""Git as a source, and the repository around the workspace."""

from pathlib import Path

import pytest

from registry.adapters.sources.git import GitCodebase, GitFailed, find_git
from registry.adapters.stores.memory import MemoryStore
from registry.core.digest import DigestMismatch, digest_of
from registry.core.reference import InGit, NothingThere
from registry.core.tree import Tree, UnsafeName
from registry.errors import UsageError
from tests.pin.project import Project, git_project


@pytest.fixture
def other(tmp_path: Path) -> Project:
    """Another repository, with a tag."""
    project = git_project(tmp_path / "other")
    project.write("models/x/a.json", "a")
    project.write("models/x/deep/b.bin.json", "b")
    project.write("big", b"0" * 3_000_000)
    project.commit()
    project.git("tag", "v1")
    project.write("models/x/a.json", "changed later")
    project.commit()
    return project


def read(root: Path, location: InGit, scratch: Path) -> Tree:
    """Read a location whole, several files at once."""
    found = find_git(root, location, scratch=scratch)
    streams = [file.open() for file in found.files]
    contents = [stream.read() for stream in streams]
    for stream in streams:
        stream.close()
    assert [len(content) for content in contents] == [file.size for file in found.files]
    tree = MemoryStore().put_files(found.files)
    found.confirm(tree)
    return tree


def test_a_subdirectory_is_read_at_its_revision(other: Project, tmp_path: Path) -> None:
    """Not as the working tree has it now; the pin keeps the commit."""
    location = InGit("../other", "v1", "models/x")
    tree = read(tmp_path / "here", location, tmp_path)
    source = find_git(tmp_path / "here", location, scratch=tmp_path).source

    assert [("a.json", digest_of(b"a")), ("deep/b.bin.json", digest_of(b"b"))] == [
        (entry.path, entry.digest) for entry in tree.entries
    ]
    assert other.git("rev-parse", "v1").strip() == source.revision
    assert source.location == "../other#models/x"


def test_a_url_is_cloned_first(other: Project, tmp_path: Path) -> None:
    """With the same bytes as by path."""
    by_url = read(tmp_path, InGit(other.root.as_uri(), "v1", "models/x"), tmp_path / "scratch")
    by_path = read(tmp_path, InGit(str(other.root), "v1", "models/x"), tmp_path)

    assert by_path.digest == by_url.digest


def test_one_file_and_a_whole_repository_are_locations_too(other: Project, tmp_path: Path) -> None:
    """A file is a tree of one."""
    one = read(tmp_path, InGit(str(other.root), "v1", "models/x/a.json"), tmp_path)
    whole = read(tmp_path, InGit(str(other.root), "v1"), tmp_path)

    assert ["a.json"] == [entry.path for entry in one.entries]
    assert {"big", "models/x/a.json", ".gitignore"} <= {entry.path for entry in whole.entries}


@pytest.mark.parametrize(
    "location",
    [
        InGit("../other", "v2", "models/x"),
        InGit("../other", "v1", "models/y"),
        InGit("../other", "0" * 40),
        InGit("../other", "v1:models"),
        InGit("../nowhere", "v1"),
    ],
)
def test_what_is_not_there_is_told(other: Project, tmp_path: Path, location: InGit) -> None:
    """Repository, revision and subdirectory alike."""
    with pytest.raises(NothingThere):
        find_git(tmp_path / "here", location, scratch=tmp_path)


@pytest.mark.parametrize("url", ["ext::sh -c touch% /tmp/evil", "--upload-pack=touch x@h:", "file:///nowhere/at/all"])
def test_a_url_that_runs_a_program_or_leads_nowhere_is_refused(tmp_path: Path, url: str) -> None:
    """Git's helper protocols run what the URL says."""
    with pytest.raises((GitFailed, UsageError)):
        find_git(tmp_path, InGit(url, "v1"), scratch=tmp_path / "scratch")


def test_a_symlink_in_a_tree_is_refused(other: Project, tmp_path: Path) -> None:
    """A checkout would follow it."""
    (other.root / "models" / "x" / "link").symlink_to("/etc/hostname")
    other.commit()

    with pytest.raises(UnsafeName, match="a symlink"):
        find_git(tmp_path, InGit(str(other.root), "HEAD", "models/x"), scratch=tmp_path)


def test_an_object_with_other_bytes_is_refused(other: Project, tmp_path: Path) -> None:
    """`git cat-file` prints a damaged object without complaint; the hash of what came is compared."""
    found = find_git(tmp_path, InGit(str(other.root), "v1", "models/x"), scratch=tmp_path)
    sizes = {file.path: file.size for file in found.files}
    other.git("hash-object", "-w", "--", "models/x/a.json")
    wanted = other.git("rev-parse", "v1:models/x/a.json").strip()
    same_size = other.write("evil", "e")
    evil = other.git("hash-object", "-w", "--", str(same_size)).strip()
    objects = other.root / ".git" / "objects"
    target = objects / wanted[:2] / wanted[2:]
    target.chmod(0o644)
    target.write_bytes((objects / evil[:2] / evil[2:]).read_bytes())

    assert sizes["a.json"] == 1
    tree = MemoryStore().put_files(found.files)
    with pytest.raises(DigestMismatch, match=r"a\.json"):
        found.confirm(tree)


def test_a_codebase_needs_a_repository_with_a_commit(tmp_path: Path) -> None:
    """Both are told with the command that mends it."""
    with pytest.raises(UsageError, match="not a git repository"):
        GitCodebase(tmp_path).head()

    Project(tmp_path).git("init", "-q")
    with pytest.raises(UsageError, match="no commit yet"):
        GitCodebase(tmp_path).head()


def test_a_workspace_may_lie_below_the_top_of_its_repository(tmp_path: Path) -> None:
    """Its lock files are known by their place in the workspace; the whole repository must be clean."""
    project = git_project(tmp_path / "top")
    project.write("team/registry.toml", "x")
    commit = project.commit()
    codebase = GitCodebase(tmp_path / "top" / "team")
    project.write("team/manifests/a.lock.json", "{}")
    project.write("manifests/a.lock.json", "{}")
    project.write("elsewhere", "x")

    assert ["elsewhere", "manifests/a.lock.json"] == list(codebase.dirty())
    assert codebase.committed("registry.toml") == b"x"
    assert codebase.committed("manifests/a.lock.json") is None
    assert commit == codebase.head()


def test_only_commits_of_nothing_but_locks_are_passed_over(plain: Project) -> None:
    """One other file in the commit, or a merge, and it is the codebase."""
    begin = plain.git("rev-parse", "HEAD").strip()
    for number in range(3):
        plain.write(f"manifests/{number}.lock.json", "{}")
        plain.commit()
    after_locks = GitCodebase(plain.root).head()
    plain.write("manifests/3.lock.json", "{}")
    plain.write("manifests/3.yaml", "x")
    mixed = plain.commit()

    assert begin == after_locks
    assert mixed == GitCodebase(plain.root).head()


@pytest.mark.parametrize("flag", ["--skip-worktree", "--assume-unchanged"])
@pytest.mark.parametrize("path", [".gitignore", "with space/ü.txt"])
def test_a_change_that_git_was_told_to_overlook_is_seen(plain: Project, flag: str, path: str) -> None:
    """Whatever hides it from status; what is as git has it hides nothing."""
    plain.write(path, ".registry/\n*.tmp\n")
    plain.commit()
    plain.git("update-index", flag, path)
    codebase = GitCodebase(plain.root)
    unchanged = codebase.dirty()
    plain.write(path, ".registry/\nmore\n")
    changed = codebase.dirty()
    (plain.root / path).unlink()
    (plain.root / path).symlink_to("manifests")
    linked = codebase.dirty()

    assert ([], [path], [path]) == (list(unchanged), list(changed), list(linked))


def test_a_file_that_is_gone_is_a_change_unless_the_checkout_is_sparse(plain: Project) -> None:
    """Sparse checkouts mark what they leave out; a file that they left out and somebody wrote anew is looked at."""
    plain.write("left/out.txt", "x")
    plain.write("assumed.txt", "x")
    plain.commit()
    plain.git("update-index", "--assume-unchanged", "assumed.txt")
    (plain.root / "assumed.txt").unlink()
    plain.git("sparse-checkout", "set", "manifests")
    codebase = GitCodebase(plain.root)
    left_out = codebase.dirty()
    plain.write("left/out.txt", "y")

    assert not (plain.root / "left/out.txt").is_symlink()
    assert ["assumed.txt"] == list(left_out)
    assert ["assumed.txt", "left/out.txt"] == list(codebase.dirty())


@pytest.mark.parametrize("revision", ["--help", "HEAD:manifests", "nothing", "", "HEAD^{tree}"])
def test_what_is_no_commit_resolves_to_none(plain: Project, revision: str) -> None:
    """Options, trees and files are no revisions."""
    assert GitCodebase(plain.root).resolve(revision) is None
