"""A real S3 server on this machine, started for the tests: moto keeps everything in memory and honours conditions."""

import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from registry.adapters.buckets.address import parse_address
from registry.adapters.buckets.bucket import Bucket, open_bucket

KEYS = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}


@dataclass(frozen=True)
class Service:
    """A server at `endpoint`; each `new_bucket` is another one."""

    endpoint: str
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def new_bucket(self) -> str:
        """Make a bucket and return its name."""
        name = f"models-{next(self.numbers)}"
        self.client.create_bucket(Bucket=name)
        return name

    def url(self, name: str, prefix: str = "registry") -> str:
        """The URL of a place in a bucket, endpoint included."""
        return f"s3://{name}/{prefix}?endpoint={self.endpoint}"

    def open(self, name: str, prefix: str = "registry", *, timeout_s: float = 20) -> Bucket:
        """Open a place in a bucket, as the program does."""
        return bucket_at(self.url(name, prefix), timeout_s=timeout_s)

    @property
    def client(self) -> Any:
        """Amazon's own client, to look behind our back."""
        import boto3

        return boto3.client("s3", endpoint_url=self.endpoint, region_name="us-east-1")


def bucket_at(url: str, *, timeout_s: float = 20) -> Bucket:
    """Open the place that `url` names."""
    return open_bucket(parse_address(url, os.environ), os.environ, timeout_s=timeout_s)


def free_port() -> int:
    """A port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running() -> Iterator[Service]:
    """Start the server, and stop it afterwards."""
    port = free_port()
    program = "from moto.server import main; main()"
    command = [sys.executable, "-c", program, "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port, server)
        yield Service(f"http://127.0.0.1:{port}")
    finally:
        server.kill()
        server.wait()


def _wait(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("the S3 server did not start")
