"""What can go wrong, told as what, why and how to mend it.

Each base class below is one exit code, that is, one thing a caller would do differently. A fault of its own kind is a
subclass that stands beside the code which raises it.
"""

from collections.abc import Sequence


class RegistryError(Exception):
    """Something failed; the caller may try again once it is mended."""

    exit_code = 1

    def __init__(self, what: str, *, why: str = "", mend: str = "") -> None:
        """Keep the three parts apart, so that each face can lay them out.

        Args:
            what: What was refused or failed, in one clause.
            why: The reason, as far as it was seen.
            mend: What the reader can do about it; a command where there is one.
        """
        super().__init__(what)
        self.what, self.why, self.mend = what, why, mend

    def __str__(self) -> str:
        """The three parts on up to three lines."""
        parts = (self.what, f"  why:  {self.why}" if self.why else "", f"  mend: {self.mend}" if self.mend else "")
        return "\n".join(part for part in parts if part)


class UsageError(RegistryError):
    """The call, a config or a setting is not understood."""

    exit_code = 2


class Refused(RegistryError):
    """The question was understood and the answer is no."""

    exit_code = 3


class Undecided(RegistryError):
    """There is not enough evidence to answer."""

    exit_code = 4


class IntegrityError(RegistryError):
    """Bytes, a signature or a chain are not what they must be."""

    exit_code = 5


class ConflictError(RegistryError):
    """The world moved while the work was under way."""

    exit_code = 6


class Faults(UsageError):
    """All the faults of one file, told at once, in file order."""

    def __init__(self, file: str, faults: Sequence[RegistryError]) -> None:
        """Gather `faults` of `file`; there is at least one."""
        count = f"{len(faults)} faults" if len(faults) > 1 else "a fault"
        super().__init__(f"{count} in {file}", why="\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)

    def __str__(self) -> str:
        """The count, then each fault on lines of its own."""
        return f"{self.what}\n{self.why}"


def refuse(file: str, faults: Sequence[RegistryError]) -> None:
    """Raise all `faults` of `file` together, if there are any."""
    if faults:
        raise Faults(file, faults)
