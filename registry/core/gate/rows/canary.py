"""The canary: what live traffic did while a few of the users were served by the candidate, one line a request.

A file is a header and then the requests of the canary arm, each one canonical JSON line. Every request that was routed
to the candidate has a line, also one whose telemetry never came: what is left out cannot count against the candidate.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from io import BytesIO
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator

from registry.core.canonical import MAX_INTEGER
from registry.core.digest import Digest, Sha256
from registry.core.gate.language.rule import Window
from registry.core.record import Record, faults_of
from registry.errors import IntegrityError, Refused

Id = Annotated[str, Field(min_length=1, max_length=256)]
Count = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
Amount = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?$")]
"""A decimal string that is not negative."""


class BadCanary(IntegrityError):
    """A canary's file is malformed, tells of a request twice, or of one after its end."""


class AnotherCanary(Refused):
    """A model's live traffic was recorded before, and this record does not go on from it."""


class Watch(Record):
    """The first line: whose traffic this is, and for how long it was watched.

    `manifest` is the model that answered. `watched_ms` counts from the start of the canary; up to then every request
    has its line, so that an hour without traffic is an hour that passed.
    """

    form: Literal["registry.canary/1"] = "registry.canary/1"
    manifest: Sha256
    watched_ms: Count


class Request(Record):
    """One request that the candidate was to answer.

    `session` groups requests that belong together (a conversation or a user): they are one cluster. `at_ms` counts
    from the start of the canary to the arrival. `status` is `ok`, `timeout` (no answer in time), `error` (none at all)
    or `lost` (no telemetry came, so nothing is known). `latency_ms` is there where it is `ok`, `cost_usd` and `tokens`
    unless it is `lost`. `screened` says that the incident detector ran, `incident` that it, or a person, found one.
    """

    request: Id
    session: Id
    at_ms: Count
    status: Literal["ok", "timeout", "error", "lost"]
    abandoned: bool = False
    screened: bool = False
    incident: bool = False
    latency_ms: Amount | None = None
    cost_usd: Amount | None = None
    tokens: Count | None = None

    @model_validator(mode="after")
    def _has_what_its_status_says(self) -> Self:
        if (self.latency_ms is not None) != (self.status == "ok"):
            raise ValueError("latency_ms belongs to an ok request, and to no other")
        if {self.cost_usd is not None, self.tokens is not None} != {self.status != "lost"}:
            raise ValueError("cost_usd and tokens belong to every request that is not lost")
        if self.status == "lost" and (self.abandoned or self.screened):
            raise ValueError("of a lost request it is not known whether it was abandoned or screened")
        return self


@dataclass(frozen=True, slots=True)
class Canary:
    """The requests in columns, by time of arrival.

    Flags are 0 or 1. `latency_ms` is None for what took forever: timed out, failed or lost. `cost_usd` is None, and
    `tokens` 0, where the request was lost.
    """

    manifest: Digest
    watched_ms: int
    at_ms: tuple[int, ...]
    session: tuple[str, ...]
    lost: bytes
    abandoned: bytes
    screened: bytes
    incident: bytes
    latency_ms: tuple[Decimal | None, ...]
    cost_usd: tuple[Decimal | None, ...]
    tokens: tuple[int, ...]

    @property
    def requests(self) -> int:
        """How many requests were routed to the candidate."""
        return len(self.at_ms)

    @property
    def measured(self) -> int:
        """How many of them have telemetry."""
        return self.requests - sum(self.lost)

    def decided_ms(self, window: Window) -> int | None:
        """The first moment with more than the window's requests measured and its time over; None while it is not.

        Nothing but the number of requests and the clock decides it, so what was seen until then may be judged once
        as a sample of fixed size.
        """
        arrivals = (at for at, lost in zip(self.at_ms, self.lost, strict=True) if not lost)
        last = next((at for number, at in enumerate(arrivals) if number == window.requests), None)
        if last is None or self.watched_ms < window.seconds * 1000:
            return None
        return max(last, window.seconds * 1000)

    def until(self, at_ms: int) -> "Canary":
        """The requests that arrived up to a moment."""
        end = bisect_right(self.at_ms, at_ms)
        columns = (self.session, self.lost, self.abandoned, self.screened, self.incident)
        amounts = (self.latency_ms, self.cost_usd, self.tokens)
        cut: list[Any] = [column[:end] for column in (self.at_ms, *columns, *amounts)]
        return Canary(self.manifest, min(self.watched_ms, at_ms), *cut)


def canary_of(watch: Watch, requests: Iterable[Request]) -> Canary:
    """Put requests, in any order, into columns.

    Raises:
        BadCanary: Two have one name, or one arrived after the end of the watch.
    """
    rows = _rows(requests)
    _check(watch, rows)
    return _columns(watch, rows)


def read_canary(data: bytes) -> Canary:
    """Read a canary's file, strictly: one spelling of each line, each request once; the order of requests is free.

    Raises:
        BadCanary: With the number of the first line that is wrong.
    """
    if not data.endswith(b"\n"):
        raise BadCanary("the canary's last line is cut off" if data else "the canary's file is empty")
    return canary_of(*_read(data))


def read_growing(data: bytes) -> tuple[Canary, bool]:
    """Read a canary's file to which somebody may be writing, as strictly as that allows.

    The last line is left out where it is cut off. Requests may have come after the end that the header tells, which
    was written before them: the watch then lasted to the last of them.

    Returns:
        The canary so far, and whether a line was left out.

    Raises:
        BadCanary: With the number of the first line that is wrong; or there is no whole line yet.
    """
    watch, requests = _read(data)
    rows = _rows(requests)
    last = rows[-1][0] if rows else 0
    return _columns(watch.model_copy(update={"watched_ms": max(watch.watched_ms, last)}), rows), data[-1:] != b"\n"


def check_continues(earlier: bytes, later: bytes) -> None:
    """Refuse a canary's file that leaves out, or tells otherwise, what an earlier one of the same model told.

    A canary is judged once. If another could take its place, a release would only have to be tried until its luck is
    good, and an incident could be forgotten. What may be added: requests, time, telemetry that came late, incidents.

    Raises:
        BadCanary: One of the files is malformed.
        AnotherCanary: With the first request that differs.
    """
    (before, told), (after, tells) = _parts(earlier), _parts(later)
    mend = "import the whole record from the canary's first request on; a new canary takes a new model"
    if after.watched_ms < before.watched_ms:
        why = f"{before.watched_ms} ms were watched before, and now {after.watched_ms}"
        raise AnotherCanary("this is not the canary that was recorded before", why=why, mend=mend)
    for name in sorted(told):
        if name not in tells or not _goes_on(told[name], tells[name]):
            why = f"the request {name!r} {'is told otherwise' if name in tells else 'is left out'}"
            raise AnotherCanary("this is not the canary that was recorded before", why=why, mend=mend)


def _parts(data: bytes) -> tuple[Watch, dict[str, Request]]:
    read_canary(data)
    first, *rest = data.removesuffix(b"\n").split(b"\n")
    requests = (Request.model_validate_json(line) for line in rest)
    return Watch.model_validate_json(first), {one.request: one for one in requests}


def _goes_on(before: Request, after: Request) -> bool:
    """Whether a request is told as before, but for what may come late: its telemetry, and an incident."""
    if (before.session, before.at_ms) != (after.session, after.at_ms) or before.incident > after.incident:
        return False
    return before.status == "lost" or before == after.model_copy(update={"incident": before.incident})


def write_canary(watch: Watch, requests: Iterable[Request]) -> bytes:
    """A canary's file, its requests by time of arrival.

    Raises:
        BadCanary: As `canary_of`.
    """
    ordered = sorted(requests, key=lambda one: (one.at_ms, one.request))
    _check(watch, [(one.at_ms, one.request) for one in ordered])
    return b"".join(record.canonical() + b"\n" for record in (watch, *ordered))


Form = TypeVar("Form", Watch, Request)


def _read(data: bytes) -> tuple[Watch, Iterator[Request]]:
    """The header and the requests of all whole lines."""
    # why by a reader: a million lines need not be in memory twice.
    lines = ((line[:-1], number) for number, line in enumerate(BytesIO(data), 1) if line.endswith(b"\n"))
    head = next(lines, None)
    if head is None:
        raise BadCanary("the canary's file has no whole line yet", mend="look again when its header is written")
    return _line(head[0], Watch, 1), _requests(lines)


def _requests(lines: Iterable[tuple[bytes, int]]) -> Iterator[Request]:
    seen: set[str] = set()
    for line, number in lines:
        one = _line(line, Request, number)
        if one.request in seen:
            raise BadCanary(f"line {number} of the canary tells of the request {one.request!r} twice")
        seen.add(one.request)
        yield one


def _line(line: bytes, form: type[Form], number: int) -> Form:
    try:
        record = form.model_validate_json(line)
    except ValidationError as error:
        what = "header" if form is Watch else "request"
        raise BadCanary(f"line {number} of the canary is no {what}", why=faults_of(error)) from None
    # why: to be the one spelling of its value also excludes a key twice, a float and a null.
    if not _PLAIN.fullmatch(line) and record.canonical() != line:
        raise BadCanary(f"line {number} of the canary is not in its canonical spelling")
    return record


_TEXT, _INTEGER, _FLAG = r'"[ !#-\[\]-~]*"', r"(?:0|[1-9][0-9]*)", r"(?:true|false)"
_PLAIN = re.compile(
    rf'\{{"abandoned":{_FLAG},"at_ms":{_INTEGER},(?:"cost_usd":{_TEXT},)?"incident":{_FLAG},(?:"latency_ms":{_TEXT},)?'
    rf'"request":{_TEXT},"screened":{_FLAG},"session":{_TEXT},"status":{_TEXT}(?:,"tokens":{_INTEGER})?\}}'.encode()
)
"""A request in plain ASCII, spelled canonically: most lines are, and to spell them again takes five times as long."""


Row = tuple[Any, ...]
"""A request on its way into columns: its time of arrival, its name, and what the other columns take."""


def _rows(requests: Iterable[Request]) -> list[Row]:
    """The requests by time of arrival; a tuple takes less memory than a record."""
    return sorted(map(_row, requests), key=lambda row: row[:2])


def _row(one: Request) -> Row:
    return (
        one.at_ms,
        one.request,
        one.session,
        one.status == "lost",
        one.abandoned,
        one.screened,
        one.incident,
        _decimal(one.latency_ms),
        _decimal(one.cost_usd),
        one.tokens or 0,
    )


def _columns(watch: Watch, rows: list[Row]) -> Canary:
    at_ms, _, session, *flags, latency_ms, cost_usd, tokens = zip(*rows, strict=True) if rows else ((),) * 10
    columns: list[Any] = [at_ms, session, *map(bytes, flags), latency_ms, cost_usd, tokens]
    return Canary(Digest(watch.manifest), watch.watched_ms, *columns)


def _check(watch: Watch, rows: Sequence[Row]) -> None:
    seen: set[str] = set()
    for _, name, *_ in rows:
        if name in seen:
            raise BadCanary(f"the canary tells of the request {name!r} twice")
        seen.add(name)
    for at_ms, name, *_ in rows[-1:]:
        if at_ms > watch.watched_ms:
            why = f"at {at_ms} ms; it was watched for {watch.watched_ms} ms"
            raise BadCanary(f"the request {name!r} arrived after the canary's end", why=why)


@lru_cache(maxsize=2**16)
def _number(amount: str) -> Decimal:
    return Decimal(amount)


def _decimal(amount: str | None) -> Decimal | None:
    # why remembered: a million requests cost one of a few thousand amounts, and each would be an object.
    return None if amount is None else _number(amount)
