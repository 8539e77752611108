"""`registry gc`: what takes the room, what keeps it, and what can go."""

from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli.output import Json, columns, data, document, size
from registry.cli.project import project

if TYPE_CHECKING:
    from registry.verbs.gc import Amount, Collected, Why

MOST_PATHS = 10

Delete = Annotated[bool, typer.Option("--delete/--dry-run", help="Collect; without it, only say what would be done.")]
Keep = Annotated[int | None, typer.Option("--keep", metavar="N", help="Releases of each stage that stay.")]
Grace = Annotated[
    int | None, typer.Option("--grace", metavar="DAYS", help="Leave alone what is younger, in the store and the trash.")
]
WhyOf = Annotated[str | None, typer.Option("--why", metavar="DIGEST", help="Only say what keeps this blob.")]


def gc_command(
    context: typer.Context,
    delete: Delete = False,
    keep: Keep = None,
    grace: Grace = None,
    why: WhyOf = None,
    as_json: Json = False,
) -> None:
    """Set aside what nothing needs any more, and delete what was set aside long ago; by default, only say so.

    What the ledger may need again is kept: the last releases of each stage, candidates, approvals, evidence, verdicts.
    Exits with 5, and does nothing, if the store is damaged; with 6 if somebody is writing all the time.
    """
    registry = project(context)
    if why is not None:
        reason = registry.why(why, keep=keep, grace_days=grace)
        data(document("registry.why/1", reason) if as_json else _reason(reason))
        return
    act = registry.gc if delete else registry.survey
    report = act(keep=keep, grace_days=grace)
    data(document("registry.collection/1", report) if as_json else _report(report))


def _report(report: "Collected") -> str:
    is_done = not report.is_dry_run
    lines = [
        _components(report),
        f"sharing saves {size(report.saved)}",
        "",
        f"kept        {_told(report.kept)}; {_told(report.records)} of them are manifests, suites, evidence, verdicts",
        f"young       {_told(report.young)}: nothing needs it yet",
        f"set aside   {_told(report.set_aside)}: {'now in the trash' if is_done else 'would go into the trash'}",
        f"trash       {_told(report.trash)}: will be deleted when the grace is over",
        f"deleted     {_told(report.deleted)}{'' if is_done else ': would be deleted'}",
    ]
    if report.brought_back.blobs:
        lines.append(f"brought back {_told(report.brought_back)}: needed again")
    if report.is_dry_run:
        lines.append("nothing was changed; run `registry gc --delete` to do it")
    return "\n".join(lines)


def _components(report: "Collected") -> str:
    rows = [
        (one.role, one.name, str(one.versions), *map(size, (one.size, one.stored, one.shared, one.reclaimable)))
        for one in report.components
    ]
    return columns(("role", "name", "versions", "size", "stored", "shared", "reclaimable"), rows)


def _told(amount: "Amount") -> str:
    return f"{amount.blobs} {'blob' if amount.blobs == 1 else 'blobs'}, {size(amount.size)}"


def _reason(found: "Why") -> str:
    where = {"store": "in the store", "trash": "in the trash", "nowhere": "not here"}[found.place]
    since = f", {size(found.size or 0)}, since {found.since}" if found.since else ""
    lines = [f"{found.digest} is {where}{since}"]
    if not found.paths:
        lines.append("nothing keeps it")
    for path in found.paths[:MOST_PATHS]:
        lines.append(path.why)
        lines += [f"{'  ' * depth}{step}" for depth, step in enumerate(path.steps, 1)]
    if len(found.paths) > MOST_PATHS:
        lines.append(f"and {len(found.paths) - MOST_PATHS} more reasons; see --json")
    return "\n".join(lines)
