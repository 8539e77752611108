"""Reading the config that a person writes."""

import contextlib
import json
import string
from decimal import Decimal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from registry.core.config import Config, decimal_of, parse_config
from registry.core.reference import Located, Registered
from registry.errors import Faults, UsageError

VERBATIM = """\
{
  "llm_sha": "LLM@abc123",
  "adapters": ["lora_med_safety_v2@e91f", "lora_math_v1@bb07"],
  "input_sha": "INPUT@p1e3", "tokenizer_sha": "TOK@t99",
  "sampling": {"temperature": 0.2, "top_p": 0.9},
  "reward_model_sha": "RM_EVAL@9af2",
  "verifiers": {"json_schema": "v4.3", "span": "v2.1", "unit_tests": "v2.0"},
  "tools": {"search_api": "3.2.1", "fixtures": "search_v3.json"},
  "repo_sha": "GIT_SHA_CODEBASE_V3"
}
"""
LEAST = "llm_sha: models/base\ntokenizer_sha: models/tokenizer\n"


def read(text: str, file: str = "one.yaml") -> Config:
    """Parse a config's text."""
    return parse_config(text.encode(), file)


def faults(text: str | bytes, file: str = "one.yaml") -> str:
    """What is said against a config."""
    with pytest.raises(Faults) as caught:
        parse_config(text if isinstance(text, bytes) else text.encode(), file)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_the_published_form_is_read_as_it_stands() -> None:
    """Every key of it, as JSON and as YAML."""
    config = read(VERBATIM, "manifests/assistant.json")

    assert config == read(VERBATIM, "assistant.yaml")
    assert config == Config(
        name="assistant",
        llm_sha=Registered("LLM", "abc123"),
        adapters=(Registered("lora_med_safety_v2", "e91f"), Registered("lora_math_v1", "bb07")),
        input_sha=Registered("INPUT", "p1e3"),
        tokenizer_sha=Registered("TOK", "t99"),
        sampling={"temperature": "0.2", "top_p": "0.9"},
        reward_model_sha=Registered("RM_EVAL", "9af2"),
        verifiers={"json_schema": "v4.3", "span": "v2.1", "unit_tests": "v2.0"},
        tools={"search_api": "3.2.1"},
        fixtures="search_v3.json",
        repo_sha="GIT_SHA_CODEBASE_V3",
    )


def test_adapters_may_be_a_mapping() -> None:
    """Names before locations, in the order in which they stand."""
    config = read(LEAST + "adapters:\n  math: dvc:models/adapters/m\n  code: hf://org/code@main\n")

    assert (
        Located("math", None, "dvc:models/adapters/m"),
        Located("code", None, "hf://org/code@main"),
    ) == config.adapters


def test_versions_stay_what_was_typed() -> None:
    """`3.10` is not the number 3.1, and a commit of digits is not a number either."""
    config = read(LEAST + "tools: {search_api: 3.10}\nverifiers: {span: 2.10}\nrepo_sha: 0123456\n")

    assert (config.tools, config.verifiers, config.repo_sha) == ({"search_api": "3.10"}, {"span": "2.10"}, "0123456")


def test_a_null_is_a_key_left_out() -> None:
    """As people write it to say that there is none."""
    assert read(LEAST) == read(LEAST + "input_sha: null\nadapters:\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LEAST + "adaptors: []\n", "line 3, column 1: there is no key 'adaptors'"),
        (LEAST + "adaptors: []\n", "did you mean 'adapters'?"),
        (LEAST + "llm_sha: b\n", "line 3, column 1: the key 'llm_sha' stands twice"),
        (LEAST + "sampling: {top_p: 0.9, top_p: 0.8}\n", "line 3, column 24: the key 'top_p' stands twice"),
        (LEAST + "sampling: {temperature: .nan}\n", "line 3, column 25: '.nan' is not a number"),
        (LEAST + "sampling: {temperature: NaN}\n", "not a finite number"),
        (LEAST + "sampling: {temperature: .inf}\n", "not a number"),
        (LEAST + "sampling: {temperature: 1e999999999}\n", "too many digits"),
        (LEAST + "sampling: {top_p: 0}\n", "top_p cannot be 0"),
        (LEAST + "sampling: {top_k: 1.5}\n", "a whole number"),
        (LEAST + "sampling: {temprature: 1}\n", "did you mean 'temperature'?"),
        (LEAST + "sampling: [1]\n", "a mapping is wanted here, not a list"),
        (LEAST + "adapters: lora\n", "a list is wanted here, not 'lora'"),
        (LEAST + "adapters: [{a: b}]\n", "text is wanted here, not a mapping"),
        (LEAST + "adapters: [x/math, y/math]\n", "two adapters are called 'math'"),
        (LEAST + "adapters: {base: models/x}\n", "cannot be called 'base'"),
        (LEAST + "adapters: [hg:models/x]\n", "'hg' is no kind of location"),
        (LEAST + "adapters: [hf://org/x]\n", "it should be hf://ORG/REPO@REVISION"),
        (LEAST + "adapters: [package:os]\n", "cannot be written in a config"),
        (LEAST + "suite: package:os\n", "cannot be written in a config"),
        (LEAST + "input_sha: 'a\\x'\n", "put a name in front"),
        (LEAST + 'input_sha: "a\\tb"\n', "not a plain text"),
        (LEAST + "routes: {a: moth}\nadapters: [models/math]\n", "did you mean 'math'?"),
        (LEAST + "tools: {fixture: a.json}\n", "did you mean 'fixtures'?"),
        (LEAST + "verifiers: {span: true}\n", "put it in quotes"),
        (LEAST + "verifiers: {../span: v1}\n", "'../span' is not a name"),
        (LEAST + "repo_sha: --upload-pack=x\n", "not a git revision"),
        (LEAST + "repo_sha: a..b\n", "not a git revision"),
        (LEAST + "name: ../x\n", "not a name"),
        (LEAST + "evidence: !!python/object:os.system x\n", "the tag"),
        (LEAST + "---\na: b\n", "this is not YAML"),
        (LEAST + "\t- x\n", "this is not YAML"),
        ("tokenizer_sha: a\n", "the key 'llm_sha' is missing"),
        ("", "the file is empty"),
        ("[]", "a mapping is wanted here"),
        (b"\xef\xbb\xbf" + LEAST.encode(), "byte-order mark"),
        (b"\xff", "not UTF-8"),
        (b"#" * 2_000_000, "too large"),
        ("[" * 100_000, "not YAML"),
    ],
)
def test_a_fault_is_told_with_its_place(text: str | bytes, words: str) -> None:
    """What is wrong, where, and what was probably meant."""
    assert words in faults(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"llm_sha": NaN}', "the number NaN is not allowed"),
        ('{"sampling": {"top_p": Infinity}}', "the number Infinity is not allowed"),
        ('{"llm_sha": "a", "llm_sha": "b", "tokenizer_sha": "c"}', "stands twice"),
        ('{"llm_sha": "a",}', "column 17: this is not JSON"),
        ('{"llm_sha": "\\ud800", "tokenizer_sha": "c"}', "lone surrogate"),
        ("llm_sha: a", "this is not JSON"),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_a_json_file_must_be_json(text: str, words: str) -> None:
    """YAML's freedoms are not for a file that says it is JSON."""
    assert words in faults(text, "one.json")


def test_json_may_be_laid_out_with_tabs_and_escapes() -> None:
    """What every JSON reader takes."""
    text = '{\n\t"llm_sha":\t"models\\/b\\u00e4se",\r\n\t"tokenizer_sha": "T=\\ud83d\\ude00"\n}'
    config = parse_config(text.replace("b\\u00e4se", "base").encode(), "one.json")

    assert Located("base", None, "models/base") == config.llm_sha
    assert Located("T", None, "\N{GRINNING FACE}") == config.tokenizer_sha


def test_all_faults_are_told_in_the_order_of_the_file() -> None:
    """A file is mended in one go."""
    told = faults("sampling: {top_p: 7}\nllm_sha: true\nadaptors: []\ntokenizer_sha: hg:x\n")

    places = [line.split(":")[0] for line in told.splitlines() if line.startswith("line")]
    assert told.startswith("4 faults in one.yaml")
    assert places == ["line 1, column 19", "line 2, column 10", "line 3, column 1", "line 4, column 16"]


def test_the_name_is_the_files_unless_it_is_given() -> None:
    """And must be given where the file's is no name."""
    assert read(LEAST, "manifests/release.v2.yaml").name == "release.v2"
    assert read(LEAST + "name: other\n").name == "other"
    assert "the key 'name' is missing" in faults(LEAST, "my model.yaml")
    assert "add `name: NAME`" in faults(LEAST, "my model.yaml")


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=9, allow_nan=False))
def test_a_number_has_one_spelling(number: Decimal) -> None:
    """However it was written: the value stays, and the spelling is one that a manifest takes."""
    spelled = decimal_of(str(number))

    assert Decimal(spelled) == number
    assert {spelled} == {decimal_of(f"{number:e}"), decimal_of(f"{number:f}"), decimal_of(spelled)}
    assert not spelled.endswith(".")
    assert "." not in spelled or not spelled.endswith("0")


@given(st.text(max_size=60))
def test_any_text_is_a_number_or_a_usage_error(text: str) -> None:
    """Nothing else comes out of a number's parser."""
    try:
        spelled = decimal_of(text)
    except UsageError:
        return
    assert decimal_of(spelled) == spelled


_SCALARS = st.one_of(st.text(string.printable, max_size=12), st.integers(), st.booleans(), st.none(), st.floats())
_KEYS = st.one_of(
    st.sampled_from(["llm_sha", "adapters", "sampling", "tools", "routes", "repo_sha"]), st.text(max_size=5)
)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3), max_leaves=8
)


@given(st.dictionaries(_KEYS, _VALUES, max_size=6))
def test_any_document_is_a_config_or_faults(document: dict[str, object]) -> None:
    """No other exception ever reaches the person."""
    for text, file in ((json.dumps(document), "a.json"), (yaml.safe_dump(document), "a.yaml")):
        with contextlib.suppress(Faults):
            parse_config(text.encode(), file)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_config_or_faults(data: bytes) -> None:
    """Neither for bytes that are nothing at all."""
    for file in ("a.json", "a.yaml"):
        with pytest.raises(Faults):
            parse_config(data, file)
