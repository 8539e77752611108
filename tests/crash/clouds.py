"""A bucket that a verb writes to: a real S3 server, and before it somebody who does mischief to one request.

The bucket is filled from a directory, and what it has afterwards is put back there, so that whoever looks at what a
verb has left finds it in files, as everywhere else.
"""

import gzip
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.crash.project import Project
from tests.crash.scenes import Scene
from tests.remote.proxy import Answer, Asked, Mischief, Proxy, error, honest
from tests.remote.service import KEYS, running

NAME, PREFIX = "models", "registry"
Forward = Callable[[Asked], Answer]


class Cloud:
    """A server with one bucket, and the proxy that everybody goes through, which does as `mischief` says."""

    def __init__(self) -> None:
        """Start both."""
        import boto3

        self._stack = ExitStack()
        service = self._stack.enter_context(running())
        self.mischief: Mischief = honest
        self.endpoint = self._stack.enter_context(Proxy(service.endpoint, self._pass).running())
        key, secret, region = KEYS.values()
        keys = {"aws_access_key_id": key, "aws_secret_access_key": secret, "region_name": region}
        self._client: Any = boto3.client("s3", endpoint_url=service.endpoint, **keys)
        self._client.create_bucket(Bucket=NAME)
        self._under_way, self._lock = 0, threading.Lock()

    def close(self) -> None:
        """Stop both."""
        self._stack.close()

    @contextmanager
    def holding(self, place: Path) -> Iterator[None]:
        """Fill the bucket with the files in `place`, and put there what it has afterwards."""
        self._empty()
        for path in sorted(path for path in place.rglob("*") if path.is_file()):
            self._client.put_object(Bucket=NAME, Key=path.relative_to(place).as_posix(), Body=path.read_bytes())
        yield
        time.sleep(0.01)
        while self._under_way:
            time.sleep(0.005)  # why: what a killed process has sent is done all the same
        shutil.rmtree(place)
        for key in self._keys():
            path = place / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self._client.get_object(Bucket=NAME, Key=key)["Body"].read())
            path.chmod(0o444)
        place.mkdir(exist_ok=True)

    @contextmanager
    def doing(self, mischief: Mischief) -> Iterator[None]:
        """Do mischief meanwhile."""
        self.mischief = mischief
        try:
            yield
        finally:
            self.mischief = honest

    def _empty(self) -> None:
        if keys := list(self._keys()):
            self._client.delete_objects(Bucket=NAME, Delete={"Objects": [{"Key": key} for key in keys]})

    def _keys(self) -> Iterator[str]:
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=NAME):
            yield from (found["Key"] for found in page.get("Contents", ()))

    def _pass(self, asked: Asked, forward: Forward) -> Answer | None:
        with self._lock:
            self._under_way += 1
        try:
            return self.mischief(asked, forward)
        finally:
            with self._lock:
                self._under_way -= 1


@dataclass(frozen=True, slots=True)
class CloudProject(Project):
    """A project that knows the bucket; its store and ledger are looked at where the bucket was emptied into."""

    endpoint: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """What a command gets, the bucket's keys included."""
        return {**Project(self.root, self.place).environment, **KEYS, "AWS_ENDPOINT_URL": self.endpoint}

    @property
    def seen_from(self) -> Path:
        """A directory with the settings of this project, but for the place."""
        view = self.root.parent / "view"
        view.mkdir(exist_ok=True)
        settings = (self.root / "registry.toml").read_text().splitlines()
        kept = [line for line in settings if not line.startswith("place")]
        (view / "registry.toml").write_text("\n".join([*kept, f'place = "{self.place}"', ""]))
        return view


@dataclass(frozen=True, slots=True)
class CloudScene(Scene):
    """A scene in which the remote is in a bucket, or store and ledger are."""

    cloud: Cloud = field(kw_only=True)

    @property
    def project(self) -> Project:
        """The project."""
        root = self.parent / "project"
        return CloudProject(root, self._dump if self.is_place else root / ".registry", endpoint=self.cloud.endpoint)

    @property
    def remote(self) -> Path:
        """What the bucket had, where it is the remote."""
        return self.parent / "nothing" if self.is_place else self._dump

    @property
    def is_place(self) -> bool:
        """Whether store and ledger are in the bucket."""
        return self.verb not in ("bucket push", "bucket fetch")

    @property
    def _dump(self) -> Path:
        return self.parent / "cloud" / PREFIX

    @contextmanager
    def served(self) -> Iterator[None]:
        """Have the bucket filled meanwhile."""
        with self.cloud.holding(self.parent / "cloud"):
            yield


def _of_body(change: Callable[[bytes], bytes], **parts: Any) -> Callable[[Asked, Forward], Answer | None]:
    def mischief(asked: Asked, forward: Forward) -> Answer:
        answer = forward(asked)
        return replace(answer, body=change(answer.body), **parts)

    return mischief


def _gzipped(asked: Asked, forward: Forward) -> Answer:
    answer = forward(asked)
    return replace(answer, headers={**answer.headers, "Content-Encoding": "gzip"}, body=gzip.compress(answer.body))


def _lost(asked: Asked, forward: Forward) -> None:
    forward(asked)


def _retagged(asked: Asked, forward: Forward) -> Answer:
    answer = forward(asked)
    tags = {name: '"0123456789abcdef"' for name in answer.headers if name.lower() == "etag"}
    return replace(answer, headers={**answer.headers, **tags})


def _elsewhere(asked: Asked, _: Forward) -> Answer:
    return Answer(307, {"Location": "http://127.0.0.1:9/elsewhere" + asked.path}, b"")


LIES: dict[str, Mischief] = {
    "hangs up": lambda asked, forward: None,
    "does it, and hangs up": _lost,
    "does nothing, and says 200": lambda asked, forward: Answer(200, {"ETag": '"0"'}, b""),
    "500": lambda asked, forward: error(500, "InternalError"),
    "503": lambda asked, forward: error(503, "SlowDown"),
    "403": lambda asked, forward: error(403, "AccessDenied"),
    "404": lambda asked, forward: error(404, "NoSuchKey"),
    "409": lambda asked, forward: error(409, "ConditionalRequestConflict"),
    "412": lambda asked, forward: error(412, "PreconditionFailed"),
    "redirects": _elsewhere,
    "a bit is wrong": _of_body(lambda body: body[:-1] + bytes([body[-1] ^ 1]) if body else body),
    "is cut, with the right length": lambda asked, forward: replace(found := forward(asked), cut=len(found.body) // 2),
    "is cut": _of_body(lambda body: body[: len(body) // 2]),
    "is longer": _of_body(lambda body: body + b"x"),
    "is empty": _of_body(lambda body: b""),
    "is gzipped": _gzipped,
    "has another ETag": _retagged,
}
"""What is done to one request, whatever it asks for."""


class Counted:
    """Mischief that counts the requests."""

    def __init__(self, mischief: Mischief) -> None:
        """Do as `mischief` says."""
        self.count, self._mischief, self._lock = 0, mischief, threading.Lock()

    def __call__(self, asked: Asked, forward: Forward) -> Answer | None:
        """Count it, and tell the number along."""
        with self._lock:
            self.count += 1
            now = replace(asked, number=self.count)
        return self._mischief(now, forward)


def at_request(number: int, lie: str, *, is_lasting: bool) -> Mischief:
    """Lie at the request of that number, from 1, and perhaps at all after it."""

    def mischief(asked: Asked, forward: Forward) -> Answer | None:
        is_struck = asked.number >= number if is_lasting else asked.number == number
        return LIES[lie](asked, forward) if is_struck else forward(asked)

    return mischief
