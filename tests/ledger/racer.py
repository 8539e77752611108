"""A promoter of its own: waits for the others, then promotes one model as often as it is told.

Arguments: the directory of store and ledger, the genesis, the secret of the key, the manifest, the stage, how often.
Prints one letter a try: P promoted, C conflict, S served already.
"""

import sys
import time
from pathlib import Path

from registry.adapters.clocks import SystemClock
from registry.adapters.ledgers.directory import DirectoryLedger
from registry.adapters.stores.directory import DirectoryStore
from registry.core.digest import parse_digest
from registry.errors import ConflictError
from registry.verbs.promote import promote
from registry.verbs.reading import read
from tests.ledger.desk import signer_of
from tests.ledger.models import verdict_of


def main(place: str, genesis: str, secret: str, manifest: str, stage: str, times: str) -> None:
    """Race."""
    ledger, model = DirectoryLedger(Path(place) / "ledger"), parse_digest(manifest)
    Path(place, f"ready-{manifest[-8:]}").touch()
    while not Path(place, "go").exists():
        time.sleep(0.001)
    for _ in range(int(times)):
        served = read(ledger, parse_digest(genesis)).serving(stage)
        verdict = verdict_of(model, stage, baseline=served.manifest if served else None)
        try:
            done = promote(
                model,
                stage,
                verdict=verdict,
                store=DirectoryStore(Path(place)),
                ledger=ledger,
                genesis=parse_digest(genesis),
                signer=signer_of(int(secret)),
                clock=SystemClock(),
                actor=f"racer {secret}",
            )
            sys.stdout.write("S" if done.was_there else "P")
        except ConflictError:
            sys.stdout.write("C")


if __name__ == "__main__":
    main(*sys.argv[1:])
