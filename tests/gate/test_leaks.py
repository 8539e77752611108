"""Held-out cases in training data: a planted leak is found, however it is dressed; a shared template is none."""

import bz2
import gzip
import lzma
import unicodedata
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.core.canonical import canonical
from registry.core.digest import DigestMismatch, digest_of
from registry.core.gate.judging.leaks import net_of, search, words_of
from registry.core.gate.report import notes
from registry.core.gate.verdict import Leak, Verdict
from registry.core.heldout.case import Case
from registry.core.heldout.suite import suite_of
from registry.core.pin import Pin, Source
from registry.testing.models import tree_in
from registry.verbs.replay import replay
from registry.verbs.sift import BadArchive
from tests.gate.sheet import Sheet, gate_of
from tests.gate.test_verb import RULES, House, suite_files

PROMPT = "I woke up with a stiff neck and a fever of 102, and the light in my kitchen hurts. Should I wait?"
OTHER = "My son fell off his bicycle yesterday evening; his knee is swollen but he can walk. What now?"
SHORT = "What is 23 ÷ 13?"
CASES = {
    "triage": (Case(id="neck", prompt=PROMPT), Case(id="knee", prompt=OTHER)),
    "maths": (Case(id="div", prompt=SHORT),),
}


def found_in(data: bytes, cases: Mapping[str, tuple[Case, ...]] = CASES, *, size: int = 0) -> set[tuple[str, str]]:
    """The cases that stand in one file, and how; read in pieces of `size` bytes."""
    step = size or max(1, len(data))
    blocks = [data[at : at + step] for at in range(0, len(data), step)]
    leaks = list(search(net_of(cases), blocks, "corpus"))

    assert all(isinstance(leak, Leak) and leak.dataset == "corpus" for leak in leaks)
    return {(leak.case, leak.how) for leak in leaks}


PLANTED = [
    PROMPT.encode(),
    PROMPT.upper().replace(" ", "\n\t  ").encode(),
    f'{{"messages": [{{"content": "Q:\\n{PROMPT}\\nA: wait", "role": "user"}}]}}\n'.encode(),
    f'id,prompt\n7,"{PROMPT.replace(",", ";")}"\n'.encode(),
    PROMPT.replace("fever", "ｆｅｖｅｒ").encode(),
    PROMPT.replace(" ", "\u00a0").encode(),
    f"“{PROMPT.replace(' ', '  ')}”".encode(),
    ('{"a": "' + PROMPT.replace("w", "\\u0077") + '"}').encode(),
    ('{"a": "' + PROMPT.replace(" and ", "\\nand\\t") + '"}').encode(),
]


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_text_is_found_however_it_is_dressed(planted: bytes) -> None:
    """In other letters, other spaces, other marks, inside JSON and CSV."""
    around = b'{"text": "nothing to see here"}\n' if planted.startswith(b"{") else b"nothing to see here\n"

    assert {("neck", "text"), ("neck", "8-gram")} == found_in(around * 50 + planted + b"\n" + around * 50)


def test_eight_words_in_a_row_are_enough_and_seven_are_not() -> None:
    """They must be the case's own."""
    words = PROMPT.split()

    assert {("neck", "8-gram")} == found_in(" ".join(words[3:11]).encode())
    assert set() == found_in(" ".join(words[3:10]).encode())
    assert set() == found_in(" ".join([*words[3:10], "else", *words[11:]][:9]).encode())


def test_a_short_case_is_found_by_its_whole_text_with_its_signs() -> None:
    """Another sum of the same numbers is another case."""
    assert {("div", "text")} == found_in("say: what is 23÷13".encode())
    assert set() == found_in(b"what is 23 + 13")
    assert set() == found_in("what is 23 ÷ 14".encode())


def test_too_short_a_case_is_not_looked_for() -> None:
    """It would stand everywhere."""
    assert set() == found_in(b"hi hi hi there", {"a": (Case(id="hi", prompt="Hi there"),)})
    assert {("define", "text")} == found_in(
        b"please define electronegativity", {"a": (Case(id="define", prompt="Define electronegativity!"),)}
    )


def apples(name: str, have: int, buy: int) -> str:
    """One instance of a template."""
    return f"{name} has {have} apples in a basket, buys {buy} more at the market and eats one. How many are left?"


def test_training_data_from_the_same_template_is_no_leak() -> None:
    """The words around the numbers are the slice's, not a case's; the very same instance is a leak all the same."""
    cases = {"apples": tuple(Case(id=f"c{n}", prompt=apples("Carly", n, n + 3)) for n in range(20))}
    training = "\n".join(apples(name, have, have + 5) for name in ("Tom", "Ann") for have in range(40, 60))

    assert set() == found_in(training.encode(), cases)
    assert {("c7", "text")} == found_in(f"{training}\n{cases['apples'][7].prompt}\n".encode(), cases)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200))
def test_it_does_not_matter_where_a_file_is_cut(size: int) -> None:
    """In the middle of a word, of a character, of an escape."""
    data = ("begin “" + "x" * 300 + '" ' + PROMPT + " é " + SHORT + " end").encode()
    escaped = ('{"a": "' + PROMPT.replace(" ", "\\n").replace("w", "\\u0077") + '"}').encode()

    assert {("neck", "text"), ("neck", "8-gram"), ("div", "text")} == found_in(data, size=size)
    assert {("neck", "text"), ("neck", "8-gram")} == found_in(escaped, size=size)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_the_quick_way_and_the_slow_way_see_the_same_words(text: str) -> None:
    """Plain ASCII is read without looking at each letter."""
    slow = words_of((text + " ü").encode())

    assert words_of(text.encode()) == slow[:-1]
    assert "ü".encode() == slow[-1]


@given(st.text())
def test_words_do_not_hang_on_the_form_of_their_letters(text: str) -> None:
    """Composed or decomposed."""
    forms = {tuple(words_of(unicodedata.normalize(form, text).encode("utf-8", "replace"))) for form in ("NFC", "NFD")}

    assert len(forms) == 1


class Trained(House):
    """A house whose first arithmetic case is a real question, and a model with a training set."""

    def __init__(self) -> None:
        """As any house, but for the first case."""
        super().__init__()
        files = suite_files()
        path = "math_basic/cases.jsonl"
        files[path] = files[path].replace(b'"prompt":"?"', b'"prompt":' + canonical(PROMPT), 1)
        self.tree, self.suite = tree_in(files, self.store), suite_of(files)

    def trained_on(self, files: Mapping[str, bytes]) -> Verdict:
        """The verdict on a model that was trained on these files."""
        tree, source = tree_in(files, self.store), Source(kind="path", location="corpus")
        pin = Pin(role="dataset", name="corpus", digest=tree.digest, size=tree.size, source=source)
        manifest = self.model("new").model_copy(update={"datasets": (pin,)})
        self.store.put(manifest.canonical())
        self.register(manifest, self.evidence(manifest, Sheet(self.suite)))
        return self.judge(manifest, gate_of(*RULES, "latency_p50_ms(math_basic).point <= 900")).verdict


def test_rules_on_a_contaminated_slice_decide_nothing() -> None:
    """The case is listed; other slices, and milliseconds, are judged all the same."""
    house = Trained()
    verdict = house.trained_on({"a/b.jsonl": b'{"text": "fine"}\n', "c.txt": b"so: " + PROMPT.encode()})

    assert verdict.contaminated == (Leak(slice="math_basic", case="math_basic-0000", dataset="corpus", how="text"),)
    assert (
        "1 case stands in the training data, such as math_basic math_basic-0000 in corpus" in verdict.rules[0].sentence
    )
    assert "training data" not in verdict.rules[1].sentence + verdict.rules[3].sentence
    assert {"corpus"} == set(verdict.datasets or {})
    assert verdict.answer == "HOLD"


def test_clean_training_data_is_named_and_nothing_is_held() -> None:
    """So a reader sees that somebody looked."""
    verdict = Trained().trained_on({"c.txt": b"nothing of the kind"})

    assert (verdict.contaminated, set(verdict.datasets or {})) == (None, {"corpus"})
    assert verdict.rules[0].verdict == "pass"


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_files_are_unpacked(pack: Callable[[bytes], bytes]) -> None:
    """By what they begin with, whatever they are called."""
    verdict = Trained().trained_on({"data": pack(b"so: " + PROMPT.encode())})

    assert verdict.contaminated


def test_what_cannot_be_read_as_text_is_told() -> None:
    """Nobody looked into it, and the verdict does not say otherwise."""
    verdict = Trained().trained_on({"train.parquet": b"PAR1...", "c.txt": b"fine"})

    assert verdict.unsearched == ("corpus/train.parquet",)
    assert any("corpus/train.parquet" in note for note in notes(verdict))


def test_a_broken_archive_is_a_fault() -> None:
    """Not a clean search."""
    with pytest.raises(BadArchive, match=r"corpus/data\.gz"):
        Trained().trained_on({"data.gz": gzip.compress(PROMPT.encode() * 99)[:40]})


def test_tampered_training_data_is_a_fault() -> None:
    """Somebody took the leak out after it was pinned."""
    house = Trained()
    verdict = house.trained_on({"c.txt": PROMPT.encode()})
    house.store.blobs[digest_of(PROMPT.encode())] = b"clean"
    with pytest.raises(DigestMismatch):
        replay(digest_of(verdict.canonical()), store=house.store)
