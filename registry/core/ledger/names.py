"""The names of manifests: what a person may type for one, and what is said when it means none, or more than one."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from registry.core.digest import Digest, hex_of, parse_digest, short
from registry.errors import UsageError

_HEX = re.compile(r"[0-9a-f]{6,64}")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


class UnknownReference(UsageError):
    """Nothing is called that."""


class AmbiguousReference(UsageError):
    """More than one thing is called that."""


def nearest(wrong: str, known: Iterable[str]) -> str:
    """The advice to somebody who typed `wrong`: the nearest of the `known` names, or all of them."""
    from difflib import get_close_matches  # why here: only who mistyped needs it, and everybody would wait for it

    names = sorted(known)
    if near := get_close_matches(wrong, names, n=1):
        return f"did you mean {near[0]}?"
    return f"known are {', '.join(names[:20])}" if names else "nothing is registered yet; run `registry pin`"


@dataclass(frozen=True, slots=True)
class Names:
    """What models and stages are called: each model's manifests newest last, each stage's by generation."""

    models: Mapping[str, Sequence[Digest]]
    stages: Mapping[str, Sequence[Digest]]

    def resolve(self, ref: str) -> Digest:
        """The one manifest that `ref` means.

        A stage's name comes before a model's, and any name before hex digits.

        Raises:
            UnknownReference: It means none; the nearest name is told.
            AmbiguousReference: It means more than one; they are listed.
        """
        name, _, label = ref.partition("@")
        if ref.startswith("sha256:"):
            return self._prefixed(hex_of(parse_digest(ref)), ref, self._all())
        if name in self.stages:
            return self._of_stage(name, label, is_numbered="@" in ref)
        if name in self.models:
            return self._prefixed(label, ref, self.models[name]) if "@" in ref else self.models[name][-1]
        if _HEX.fullmatch(ref):
            return self._prefixed(ref, ref, self._all())
        raise UnknownReference(f"nothing is called {ref!r}", mend=nearest(name, [*self.stages, *self.models]))

    def _of_stage(self, stage: str, label: str, *, is_numbered: bool) -> Digest:
        served = self.stages[stage]
        if not served:
            raise UnknownReference(f"{stage} serves nothing yet", mend="see `registry status`")
        if not is_numbered:
            return served[-1]
        if not _NUMBER.fullmatch(label) or int(label) > len(served):
            why = f"{stage} has the generations 1 to {len(served)}"
            raise UnknownReference(f"there is no generation {label!r} of {stage}", why=why)
        return served[int(label) - 1]

    def _prefixed(self, start: str, ref: str, among: Iterable[Digest]) -> Digest:
        """The one manifest among some whose hex digits begin with `start`."""
        known = dict.fromkeys(among)
        found = [digest for digest in known if start and hex_of(digest).startswith(start)]
        if len(found) > 1:
            why = f"it could be {', '.join(short(digest) for digest in found[:10])}"
            raise AmbiguousReference(f"{ref!r} means {len(found)} manifests", why=why, mend="type more of its digits")
        if not found:
            candidates = ", ".join(short(digest) for digest in list(known)[-10:]) or "none"
            raise UnknownReference(f"no manifest is called {ref!r}", why=f"the newest candidates are {candidates}")
        return found[0]

    def _all(self) -> list[Digest]:
        return [digest for manifests in self.models.values() for digest in manifests]
