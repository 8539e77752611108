"""The pre-flight report: each check, what it looked at, and its verdict."""

from typing import Literal

from registry.core.record import Record
from registry.errors import Refused


class Check(Record):
    """One check of one thing. `about` is a path of the release, or an adapter's directory.

    `what`, `why` and `mend` are filled unless the verdict is `ok`. A warning does not stop a bundle; a refusal does.
    """

    name: str
    about: str
    verdict: Literal["ok", "warning", "refused"]
    what: str = ""
    why: str = ""
    mend: str = ""


class Report(Record):
    """All checks of one bundle, in a fixed order, so that the same parts give the same bytes."""

    form: Literal["registry.preflight/1"] = "registry.preflight/1"
    checks: tuple[Check, ...]

    @property
    def refusals(self) -> tuple[Check, ...]:
        """The checks that stop the bundle."""
        return tuple(check for check in self.checks if check.verdict == "refused")

    @property
    def warnings(self) -> tuple[Check, ...]:
        """What a person should look at, and a server can load."""
        return tuple(check for check in self.checks if check.verdict == "warning")


class PreflightRefused(Refused):
    """A server would refuse these parts, or load them silently wrong."""

    def __init__(self, model: str, refusals: tuple[Check, ...]) -> None:
        """Tell all `refusals` of the bundle of `model` at once; there is at least one."""
        lines = [f"{check.about}: {check.what}: {check.why}" for check in refusals]
        mends = dict.fromkeys(check.mend for check in refusals)
        super().__init__(
            f"{model} does not pass the pre-flight checks", why="\n        ".join(lines), mend="; ".join(mends)
        )
        self.refusals = refusals
