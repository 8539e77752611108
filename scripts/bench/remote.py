"""Measure blobs on their way to a bucket and back against obstore alone, in seconds and in bytes of memory.

python scripts/bench/remote.py --size 1GB

Starts moto's S3 server on this machine (or takes --url), makes the data and removes it. Each contender is a process of
its own, so that its memory can be told. What moto itself takes is in every number: the ratio is what counts.
"""

import argparse
import os
import random
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
UNITS = {"MB": 10**6, "GB": 10**9}
FILES = 8
KEYS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}
CONTENDERS = ("obstore put", "store put", "obstore get", "store get", "cp + sync", "store copy")


@dataclass(frozen=True, slots=True)
class Took:
    """What one contender took: seconds, and bytes of memory at its peak."""

    seconds: float
    peak_bytes: int


def main() -> None:
    """Measure and print; or, as a child, do one thing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="200MB")
    parser.add_argument("--url", help="a place in a bucket that may be filled, instead of a server of our own")
    parser.add_argument("--child", nargs=3, metavar=("WHAT", "ROOM", "URL"), help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.child:
        what, room, url = words.child
        began = time.monotonic()
        do(what, Path(room), url)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(time.monotonic() - began, peak)
        return
    size = int(words.size[:-2]) * UNITS[words.size[-2:]]
    os.environ.update(KEYS | dict(os.environ))
    room = Path(tempfile.mkdtemp(prefix="registry-bench-"))
    try:
        make_files(room / "files", size)
        with place(words.url) as url:
            show(size, {what: measure(what, room, url) for what in CONTENDERS})
    finally:
        shutil.rmtree(room)


def do(what: str, room: Path, url: str) -> None:
    """Move the files once, the one way or the other."""
    from concurrent.futures import ThreadPoolExecutor

    import obstore

    from registry.adapters.buckets.address import parse_address
    from registry.adapters.buckets.bucket import open_bucket
    from registry.adapters.sources.path import find_path
    from registry.adapters.stores.bucket import BucketStore
    from registry.adapters.stores.directory import DirectoryStore

    files = sorted((room / "files").iterdir())
    bucket = open_bucket(parse_address(url, os.environ), os.environ)
    store = BucketStore(bucket, room / f"notes-{what.replace(' ', '-')}")
    match what:
        case "obstore put":
            with ThreadPoolExecutor(4) as threads:
                list(threads.map(lambda file: obstore.put(bucket.steady, f"raw/{file.name}", file), files))
        case "obstore get":
            with ThreadPoolExecutor(4) as threads:
                list(threads.map(lambda file: sum(map(len, obstore.get(bucket.steady, f"raw/{file.name}"))), files))
        case "store put":
            store.put_files(find_path(room, "files").files)
        case "store get":
            carry(store, DirectoryStore(room / "fetched"))
        case "store copy":
            DirectoryStore(room / "copied").put_files(find_path(room, "files").files)
        case _:
            subprocess.run(["cp", "-r", room / "files", room / "plain"], check=True)
            subprocess.run(["sync", "-f", room / "plain"], check=True)


def carry(source: object, target: object) -> None:
    """Bring every blob of one store to another, as `registry fetch` does."""
    from typing import cast

    from registry.core.reach import Needed
    from registry.ports import Replica
    from registry.verbs.carry import Wanted
    from registry.verbs.carry import carry as bring
    from registry.workspace.replicating import Unmetered

    one, other = cast("Replica", source), cast("Replica", target)
    wanted = Wanted(tuple(Needed(digest, "a file") for digest in one.digests()))
    bring(wanted, source=one, target=other, records=(one,), meter=Unmetered())


def make_files(directory: Path, size: int) -> None:
    """Files of random bytes, the same each time."""
    directory.mkdir()
    for number in range(FILES):
        (directory / f"{number}.safetensors").write_bytes(random.Random(number).randbytes(size // FILES))  # noqa: S311 - data, not secrets


def measure(what: str, room: Path, url: str) -> Took:
    """Run one contender in a process of its own."""
    command = [sys.executable, __file__, "--child", what, str(room), url]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    seconds, peak = out.split()
    return Took(float(seconds), int(peak))


@contextmanager
def place(url: str | None) -> Iterator[str]:
    """The place that was named, or a bucket of a server that is started for it."""
    if url:
        yield url
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"s3://{make_bucket(f'http://127.0.0.1:{port}')}?endpoint=http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def make_bucket(endpoint: str) -> str:
    """Wait for the server, and make a bucket."""
    import boto3
    from botocore.config import Config

    patient = Config(retries={"total_max_attempts": 20})
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=patient)
    client.create_bucket(Bucket="bench")
    return "bench"


def show(size: int, took: dict[str, Took]) -> None:
    """Print the table, and each pair's ratio."""
    print(f"{size / 1e6:.0f} MB in {FILES} files")
    for what, one in took.items():
        print(f"{what:<12}  {one.seconds:6.2f} s  {size / one.seconds / 1e6:7.0f} MB/s  {one.peak_bytes / 1e6:5.0f} MB")
    for ours, theirs in (("store put", "obstore put"), ("store get", "obstore get"), ("store copy", "cp + sync")):
        print(f"{ours} / {theirs}: {took[ours].seconds / took[theirs].seconds:.2f}")


if __name__ == "__main__":
    main()
