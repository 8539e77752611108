"""`registry verify`: is everything still as it was written?"""

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli.ledger import audited
from registry.cli.output import Json, data, document, size, talk
from registry.cli.project import project, start
from registry.cli.sign import Directory, Key, ModelSignature, check_model
from registry.core.visible import visible
from registry.errors import IntegrityError, RegistryError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from registry.core.health import Fault, Health, Report

EXITS: "dict[Health, int]" = {"clean": 0, "repairable": 3, "could-not-check": 4, "data-loss": 5, "tampering": 7}
"""Each has a code of its own, so that a script can tell what to do: mend, look at the machine, restore, or alarm."""

MENDS: "dict[Health, str]" = {
    "repairable": "run `registry repair`",
    "could-not-check": "check the disk, the memory and the rights, and verify again",
    "data-loss": "run `registry repair --from` another store, a host, a bundle or a DVC cache",
    "tampering": "keep this copy as it is, and compare the ledger with a host's or another copy",
}
Ledger = Annotated[bool, typer.Option("--ledger", help="Check the ledger alone: chain, tree, signatures, checkpoint.")]
Quick = Annotated[bool, typer.Option("--quick", help="Only look whether each blob is there and has its size.")]
ReadData = Annotated[bool, typer.Option("--read-data", help="Hash every blob. This is what is done by default.")]
Subset = Annotated[
    str | None,
    typer.Option("--read-data-subset", metavar="N/T|X%", help="Hash the N-th of T parts, or X hundredths."),
]
Remote = Annotated[str | None, typer.Option("--remote", metavar="NAME", help="Check the copy there, not this one.")]
Quarantine = Annotated[
    bool, typer.Option("--quarantine", help="Move damaged blobs out of their places; nothing is deleted.")
]


def verify_command(
    context: typer.Context,
    quick: Quick = False,
    read_data: ReadData = False,
    subset: Subset = None,
    ledger: Ledger = False,
    remote: Remote = None,
    quarantine: Quarantine = False,
    oms: ModelSignature = None,
    directory: Directory = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Check the whole ledger, and hash every blob again; with --oms, check DIRECTORY against a model signature.

    Exits with 0 if no fault was found, 3 if what was found can be put right from here, 4 if something could not be
    checked, 5 if data is lost here, 7 if the ledger was tampered with; the worst of them counts.
    """
    if ledger:
        _verify_ledger(context, as_json)
        return
    if oms is not None or directory is not None or key:
        check_model(context, (oms, directory, key or []), as_json=as_json)
        return
    if sum((quick, read_data, subset is not None)) > 1:
        raise UsageError("how much to read is said twice", mend="give one of --quick, --read-data, --read-data-subset")
    if remote is not None and quarantine:
        raise UsageError("a copy elsewhere is only looked at", mend="run `registry verify --quarantine` there")
    registry = project(context)
    with _unchecked():
        report = registry.verify(quick=quick, subset=subset, remote=remote, start=start(context))
    for place in registry.quarantine(report) if quarantine else ():
        talk(f"moved to {place}")
    if as_json:
        data(document("registry.verified/1", report))
    else:
        show_report(report, remote)
    raise typer.Exit(EXITS[report.health])


def show_faults(faults: "Sequence[Fault]") -> None:
    """Tell each fault, what the blob is to people, and whom it harms."""
    for fault in faults:
        data(f"{fault.kind}  {fault.digest}  {'; '.join(fault.what) or 'needed by nothing'}")
        data(f"  why:   {fault.why}")
        if fault.harms:
            data(f"  harms: {', '.join(fault.harms)}")


def show_report(report: "Report", remote: str | None = None) -> None:
    """Tell each fault, then what was looked at, then the one word for all of it."""
    show_faults(report.faults)
    if report.breach:
        where = f"after entry {report.entries - 1}" if report.entries else "before its first entry"
        data(f"ledger broken {where}\n{report.breach}")
    if report.unread:
        data(f"ledger read up to entry {report.entries - 1}, and no further\n{report.unread}")
    if report.unlisted:
        data(f"{report.unlisted}\n  mend: put a copy of it back, or move it away; what it names counts as missing now")
    for stray in report.strays:
        talk(f"stray     {visible(stray)}: no blob; harmless, what a crash left is cleared by the next writer")
    read = "looked at" if report.level == "quick" else "hashed"
    gone = f"; {report.collected} deleted on purpose" if report.collected else ""
    data(f"ledger    {report.entries} entries, each signature and link checked")
    data(f"store     {report.blobs} blobs {read}, {size(report.size)}; {len(report.spare)} needed by no entry{gone}")
    if report.unchecked:
        data(f"UNCHECKED {report.unchecked} blobs are there and have their size, but their bytes were not read")
    data(_verdict(report, remote))


def _verdict(report: "Report", remote: str | None) -> str:
    if report.is_clean:
        return "no fault found in what was checked" if report.unchecked else "clean"
    ledger = ", ledger broken" if report.breach else ", ledger not read" if report.unread else ""
    mend = MENDS[report.health]
    if remote is not None and report.health in ("repairable", "data-loss"):
        mend = (
            f"run `registry push {visible(remote)}` where the blobs are whole, or `registry repair` where that copy is"
        )
    faults = "1 fault" if len(report.faults) == 1 else f"{len(report.faults)} faults"
    return f"NOT CLEAN, {report.health}: {faults}{ledger}\n  mend: {mend}"


@contextmanager
def _unchecked() -> "Iterator[None]":
    """Let whatever cannot be read or reached exit as what could not be checked."""
    try:
        yield
    except RegistryError as error:
        if error.exit_code == RegistryError.exit_code:
            error.exit_code = EXITS["could-not-check"]
        raise


def _verify_ledger(context: typer.Context, as_json: bool) -> None:
    try:
        with _unchecked():
            found = project(context).audit()
    except IntegrityError as error:
        error.exit_code = EXITS["tampering"]
        raise
    data(document("registry.audited/1", found) if as_json else audited(found))
