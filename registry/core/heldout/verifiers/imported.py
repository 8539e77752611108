"""imported v1.0: another tool judged the row; `registry evidence import` brings what it found."""

from registry.core.heldout.case import Case
from registry.core.heldout.evidence import Finding
from registry.core.heldout.verifiers.look import Arguments, Instruments, Transcript, VerifierFailed, text_of

VERSION = "v1.0"


def check(case: Case, transcript: Transcript, *, arguments: Arguments, instruments: Instruments) -> Finding:
    """Fail to judge: only the tool that the slice names can, and an evaluation here has not asked it."""
    tool, task = text_of(arguments, "tool"), text_of(arguments, "task")
    raise VerifierFailed(f"this slice is judged by {tool}", why=f"import its log of the task {task}")
