"""A writer of its own: waits for the others, then appends to a ledger in a bucket as often as it is told.

Arguments: the URL of the place, who it is, how often. Prints the index of each entry that it was told is its own.
"""

import os
import pathlib
import sys
import time

from registry.adapters.ledgers.bucket import BucketLedger
from tests.remote.service import bucket_at


def main(url: str, name: str, times: str) -> None:
    """Race."""
    ledger = BucketLedger(bucket_at(url))
    known = list(ledger.read())
    while not pathlib.Path(os.environ["RACE_BEGINS"]).exists():
        time.sleep(0.001)
    for number in range(int(times)):
        while not ledger.put_if_absent(len(known), f"{name} {number}".encode()):
            known += ledger.read(len(known))
        sys.stdout.write(f"{len(known)}\n")
        known.append(b"mine")


if __name__ == "__main__":
    main(*sys.argv[1:])
