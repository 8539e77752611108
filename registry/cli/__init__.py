"""The command line: parse, call one verb, show."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, NoReturn, cast

import typer

from registry.cli.at import at_command
from registry.cli.decide import approve_command, hold_command, resume_command, revoke_command, waive_command
from registry.cli.deploy import bundle_command, pull_command
from registry.cli.evidence import evidence_app
from registry.cli.gate import gate_app, promote_command
from registry.cli.gc import gc_command
from registry.cli.init import init_command, key_app
from registry.cli.ledger import ledger_app, prove_command, verify_proof_command
from registry.cli.log import log_command
from registry.cli.mirror import mirror_command
from registry.cli.output import complain, talk
from registry.cli.pin import add_command, pin_command, show_command
from registry.cli.policy import doctor_command, policy_app
from registry.cli.remotes import fetch_command, push_command
from registry.cli.repair import repair_command
from registry.cli.rollback import rollback_command
from registry.cli.sign import export_command, sign_command
from registry.cli.status import status_command
from registry.cli.verify import verify_command
from registry.errors import RegistryError, UsageError

FAILED, INTERRUPTED = 1, 130

CallFault = cast("type[Exception]", typer.BadParameter.__bases__[0])
"""What typer raises for a call that it does not understand; it brings its own copy of click, at no fixed place."""

app = typer.Typer(
    name="registry",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # why: importing rich takes as long as all the rest of `registry status`
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(key_app, name="key")
app.add_typer(policy_app, name="policy")
app.add_typer(ledger_app, name="ledger")
app.add_typer(evidence_app, name="evidence")
app.add_typer(gate_app, name="gate")
COMMANDS: dict[str, Callable[..., None]] = {
    "init": init_command,
    "pin": pin_command,
    "add": add_command,
    "show": show_command,
    "promote": promote_command,
    "approve": approve_command,
    "waive": waive_command,
    "rollback": rollback_command,
    "revoke": revoke_command,
    "hold": hold_command,
    "resume": resume_command,
    "status": status_command,
    "log": log_command,
    "at": at_command,
    "verify": verify_command,
    "doctor": doctor_command,
    "prove": prove_command,
    "verify-proof": verify_proof_command,
    "repair": repair_command,
    "gc": gc_command,
    "bundle": bundle_command,
    "pull": pull_command,
    "push": push_command,
    "fetch": fetch_command,
    "sign": sign_command,
    "export": export_command,
    "mirror": mirror_command,
}
for name, command in COMMANDS.items():
    app.command(name)(command)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        with suppress(PackageNotFoundError):  # why: a checkout runs without being installed
            typer.echo(version("lockstep-registry"))
        raise typer.Exit


Directory = Annotated[Path | None, typer.Option("-C", "--directory", help="Work as if started in DIRECTORY.")]
Version = Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")]


@app.callback()
def registry(context: typer.Context, directory: Directory = None, version: Version = False) -> None:
    """Say exactly what is in production, why it was allowed there, and go back to exactly what was there before.

    Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 the answer is no, 4 cannot decide, 5 integrity,
    6 the world moved, 7 tampered with (verify), 130 interrupted.
    """
    if directory is not None and not directory.is_dir():
        raise UsageError(f"{directory} is not a directory", mend="name the project's directory after -C")
    context.obj = (directory or Path()).resolve()


def main() -> None:
    """Run the command line; an error is told on stderr and becomes its exit code."""
    # why: looking for plugins reads the metadata of every installed package, for each command that a person types.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except RegistryError as error:
        stop(error)
    except CallFault as error:
        stop(_misread(error))
    except BrokenPipeError:
        _let_go()
        sys.exit(FAILED)  # why: who reads our output has gone; there is nobody to tell.
    except OSError as error:
        _let_go()
        # why: every fault that we know is told by the adapter that met it; this is the system's word for the rest.
        stop(RegistryError(f"{error.filename or 'the output'} could not be used", why=error.strerror or str(error)))
    except (KeyboardInterrupt, typer.Abort):
        talk("interrupted")
        sys.exit(INTERRUPTED)


def stop(error: RegistryError) -> NoReturn:
    """Tell `error` and leave with its exit code."""
    with suppress(OSError):  # why: where nothing can be said any more, the exit code still says it
        complain(error)
    sys.exit(error.exit_code)


def _let_go() -> None:
    """Where nothing more can be printed, drop what waits to be; else leaving would fail on it, with another code."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _misread(error: Any) -> UsageError:
    command = error.ctx.command_path if error.ctx else "registry"
    return UsageError(error.format_message(), mend=f"run `{command} --help`")
