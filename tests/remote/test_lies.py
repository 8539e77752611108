"""A service that lies, fails, drips or never ends: nothing wrong is kept or acknowledged, and the error says what."""

import gzip
import io
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.adapters.buckets.bucket import PART_BYTES
from registry.adapters.buckets.faults import BucketFault, TooLong, Uncertain
from registry.adapters.buckets.reader import SPAN_BYTES
from registry.adapters.durable import pour
from registry.adapters.ledgers.bucket import BucketLedger
from registry.adapters.stores.bucket import BucketStore, NotKept
from registry.adapters.stores.directory import DirectoryStore
from registry.core.digest import Digest, DigestMismatch, digest_of
from registry.core.store import Missing, place_of
from registry.errors import RegistryError
from registry.ports import KnownFile
from registry.verbs.carry import _Blob
from tests.remote.proxy import Answer, Asked, Mischief, Proxy, checking, error
from tests.remote.service import Service
from tests.remote.sides import Count

pytestmark = pytest.mark.slow

SMALL, LARGE = b"small blob", bytes(range(256)) * (SPAN_BYTES // 256) + b"tail"
Forward = Callable[[Asked], Answer]


def lying(change: Callable[[Answer], Answer]) -> Mischief:
    """Change every answer that gives a blob's bytes."""

    def mischief(asked: Asked, forward: Forward) -> Answer | None:
        is_blob = asked.method == "GET" and "/blobs/sha256/" in asked.path
        return change(forward(asked)) if is_blob else forward(asked)

    return mischief


def _changed(body: Callable[[bytes], bytes], **parts: object) -> Callable[[Answer], Answer]:
    return lambda answer: Answer(answer.status, answer.headers, body(answer.body), **parts)  # type: ignore[arg-type]


def _whole(answer: Answer) -> Answer:
    headers = {name: value for name, value in answer.headers.items() if name.lower() != "content-range"}
    return Answer(200, headers, LARGE)


LIES = {
    "one bit is wrong": _changed(lambda body: body[:-1] + bytes([body[-1] ^ 1])),
    "it is cut, and says so": _changed(lambda body: body[:-1]),
    "it is empty": _changed(lambda body: b""),
    "it is longer": _changed(lambda body: body + b"x"),
    "the line breaks": lambda answer: Answer(answer.status, answer.headers, answer.body, cut=len(answer.body) // 2),
    "it never ends": _changed(lambda body: body, length=1 << 40, endless=True),
}
OF_ANY_SIZE = {
    "a proxy has packed it": lambda answer: Answer(
        answer.status, {**answer.headers, "Content-Encoding": "gzip"}, gzip.compress(answer.body)
    ),
    "it is said to be gone": lambda answer: error(404, "NoSuchKey"),
    "somebody else conflicts": lambda answer: error(409, "OperationAborted"),
    "a condition failed that was not asked": lambda answer: error(412, "PreconditionFailed"),
    "it is elsewhere": lambda answer: Answer(307, {"Location": "http://127.0.0.1:9/elsewhere"}, b""),
}


CASES = {f"{name}, small": (lie, SMALL) for name, lie in {**LIES, **OF_ANY_SIZE}.items()}
CASES |= {f"{name}, large": (lie, LARGE) for name, lie in LIES.items()}


@pytest.mark.parametrize(("lie", "data"), CASES.values(), ids=list(CASES))
def test_no_lie_is_read_or_kept(
    behind: Service, proxy: Proxy, tmp_path: Path, *, lie: Callable[[Answer], Answer], data: bytes
) -> None:
    """Neither by `get`, nor by a fetch into a directory; when the service is honest again, all is well."""
    bucket = behind.open(behind.new_bucket(), timeout_s=3)
    store, home = BucketStore(bucket, tmp_path / "notes"), DirectoryStore(tmp_path / "home")
    digest = store.put(data)
    proxy.mischief = lying(lie)
    blob = _Blob(digest, len(data), store, Count())
    for read in (lambda: store.get(digest), lambda: home.put_files([blob])):
        with pytest.raises((DigestMismatch, TooLong, BucketFault, Missing)):
            read()

        assert [] == list(home.digests())
    proxy.mischief = lying(lambda answer: answer)
    home.put_files([blob])
    assert data == home.get(digest) == store.get(digest)


def test_a_server_that_ignores_ranges_is_refused(behind: Service, proxy: Proxy, tmp_path: Path) -> None:
    """200 for 206: the whole file where a piece was wanted would put wrong bytes in the middle."""
    store = BucketStore(behind.open(behind.new_bucket(), timeout_s=3), tmp_path / "notes")
    digest = store.put(LARGE)
    proxy.mischief = lying(_whole)
    with store.open(digest) as content, pytest.raises(RegistryError):
        content.read()


def test_a_length_that_is_too_great_is_not_read_for_ever(behind: Service, proxy: Proxy, tmp_path: Path) -> None:
    """What says that it has a terabyte is refused before a byte of it is read."""
    store, home = BucketStore(behind.open(behind.new_bucket()), tmp_path / "notes"), DirectoryStore(tmp_path / "home")
    digest = store.put(SMALL)

    def boast(asked: Asked, forward: Forward) -> Answer | None:
        answer = forward(asked)
        return Answer(answer.status, answer.headers, answer.body, length=1 << 40, cut=None)

    proxy.mischief = boast
    with pytest.raises(TooLong, match="too long"):
        store.get(digest)
    with pytest.raises(DigestMismatch, match="not whole"):
        home.put_files([_Blob(digest, len(SMALL), store, Count())])


def test_a_redirection_is_followed_to_no_other_bytes(behind: Service, proxy: Proxy, tmp_path: Path) -> None:
    """Wherever the bytes come from, they are hashed."""
    store = BucketStore(behind.open(behind.new_bucket(), timeout_s=3), tmp_path / "notes")
    digest, other = store.put(SMALL), store.put(SMALL[::-1])
    place = place_of(digest)

    def sending(asked: Asked, forward: Forward) -> Answer | None:
        if not asked.path.endswith(place):
            return forward(asked)
        there = f"http://{asked.headers['host']}{asked.path.replace(place, place_of(other))}"
        return Answer(307, {"Location": there}, b"")

    proxy.mischief = sending
    with pytest.raises((DigestMismatch, BucketFault)):
        store.get(digest)


def test_an_object_that_is_replaced_while_it_is_read_is_refused(
    behind: Service, service: Service, tmp_path: Path
) -> None:
    """Its ETag changes between two spans; a mixture of both is given to nobody."""
    name = behind.new_bucket()
    store = BucketStore(behind.open(name, timeout_s=3), tmp_path / "notes")
    digest = store.put(LARGE)
    with store.open(digest) as content:
        assert content.read(1) == LARGE[:1]
        service.client.put_object(Bucket=name, Key=f"registry/{place_of(digest)}", Body=LARGE[::-1])
        with pytest.raises((BucketFault, TooLong)):
            content.read()


def test_a_drip_is_given_up(behind: Service, proxy: Proxy, tmp_path: Path) -> None:
    """A byte now and then keeps a line open; the time for one piece is bounded all the same."""
    store = BucketStore(behind.open(behind.new_bucket(), timeout_s=1), tmp_path / "notes")
    digest = store.put(SMALL * 100)
    proxy.mischief = lying(_changed(lambda body: body, drip_s=0.2))
    began = time.monotonic()
    with pytest.raises(BucketFault):
        store.get(digest)

    assert time.monotonic() - began < 20


def test_a_failure_that_passes_is_not_noticed(behind: Service, proxy: Proxy, tmp_path: Path) -> None:
    """5xx, or a broken line, and then an answer: reads and writes of blobs are tried again."""
    store = BucketStore(behind.open(behind.new_bucket()), tmp_path / "notes")

    def shaky(asked: Asked, forward: Forward) -> Answer | None:
        if asked.number % 3 == 0:
            return error(503, "SlowDown")
        return None if asked.number % 3 == 1 and asked.method in ("GET", "HEAD") else forward(asked)

    proxy.mischief = shaky
    for data in (SMALL, LARGE):
        assert data == store.get(store.put(data))


def test_a_line_that_breaks_once_is_taken_up_again(behind: Service, proxy: Proxy, tmp_path: Path) -> None:
    """Where it broke, in the middle of a blob, without reading the beginning again."""
    store = BucketStore(behind.open(behind.new_bucket()), tmp_path / "notes")
    digest = store.put(LARGE)
    cuts = iter([len(LARGE) // 2])

    def breaking(answer: Answer) -> Answer:
        return Answer(answer.status, answer.headers, answer.body, cut=next(cuts, None))

    proxy.mischief = lying(breaking)
    proxy.asked.clear()
    with store.open(digest) as content:
        assert digest == pour(content).digest
    assert 3 == sum(1 for asked in proxy.asked if asked.method == "GET")


def test_a_failure_that_lasts_is_told_with_its_reason(behind: Service, proxy: Proxy, tmp_path: Path) -> None:
    """The service's own code and message, and which object it was; no page of Rust."""
    bucket = behind.open(behind.new_bucket(), timeout_s=2)
    store, ledger = BucketStore(bucket, tmp_path / "notes"), BucketLedger(bucket, wait_s=0.01)
    proxy.mischief = lambda asked, forward: error(500, "InternalError")
    for ask in (
        lambda: store.get(digest_of(b"x")),
        lambda: store.put(b"x"),
        ledger.read,
        lambda: list(store.digests()),
    ):
        with pytest.raises(BucketFault) as caught:
            ask()

        assert "Internal" in caught.value.why
        assert "\n" not in caught.value.why
        assert str(bucket.address) in caught.value.what


def _mangled(asked: Asked) -> Asked:
    return Asked(asked.method, asked.path, asked.headers, asked.body[:-1] + b"!", asked.number)


@pytest.mark.parametrize("size", [100, PART_BYTES + 100])
def test_bytes_that_were_damaged_on_the_way_up_are_refused_by_the_service(
    behind: Service, proxy: Proxy, tmp_path: Path, size: int
) -> None:
    """Each request, each part of a large one too, has a SHA-256 that an honest service checks; nothing is kept."""
    store = BucketStore(behind.open(behind.new_bucket()), tmp_path / "notes")

    def damaging(asked: Asked, forward: Forward) -> Answer | None:
        is_upload = asked.method == "PUT" and asked.body
        return checking(_mangled(asked) if is_upload else asked, forward)

    proxy.mischief = damaging
    with pytest.raises(Uncertain, match="BadDigest"):
        store.put(b"x" * size)
    assert [] == list(store.digests())
    proxy.mischief = checking
    assert b"x" * size == store.get(store.put(b"x" * size))


def test_where_the_service_checks_nothing_what_was_sent_is_read_back(
    behind: Service, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with GCS and Azure: other bytes of the right length are found out before they are acknowledged."""
    monkeypatch.setenv("AWS_CHECKSUM_ALGORITHM", "CRC64NVME")
    bucket = behind.open(behind.new_bucket())
    store = BucketStore(bucket, tmp_path / "notes")

    def damaging(asked: Asked, forward: Forward) -> Answer | None:
        return forward(_mangled(asked) if asked.method == "PUT" else asked)

    assert not bucket.checks_sha256
    proxy.mischief = damaging
    with pytest.raises(NotKept):
        store.put(SMALL)
    proxy.mischief = lambda asked, forward: forward(asked)
    assert SMALL == store.get(store.put(SMALL))


def test_a_service_that_keeps_less_than_it_was_sent_is_found_out(behind: Service, proxy: Proxy, tmp_path: Path) -> None:
    """The length is looked up after each write, also where a checksum is believed."""
    store = BucketStore(behind.open(behind.new_bucket()), tmp_path / "notes")

    def cutting(asked: Asked, forward: Forward) -> Answer | None:
        if asked.method != "PUT":
            return forward(asked)
        headers = {name: value for name, value in asked.headers.items() if name != "content-length"}
        return forward(Asked(asked.method, asked.path, headers, asked.body[:-1], asked.number))

    proxy.mischief = cutting
    with pytest.raises(NotKept):
        store.put(SMALL)


class Changing:
    """A file whose bytes are others each time it is opened."""

    path, size = "changing", PART_BYTES + 1

    def __init__(self) -> None:
        self.times = 0

    def open(self) -> io.BytesIO:
        self.times += 1
        return io.BytesIO(b"%d" % self.times + b"x" * (self.size - 1))


def test_a_file_that_changes_between_hashing_and_sending_is_refused(service: Service, tmp_path: Path) -> None:
    """It is hashed again while it is sent, and an upload in parts is not finished if it differs."""
    name = service.new_bucket()
    store = BucketStore(service.open(name), tmp_path / "notes")
    with pytest.raises(RegistryError, match="changed while it was read"):
        store.put_files([Changing()])

    assert [] == list(store.digests())
    assert not service.client.list_multipart_uploads(Bucket=name).get("Uploads")


def test_within_a_bucket_the_service_copies_and_the_copy_is_proven(
    service: Service, proxy: Proxy, behind: Service, tmp_path: Path
) -> None:
    """No blob's bytes are sent up; a copy of a damaged one is refused all the same."""
    name = behind.new_bucket()
    ours = BucketStore(behind.open(name, "ours"), tmp_path / "notes")
    copy = BucketStore(behind.open(name, "copy"), tmp_path / "notes")
    digest = ours.put(LARGE)
    proxy.asked.clear()
    copy.put_files([_Blob(digest, len(LARGE), ours, Count())])

    assert LARGE == copy.get(digest)
    assert sum(len(asked.body) for asked in proxy.asked) < 1000
    _damage(service, name, "ours", digest)
    service.client.delete_object(Bucket=name, Key=f"copy/{place_of(digest)}")
    with pytest.raises(NotKept):
        copy.put_files([_Blob(digest, len(LARGE), ours, Count())])


def test_a_blob_that_looks_as_when_it_was_hashed_is_not_read_again(
    behind: Service, proxy: Proxy, tmp_path: Path
) -> None:
    """Sent or read once by this machine, it is known by its ETag; another machine reads it once."""
    name = behind.new_bucket()
    mine, other = (BucketStore(behind.open(name), tmp_path / notes) for notes in ("mine", "other"))
    digest = mine.put(LARGE)
    counts = []
    for store in (mine, other, other):
        proxy.asked.clear()
        assert frozenset({digest}) == store.held({digest: len(LARGE)})
        counts.append(sum(1 for asked in proxy.asked if asked.method == "GET"))

    assert [0, 2, 0] == counts


def test_a_bucket_may_hold_nothing_but_a_registry(service: Service, tmp_path: Path) -> None:
    """Without a prefix; and a neighbour whose prefix only begins alike is not ours."""
    name = service.new_bucket()
    for prefix in ("", "registry", "registry-2"):
        bucket = service.open(name, prefix)
        store, ledger = BucketStore(bucket, tmp_path / "notes"), BucketLedger(bucket)
        digest = store.put(prefix.encode())
        ledger.put_if_absent(0, prefix.encode())

        assert [digest] == list(store.digests())
        assert [prefix.encode()] == list(ledger.read())
        assert () == store.premises().strays


def test_many_blobs_are_listed_and_few_are_asked_for(
    behind: Service, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Either way the same are held; a stray among them is told, and is none."""
    monkeypatch.setattr("registry.adapters.stores.bucket._LIST_FROM", 10)
    name = behind.new_bucket()
    store = BucketStore(behind.open(name), tmp_path / "notes")
    sizes = {store.put(b"%d" % number): 1 for number in range(10)}
    behind.client.put_object(Bucket=name, Key="registry/blobs/sha256/note.txt", Body=b"x")
    for wanted, heads in ((dict(list(sizes.items())[:9]), 9), (sizes, 0)):
        proxy.asked.clear()
        found = store.held({**wanted, digest_of(b"absent"): 6} if not heads else wanted)

        assert frozenset(wanted) == found
        assert heads == sum(1 for asked in proxy.asked if asked.method == "HEAD")
    assert ("blobs/sha256/note.txt",) == store.premises().strays


def _damage(service: Service, name: str, prefix: str, digest: Digest) -> None:
    service.client.put_object(Bucket=name, Key=f"{prefix}/{place_of(digest)}", Body=LARGE[:-1] + b"!")


def test_a_blob_offered_to_another_store_has_its_digest() -> None:
    """What carries blobs promises them; so a store refuses other bytes before it shows them."""
    assert isinstance(_Blob(digest_of(b""), 0, DirectoryStore(Path()), Count()), KnownFile)
