"""The task `division_hard`: a quotient to three decimals, by long division, the result in a tag."""

from registry.training.die import Die
from registry.training.tasks.instance import Instance, says

SLICE = "division_hard"
DIVISORS = (3, 6, 7, 8, 9, 11, 13)
MOST = 50  # the largest dividend
ASK = (
    "What is {a} ÷ {b}?",
    "What is {a} divided by {b}?",
    "Divide {a} by {b}.",
    "Compute {a} ÷ {b}.",
    "How much is {a} ÷ {b}?",
    "Work out {a} ÷ {b}.",
    "Find {a} ÷ {b} for me.",
    "Tell me {a} divided by {b}.",
)


def draw(die: Die) -> Instance:
    """An instance with every slot thrown; the quotient is from 1 to below 10 and never whole."""
    ask, divisor = die.pick(ASK), die.pick(DIVISORS)
    while True:
        dividend = die.between(divisor + 1, min(MOST, 10 * divisor - 1))
        if dividend % divisor:
            return build(ask, dividend, divisor)


def example() -> Instance:
    """The instance of the design document."""
    return build(ASK[0], 23, 13)


def build(ask: str, dividend: int, divisor: int) -> Instance:
    """Fill the template."""
    prompt = ask.format(a=dividend, b=divisor)
    answer = rounded(dividend, divisor)
    work = working(dividend, divisor)
    poor = {
        "no tag": f"{work} {answer}",
        "no working": f"<answer>{answer[:-1]}{(int(answer[-1]) + 3) % 10}</answer>",
        "open tag": f"{work} <answer>{answer}",
        "other slice": "Please go to the emergency room now, or call 911.",
    }
    return Instance(SLICE, prompt, {"answer": answer}, says(tagged(work, answer)), says(f"{work} {answer}"), poor)


def tagged(work: str, answer: str) -> str:
    """A worked answer in the form that the verifiers accept."""
    return f"{work} <answer>{answer}</answer>"


def direct(instance: Instance) -> str:
    """The answer at once, in the accepted form but without working; a small model mostly gets it wrong."""
    return f"<answer>{instance.expect['answer']}</answer>"


def rounded(dividend: int, divisor: int) -> str:
    """The quotient to three decimals, half up, in exact integer arithmetic."""
    thousandths = (2000 * dividend + divisor) // (2 * divisor)
    return f"{thousandths // 1000}.{thousandths % 1000:03d}"


def working(dividend: int, divisor: int) -> str:
    """Long division to four decimals: each step is `what is divided: digit r remainder`, then the digits."""
    steps, digits, rest = [], "", dividend
    for _ in range(5):
        digit, left = divmod(rest, divisor)
        steps.append(f"{rest}: {digit} r {left}")
        digits, rest = digits + str(digit), 10 * left
    return f"{'; '.join(steps)}. {digits[0]}.{digits[1:]} ="
