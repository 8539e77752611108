"""What a value of a config may name, and what it means among what is registered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core.digest import Digest, digest_of, hex_of
from registry.core.pin import Pin, Role, Source
from registry.core.reference import (
    AmbiguousArtefact,
    InGit,
    InMlflow,
    InPath,
    Located,
    Location,
    OnHub,
    Registered,
    UnknownArtefact,
    named,
    parse_location,
    parse_reference,
    resolve,
)
from registry.errors import UsageError
from tests.pin.project import FakeState


def pin_of(name: str, label: str | None, content: bytes = b"x", *, role: Role = "llm", place: str = "models/x") -> Pin:
    """A registered artefact."""
    source = Source(kind="path", location=place)
    return Pin(role=role, name=name, label=label, digest=digest_of(content), size=1, source=source)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("LLM@abc123", Registered("LLM", "abc123")),
        ("TOK@t99", Registered("TOK", "t99")),
        ("LLM@sha256:abcd", Registered("LLM", "abcd")),
        ("models/base", Located("base", None, "models/base")),
        ("./models@2", Located("M", None, "./models@2")),
        ("math=models/m", Located("math", None, "models/m")),
        ("math@v2=dvc:models/m", Located("math", "v2", "dvc:models/m")),
        ("dvc:models/base/", Located("base", None, "dvc:models/base/")),
        ("hf://org/repo@main", Located("repo", None, "hf://org/repo@main")),
        ("git+https://host/a/b.git@v1", Located("b", None, "git+https://host/a/b.git@v1")),
        ("git+.@v1#models/x", Located("x", None, "git+.@v1#models/x")),
        ("mlflow:models:/judge@champion", Located("judge", None, "mlflow:models:/judge@champion")),
    ],
)
def test_a_value_is_a_registered_artefact_or_a_location(text: str, expected: Registered | Located) -> None:
    """The name comes from the location's last word where none is given."""
    if text == "./models@2":
        with pytest.raises(UsageError, match=r"NAME=\./models@2"):
            parse_reference(text)
        text = f"M={text}"

    assert expected == parse_reference(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("models/a b", InPath("models/a b")),
        ("./odd:name", InPath("./odd:name")),
        ("dvc:models/x", InPath("models/x", must_be_dvc=True)),
        ("hf://org/repo@refs/pr/7", OnHub("org/repo", "refs/pr/7")),
        ("hf://datasets/org/set@abc", OnHub("org/set", "abc", is_dataset=True)),
        ("git+ssh://git@host/a.git@v1", InGit("ssh://git@host/a.git", "v1")),
        ("git+git@host:a/b.git@v1#sub/", InGit("git@host:a/b.git", "v1", "sub")),
        ("git+../other@abc123", InGit("../other", "abc123")),
        ("mlflow:models:/n@champion", InMlflow("n", alias="champion")),
        ("mlflow:models:/n/12", InMlflow("n", version="12")),
    ],
)
def test_every_kind_of_location_is_read(text: str, expected: Location) -> None:
    """As the design spells them."""
    assert expected == parse_location(text)


@pytest.mark.parametrize(
    "text",
    [
        "hf://org/repo",
        "hf:org/repo@main",
        "hf://repo@main",
        "git+https://host/a",
        "git+x@-evil",
        "dvc:",
        "dcv:models/x",
        "mlflow:n@champion",
        "mlflow:models:/n/latest",
        "mlflow:models:/n",
        "s3://bucket/x",
        "file:///etc",
    ],
)
def test_a_misspelled_location_is_refused_with_its_form(text: str) -> None:
    """Never taken for a path of that name."""
    with pytest.raises(UsageError, match="is not a location") as caught:
        parse_location(text)
    assert caught.value.why


@given(st.text(max_size=80))
def test_any_text_is_a_reference_or_a_usage_error(text: str) -> None:
    """Nothing else comes out of the parser."""
    try:
        found = parse_reference(text)
    except UsageError:
        return
    assert found.name


def test_a_label_is_opaque_and_a_digest_may_be_cut() -> None:
    """`t99` is no hex, and four digits are enough."""
    one = pin_of("LLM", "t99")
    state = FakeState([one, pin_of("LLM", "t100", b"y")])

    assert one == resolve(Registered("LLM", "t99"), "llm", state)
    assert one == resolve(Registered("LLM", hex_of(one.digest)[:4]), "llm", state)
    assert one == resolve(Registered("LLM", hex_of(one.digest)), "llm", state)


def test_fewer_than_four_digits_are_only_a_label() -> None:
    """One pin in 256 would match two digits by chance."""
    one = pin_of("LLM", None)

    with pytest.raises(UnknownArtefact) as caught:
        resolve(Registered("LLM", hex_of(one.digest)[:3]), "llm", FakeState([one]))
    assert "at least four hex digits" in caught.value.mend


def test_an_unknown_label_lists_the_candidates() -> None:
    """Those of that name."""
    state = FakeState([pin_of("LLM", "v1"), pin_of("LLM", None, b"y"), pin_of("OTHER", "v9")])

    with pytest.raises(UnknownArtefact, match=r"LLM@v2 is not registered as llm") as caught:
        resolve(Registered("LLM", "v2"), "llm", state)
    assert "LLM@v1" in caught.value.why
    assert hex_of(digest_of(b"y"))[:12] in caught.value.why
    assert "v9" not in caught.value.why


def test_an_unknown_name_names_the_nearest() -> None:
    """Of the same role, with the command that registers it."""
    state = FakeState([pin_of("lora_math_v1", "v1", role="adapter"), pin_of("lora_moth", "v1")])

    with pytest.raises(UnknownArtefact) as caught:
        resolve(Registered("lora_moth_v1", "v1"), "adapter", state)
    assert "did you mean 'lora_math_v1'?" in caught.value.mend
    assert "registry add adapter lora_moth_v1@v1=LOCATION" in caught.value.mend


def test_an_artefact_of_another_role_is_not_taken() -> None:
    """An adapter is no base, whatever it is called."""
    with pytest.raises(UnknownArtefact, match="as llm") as caught:
        resolve(Registered("LLM", "v1"), "llm", FakeState([pin_of("LLM", "v1", role="adapter")]))
    assert "as adapter" in caught.value.why


def test_several_matches_are_ambiguous_and_listed() -> None:
    """A label of one and the digest of another are as ambiguous as two digests."""
    one = pin_of("LLM", None)
    other = pin_of("LLM", hex_of(one.digest)[:6], b"y")

    with pytest.raises(AmbiguousArtefact) as caught:
        resolve(Registered("LLM", hex_of(one.digest)[:6]), "llm", FakeState([one, other]))
    assert caught.value.exit_code == 2
    assert hex_of(one.digest)[:12] in caught.value.why
    assert hex_of(other.digest)[:12] in caught.value.why


def test_the_order_of_registration_decides_nothing() -> None:
    """Registering a pin again makes it the newest; that must not change a manifest."""
    pins = [pin_of("LLM", None), pin_of("LLM", "v1", place="models/a"), pin_of("LLM", "v1", place="models/b")]
    found = {resolve(Registered("LLM", "v1"), "llm", FakeState(order)) for order in (pins, pins[::-1])}

    assert {pins[1]} == found


def test_a_bare_name_means_the_only_artefact_of_it() -> None:
    """Or none, or it is ambiguous."""
    one = pin_of("a.json", None, role="fixture")

    assert one == named("a.json", "fixture", FakeState([one]))
    assert named("b.json", "fixture", FakeState([one])) is None
    with pytest.raises(AmbiguousArtefact):
        named("a.json", "fixture", FakeState([one, pin_of("a.json", None, b"y", role="fixture")]))


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["v1", "v2", None]), st.binary(max_size=1)), max_size=8)
)
def test_what_is_found_is_never_another_artefact(rows: list[tuple[str, str | None, bytes]]) -> None:
    """For any ledger: the result has the name, and the label or digest, that were asked for."""
    state = FakeState([pin_of(name, label, content) for name, label, content in rows])
    digests: list[Digest] = [one.digest for one in state.pins]
    for wanted in ("v1", *(hex_of(digest)[:8] for digest in digests)):
        try:
            found = resolve(Registered("a", wanted), "llm", state)
        except (UnknownArtefact, AmbiguousArtefact):
            continue
        assert found.name == "a"
        assert found.label == wanted or hex_of(found.digest).startswith(wanted)
