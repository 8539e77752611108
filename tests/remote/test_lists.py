"""A service whose lists lag, leave out, make up or never end: nobody is led to overwrite, and nobody waits for ever."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from registry.adapters.buckets.faults import TooLong
from registry.adapters.ledgers.bucket import BucketLedger
from registry.adapters.stores.bucket import BucketStore
from tests.remote.proxy import Answer, Asked, Mischief, Proxy
from tests.remote.service import Service

pytestmark = pytest.mark.slow

SMALL = b"small blob"
Forward = Callable[[Asked], Answer]


def _relisted(change: Callable[[str], str]) -> Mischief:
    """Change every list."""

    def mischief(asked: Asked, forward: Forward) -> Answer | None:
        answer = forward(replace(asked, path=re.sub("continuation-token=again&?", "", asked.path)))
        if "list-type=2" not in asked.path:
            return answer
        return Answer(answer.status, answer.headers, change(answer.body.decode()).encode())

    return mischief


def _without(index: int) -> Callable[[str], str]:
    name = rf"/{index:020d}\.json"
    return lambda text: re.sub(rf"<Contents>(?:(?!</Contents>).)*{name}.*?</Contents>", "", text, flags=re.DOTALL)


def test_an_entry_that_a_list_leaves_out_is_found_by_its_name(behind: Service, proxy: Proxy) -> None:
    """Found by reading: a list that never had it was asked for again for ever."""
    ledger = BucketLedger(behind.open(behind.new_bucket()))
    for index in range(3):
        ledger.put_if_absent(index, b"%d" % index)
    proxy.mischief = _relisted(_without(1))

    assert (b"0", b"1", b"2") == tuple(ledger.read())


def test_a_list_that_lags_makes_nobody_overwrite(behind: Service, proxy: Proxy) -> None:
    """Whoever did not see the last entry cannot put another in its place."""
    bucket = behind.open(behind.new_bucket())
    ledger = BucketLedger(bucket)
    for index in range(3):
        ledger.put_if_absent(index, b"%d" % index)
    proxy.mischief = _relisted(_without(2))
    late = BucketLedger(bucket)

    assert (b"0", b"1") == tuple(late.read())
    assert not late.put_if_absent(2, b"other")


def test_a_list_that_never_ends_is_left(
    behind: Service, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by reading: it says that there is more, and gives the same again."""
    monkeypatch.setattr("registry.adapters.buckets.bucket._PAGE", 3)
    store = BucketStore(behind.open(behind.new_bucket()), tmp_path / "notes")
    store.put(SMALL)
    more = "<IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken>"
    proxy.mischief = _relisted(lambda text: re.sub("<IsTruncated>false</IsTruncated>", more, text, flags=re.IGNORECASE))
    with pytest.raises(TooLong, match="never ends"):
        list(store.digests())


def test_sizes_that_a_list_makes_up_are_believed_by_nobody(
    behind: Service, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A blob whose length is wrong by the list is sent again, and looked at by itself."""
    monkeypatch.setattr("registry.adapters.stores.bucket._LIST_FROM", 1)
    store = BucketStore(behind.open(behind.new_bucket()), tmp_path / "notes")
    digest = store.put(SMALL)
    proxy.mischief = _relisted(lambda text: re.sub("<Size>[0-9]+</Size>", "<Size>7</Size>", text))

    assert frozenset() == store.held({digest: len(SMALL)})
    assert digest == store.put(SMALL)
    assert SMALL == store.get(digest)
