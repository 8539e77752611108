"""The breaches: what can be wrong with an entry of the ledger, each way a class of its own."""

from registry.errors import IntegrityError


class Breach(IntegrityError):
    """Entry `index` breaks the ledger."""

    def __init__(self, index: int, what: str, *, why: str = "") -> None:
        """Name the entry, so that a reader knows how far the ledger can be believed: up to the one before."""
        mend = "compare with another copy of the ledger; do not write to this one"
        super().__init__(f"ledger entry {index}: {what}", why=why, mend=mend)
        self.index = index


class UnreadableEntry(Breach):
    """The bytes are not an entry in its one spelling."""


class WrongGenesis(Breach):
    """Entry 0 is not the pinned one, or is no policy: this is another ledger."""


class WrongIndex(Breach):
    """An entry says that it stands elsewhere: one was moved, removed or put in."""


class BrokenLink(Breach):
    """An entry follows other bytes than those before it."""


class BrokenStageLink(Breach):
    """An entry follows another entry of its stage than the last one."""


class Forged(Breach):
    """The signatures do not hold, or are not those of known keys."""


class NotAllowed(Breach):
    """The keys that signed may not do this."""


class UnknownManifest(Breach):
    """A stage was to serve a manifest that nobody registered."""


class SkippedStage(Breach):
    """A stage was to serve a manifest that the stage before it never served."""


class WrongGeneration(Breach):
    """A generation number is not the next one."""


class WrongReplaced(Breach):
    """An entry replaces something else than what the stage serves, or nothing at all."""


class LateBootstrap(Breach):
    """A bootstrap of a stage that has served something already."""


class WrongTarget(Breach):
    """A rollback to a generation that did not serve this manifest, or to none where the policy wants one."""


class UnknownStage(Breach):
    """An entry is about a stage that the policy does not have."""


class OnHold(Breach):
    """A promotion to a stage that was held, a second hold, or a resumption of what was not held."""


class Revoked(Breach):
    """A manifest that was revoked was to be approved, waived, served or revoked again."""


class Unapproved(Breach):
    """A promotion, or a rollback to what was never served, without the approvals that the policy wants."""


class NotWaived(Breach):
    """A promotion names a waiver that is none, is about something else, or had expired."""


class Reinstated(Breach):
    """A policy gives a key back what was taken from it."""
