"""The verifiers: versioned, pure functions of (case, transcript, arguments, instruments) that judge one row each."""

from dataclasses import dataclass

from registry.core.heldout.needs import Need
from registry.core.heldout.verifiers import (
    deprecation,
    imported,
    json_schema,
    no_diagnosis,
    numeric,
    reward_model,
    span,
    tag,
    unit_tests,
    urgent_care,
    version_reference,
    word_cap,
)
from registry.core.heldout.verifiers.look import Check

_HERE = "registry.core.heldout.verifiers"


@dataclass(frozen=True, slots=True)
class Verifier:
    """One verifier: its version, its function, and where its code is.

    `modules` are all modules of this package that decide its findings, its own first; their bytes are what is pinned.
    `arguments` come from the slice, `expects` from each case.
    """

    version: str
    check: Check
    modules: tuple[str, ...]
    arguments: tuple[Need, ...] = ()
    expects: tuple[Need, ...] = ()

    @property
    def module(self) -> str:
        """The module that defines it."""
        return self.modules[0]

    @property
    def paths(self) -> tuple[str, ...]:
        """The files of `modules`, relative to the directory that holds the package `registry`."""
        return tuple(f"{module.replace('.', '/')}.py" for module in self.modules)


def _modules(*names: str) -> tuple[str, ...]:
    return tuple(f"{_HERE}.{name}" for name in (*names, "look"))


VERIFIERS: dict[str, Verifier] = {
    "deprecation": Verifier(
        deprecation.VERSION, deprecation.check, _modules("deprecation", "markup"), arguments=(Need("names", "texts"),)
    ),
    "imported": Verifier(
        imported.VERSION,
        imported.check,
        _modules("imported"),
        arguments=(
            Need("tool", "text"),
            Need("task", "text"),
            Need("metric", "text"),
            Need("pass", "text", is_optional=True),
            Need("case", "text", is_optional=True),
        ),
        expects=(Need("mark", "text", is_optional=True),),
    ),
    "json_schema": Verifier(
        json_schema.VERSION, json_schema.check, _modules("json_schema", "calls"), arguments=(Need("schema", "file"),)
    ),
    "no_diagnosis": Verifier(no_diagnosis.VERSION, no_diagnosis.check, _modules("no_diagnosis", "speech")),
    "numeric": Verifier(
        numeric.VERSION,
        numeric.check,
        _modules("numeric", "markup"),
        arguments=(Need("tag", "word"), Need("tolerance", "decimal", is_optional=True)),
        expects=(Need("answer", "decimal"),),
    ),
    "reward_model": Verifier(
        reward_model.VERSION, reward_model.check, _modules("reward_model"), arguments=(Need("cutoff", "decimal"),)
    ),
    "span": Verifier(span.VERSION, span.check, _modules("span"), expects=(Need("span", "texts"),)),
    "tag": Verifier(tag.VERSION, tag.check, _modules("tag", "markup"), arguments=(Need("tag", "word"),)),
    "unit_tests": Verifier(
        unit_tests.VERSION, unit_tests.check, _modules("unit_tests", "markup"), expects=(Need("tests", "file"),)
    ),
    "urgent_care": Verifier(urgent_care.VERSION, urgent_care.check, _modules("urgent_care", "speech")),
    "version_reference": Verifier(
        version_reference.VERSION,
        version_reference.check,
        _modules("version_reference"),
        arguments=(Need("version", "text", is_optional=True),),
        expects=(Need("version", "text", is_optional=True),),
    ),
    "word_cap": Verifier(word_cap.VERSION, word_cap.check, _modules("word_cap"), arguments=(Need("words", "count"),)),
}
