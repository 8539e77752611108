"""`registry verify`: is everything still as it was written?"""

from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli.output import Json, data, document, size, talk
from registry.cli.project import project

if TYPE_CHECKING:
    from registry.verbs.verify import Report

INTEGRITY = 5
Quick = Annotated[bool, typer.Option("--quick", help="Only look whether each blob is there and has its size.")]


def verify_command(context: typer.Context, quick: Quick = False, as_json: Json = False) -> None:
    """Check the whole ledger, and hash every blob again.

    Exits with 5 if anything is wrong.
    """
    report = project(context).verify(quick=quick)
    if as_json:
        data(document("registry.verified/1", report))
    else:
        _show(report)
    raise typer.Exit(0 if report.is_clean else INTEGRITY)


def _show(report: "Report") -> None:
    for fault in report.faults:
        data(f"{fault.kind}  {fault.digest}  {'; '.join(fault.what) or 'needed by nothing'}")
        data(f"  why:   {fault.why}")
        if fault.harms:
            data(f"  harms: {', '.join(fault.harms)}")
    if report.breach:
        where = f"after entry {report.entries - 1}" if report.entries else "before its first entry"
        data(f"ledger broken {where}\n{report.breach}")
    for stray in report.strays:
        talk(f"stray     {stray}: no blob; harmless, what a crash left is cleared by the next writer")
    read = "looked at" if report.is_quick else "hashed"
    data(f"ledger    {report.entries} entries, each signature and link checked")
    data(f"store     {report.blobs} blobs {read}, {size(report.size)}; {len(report.spare)} needed by no entry")
    data(
        "clean"
        if report.is_clean
        else f"NOT CLEAN: {len(report.faults)} faults{', ledger broken' if report.breach else ''}"
    )
