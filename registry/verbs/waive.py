"""Waive: let a model in although rules did not pass; signed, for a reason, for a while, and never silently."""

from collections.abc import Sequence
from datetime import datetime

from registry.core.digest import Digest, short
from registry.core.gate.verdict import Verdict
from registry.core.ledger.entry import Waive
from registry.core.ledger.names import nearest
from registry.core.ledger.text import moment_of
from registry.core.ledger.views import State
from registry.errors import Refused, UsageError
from registry.ports import Clock, LedgerFile, Signer, Store
from registry.verbs.admit import check_sound
from registry.verbs.append import Decided, append, stamp


class NothingToWaive(Refused):
    """The gate said GO."""


class OtherRules(UsageError):
    """A waiver names other rules than those that did not pass."""


class AlreadyPast(UsageError):
    """A waiver that has expired before it is given."""


def waive(
    verdict: Verdict,
    *,
    rules: Sequence[str],
    until: datetime,
    reason: str,
    store: Store,
    ledger: LedgerFile,
    genesis: Digest,
    signer: Signer,
    clock: Clock,
    actor: str,
) -> Decided:
    """Excuse the candidate of `verdict` from exactly the rules that did not pass, until a time.

    A waiver is for one verdict: another baseline, newer evidence or changed rules make another verdict, and the waiver
    says nothing about that. The same waiver again changes nothing.

    Args:
        verdict: What the gate says.
        rules: Every rule that failed or could not be decided, word for word; whoever waives has read them all.
        until: Promotions rest on it up to this time.
        reason: Why, in one line.
        store: The verdict is kept there before an entry names it.
        ledger: Where the waiver is written.
        genesis: The pinned digest of the ledger's entry 0.
        signer: A key that may waive on the stage.
        clock: Says when.
        actor: Who does it.

    Raises:
        NothingToWaive: The verdict is GO.
        OtherRules: A rule is named that passed or that is none, or one that did not pass is missing.
        AlreadyPast: `until` is not in the future.
        NotRegistered, ModelRevoked: The model is not known, or is bad.
        UsageError, NotYours, LedgerLost, Breach, TooBusy: As `append`.
    """
    _check_rules(verdict, rules)
    if until <= clock.now():
        raise AlreadyPast("this waiver would have expired already", why=moment_of(until), mend="name a later time")
    digest = store.put(verdict.canonical())
    named = tuple(unmet(verdict))

    def decide(state: State) -> Waive | None:
        check_sound(state, verdict.candidate)
        if _found(state, verdict, digest, until=moment_of(until)):
            return None
        return Waive(
            **stamp(state, clock=clock, actor=actor, reason=reason, stage=verdict.stage),
            manifest=verdict.candidate,
            verdict=digest,
            rules=named,
            expires=moment_of(until),
        )

    done = append(decide, ledger=ledger, genesis=genesis, signer=signer)
    return Decided(_found(done.state, verdict, digest, until=moment_of(until))[0][1], was_there=done.link is None)


def unmet(verdict: Verdict) -> list[str]:
    """The rules that did not pass, in the gate's order."""
    return list(dict.fromkeys(rule.rule for rule in verdict.rules if rule.verdict != "pass"))


def waivers_of(state: State, verdict: Verdict, digest: Digest) -> list[tuple[Digest, Waive]]:
    """The waivers of this verdict, those that last longest first."""
    found = [
        (one, waiver) for one, waiver in state.waivers(verdict.stage, verdict.candidate) if waiver.verdict == digest
    ]
    return sorted(found, key=lambda pair: pair[1].expires, reverse=True)


def _found(state: State, verdict: Verdict, digest: Digest, *, until: str) -> list[tuple[Digest, Waive]]:
    return [pair for pair in waivers_of(state, verdict, digest) if pair[1].expires == until]


def _check_rules(verdict: Verdict, rules: Sequence[str]) -> None:
    wanted = unmet(verdict)
    if not wanted:
        raise NothingToWaive(f"the gate of {verdict.stage} says GO to {short(verdict.candidate)}", mend="promote it")
    for rule in rules:
        if rule not in wanted:
            known = {one.rule for one in verdict.rules}
            why = "it passed" if rule in known else "the gate has no such rule"
            raise OtherRules(f"{rule!r} cannot be waived", why=why, mend=nearest(rule, wanted))
    if missing := [rule for rule in wanted if rule not in rules]:
        mend = "name each of them with `--rule`, word for word, or do not waive"
        raise OtherRules("a waiver names every rule that did not pass", why="; ".join(missing), mend=mend)
