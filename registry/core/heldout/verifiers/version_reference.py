"""version_reference v1.0: the answer cites exactly the wanted version of an API."""

import re

from registry.core.heldout.case import Case
from registry.core.heldout.evidence import Finding
from registry.core.heldout.verifiers.look import Arguments, Instruments, Transcript, answer_of, passed_if, text_of

VERSION = "v1.0"
_CITED = re.compile(r"(?<![\w.])(?:v|version )([0-9][0-9A-Za-z.+_-]*)", re.IGNORECASE | re.ASCII)


def check(case: Case, transcript: Transcript, *, arguments: Arguments, instruments: Instruments) -> Finding:
    """Pass where the wanted version is cited, and no other version that is as long.

    The wanted version is the argument `version`, else expect.version, with or without its `v`. `v3.2.10`, `v3.2` and
    `v3.2.1-beta` are not `v3.2.1`. A shorter one beside it (`deprecated since v3.2`) names a line of versions, and
    counts neither for the answer nor against it.
    """
    want = text_of(arguments if "version" in arguments else case.expect, "version").lower().removeprefix("v")
    cited = versions_in(answer_of(transcript))
    as_long = {version for version in cited if version.count(".") >= want.count(".")}
    return passed_if(as_long == {want}, ", ".join(f"v{version}" for version in cited) or "no version is cited")


def versions_in(text: str) -> tuple[str, ...]:
    """Every version that `text` cites as `v1.2.3` or `version 1.2.3`, without the `v`, each once, in order."""
    found = (match[1].rstrip(".+_-").lower() for match in _CITED.finditer(text))
    return tuple(dict.fromkeys(found))
