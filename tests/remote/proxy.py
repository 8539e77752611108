"""A proxy before the S3 server that loses, delays and falsifies what passes, as a network or a bad service does."""

import hashlib
import http.client
import itertools
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP = {"connection", "transfer-encoding", "content-length", "keep-alive", "server", "date"}


@dataclass(frozen=True)
class Asked:
    """A request: its method, the object's key (the whole path), its body, and how many of this kind came before."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    number: int


@dataclass
class Answer:
    """A response; `send` writes its body, as it is or otherwise."""

    status: int
    headers: dict[str, str]
    body: bytes
    length: int | None = None
    """What Content-Length says; None is the truth, and below 0 there is none: the body comes in chunks."""

    drip_s: float = 0
    cut: int | None = None
    """After how many bytes the connection is closed."""

    endless: bool = False


class _Quiet(ThreadingHTTPServer):
    """A server that says nothing of clients that went away."""

    def handle_error(self, *_: object) -> None:
        """They were killed, as they should be."""


Mischief = Callable[[Asked, Callable[[Asked], Answer]], Answer | None]
"""What the proxy does with a request: it may forward it, and gives an answer, or None to hang up without one."""


def honest(asked: Asked, forward: Callable[[Asked], Answer]) -> Answer | None:
    """Forward it, and hand on the answer."""
    return forward(asked)


@dataclass
class Proxy:
    """A proxy that does as `mischief` says, and remembers what it was asked."""

    upstream: str
    mischief: Mischief = honest
    asked: list[Asked] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @contextmanager
    def running(self) -> Iterator[str]:
        """Serve on a free port; gives the endpoint."""
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def _any(self) -> None:
                proxy.handle(self)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _any  # noqa: N815 - what http.server looks for

            def log_message(self, *_: object) -> None:
                pass

        server = _Quiet(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        """Deal with one request."""
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        with self._lock:
            headers = {name.lower(): value for name, value in handler.headers.items()}
            asked = Asked(handler.command, handler.path, headers, body, next(self._numbers))
            self.asked.append(asked)
        answer = self.mischief(asked, self.forward)
        if answer is None:
            handler.close_connection = True
            return
        try:
            self._send(handler, answer)
        except OSError:
            handler.close_connection = True  # why: the client has had enough, which is what some tests want

    def forward(self, asked: Asked) -> Answer:
        """Ask the real server."""
        link = http.client.HTTPConnection(self.upstream.removeprefix("http://"), timeout=30)
        try:
            link.request(asked.method, asked.path, asked.body, asked.headers)
            response = link.getresponse()
            data = response.read()
            headers = {name: value for name, value in response.getheaders() if name.lower() not in HOP}
            length = response.getheader("Content-Length") if asked.method == "HEAD" else None
            return Answer(response.status, headers, data, int(length) if length else None)
        finally:
            link.close()

    def _send(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        length = len(answer.body) if answer.length is None else answer.length
        if length >= 0:
            handler.send_header("Content-Length", str(length))
        handler.end_headers()
        if handler.command == "HEAD":
            return
        body = answer.body if answer.cut is None else answer.body[: answer.cut]
        for start in range(0, len(body), 1 if answer.drip_s else len(body) or 1):
            handler.wfile.write(body[start : start + (1 if answer.drip_s else len(body))])
            time.sleep(answer.drip_s)
        while answer.endless:
            handler.wfile.write(b"x" * 65536)
        if length != len(body):
            handler.close_connection = True


def error(status: int, code: str) -> Answer:
    """An error as S3 tells it."""
    text = f"<Error><Code>{code}</Code><Message>so it says</Message></Error>"
    return Answer(status, {"Content-Type": "application/xml"}, text.encode())


def checking(asked: Asked, forward: Callable[[Asked], Answer]) -> Answer:
    """Forward an upload only if it has the SHA-256 that it says, as Amazon does and moto does not."""
    promised = asked.headers.get("x-amz-checksum-sha256")
    if promised and b64decode(promised) != hashlib.sha256(asked.body).digest():
        return error(400, "BadDigest")
    return forward(asked)
