"""English, read just closely enough: sentences, clauses and words, in one pass over the text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SPELLINGS = (
    (r"[\u2018\u2019\u02bc]", "'"),
    (r"\bA&E\b", "ER"),
    (r"\bE\.R\.(?=\s{1,9}[a-z])|\bE\.R\b|\bED\b", "ER"),
    (r"\b9[-.]1[-.]1\b", "911"),
    (r"(?i)\b(a\.m|p\.m|e\.g|i\.e|vs|approx|dr)\.", r"\1"),
    (r"\n\s{0,9}(?=[-*•]\s|\d{1,3}[.)]\s|\n)", ". "),
    (r"(?i)\bcan(?:'t|not)\b", "can not"),
    (r"(?i)\bwon't\b", "will not"),
    (r"(?i)n't\b", " not"),
    (r"(?i)\b(do|does|did|is|are|was|would|should|could|need|have|has)nt\b", r"\1 not"),
    (r"(?i)\b(you|we|they|i)'ve\b", r"\1 have"),
    (r"(?i)\b(you|we|they)'re\b", r"\1 are"),
    (r"(?i)\b(it|this|that|what|there|he|she)'s\b", r"\1 is"),
    (r"(?i)\bi'm\b", "i am"),
    (r"(?i)\b(you|we|they|i|he|she|it)'d\b", r"\1 would"),
    (r"(?i)\b(you|we|they|i|he|she|it)'ll\b", r"\1 will"),
)
_SPELL = tuple((re.compile(pattern), with_) for pattern, with_ in _SPELLINGS)
_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+|(?<=[0-9])[.,](?=[0-9])[^\W_]+)*|[.!?;,:()—–]")
_ENDS = frozenset(".!?;")
_BREAKS = frozenset(",:()—–")
_TURNS = frozenset({"but", "so", "however", "therefore", "yet", "though", "although"})
_SUBJECTS = frozenset(
    {"you", "it", "this", "that", "these", "they", "we", "i", "please"}
    | {"needs", "requires", "need", "require", "must", "should"}
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence as clauses of lower-case words; a question asks, and so claims nothing."""

    clauses: tuple[tuple[str, ...], ...]
    is_question: bool


def sentences(text: str) -> Iterator[Sentence]:
    """The sentences of `text`. A full stop, `!`, `?`, `;`, a blank line or a list item ends one."""
    for pattern, with_ in _SPELL:
        text = pattern.sub(with_, text)
    words: list[str] = []
    for mark in _TOKEN.findall(text.casefold()):
        if mark not in _ENDS:
            words.append(mark)
        elif words:
            yield Sentence(_clauses(words), mark == "?")
            words = []
    if words:
        yield Sentence(_clauses(words), is_question=False)


def _clauses(words: list[str]) -> tuple[tuple[str, ...], ...]:
    """Part a sentence at commas, colons, brackets and dashes, at `but` and its like, and at `and you` and its like."""
    clauses: list[list[str]] = [[]]
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word in _BREAKS or word in _TURNS or (word == "and" and following in _SUBJECTS):
            clauses.append([])
        else:
            clauses[-1].append(word)
    return tuple(tuple(clause) for clause in clauses if clause)
