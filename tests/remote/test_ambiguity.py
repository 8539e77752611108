"""A write whose answer is lost: it happened or it did not, and only reading tells."""

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from registry.adapters.ledgers.bucket import BucketLedger, NoConditions, Overwritten, Unsettled
from registry.errors import RegistryError
from tests.remote.proxy import Answer, Asked, Mischief, Proxy, error
from tests.remote.service import Service

pytestmark = pytest.mark.slow

Forward = Callable[[Asked], Answer]


def is_entry(asked: Asked, index: int) -> bool:
    """Whether it asks for entry `index` to be created."""
    return asked.method == "PUT" and asked.path.partition("?")[0].endswith(f"ledger/{index:020d}.json")


def lost_answer(asked: Asked, forward: Forward) -> Answer | None:
    """It is written, and nobody hears of it."""
    forward(asked)
    return None


def lost_request(asked: Asked, forward: Forward) -> Answer | None:
    """It never arrives."""
    return None


def failed_after(asked: Asked, forward: Forward) -> Answer | None:
    """It is written, and the service says that it failed."""
    forward(asked)
    return error(500, "InternalError")


def failed_before(asked: Asked, forward: Forward) -> Answer | None:
    """It is not written, and the service says that it failed."""
    return error(503, "SlowDown")


FAULTS = (lost_answer, lost_request, failed_after, failed_before)


def once(fault: Mischief, index: int) -> Mischief:
    """Do `fault` to the first creation of entry `index`, and to nothing else."""
    left = [fault]

    def mischief(asked: Asked, forward: Forward) -> Answer | None:
        return left.pop()(asked, forward) if is_entry(asked, index) and left else forward(asked)

    return mischief


@pytest.mark.parametrize("fault", FAULTS)
def test_our_write_is_ours_however_its_answer_was_lost(behind: Service, proxy: Proxy, fault: Mischief) -> None:
    """True is told once, and the entry is there once, whether the lost write happened or not."""
    ledger = BucketLedger(behind.open(behind.new_bucket()), wait_s=0.01)
    ledger.put_if_absent(0, b"zero")
    proxy.mischief = once(fault, 1)

    assert ledger.put_if_absent(1, b"ours")
    assert [b"zero", b"ours"] == list(ledger.read())
    assert not ledger.put_if_absent(1, b"ours")


@pytest.mark.parametrize("fault", [lost_request, failed_before])
def test_a_race_that_was_lost_meanwhile_is_lost(
    behind: Service, service: Service, proxy: Proxy, fault: Mischief
) -> None:
    """Between our lost write and our look another writer came: his entry stands, and we are told False."""
    name = behind.new_bucket()
    ledger, rival = BucketLedger(behind.open(name), wait_s=0.01), BucketLedger(service.open(name))
    ledger.put_if_absent(0, b"zero")

    def overtaken(asked: Asked, forward: Forward) -> Answer | None:
        assert rival.put_if_absent(1, b"theirs")
        return fault(asked, forward)

    proxy.mischief = once(overtaken, 1)

    assert not ledger.put_if_absent(1, b"ours")
    assert [b"zero", b"theirs"] == list(ledger.read())


def test_a_write_that_arrives_late_is_still_ours(behind: Service, service: Service, proxy: Proxy) -> None:
    """The first try seems lost, and nothing is there; it arrives while the second one is on its way."""
    ledger = BucketLedger(behind.open(behind.new_bucket()), wait_s=0.01)
    ledger.put_if_absent(0, b"zero")
    tries: list[Asked] = []

    def late(asked: Asked, forward: Forward) -> Answer | None:
        if not is_entry(asked, 1):
            return forward(asked)
        tries.append(asked)
        if len(tries) == 1:
            return None
        forward(tries[0])
        return forward(asked)

    proxy.mischief = late

    assert ledger.put_if_absent(1, b"ours")
    assert [b"zero", b"ours"] == list(ledger.read())


def test_what_cannot_be_found_out_is_an_error_that_says_so(behind: Service, proxy: Proxy) -> None:
    """Never True, never False: who is told so looks before he decides again."""
    ledger = BucketLedger(behind.open(behind.new_bucket(), timeout_s=2), wait_s=0.01)
    ledger.put_if_absent(0, b"zero")
    proxy.mischief = lambda asked, forward: None if is_entry(asked, 1) else forward(asked)

    with pytest.raises(Unsettled, match="could not be written") as caught:
        ledger.put_if_absent(1, b"ours")
    assert "registry log" in caught.value.mend
    assert 1 == caught.value.exit_code


def test_an_acknowledged_entry_that_is_not_there_is_found_out(behind: Service, proxy: Proxy) -> None:
    """A service that says yes and keeps nothing, or other bytes, is caught in the act."""
    ledger = BucketLedger(behind.open(behind.new_bucket()), wait_s=0.01)
    ledger.put_if_absent(0, b"zero")
    for index in (1, 2):
        changed = b"" if index == 1 else b"theirs"

        def lie(asked: Asked, forward: Forward, changed: bytes = changed) -> Answer | None:
            if changed:
                forward(Asked(asked.method, asked.path, {}, changed, asked.number))
            return Answer(200, {"ETag": '"0"'}, b"")

        proxy.mischief = once(lie, 1)
        with pytest.raises(Overwritten):
            ledger.put_if_absent(1, b"ours")


def test_a_service_without_conditions_holds_no_ledger(behind: Service, proxy: Proxy) -> None:
    """One that lets a writer replace an entry is refused before the first decision rests on it."""

    def careless(asked: Asked, forward: Forward) -> Answer | None:
        headers = {name: value for name, value in asked.headers.items() if name != "if-none-match"}
        return forward(Asked(asked.method, asked.path, headers, asked.body, asked.number))

    name = behind.new_bucket()
    BucketLedger(behind.open(name)).put_if_absent(0, b"zero")
    proxy.mischief = careless
    with pytest.raises(NoConditions):
        BucketLedger(behind.open(name)).put_if_absent(1, b"one")
    with pytest.raises(NoConditions):
        BucketLedger(behind.open(behind.new_bucket())).put_if_absent(0, b"zero")

    assert [b"zero"] == list(BucketLedger(behind.open(name)).read())


def test_racing_writers_on_a_bad_line_make_one_history(behind: Service, proxy: Proxy) -> None:
    """Four writers of eight entries each, a third of all creations lost in some way: nothing is lost or doubled."""
    dice = random.Random(20260801)
    name = behind.new_bucket()
    BucketLedger(behind.open(name)).put_if_absent(0, b"zero")

    def bad_line(asked: Asked, forward: Forward) -> Answer | None:
        is_write = asked.method == "PUT"
        return dice.choice(FAULTS)(asked, forward) if is_write and dice.random() < 0.33 else forward(asked)

    def write(writer: int) -> list[bytes]:
        ledger, known = BucketLedger(behind.open(name), wait_s=0.01), [b"zero"]
        done: list[bytes] = []
        while len(done) < 8:
            data = b"%d of writer %d" % (len(done), writer)
            try:
                if ledger.put_if_absent(len(known), data):
                    done.append(data)
            except RegistryError:
                if data in ledger.read(len(known)):  # why: this is the look that the error asks for
                    done.append(data)
            known += ledger.read(len(known))
        return done

    proxy.mischief = bad_line
    with ThreadPoolExecutor(4) as threads:
        told = [data for done in threads.map(write, range(4)) for data in done]
    entries = list(BucketLedger(behind.open(name)).read())

    assert Counter([b"zero", *told]) == Counter(entries)
