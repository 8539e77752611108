"""The command line: parse, call one verb, show."""

import atexit
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from gc import freeze, set_threshold
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NoReturn, cast

import typer

from registry.cli.output import complain, talk
from registry.errors import RegistryError, UsageError

FAILED, INTERRUPTED = 1, 130

CallFault = cast("type[Exception]", typer.BadParameter.__bases__[0])
"""What typer raises for a call that it does not understand; it brings its own copy of click, at no fixed place."""

COMMANDS = {
    "init": "init",
    "pin": "pin",
    "add": "pin",
    "show": "pin",
    "promote": "gate",
    "approve": "decide",
    "waive": "decide",
    "rollback": "rollback",
    "revoke": "decide",
    "hold": "decide",
    "resume": "decide",
    "status": "status",
    "log": "log",
    "at": "at",
    "verify": "verify",
    "doctor": "policy",
    "prove": "ledger",
    "verify-proof": "ledger",
    "repair": "repair",
    "gc": "gc",
    "bundle": "deploy",
    "pull": "deploy",
    "push": "remotes",
    "fetch": "remotes",
    "sign": "sign",
    "export": "sign",
    "mirror": "mirror",
}
"""Each command, and the module of this room that has it as `NAME_command`."""

GROUPS = {"key": "init", "policy": "policy", "ledger": "ledger", "evidence": "evidence", "gate": "gate"}
"""Each word that commands follow, and the module that has them as `NAME_app`."""


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        with suppress(PackageNotFoundError):  # why: a checkout runs without being installed
            typer.echo(version("lockstep-registry"))
        raise typer.Exit


Directory = Annotated[Path | None, typer.Option("-C", "--directory", help="Work as if started in DIRECTORY.")]
Version = Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")]


def command_line(words: Sequence[str]) -> typer.Typer:
    """What reads `registry WORDS`: the command that is typed there, or, where none is, all of them."""
    app = typer.Typer(
        name="registry",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # why: importing rich takes as long as all the rest of `registry status`
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(registry)
    # why not always all: to import the others, and to have typer look at them, is a twentieth of `registry status`.
    typed = {words[2] if len(words) > 2 and words[0] == "-C" else next(iter(words), "")}
    wanted = typed & {*COMMANDS, *GROUPS} or {*COMMANDS, *GROUPS}
    for name in [one for one in COMMANDS if one in wanted]:
        app.command(name)(_part(COMMANDS[name], f"{name}_command"))
    for name in [one for one in GROUPS if one in wanted]:
        app.add_typer(_part(GROUPS[name], f"{name}_app"), name=name)
    return app


def _part(module: str, name: str) -> Any:
    return getattr(import_module(f"registry.cli.{module}"), name.replace("-", "_"))


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
    # why: a command makes few cycles, and then ends. To look for them while libraries are imported, and once more when
    # Python leaves, is a sixth of `registry status`.
    set_threshold(200_000)
    atexit.register(freeze)
    try:
        sys.exit(command_line(sys.argv[1:])(standalone_mode=False) or 0)
    except RegistryError as error:
        stop(error)
    except CallFault as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # why: who types `registry` alone asks what there is
            talk(error.format_message())  # type: ignore[attr-defined]  # why: of the copy of click that typer brings
            sys.exit(UsageError.exit_code)
        stop(_misread(error))
    except BrokenPipeError:
        _let_go()
        sys.exit(FAILED)  # why: who reads our output has gone; there is nobody to tell.
    except OSError as error:
        _let_go()
        # why: every fault that we know is told by the adapter that met it; this is the system's word for the rest.
        from registry.adapters.durable import mend_of

        what, why = f"{error.filename or 'the output'} could not be used", error.strerror or str(error)
        stop(RegistryError(what, why=why, mend=mend_of(error)))
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
