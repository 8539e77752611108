"""The reference engine: an answer depends on its own turn, and on nothing that it is asked together with."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from registry.adapters.engines.sampling import SeededTopP, parse_sampling
from registry.adapters.engines.transformers_engine import Layout, Settings, TransformersEngine, UnknownAdapter
from registry.errors import UsageError
from registry.ports import Message, Turn
from registry.training.die import Die, shuffled
from registry.training.settings import AdapterSettings, BaseSettings

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
TEMPLATE = (ROOT / "manifests" / "inputs" / "assistant.jinja").read_text()
WARM = {"temperature": "0.9", "top_p": "0.9"}
TEXTS = [
    "one two three",
    "What is 23 ÷ 13?",
    "a",
    "Carly has 8 apples",
    "one two four",
    "b",
    "seven words are in this one",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer, an untaught base, and an adapter that is not zero."""
    import torch

    from registry.training.llama import load_base, new_llama, save_model
    from registry.training.lora import new_adapter, save_adapter
    from registry.training.vocabulary import learn_tokenizer, save_tokenizer

    place = tmp_path_factory.mktemp("model")
    torch.manual_seed(3)
    save_tokenizer(learn_tokenizer(TEXTS, 300), TEMPLATE, place / "tokenizer")
    base = BaseSettings.model_validate(
        {"source": "scratch", "hidden": 32, "layers": 2, "heads": 2, "steps": 0, "warmup": 0}
        | {"batch_tokens": 1, "matrix_lr": 0, "other_lr": 0, "seed": 0}
    )
    save_model(new_llama(base, 300), place / "base")
    lora = AdapterSettings.model_validate(
        {"rank": 4, "alpha": 8, "lr": 0, "warmup": 0, "batch_tokens": 1, "seed": 0, "steps": {}}
    )
    adapter = new_adapter(load_base(place / "base", "cpu"), lora)
    for name, weight in adapter.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.5)
    save_adapter(adapter, place / "math")
    return place


def engine(place: Path, **settings: Any) -> TransformersEngine:
    """A fresh engine on the model at `place`."""
    layout = Layout(place / "base", place / "tokenizer", TEMPLATE, {"math": place / "math"})
    return TransformersEngine(layout, Settings(**settings))


def turns() -> list[Turn]:
    """Each text, by the base and by the adapter, each with a seed of its own."""
    return [
        Turn((Message("user", text),), adapter, f"{number}{adapter}".encode().ljust(32, b"."), 24)
        for number, text in enumerate(TEXTS)
        for adapter in (None, "math")
    ]


def texts(of: TransformersEngine, asked: Sequence[Turn], sampling: dict[str, str] = WARM) -> list[tuple[str, int]]:
    """What the engine says, without what it took."""
    return [(reply.text, reply.completion_tokens) for reply in of.reply(asked, sampling)]


@pytest.mark.parametrize("settings", [{"batch_size": 1}, {"batch_size": 3}, {"threads": 1}])
def test_batch_size_and_threads_change_nothing(place: Path, settings: dict[str, int]) -> None:
    """Not a token, at a temperature where every token is a throw."""
    assert texts(engine(place), turns()) == texts(engine(place, **settings), turns())


def test_order_and_company_change_nothing(place: Path) -> None:
    """Shuffled, and alone."""
    asked, one = turns(), engine(place)
    mixed = shuffled(range(len(asked)), "order")
    together = texts(one, asked)

    assert [together[number] for number in mixed] == texts(one, [asked[number] for number in mixed])
    assert together == [texts(one, [turn])[0] for turn in asked]


def test_the_adapter_is_heard(place: Path) -> None:
    """The same prompt and seed, another answer."""
    first = turns()[0]
    other = Turn(first.messages, "math", first.seed, first.max_new_tokens)

    assert texts(engine(place), [first]) != texts(engine(place), [other])


@pytest.mark.parametrize("sampling", [WARM, {"temperature": "0", "top_p": "1"}], ids=["warm", "greedy"])
def test_a_stranger_gets_the_same_tokens_from_transformers_and_peft(place: Path, sampling: dict[str, str]) -> None:
    """`generate` with the adapter unmerged, in float64, and the published logits processor."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(place / "tokenizer"))
    base = AutoModelForCausalLM.from_pretrained(str(place / "base"), dtype=torch.float64)
    model = PeftModel.from_pretrained(base, str(place / "math"), autocast_adapter_dtype=False).double().eval()
    asked = [turn for turn in turns() if turn.adapter]
    found = []
    for turn in asked:
        message = {"role": "user", "content": turn.messages[0].content}
        ids = tokenizer.apply_chat_template(
            [message], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        size = ids["input_ids"].shape[1]
        processor = SeededTopP([turn.seed], size, sampling)
        said = model.generate(**ids, do_sample=False, max_new_tokens=24, logits_processor=[processor])[
            0, size:
        ].tolist()
        ended = said.index(2) if 2 in said else len(said)
        found.append((tokenizer.decode(said[:ended]), len(said)))

    assert texts(engine(place), asked, sampling) == found


def test_an_answer_ends_at_its_bound(place: Path) -> None:
    """The bound counts tokens, and a reply that it cut says so."""
    turn = Turn((Message("user", "a"),), None, bytes(32), 5)
    (reply,) = engine(place).reply([turn], {"temperature": "0", "top_p": "1"})

    assert (reply.completion_tokens, reply.finished) == (5, False)


def test_an_unknown_adapter_is_refused(place: Path) -> None:
    """And those that there are, are named."""
    with pytest.raises(UnknownAdapter, match="'physics' is not loaded") as caught:
        engine(place).reply([Turn((Message("user", "a"),), "physics", bytes(32), 5)], WARM)

    assert "math" in caught.value.why


def test_scoring_without_a_reward_model_is_refused(place: Path) -> None:
    """It is a fault of the config, not a low score."""
    with pytest.raises(UsageError, match="no reward model"):
        engine(place).score([("a", "b")])


def test_what_the_trainers_encode_is_what_the_template_renders(place: Path) -> None:
    """The ids that training sees are those that serving sees."""
    from transformers import AutoTokenizer

    from registry.training.chat import encode
    from registry.training.vocabulary import load_tokenizer

    talk = [Message("user", "one two 23 ÷ 13"), Message("assistant", "four"), Message("tool", json.dumps({"a": 1}))]
    rendered = AutoTokenizer.from_pretrained(str(place / "tokenizer")).apply_chat_template(
        [{"role": one.role, "content": one.content} for one in talk], tokenize=False
    )
    tokenizer = load_tokenizer(place / "tokenizer")

    assert list(encode(tokenizer, talk).ids) == tokenizer.encode(rendered, add_special_tokens=False).ids


@pytest.mark.parametrize(
    "sampling",
    [
        {},
        {"temperature": "warm", "top_p": "1"},
        {"temperature": "-1", "top_p": "1"},
        {"temperature": "1", "top_p": "0"},
        {"temperature": "NaN", "top_p": "1"},
        {"temperature": "1", "top_p": "1", "top_k": "5"},
    ],
)
def test_a_wrong_sampling_setting_is_refused(sampling: dict[str, str]) -> None:
    """A setting that this engine would ignore is a fault, too: the answer would not be what the manifest says."""
    with pytest.raises(UsageError):
        parse_sampling(sampling)


def test_throws_follow_the_kept_probabilities() -> None:
    """Over many seeds, the tokens come as often as their share among those that top-p keeps."""
    import torch

    from registry.adapters.engines.sampling import choose

    chances = torch.tensor([0.5, 0.3, 0.15, 0.05], dtype=torch.float64)
    seeds = [str(Die("seeds").below(2**60) + number).encode().ljust(32, b".") for number in range(4000)]
    sampling = parse_sampling({"temperature": "1", "top_p": "0.9"})
    chosen = choose(chances.log().repeat(len(seeds), 1), seeds, position=0, sampling=sampling)
    shares = torch.bincount(chosen, minlength=4) / len(seeds)

    assert shares[3] == 0
    assert torch.allclose(shares[:3].double(), chances[:3] / 0.95, atol=0.03)
