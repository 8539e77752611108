"""Seeds: what a reply may draw from, by what it answers and by nothing else."""

import hashlib

from registry.core.canonical import canonical
from registry.core.digest import Digest


def seed_of(suite: Digest, place: tuple[str, str, int], step: int) -> bytes:
    """The 32-byte seed of one model turn.

    It is the SHA-256 of the canonical JSON of all that names the turn. The order of the cases, the batch, the model and
    the adapter are not in it: two models answer a sample with the same die, which makes their difference less noisy.

    Args:
        suite: Digest of the suite.
        place: Slice, case and sample number.
        step: Which turn of the model in this sample, from 0.
    """
    slice_name, case, sample = place
    named = {
        "form": "registry.seed/1",
        "suite": suite,
        "slice": slice_name,
        "case": case,
        "sample": sample,
        "step": step,
    }
    return hashlib.sha256(canonical(named)).digest()
