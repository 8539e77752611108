"""The leak check: no held-out case may be found in what is trained on.

A text leaks a case if it holds all the 8-grams of words of the case's prompt (all its words in a row, where it has
fewer than eight), whatever the letters' case and the punctuation. That finds the same template instance, and also a
prompt that is quoted inside something longer. A share of the 8-grams is not enough: instances of one template always
have some in common. The split (`tasks.instance.is_heldout`) is what keeps instances apart; this proves that it did.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from registry.errors import Refused
from registry.training.tasks.instance import normal

WIDTH = 8
Grams = frozenset[tuple[str, ...]]


class Leaked(Refused):
    """A held-out case is in the training data."""


def grams(text: str, width: int = WIDTH) -> Grams:
    """Every run of `width` words of `text`; all of its words where it has fewer."""
    words = normal(text)
    return frozenset(words[start : start + width] for start in range(max(1, len(words) - width + 1)))


def check_leaks(cases: Mapping[str, str], texts: Iterable[tuple[str, str]]) -> int:
    """Refuse training data that holds a held-out case.

    Args:
        cases: The id and the prompt of each case.
        texts: Where each training text is from, and the text: one message.

    Returns:
        How many texts were looked at.

    Raises:
        Leaked: The first few cases that were found, and where.
    """
    looked, found = 0, []
    net = _Net(cases)
    for where, text in texts:
        looked += 1
        found += [f"{case} in {where}" for case in net.caught(text)]
        if len(found) >= 5:
            break
    if found:
        raise Leaked("held-out cases are in the training data", why="; ".join(found[:5]), mend="draw another corpus")
    return looked


class _Net:
    """The cases' grams, and which cases each gram belongs to."""

    def __init__(self, cases: Mapping[str, str]) -> None:
        self._sizes: dict[str, int] = {}
        self._cases: dict[int, dict[tuple[str, ...], list[str]]] = defaultdict(lambda: defaultdict(list))
        for case, prompt in cases.items():
            width = max(1, min(WIDTH, len(normal(prompt))))
            runs = grams(prompt, width)
            self._sizes[case] = len(runs)
            for run in runs:
                self._cases[width][run].append(case)

    def caught(self, text: str) -> Iterator[str]:
        """Cases of which every gram is in `text`."""
        words = normal(text)
        seen: dict[str, int] = defaultdict(int)
        for width, owners in self._cases.items():
            runs = {words[start : start + width] for start in range(len(words) - width + 1)}
            for run in runs:
                for case in owners.get(run, ()):
                    seen[case] += 1
        return (case for case, count in seen.items() if count == self._sizes[case])
