"""The Hub as a source, with the real client against a server on this machine."""

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from registry.adapters.sources.hub import HubFailed, find_hub
from registry.adapters.stores.memory import MemoryStore
from registry.core.digest import DigestMismatch, digest_of
from registry.core.reference import NothingThere, OnHub
from registry.core.tree import Tree, UnsafeName
from registry.errors import UsageError

COMMIT = "1" * 40
REPO = "org/tiny"


@dataclass
class Hub:
    """A Hub with one model: its files, which of them are in LFS, and what was asked of it."""

    files: dict[str, bytes] = field(default_factory=dict)
    lfs: set[str] = field(default_factory=set)
    sent: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def entry(self, path: str) -> dict[str, Any]:
        """A file as the tree call lists it."""
        data = self.files[path]
        found: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": blob_of(data)}
        if path in self.lfs:
            found["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
        return found

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for a request."""
        self.asked.append(path)
        models = f"/api/models/{REPO}"
        if path in {models, f"{models}/revision/main", f"{models}/revision/{COMMIT}"}:
            return 200, {}, json.dumps({"id": REPO, "sha": COMMIT, "siblings": []}).encode()
        if path == f"{models}/tree/{COMMIT}":
            return 200, {}, json.dumps([self.entry(name) for name in sorted(self.files)]).encode()
        name = path.removeprefix(f"/{REPO}/resolve/{COMMIT}/")
        if name in self.files:
            data = self.sent.get(name, self.files[name])
            etag = self.entry(name)["lfs"]["oid"] if name in self.lfs else blob_of(self.files[name])
            return 200, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}, data
        code = "RevisionNotFound" if path.startswith(models) else "RepoNotFound"
        return 404, {"X-Error-Code": code}, b"{}"


def blob_of(data: bytes) -> str:
    """Git's name for a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A running Hub."""
    from huggingface_hub import constants

    # why: the test run as a whole is offline; only this server may be asked.
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    files = {
        ".gitattributes": b"*.safetensors filter=lfs",
        "config.json": b'{"model_type":"llama"}',
        "model.safetensors": b"weights" * 1000,
        "sub/tokenizer.json": b"{}",
    }
    found = Hub(files, {"model.safetensors"})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers, body = found.answer(unquote(urlsplit(self.path).path))
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 # the name is the library's

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    yield found
    server.shutdown()
    server.server_close()


def read(hub: Hub, cache: Path, revision: str = "main") -> Tree:
    """Read the model whole."""
    found = find_hub(OnHub(REPO, revision), cache=cache, endpoint=hub.url)
    tree = MemoryStore().put_files(found.files)
    found.confirm(tree)
    assert COMMIT == found.source.revision
    return tree


def test_a_model_is_read_at_the_commit_that_its_branch_is_at(hub: Hub, tmp_path: Path) -> None:
    """Without what only serves the repository's keeping."""
    tree = read(hub, tmp_path)

    assert {name: digest_of(data) for name, data in hub.files.items() if name != ".gitattributes"} == {
        entry.path: entry.digest for entry in tree.entries
    }


def test_a_commit_that_is_here_needs_no_network(hub: Hub, tmp_path: Path) -> None:
    """Neither for the files nor for the hashes to compare them with."""
    first = read(hub, tmp_path, COMMIT)
    hub.asked.clear()
    hub.files.clear()
    second = read(hub, tmp_path, COMMIT)

    assert first == second


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_file_with_other_bytes_is_refused(hub: Hub, tmp_path: Path, name: str) -> None:
    """The client looks at the size only, so the size stays the same here."""
    hub.sent[name] = b"!" + hub.files[name][1:]

    with pytest.raises(DigestMismatch, match=name):
        read(hub, tmp_path)


def test_a_cached_file_that_was_changed_is_refused(hub: Hub, tmp_path: Path) -> None:
    """The cache is no better than the network."""
    read(hub, tmp_path, COMMIT)
    (link,) = tmp_path.rglob("snapshots/*/config.json")
    target = link.resolve()
    target.chmod(0o644)
    target.write_bytes(b"!" + target.read_bytes()[1:])

    with pytest.raises(DigestMismatch, match=r"config\.json"):
        read(hub, tmp_path, COMMIT)


def test_a_cache_that_leads_elsewhere_is_refused(hub: Hub, tmp_path: Path) -> None:
    """Its symlinks may point at its own blobs only."""
    read(hub, tmp_path / "cache", COMMIT)
    (link,) = (tmp_path / "cache").rglob("snapshots/*/config.json")
    link.unlink()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(hub.files["config.json"])
    link.symlink_to(elsewhere)

    with pytest.raises(UnsafeName, match="out of the download cache"):
        find_hub(OnHub(REPO, COMMIT), cache=tmp_path / "cache", endpoint=hub.url)


@pytest.mark.parametrize("location", [OnHub(REPO, "nope"), OnHub("org/other", "main")])
def test_what_the_hub_does_not_have_is_told(hub: Hub, tmp_path: Path, location: OnHub) -> None:
    """Revision and repository alike."""
    with pytest.raises(NothingThere, match=location.revision):
        find_hub(location, cache=tmp_path, endpoint=hub.url)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a\\b", "CONFIG.json"])
def test_a_hostile_name_is_refused_before_it_is_downloaded(hub: Hub, tmp_path: Path, name: str) -> None:
    """The listing is somebody else's word."""
    hub.files[name] = b"x"

    with pytest.raises(UnsafeName):
        find_hub(OnHub(REPO, "main"), cache=tmp_path / "cache", endpoint=hub.url)
    assert not any("/resolve/" in path for path in hub.asked)


def test_an_unreachable_hub_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what was tried; exit code 1, because it may work later."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)

    with pytest.raises(HubFailed) as caught:
        find_hub(OnHub(REPO, "main"), cache=tmp_path, endpoint="http://127.0.0.1:9")
    assert caught.value.exit_code == 1


def test_a_repository_without_files_is_refused(hub: Hub, tmp_path: Path) -> None:
    """An artefact has at least one file."""
    hub.files = {".gitattributes": b""}

    with pytest.raises(UsageError, match="empty"):
        find_hub(OnHub(REPO, "main"), cache=tmp_path, endpoint=hub.url)
