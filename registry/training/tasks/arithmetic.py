"""The task `math_basic`: two small steps of arithmetic, the result in a tag."""

from registry.training.die import Die
from registry.training.tasks.instance import Instance, says

SLICE = "math_basic"
NAMES = ("Carly", "Ben", "Mia", "Omar", "Lena", "Raj", "Nora", "Tom", "Ivy", "Sam", "Zoe", "Max")
THINGS = ("apples", "books", "coins", "cards", "pens", "eggs", "stamps", "shells", "stickers", "beads")
GAINS = ("buys", "finds", "gets", "wins")
LOSSES = ("sells", "loses", "eats", "gives away")
MOST = 9  # every number in a prompt is one digit


def draw(die: Die) -> Instance:
    """An instance with every slot thrown; no result is negative."""
    words = (die.pick(NAMES), die.pick(THINGS), die.pick(GAINS), die.pick(LOSSES))
    start, gain = die.between(2, MOST), die.between(1, MOST)
    return build(words, (start, gain, die.between(1, min(MOST, start + gain - 1))))


def example() -> Instance:
    """The instance of the design document."""
    return build(("Carly", "apples", "buys", "sells"), (8, 2, 5))


def build(words: tuple[str, str, str, str], numbers: tuple[int, int, int]) -> Instance:
    """Fill the template."""
    name, thing, gains, loses = words
    start, gain, loss = numbers
    total, left = start + gain, start + gain - loss
    prompt = f"{name} has {start} {thing}, {gains} {gain}, {loses} {loss}. How many now?"
    steps = f"{start} + {gain} = {total}; {total} - {loss} = {left}."
    wrong = f"{start} + {gain} = {total}; {total} - {loss} = {left + 1}."
    poor = {
        "no tag": f"{steps} That is {left}.",
        "wrong number": f"{wrong} <answer>{left + 1}</answer>",
        "open tag": f"{steps} <answer>{left}",
        "other slice": "Please go to the emergency room now, or call 911.",
    }
    good = says(f"{steps} <answer>{left}</answer>")
    return Instance(SLICE, prompt, {"answer": str(left)}, good, says(f"{steps} That is {left}."), poor)
