"""json_schema v4.3: every tool call is strict JSON, names a known tool, and fits that tool's schema."""

from functools import lru_cache
from typing import Any

from registry.core.canonical import load
from registry.core.heldout.case import Case
from registry.core.heldout.evidence import Finding
from registry.core.heldout.verifiers.calls import Call, calls_in
from registry.core.heldout.verifiers.look import Arguments, Instruments, Transcript, VerifierFailed, passed_if, text_of

VERSION = "v4.3"


def check(case: Case, transcript: Transcript, *, arguments: Arguments, instruments: Instruments) -> Finding:
    """Pass where there is a call and every call of the model is right; `passed` of `total` counts the calls.

    The argument `schema` names a file of the slice: an object that gives each known tool the JSON Schema (Draft
    2020-12) of its arguments. A run without any call counts as 0 of 1.
    """
    schemas = _schemas(instruments.file(text_of(arguments, "schema")))
    calls = [call for said in transcript if said.role == "assistant" for call in calls_in(said.content)]
    faults = [fault for call in calls if (fault := _fault_of(call, schemas))]
    total = max(1, len(calls))
    passed = len(calls) - len(faults)
    return passed_if(passed == total, faults[0] if faults else f"{passed} calls", passed=passed, total=total)


@lru_cache(maxsize=64)
def _schemas(data: bytes) -> dict[str, Any]:
    """A validator for each tool."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from referencing import Registry

    schemas = load(data)
    if not isinstance(schemas, dict):
        raise VerifierFailed("a schema file gives each tool the schema of its arguments")
    for tool, schema in schemas.items():
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            raise VerifierFailed(f"the schema of {tool} is no JSON Schema", why=error.message) from None
    # why: an empty registry, so that a reference to another place is an error and never a download.
    return {tool: Draft202012Validator(schema, registry=Registry()) for tool, schema in schemas.items()}


def _fault_of(call: Call, schemas: dict[str, Any]) -> str:
    """Why `call` is wrong, or an empty string."""
    if call.fault:
        return call.fault
    if call.name not in schemas:
        return f"there is no tool {call.name}"
    faults = sorted((error.json_path, error.message) for error in schemas[call.name].iter_errors(call.arguments))
    return f"{faults[0][0]}: {faults[0][1]}" if faults else ""
