"""The reference: what a config's value may name, as text in, values out.

A value is either `name@short`, which means an artefact that is registered already, or a location to read, with a name
in front of it where the location's own last word will not do: `[name[@label]=]location`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from registry.core.digest import hex_of, short
from registry.core.document import did_you_mean
from registry.core.pin import Pin, Role
from registry.errors import UsageError

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_LABEL = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}"
_REGISTERED = re.compile(rf"({_NAME})@(?:sha256:)?({_LABEL})")
_NAMED = re.compile(rf"({_NAME})(?:@({_LABEL}))?=(.+)")
_SCHEME = re.compile(r"(git)\+|([A-Za-z][A-Za-z0-9.-]+):")
_HUB = re.compile(r"hf://(?:(datasets)/)?([\w.-]+/[\w.-]+)@([\w./-]+)", re.ASCII)
_GIT = re.compile(r"git\+(.+)@([^@#:\s]+)(?:#(.+))?")
_MLFLOW = re.compile(r"mlflow:models:/([^/@:]+)(?:@([\w.-]+)|/([0-9]+))", re.ASCII)
_PACKAGE = re.compile(r"package:([A-Za-z_][\w.]*(?:,[A-Za-z_][\w.]*)*)", re.ASCII)
_FORMS = {
    "dvc": "dvc:PATH",
    "hf": "hf://ORG/REPO@REVISION",
    "git": "git+URL@REVISION or git+PATH@REVISION, then #SUBDIRECTORY if wanted",
    "mlflow": "mlflow:models:/NAME@ALIAS or mlflow:models:/NAME/VERSION",
}


class UnknownArtefact(UsageError):
    """Nothing of this name, label or digest is registered."""


class NothingThere(UsageError):
    """A location was understood, but holds nothing."""


class AmbiguousArtefact(UsageError):
    """More than one artefact could be meant."""


@dataclass(frozen=True, slots=True)
class InPath:
    """A file or directory of the working tree; `must_be_dvc` where it was written as `dvc:PATH`."""

    path: str
    must_be_dvc: bool = False


@dataclass(frozen=True, slots=True)
class OnHub:
    """A repository of a Hugging Face Hub at a revision: branch, tag, pull request or commit."""

    repo: str
    revision: str
    is_dataset: bool = False


@dataclass(frozen=True, slots=True)
class InGit:
    """A directory of a git repository (URL or path) at a revision; all of it where `subdirectory` is empty."""

    url: str
    revision: str
    subdirectory: str = ""


@dataclass(frozen=True, slots=True)
class InMlflow:
    """A registered model of MLflow by `alias`, or by `version` where the alias is empty."""

    model: str
    alias: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class InPackage:
    """The source files of modules of this package; made by `pin` for verifiers, never written in a config."""

    modules: tuple[str, ...]


Location = InPath | OnHub | InGit | InMlflow | InPackage


@dataclass(frozen=True, slots=True)
class Registered:
    """`name@short`: `short` is a label, or the first hex digits of a digest."""

    name: str
    short: str


@dataclass(frozen=True, slots=True)
class Located:
    """A location to read, and what to call what is found there."""

    name: str
    label: str | None
    location: str


Reference = Registered | Located


class Known(Protocol):
    """What a reference is looked up in: the ledger's state."""

    @property
    def pins(self) -> Sequence[Pin]:
        """Every artefact that is registered."""

    def artefacts(self, role: Role | None, name: str) -> Sequence[Pin]:
        """Those registered under `name`; of every role where `role` is None."""


def parse_reference(text: str) -> Reference:
    """Read one value of a config.

    Raises:
        UsageError: It is neither `name@short` nor a location, or no name can be made of the location.
    """
    if found := _REGISTERED.fullmatch(text):
        return Registered(found[1], found[2])
    if found := _NAMED.fullmatch(text):
        return Located(found[1], found[2], check_location(found[3]))
    return Located(_name_of(parse_location(check_location(text)), text), None, text)


def check_location(text: str) -> str:
    """Return `text` if it is a location that a person may write.

    Raises:
        UsageError: As `parse_location`, or it is one that only `pin` makes.
    """
    if isinstance(parse_location(text), InPackage):
        raise UsageError(f"{text!r} cannot be written in a config", why="verifiers are named by their versions")
    return text


def parse_location(text: str) -> Location:
    """Read a location.

    Raises:
        UsageError: It is of a known kind but misspelled, or of an unknown kind.
    """
    if (scheme := _SCHEME.match(text)) is None:
        return InPath(text)
    match scheme[1] or scheme[2]:
        case "dvc" if len(text) > len("dvc:"):
            return InPath(text.removeprefix("dvc:"), must_be_dvc=True)
        case "hf" if found := _HUB.fullmatch(text):
            return OnHub(found[2], found[3], is_dataset=found[1] is not None)
        case "git" if (found := _GIT.fullmatch(text)) and not found[2].startswith("-"):
            return InGit(found[1], found[2], (found[3] or "").strip("/"))
        case "mlflow" if found := _MLFLOW.fullmatch(text):
            return InMlflow(found[1], found[2] or "", found[3] or "")
        case "package" if found := _PACKAGE.fullmatch(text):
            return InPackage(tuple(found[1].split(",")))
        case word:
            raise _misspelled(text, word)


def resolve(reference: Registered, role: Role, known: Known) -> Pin:
    """Find the one registered artefact that `name@short` means.

    Raises:
        UnknownArtefact: None has this label or digest; the candidates of that name are listed.
        AmbiguousArtefact: Several different ones do.
    """
    pins = known.artefacts(role, reference.name)
    meant = [pin for pin in pins if _matches(pin, reference.short)]
    if not meant:
        raise _unknown(reference, role, known)
    if len({pin.digest for pin in meant}) > 1:
        why = f"it could be {_listed(meant)}"
        mend = "write more digits of the digest"
        raise AmbiguousArtefact(f"{reference.name}@{reference.short} is ambiguous", why=why, mend=mend)
    return _one_of(meant, reference.short)


def named(name: str, role: Role, known: Known) -> Pin | None:
    """The one artefact registered as `name`, whatever its label; None if there is none.

    Raises:
        AmbiguousArtefact: Different artefacts bear this name.
    """
    pins = known.artefacts(role, name)
    if len({pin.digest for pin in pins}) > 1:
        mend = f"write {name}@ and a label or digest"
        raise AmbiguousArtefact(f"{name} is ambiguous", why=f"it could be {_listed(pins)}", mend=mend)
    return _one_of(pins, None) if pins else None


def _one_of(pins: Sequence[Pin], label: str | None) -> Pin:
    """One of several entries for the same bytes: one with the label as written, if there is any.

    Ties are broken by spelling and not by age, because registering a pin again makes it the newest.
    """
    return min(pins, key=lambda pin: (pin.label != label, pin.canonical()))


def _matches(pin: Pin, text: str) -> bool:
    # why: two hex digits would match one pin in 256 by chance; four are what the shortest published examples use.
    return pin.label == text or (len(text) >= 4 and hex_of(pin.digest).startswith(text))


def _unknown(reference: Registered, role: Role, known: Known) -> UnknownArtefact:
    what = f"{reference.name}@{reference.short} is not registered as {role}"
    if pins := known.artefacts(role, reference.name):
        mend = "write one of these labels, or at least four hex digits of the digest"
        return UnknownArtefact(what, why=f"{reference.name} is known as {_listed(pins)}", mend=mend)
    if others := known.artefacts(None, reference.name):
        roles = ", ".join(sorted({pin.role for pin in others}))
        mend = f"register it as {role} too: `registry add {role} {reference.name}@{reference.short}=LOCATION`"
        return UnknownArtefact(what, why=f"{reference.name} is known, but as {roles}", mend=mend)
    add = f"registry add {role} {reference.name}@{reference.short}=LOCATION"
    near = did_you_mean(reference.name, {pin.name for pin in known.pins if pin.role == role})
    return UnknownArtefact(
        what, why="no artefact has this name", mend="; or ".join(filter(None, (near, f"run `{add}`")))
    )


def _listed(pins: Sequence[Pin]) -> str:
    cards = [f"{pin.name}@{pin.label} ({short(pin.digest)})" if pin.label else pin.card for pin in pins]
    return ", ".join(dict.fromkeys(cards))


def _misspelled(text: str, word: str) -> UsageError:
    if form := _FORMS.get(word):
        return UsageError(f"{text!r} is not a location", why=f"it should be {form}")
    why = f"{word!r} is no kind of location"
    return UsageError(f"{text!r} is not a location", why=why, mend=did_you_mean(word, _FORMS))


def _name_of(location: Location, text: str) -> str:
    """What people would call the thing at `location`: the last word of it."""
    match location:
        case InPath(path=words) | OnHub(repo=words) | InMlflow(model=words):
            last = words
        case InGit(url=url, subdirectory=subdirectory):
            last = subdirectory or url.removesuffix(".git")
        case InPackage(modules=modules):
            last = modules[0]
    name = last.rstrip("/").rsplit("/", 1)[-1]
    if re.fullmatch(_NAME, name):
        return name
    mend = f"put a name in front: NAME={text}"
    raise UsageError(f"{text!r} has no usable name", why="a name has letters, digits and ._- only", mend=mend)
