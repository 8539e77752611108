"""watch: say which rules of a stage a canary is proven to break, while it runs; nothing is decided or written down."""

from dataclasses import dataclass
from fractions import Fraction

from registry.core.digest import Digest, short
from registry.core.gate.judging.check import check_live
from registry.core.gate.judging.triggers import ALPHA, Caps, Trigger, watch_canary
from registry.core.gate.rows.canary import read_growing
from registry.core.ledger.views import State
from registry.errors import UsageError
from registry.verbs.admit import NotRegistered
from registry.verbs.gate import gate_of


class NothingWatched(UsageError):
    """A gate has no rule that live traffic could be proven to break."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What a canary shows so far.

    Of `requests`, `lost` have no telemetry and `screened` were seen by the incident detector, until `watched_ms`.
    `is_cut` says that the file's last line was left out, for it is not whole. `serving` are the stages that serve the
    model now.
    """

    stage: str
    manifest: Digest
    requests: int
    lost: int
    screened: int
    watched_ms: int
    is_cut: bool
    serving: tuple[str, ...]
    triggers: tuple[Trigger, ...]

    @property
    def fired(self) -> tuple[Trigger, ...]:
        """What is proven, the earliest first."""
        return tuple(sorted((one for one in self.triggers if one.request), key=lambda one: one.request or 0))


def watch(
    stage: str, *, canary: bytes, gate_file: bytes, state: State, risk: Fraction = ALPHA, caps: Caps | None = None
) -> Watched:
    """Watch a canary by the rules of `stage`; the same file gives the same answer.

    A canary is run before its model is promoted, so that `stage` serves another one as a rule: what is asked of the
    model is that the ledger knows it.

    Args:
        stage: Whose rules are the triggers.
        canary: The bytes of a canary's file, which may still be growing.
        gate_file: The bytes of the stage's gate file.
        state: What the ledger says.
        risk: The chance that a canary which keeps all rules ever fires; chosen before there is traffic.
        caps: What a request can cost at most, for a rule on cost.

    Raises:
        Faults: The gate file has faults.
        BadCanary: The canary's file is malformed.
        NotRegistered: It is of a model that the ledger does not know.
        NothingWatched: No rule of the stage can be watched.
    """
    file = gate_of(gate_file, stage)
    check_live(file)
    found, is_cut = read_growing(canary)
    if found.manifest not in state.makers:
        why, mend = f"its first line names {found.manifest}", "run `registry pin` on its config before it gets traffic"
        raise NotRegistered(f"the canary is of {short(found.manifest)}, which is not registered", why=why, mend=mend)
    triggers = watch_canary(found, [placed.rule for placed in file.rules], alpha=risk, caps=caps)
    if all(one.unwatched and not one.is_blind for one in triggers):
        why = "; ".join(f"{one.rule}: {one.unwatched}" for one in triggers) or "it has no rule on live traffic"
        mend = "add a limit such as `canary.safety_incidents.count == 0`"
        raise NothingWatched(f"no rule of {stage} can be watched", why=why, mend=mend)
    return Watched(
        stage=stage,
        manifest=found.manifest,
        requests=found.requests,
        lost=sum(found.lost),
        screened=sum(found.screened),
        watched_ms=found.watched_ms,
        is_cut=is_cut,
        serving=tuple(name for name in state.stages if (now := state.serving(name)) and now.manifest == found.manifest),
        triggers=triggers,
    )
