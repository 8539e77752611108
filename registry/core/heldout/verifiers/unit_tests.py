"""unit_tests v2.0: the code of the final answer passes the tests of its case."""

import hashlib

from registry.core.heldout.case import Case
from registry.core.heldout.evidence import Finding
from registry.core.heldout.verifiers.look import (
    LONGEST,
    Arguments,
    Instruments,
    Outcome,
    Transcript,
    VerifierFailed,
    answer_of,
    failed,
    passed_if,
    text_of,
)
from registry.core.heldout.verifiers.markup import python_blocks

VERSION = "v2.0"


def check(case: Case, transcript: Transcript, *, arguments: Arguments, instruments: Instruments) -> Finding:
    """Pass where the last Python block of the final answer, and then the tests, run to their end with exit code 0.

    The tests are the file of the slice that expect.tests names. They see the names that the answer defines.
    """
    tests = _tests(instruments.file(text_of(case.expect, "tests")))
    code = next(iter(reversed(python_blocks(answer_of(transcript)))), "")
    if not code.strip() or len(code) > LONGEST:
        return failed("no code block" if not code.strip() else f"a code block of more than {LONGEST} characters")
    receipt = "passed " + hashlib.sha256(f"{code}\0{tests}".encode("utf-8", "replace")).hexdigest()
    ran = instruments.run(program_of(code, tests, receipt))
    return passed_if(_reached_the_end(ran, receipt), _seen(ran, receipt))


def program_of(code: str, tests: str, receipt: str) -> str:
    """The program that is run: the answer's code as the module `answer`, the tests in it, a receipt on the last line.

    Without the receipt, an answer that ends the process early with exit code 0 would pass; and what the program needs
    is bound before the answer's code runs, so that a careless answer cannot rename it.
    """
    return (
        "import sys, types\n"
        "def main(execute, write, module):\n"
        f"    tests = compile({tests!a}, 'tests.py', 'exec')\n"
        "    sys.modules['answer'] = module\n"
        f"    execute(compile({code!a}, 'answer.py', 'exec'), module.__dict__)\n"
        "    execute(tests, module.__dict__)\n"
        f"    write({chr(10) + receipt + chr(10)!a})\n"
        "main(exec, sys.stdout.write, types.ModuleType('answer'))\n"
    )


def _tests(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise VerifierFailed("a test file is not UTF-8") from None


def _reached_the_end(ran: Outcome, receipt: str) -> bool:
    return ran.exit_code == 0 and not ran.timed_out and ran.output.rstrip("\n").endswith(receipt)


def _seen(ran: Outcome, receipt: str) -> str:
    """What became of it, in words that are the same on every run: messages can hold addresses, so only names."""
    if ran.timed_out:
        return "stopped by the limits"
    if ran.exit_code:
        last = (ran.output.rstrip().splitlines() or [""])[-1].split(":")[0]
        return f"exit {ran.exit_code}" + (f": {last}" if last.endswith(("Error", "Exception")) else "")
    return "exit 0" if _reached_the_end(ran, receipt) else "exit 0 before the tests were done"
