"""A team on one bucket, as it is typed: several clones, one ledger, hosts that may only read, copies elsewhere."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from registry.core.store import digest_at, place_of
from tests.crash.project import Project, make_project
from tests.remote.proxy import Answer, Asked, Proxy, error
from tests.remote.service import KEYS, Service, running

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Member(Project):
    """A clone of the project, and who works in it."""

    @property
    def environment(self) -> dict[str, str]:
        """What a command gets, the bucket's keys included."""
        home = Project(self.root, self.place).environment
        return {**home, **KEYS}

    def fails(self, code: int, *words: str) -> str:
        """Run `registry WORDS`, which must fail with `code`; what it complained about."""
        process = self.command(*words)
        _, err = process.communicate(timeout=120)
        assert (code, False) == (process.returncode, "Traceback" in err), err
        return str(err)

    def clone(self, name: str) -> "Member":
        """Another clone, beside this one."""
        subprocess.run(["git", "clone", "-q", self.root, self.root.parent / name], check=True, capture_output=True)
        return Member(self.root.parent / name, self.place)


@dataclass(frozen=True)
class Team:
    """A server, the URL of the registry in it, and two members."""

    service: Service
    url: str
    anna: Member
    ben: Member


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """Anna founded the registry in a bucket and pinned a model; Ben has cloned the project, and promoted it."""
    with running() as service, pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        url = service.url(service.new_bucket())
        made = make_project(tmp_path_factory.mktemp("team"))
        anna = Member(made.root, made.place)
        shutil.rmtree(anna.place)
        (anna.root / "registry.toml").unlink()
        anna.run("init", "--place", url)
        anna.commit()
        anna.run("pin", "manifests/one.json")
        anna.commit()
        ben = anna.clone("ben")
        ben.run("promote", "one", "--to", "dev", "--bootstrap", "--reason", "the first one")
        yield Team(service, url, anna, ben)


def test_what_one_decides_all_see(team: Team) -> None:
    """There is one ledger, whoever asks and wherever."""
    seen = {member.run("status", "--json") for member in (team.anna, team.ben)}
    (status,) = (json.loads(one) for one in seen)

    assert [1, None, None] == [stage["generation"] and stage["generation"]["number"] for stage in status["stages"]]
    assert "3 entries" in team.anna.run("verify")


def test_a_clone_stays_clean(team: Team) -> None:
    """What a machine keeps of its own is in a directory that git ignores, and may be thrown away."""
    for member in (team.anna, team.ben):
        left = subprocess.run(
            ["git", "status", "--porcelain"], cwd=member.root, capture_output=True, text=True, check=True
        )
        assert "" == left.stdout
        assert {".gitignore", "cache"} == {path.name for path in (member.root / ".registry").iterdir()}
    shutil.rmtree(team.ben.root / ".registry")
    team.ben.run("pin", "manifests/one.json")


def test_founding_again_changes_nothing_and_moving_is_refused(team: Team) -> None:
    """The place is written down once."""
    before = (team.anna.root / "registry.toml").read_bytes()

    assert "was here already" in team.anna.run("init")
    assert "another place" in team.anna.fails(2, "init", "--place", "s3://elsewhere")
    assert before == (team.anna.root / "registry.toml").read_bytes()


def read_only(asked: Asked, forward: object) -> Answer | None:
    """What a host's credentials allow."""
    if asked.method not in ("GET", "HEAD"):
        return error(403, "AccessDenied")
    return forward(asked)  # type: ignore[operator,no-any-return] # what the proxy gives


def test_a_host_only_reads(team: Team, tmp_path: Path) -> None:
    """Pull, status, log, verify and fetch ask for nothing but reads; a decision is refused and leaves nothing."""
    proxy = Proxy(team.service.endpoint, mischief=read_only)
    host = team.anna.clone("host")
    settings = host.root / "registry.toml"
    with proxy.running() as endpoint:
        settings.write_text(settings.read_text().replace(team.service.endpoint, endpoint))
        for words in (("pull", "dev", str(tmp_path / "srv")), ("status",), ("log",), ("verify",), ("show", "one")):
            host.run(*words)
        assert {"GET", "HEAD"} == {asked.method for asked in proxy.asked}
        assert (tmp_path / "srv" / "current").resolve().is_dir()
        host.git("commit", "-qam", "through the proxy")
        told = host.fails(1, "pin", "manifests/two.json")

    assert "may not write" in told
    assert "AccessDenied" in told
    assert "3 entries" in team.anna.run("verify")


def test_a_copy_in_a_directory_and_back_into_another_bucket(team: Team) -> None:
    """By a name of the settings, by a URL, by the path of another clone; a second time nothing is moved."""
    other, name = team.anna.clone("backup"), team.service.new_bucket()
    settings = other.root / "registry.toml"
    rest = f'[remotes.team]\nurl = "{team.url}"\n[remotes.spare]\nurl = "{team.service.url(name)}"\n'
    settings.write_text("".join(settings.read_text().splitlines(keepends=True)[:2]) + rest)
    first, second = (json.loads(other.run("fetch", "team", "--json")) for _ in range(2))
    pushed = json.loads(other.run("push", "spare", "one", "--json"))
    other.run("push", "spare")
    third = team.anna.clone("third")
    (third.root / "registry.toml").write_text("".join(settings.read_text().splitlines(keepends=True)[:2]))

    assert ("registry.fetched/1", first["blobs"], 3, 3) == tuple(
        first[key] for key in ("form", "copied", "entries", "length")
    )
    assert (0, 0, 0) == tuple(second[key] for key in ("copied", "size_bytes", "entries"))
    assert (pushed["blobs"], 3) == (pushed["copied"], pushed["entries"])
    assert f"{first['blobs']} blobs" in third.run("fetch", "../backup")
    for member in (other, third):
        assert "clean" in member.run("verify")
        assert first["blobs"] == sum(1 for path in (member.root / ".registry").rglob("*") if _is_blob(member, path))


def test_what_is_no_remote_is_told(team: Team) -> None:
    """With what there is instead."""
    assert "no directory of that name" in team.anna.fails(2, "push", "backup")
    assert "where this registry is" in team.anna.fails(2, "push", team.url)
    assert "sshfs" in team.anna.fails(2, "push", "ssh://host/registry")
    assert "no such bucket" in team.anna.fails(2, "push", team.service.url("nobody-has-this"))
    assert "nothing at" in team.anna.fails(2, "fetch", "./nowhere")
    assert "no registry to fetch" in team.anna.fails(2, "fetch", team.service.url(team.service.new_bucket()))


def _is_blob(member: Member, path: Path) -> bool:
    return path.is_file() and digest_at(path.relative_to(member.root / ".registry").as_posix()) is not None


def test_a_bucket_is_collected_as_it_is_typed(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """First only told; when the grace is over it is out of its place, still read, and brought back by who decides."""
    member = team.anna.clone("collector")
    orphan = member.registry.files.put(b"orphan")
    said = json.loads(member.run("gc", "--json"))
    done = json.loads(member.run("gc", "--delete", "--json"))

    assert (True, {"blobs": 1, "size": 6}) == (said["is_dry_run"], said["young"])
    assert {**said, "is_dry_run": False, "at": done["at"]} == done
    assert "nothing keeps it" in member.run("gc", "--why", orphan[7:17])
    assert "is too short" in member.fails(2, "gc", "--grace", "0")
    now = datetime.now(UTC)
    monkeypatch.setattr("registry.adapters.clocks.SystemClock.now", lambda _: now + timedelta(days=15))
    member.registry.gc()
    assert "in the trash" in member.run("gc", "--why", orphan)
    assert b"orphan" == member.registry.files.get(orphan)
    assert "clean" in member.run("verify")


def test_a_bucket_is_mended_as_it_is_typed(team: Team) -> None:
    """The exit code says what is left to do; the bad bytes stay in the quarantine."""
    member, place = team.anna.clone("mender"), team.anna.root.parent / "good"
    member.run("push", str(place))
    files = member.registry.files
    weights = next(d for d in files.digests() if files.get(d)[:1] != b"{")
    files.bucket.write(place_of(weights), b"bad")  # type: ignore[union-attr] # it is one in a bucket
    told = member.fails(5, "verify", "--quarantine")
    assert f"moved to quarantine/{weights[7:]}." in told
    member.fails(5, "repair")
    assert f"restored  {weights}" in member.run("repair", "--from", str(place))
    ((key, _),) = files.bucket.listed("quarantine")  # type: ignore[union-attr] # it is one in a bucket
    assert b"bad" == files.bucket.read(key, 10)  # type: ignore[union-attr] # it is one in a bucket
