"""gc: set aside what nothing needs any more, delete what was set aside long ago, and say what takes how much room.

Two steps, a grace before each: what no root reaches and is old enough goes into the trash, where it is still read; what
has been in the trash that long is deleted, if still nothing needs it. What is needed again comes back by itself.
"""

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from registry.core.digest import Digest, hashed
from registry.core.ledger.text import moment_of
from registry.core.ledger.views import State
from registry.core.reach import of_entry, of_leased
from registry.core.retention import Retention
from registry.core.roots import Root, roots
from registry.core.store import Lying, Stock, Unlisted
from registry.errors import IntegrityError, RegistryError
from registry.ports import Attic, Clock, LedgerFile, Store
from registry.verbs.components import Component, components_of
from registry.verbs.reading import read
from registry.verbs.walk import Walk

_TOLD = 5


class StoreDamaged(IntegrityError):
    """Something that is to be kept cannot be read, so nobody knows what else is needed; nothing is collected."""


@dataclass(frozen=True, slots=True)
class Amount:
    """How many blobs, and how many bytes in them."""

    blobs: int
    size: int


@dataclass(frozen=True, slots=True)
class Collected:
    """What was collected, or would be (`is_dry_run`).

    `kept` is reached from a root. The rest is `young`, `set_aside` now, in the `trash` since less than the grace, or
    `deleted` now; `brought_back` is what was in the trash and is needed. `components` is what each part of the models
    takes, `saved` what they would take more, in bytes, if each version lay there on its own. `records` is what is kept
    and belongs to none of them: manifests, suites, evidence, verdicts.
    """

    is_dry_run: bool
    at: str
    kept: Amount
    young: Amount
    set_aside: Amount
    trash: Amount
    deleted: Amount
    brought_back: Amount
    records: Amount
    saved: int
    components: tuple[Component, ...]


@dataclass(frozen=True, slots=True)
class Path:
    """How a root reaches a blob: why the root is kept, and the steps from it."""

    why: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Why:
    """What keeps a blob: `paths` from each root that does. `since` when it has lain where it lies, None if nowhere."""

    digest: Digest
    place: str
    size: int | None
    since: str | None
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to do, decided while nobody else is at work."""

    stock: Stock
    state: State
    kept: Collection[Digest]
    young: Sequence[Digest]
    set_aside: Sequence[Digest]
    deleted: Sequence[Digest]
    brought_back: Sequence[Digest]


def gc(
    *, store: Store, attic: Attic, ledger: LedgerFile, genesis: Digest, clock: Clock, retention: Retention
) -> Collected:
    """Collect. However it ends, each blob lies in its place or in the trash, and the next run goes on.

    Args:
        store: Where the blobs are read; not through a lease, which would wait for this very run.
        attic: What lies behind that store.
        ledger: Where the entries are; read once the writers are kept out, where they can be.
        genesis: The pinned digest of entry 0.
        clock: Says how old things are.
        retention: How much stays.

    Raises:
        StoreDamaged: Something that is to be kept is missing, or cannot be read.
        LedgerLost, Breach: The ledger cannot be read or believed.
        ConflictError: Writers or another collector were at work all the time.
    """
    now = clock.now()
    with attic.stocktaking() as take_stock:
        state = read(ledger, genesis)  # why before the stock: blobs come before the entries that name them
        plan = _plan(take_stock(), state, store=store, retention=retention, now=now)
        report, known = _report(plan, store, now, is_dry_run=False), _known(plan, store)
        attic.bring_back(plan.brought_back)
        attic.set_aside(plan.set_aside, now)
        attic.purge(plan.deleted, known=known)
    return report


def survey(
    *, store: Store, attic: Attic, ledger: LedgerFile, genesis: Digest, clock: Clock, retention: Retention
) -> Collected:
    """Say what `gc` would do, and do nothing. Arguments and faults are those of `gc`."""
    now = clock.now()
    with attic.stocktaking() as take_stock:
        state = read(ledger, genesis)  # why before the stock: blobs come before the entries that name them
        plan = _plan(take_stock(), state, store=store, retention=retention, now=now)
        return _report(plan, store, now, is_dry_run=True)


def why(
    digest: Digest,
    *,
    store: Store,
    attic: Attic,
    ledger: LedgerFile,
    genesis: Digest,
    clock: Clock,
    retention: Retention,
) -> Why:
    """Say which roots keep a blob, and how each reaches it; damage elsewhere is passed over.

    Raises:
        LedgerLost, Breach: The ledger cannot be read or believed.
        ConflictError: Writers or another collector were at work all the time.
    """
    with attic.stocktaking() as take_stock:
        state, walk, stock = read(ledger, genesis), Walk(store), take_stock()
        kept = [*roots(state, retention, now=clock.now()), *_leased(stock, store)]
        paths = _paths(digest, kept, walk=walk, present=stock)
    place, lying = _where(digest, stock)
    if lying is None:
        return Why(digest, place, None, None, paths)
    return Why(digest, place, lying.size, moment_of(lying.since), paths)


def _plan(stock: Stock, state: State, *, store: Store, retention: Retention, now: datetime) -> _Plan:
    kept = _marked(stock, state, store=store, retention=retention, now=now)
    unmarked = [digest for digest in sorted(stock.blobs) if digest not in kept]
    is_old = {digest: now - stock.blobs[digest].since >= retention.grace for digest in unmarked}
    return _Plan(
        stock,
        state,
        kept=kept,
        young=[digest for digest in unmarked if not is_old[digest]],
        set_aside=[digest for digest in unmarked if is_old[digest]],
        deleted=[
            digest
            for digest, lying in sorted(stock.trash.items())
            if now - lying.since >= retention.grace and (digest not in kept or _is_doubled(digest, stock, store))
        ],
        brought_back=[digest for digest in sorted(stock.trash) if digest in kept and digest not in stock.blobs],
    )


def _marked(stock: Stock, state: State, *, store: Store, retention: Retention, now: datetime) -> set[Digest]:
    """Everything that a root reaches.

    Raises:
        StoreDamaged: One of them is missing, cut, or cannot be followed; or the list of what was deleted is damaged.
    """
    if stock.unlisted:
        mend = Unlisted(stock.unlisted).mend
        raise StoreDamaged("nothing is collected from a damaged store", why=stock.unlisted, mend=mend)
    walk, marked, faults = Walk(store), set[Digest](), dict[Digest, str]()
    for needed in walk.through((root.needed for root in roots(state, retention, now=now)), stock):
        marked.add(needed.digest)
        if needed.digest not in stock:
            faults[needed.digest] = f"{needed.what} is missing"
        elif needed.size not in (None, stock[needed.digest].size):
            faults[needed.digest] = f"{needed.what} has not its size"
    faults |= {digest: f"{error.what}: {error.why}" for digest, error in walk.faults.items()}
    if gone := faults.keys() & stock.collected:
        excused = walk.excused(gone, state)  # why: a longer window reaches what a shorter one let go
        faults = {digest: fault for digest, fault in faults.items() if digest not in excused}
    if faults:
        more = f"; and {len(faults) - _TOLD} more" if len(faults) > _TOLD else ""
        mend = "run `registry verify`, then `registry repair --from` a copy"
        why = "; ".join(list(faults.values())[:_TOLD]) + more
        raise StoreDamaged("nothing is collected from a damaged store", why=why, mend=mend)
    # why apart: what somebody is working with may not be whole yet, and that is no damage.
    leased = Walk(store).through((root.needed for root in _leased(stock, store)), stock)
    marked |= {needed.digest for needed in leased}
    # why not what was marked: each digest is kept in memory once.
    return {digest for digest in chain(stock.blobs, stock.trash) if digest in marked}


def _is_doubled(digest: Digest, stock: Stock, store: Store) -> bool:
    """Whether a blob that is needed lies in its place, sound, so that the one in the trash can go."""
    if digest not in stock.blobs:
        return False
    with suppress(RegistryError, OSError), store.open(digest) as content:
        return hashed(content)[1] == digest
    return False


def _leased(stock: Stock, store: Store) -> Iterable[Root]:
    """What somebody is working with: each blob, and what it names if it is a record."""
    for digest in sorted(digest for digest in stock.leased if digest in stock):
        is_record = False
        with suppress(RegistryError), store.open(digest) as content:
            is_record = content.read(1) == b"{"  # why: weights are not read into memory to learn that they are none
        yield Root("somebody is working with it", of_leased(digest, is_record=is_record))


def _known(plan: _Plan, store: Store) -> list[Digest]:
    """What is deleted and an entry of the ledger names, so that nobody takes it for lost.

    Raises:
        RegistryError: A record could not be read, so nobody knows what else it names.
    """
    if not plan.deleted:
        return []
    history = (needed for link in plan.state.entries for needed in of_entry(link.entry))
    walk = Walk(store)
    named = {needed.digest for needed in walk.through(history)}
    for error in walk.faults.values():
        if not isinstance(error, IntegrityError):  # why: what is missing or damaged names nothing any more
            raise error
    return [digest for digest in plan.deleted if digest in named and digest not in plan.stock.blobs]


def _report(plan: _Plan, store: Store, now: datetime, *, is_dry_run: bool) -> Collected:
    stock = plan.stock
    waiting = stock.trash.keys() - set(plan.deleted) - set(plan.brought_back)
    components, saved, owned = components_of(plan.state, Walk(store), stock=stock, spare=frozenset(plan.set_aside))
    return Collected(
        is_dry_run=is_dry_run,
        at=moment_of(now),
        kept=_amount((digest for digest in plan.kept if digest in stock.blobs), stock.blobs),
        young=_amount(plan.young, stock.blobs),
        set_aside=_amount(plan.set_aside, stock.blobs),
        trash=_amount(waiting, stock.trash),
        deleted=_amount(plan.deleted, stock.trash),
        brought_back=_amount(plan.brought_back, stock.trash),
        records=_amount((digest for digest in plan.kept if digest in stock.blobs and digest not in owned), stock.blobs),
        saved=saved,
        components=components,
    )


def _amount(digests: Iterable[Digest], lying: Mapping[Digest, Lying]) -> Amount:
    sizes = [lying[digest].size for digest in digests]
    return Amount(len(sizes), sum(sizes))


def _where(digest: Digest, stock: Stock) -> tuple[str, Lying | None]:
    if digest in stock.blobs:
        return "store", stock.blobs[digest]
    return ("trash", stock.trash[digest]) if digest in stock.trash else ("nowhere", None)


def _paths(digest: Digest, kept: Sequence[Root], *, walk: Walk, present: Container[Digest]) -> tuple[Path, ...]:
    """The shortest way from each root to `digest`, found backwards from there."""
    above: dict[tuple[Digest, str], dict[tuple[Digest, str], str]] = {}
    for needed in walk.through((root.needed for root in kept), present):
        for child in walk.below(needed):
            above.setdefault((child.digest, child.scope), {})[needed.digest, needed.scope] = child.what
    steps: dict[tuple[Digest, str], tuple[str, ...]] = {(digest, scope): () for scope in ("whole", "record", "leased")}
    waiting = list(steps)
    for node in waiting:  # why a list that grows: it is the queue
        for parent, what in above.get(node, {}).items():
            if parent not in steps:
                steps[parent] = (what, *steps[node])
                waiting.append(parent)
    found = ((root, steps.get((root.needed.digest, root.needed.scope))) for root in kept)
    return tuple(Path(root.why, (root.needed.what, *below)) for root, below in found if below is not None)
