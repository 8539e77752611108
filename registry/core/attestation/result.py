"""in-toto test result: what a gate said of a model, rule by rule.

Source: https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md
"""

from typing import Any

from registry.core.attestation.statement import digest_set, statement_of
from registry.core.digest import Digest
from registry.core.gate.verdict import Verdict

RESULT_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
_RESULTS = {"GO": "PASSED", "NO-GO": "FAILED", "HOLD": "WARNED"}
_LISTS = {"pass": "passedTests", "fail": "failedTests", "inconclusive": "warnedTests"}


def result_of(verdict: Verdict, digest: Digest) -> bytes:
    """State a verdict of the model that it is about.

    GO is PASSED, NO-GO is FAILED; HOLD is WARNED, for a test that could not decide has not passed.

    Args:
        verdict: What the gate said.
        digest: Of the verdict in the store, which has the numbers behind each word.
    """
    tests: dict[str, list[str]] = {name: [] for name in _LISTS.values()}
    for rule in verdict.rules:
        tests[_LISTS[rule.verdict]].append(rule.rule)
    about = (
        ("verdict", digest),
        ("gate file", verdict.gate_file),
        ("heldout suite", verdict.suite),
        ("evidence", verdict.candidate_evidence),
        ("baseline", verdict.baseline),
        ("evidence of the baseline", verdict.baseline_evidence),
    )
    predicate: dict[str, Any] = {
        "result": _RESULTS[verdict.answer],
        "configuration": [{"name": name, "digest": digest_set(one)} for name, one in about if one is not None],
        **tests,
    }
    name = f"gate of {verdict.stage}"
    return statement_of(name, verdict.candidate, predicate_type=RESULT_TYPE, predicate=predicate)
