"""A ledger whose policy names Alice's head key, and checkpoints of it, good and bad."""

import base64
from collections.abc import Sequence
from typing import Any

from registry.adapters.keys import FileSigner
from registry.core.digest import Digest
from registry.core.ledger.checkpoint import Checkpoint, origin_of, sign_checkpoint
from registry.core.ledger.entry import PolicyEntry
from registry.core.ledger.merkle import root_of
from registry.core.ledger.policy import Head, Policy, one_key_policy
from tests.ledger.desk import ALICE, Desk, TickingClock

NOON = 1_767_355_200
"""Seconds since 1970 at noon of 2026-01-02, the day on which the tests' ledgers are written."""


def policy_with_head(*signers: FileSigner, max_age_hours: int | None = None) -> Policy:
    """Alice decides everything; the head keys of `signers` may sign checkpoints."""
    keys = tuple(sorted(base64.b64encode(signer.head.public).decode() for signer in signers))
    return one_key_policy(ALICE.public_pem).model_copy(update={"head": Head(keys=keys, max_age_hours=max_age_hours)})


def signed_desk(*signers: FileSigner, max_age_hours: int | None = None) -> Desk:
    """A ledger with two models, one of them in staging and in production; nobody has signed a checkpoint yet."""
    desk = Desk(policy=policy_with_head(*(signers or (ALICE,)), max_age_hours=max_age_hours))
    desk.register(1)
    desk.register(2)
    desk.promote("staging", 1, 1, basis="bootstrap", answer="HOLD", reason="the first one")
    desk.promote("production", 1, 1)
    return desk


def checkpoint_of(
    entries: Sequence[bytes], genesis: Digest, *, signer: FileSigner = ALICE, time: int = NOON, **other: Any
) -> bytes:
    """What `signer` would sign over `entries`; `size` and `root` may be said to be others."""
    told = Checkpoint(origin_of(genesis), other.get("size", len(entries)), other.get("root", root_of(entries)))
    return sign_checkpoint(told, signer.head.public, signer.head.sign, time=time)


def doors(desk: Desk, signer: FileSigner = ALICE) -> dict[str, Any]:
    """What a verb that signs needs."""
    return {"ledger": desk.ledger, "genesis": desk.genesis, "signer": signer, "clock": TickingClock()}


def other_past(desk: Desk, count: int = 9) -> Desk:
    """A ledger with the same genesis and `count` other entries after it."""
    other = Desk(policy=desk.policy, signers=desk.signers)
    for number in range(3, 3 + count):
        other.register(number, model="another")
    return other


def rotate(desk: Desk, *signers: FileSigner) -> None:
    """Write a policy that names the head keys of `signers` instead."""
    desk.write(PolicyEntry(**desk.common(), policy=policy_with_head(*signers)))
