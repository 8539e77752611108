"""DVC as a source, beyond what a whole pin shows."""

import fcntl
import os
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.adapters.sources.dvc import NotFetched
from registry.adapters.sources.outs import directory_md5
from registry.adapters.sources.path import PathFile
from registry.adapters.sources.twins import Twins
from registry.adapters.sources.workspace import WorkspaceSources
from registry.core.digest import DigestMismatch, digest_of
from registry.errors import ConflictError, UsageError
from tests.pin.project import Project, run

pytestmark = pytest.mark.slow

_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=8).filter(
    lambda name: name not in {".", ".."}
)


@given(st.dictionaries(st.lists(_NAMES, min_size=1, max_size=3).map("/".join), st.binary(max_size=3), max_size=6))
def test_a_directory_has_the_md5_that_dvc_gives_it(files: dict[str, bytes]) -> None:
    """For any names, in any order, by DVC's own code."""
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree as DvcTree

    values = {path: f"{number:032x}" for number, path in enumerate(files)}
    theirs = DvcTree()  # type: ignore[no-untyped-call] # DVC's
    for path, value in values.items():
        theirs.add(tuple(path.split("/")), None, HashInfo("md5", value))
    theirs.digest()

    assert theirs.hash_info is not None
    assert theirs.hash_info.value == directory_md5(values)


def test_what_was_read_once_is_known_by_its_twin(project: Project) -> None:
    """The second time no md5 is computed, and a change is found all the same."""
    for _ in range(2):
        found = project.sources().find("models/base")
        found.confirm(project.store.put_files(found.files))
    project.write("models/base/config.json", "content of base/config.jsom")
    changed = project.sources().find("models/base")
    tree = project.store.put_files(changed.files)

    assert {type(file) for file in found.files} == {PathFile}
    with pytest.raises(DigestMismatch, match=r"models/base/config\.json"):
        changed.confirm(tree)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"a":"b"}', b'{"a":1}', b"\xff"])
def test_damaged_twins_are_none(tmp_path: Path, data: bytes) -> None:
    """A cache may be lost, never wrong."""
    (tmp_path / "twins.json").write_bytes(data)
    twins = Twins(tmp_path / "twins.json")
    twins.note({"0" * 32: digest_of(b"x")})

    assert twins.find("a") is None
    assert Twins(tmp_path / "twins.json").find("0" * 32) == digest_of(b"x")


def test_what_was_added_without_a_stage_is_checked_too(project: Project) -> None:
    """`dvc add` makes a lock of its own, which must be committed like the other."""
    project.write("data/set.jsonl", "rows")
    project.dvc("add", "-q", "data/set.jsonl")
    project.commit()
    sources = project.sources()
    found = sources.find("data/set.jsonl")
    tree = project.store.put_files(found.files)
    found.confirm(tree)
    sources.close()

    assert (found.source.kind, len(found.source.revision or "")) == ("dvc", 32)


def test_a_lock_in_the_old_spelling_is_refused(project: Project) -> None:
    """DVC 2 changed line ends before it hashed; such a hash is not one of these bytes."""
    project.write("data/set.jsonl", "rows\r\n")
    project.dvc("add", "-q", "data/set.jsonl")
    lock = project.root / "data/set.jsonl.dvc"
    project.write("data/set.jsonl.dvc", lock.read_text().replace("  hash: md5\n", ""))
    project.commit()

    with pytest.raises(UsageError, match="md5-dos2unix") as caught:
        project.sources().find("data/set.jsonl")
    assert "dvc cache migrate" in caught.value.mend


def test_a_path_that_dvc_does_not_track_is_a_plain_one(project: Project) -> None:
    """What git has needs no DVC."""
    found = project.sources().find("build.py")

    assert found.source.kind == "path"


def test_a_file_that_nobody_tracks_is_refused_beside_outs(project: Project) -> None:
    """In a directory of outs, a file that git ignores is in no history."""
    project.write(".git/info/exclude", "stray.txt\n")
    project.write("evaluation/one/stray.txt", "x")

    with pytest.raises(UsageError, match=r"stray\.txt is tracked neither by DVC nor by git"):
        project.sources().find("evaluation/one")


def test_another_dvc_at_work_is_a_conflict(project: Project) -> None:
    """It can be tried again: exit code 6."""
    lock = project.root / ".dvc" / "tmp" / "lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ConflictError) as caught:
            project.sources().find("models/base")
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    ("module", "location", "extra"),
    [
        ("dvc.repo", "models/base", "dvc"),
        ("huggingface_hub", "hf://org/x@main", "hub"),
        ("mlflow", "mlflow:models:/x/1", "mlflow"),
    ],
)
def test_a_missing_extra_is_told(
    project: Project, monkeypatch: pytest.MonkeyPatch, module: str, location: str, extra: str
) -> None:
    """With the line that installs it; exit code 2."""
    monkeypatch.setitem(sys.modules, module, None)
    sources = WorkspaceSources(project.root, project.root / ".registry/cache", mlflow_uri="sqlite://")

    with pytest.raises(UsageError, match=f"the {extra} extra is not installed") as caught:
        sources.find(location)
    assert f"pip install 'lockstep-registry[{extra}]'" == caught.value.mend


def test_a_dvc_location_without_a_project_is_refused(plain: Project) -> None:
    """With the command that makes one."""
    with pytest.raises(UsageError, match="no DVC project"):
        plain.sources().find("dvc:models/base")


def test_a_git_lfs_pointer_is_refused(plain: Project) -> None:
    """It looks like a file and is a promise of one."""
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"
    plain.write("models/base/model.safetensors", text)
    commit = plain.commit()

    for location in ("models/base", f"git+.@{commit}#models/base"):
        with pytest.raises(UsageError, match="was not fetched"):
            plain.sources().find(location)


@pytest.mark.parametrize("gone", ["models/tokenizer", "models/base"])
def test_an_out_that_is_not_here_is_told_with_dvcs_mend(project: Project, gone: str) -> None:
    """A fresh clone has a lock and no files; what was made from a missing one cannot be judged either."""
    shutil.rmtree(project.root / gone)
    wanted = "evaluation/one" if gone == "models/base" else gone

    with pytest.raises(NotFetched, match=gone) as caught:
        project.sources().find(f"dvc:{wanted}")
    assert "dvc pull" in caught.value.mend


FIND = """
import sys
from pathlib import Path
from registry.adapters.sources.workspace import WorkspaceSources
from registry.errors import RegistryError
try:
    WorkspaceSources(Path(sys.argv[1]), Path(sys.argv[1], ".registry/cache")).find("dvc:models/base")
except RegistryError as error:
    print(error.exit_code, error)
"""


@pytest.mark.parametrize("locked", ["models/base", "manifests/heldout"])
def test_what_dvc_may_not_read_is_told_with_the_mend(project: Project, locked: str) -> None:
    """DVC looks into every directory, and says so in a traceback."""
    place = project.root / locked
    place.chmod(0)
    rootless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    told = run([*rootless, sys.executable, "-c", FIND, str(project.root)], Path(__file__).parents[2])
    place.chmod(0o755)

    assert told.startswith(f"1 {place}")
    assert "Permission denied" in told
    assert "chmod -R u+rX" in told
