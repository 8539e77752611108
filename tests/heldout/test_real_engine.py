"""The evaluation with the reference engine and a real, if untaught, model: one result in any batch and any order."""

from pathlib import Path

import pytest

from registry.adapters.engines.transformers_engine import Layout, Settings, TransformersEngine
from registry.core.heldout.suite import Suite
from registry.verbs.evaluate import Plan
from tests.heldout.test_evaluate import run, suite

pytestmark = pytest.mark.slow
TEMPLATE = (
    "{{ '<|bos|>' }}{% for m in messages %}{{ '<|' + m.role + '|>' + m.content + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
SPECIAL = ["<|pad|>", "<|bos|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer, a base, two adapters that differ from it, and a reward model, all with random weights."""
    import torch
    from peft import LoraConfig, get_peft_model
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, PreTrainedTokenizerFast

    place = tmp_path_factory.mktemp("model")
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    plain = Tokenizer(models.BPE(vocab={letter: n for n, letter in enumerate([*SPECIAL, *letters])}, merges=[]))
    plain.pre_tokenizer, plain.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    plain.add_special_tokens(SPECIAL)
    ends = {"pad_token": "<|pad|>", "bos_token": "<|bos|>", "eos_token": "<|end|>"}
    PreTrainedTokenizerFast(tokenizer_object=plain, **ends).save_pretrained(place / "tokenizer")
    torch.manual_seed(7)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(
        vocab_size=len(letters) + 7, **shape, pad_token_id=0, bos_token_id=1, eos_token_id=2, num_labels=1
    )
    LlamaForCausalLM(config).save_pretrained(place / "base")
    LlamaForSequenceClassification(config).save_pretrained(place / "reward_model")
    for name in ("one", "two"):
        base = LlamaForCausalLM.from_pretrained(place / "base")
        lora = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
        get_peft_model(base, lora).save_pretrained(str(place / name))
    return place


def found(place: Path, of: Suite, batch_size: int) -> tuple[bytes, bytes]:
    """Rows and cross rows of a fresh engine."""
    layout = Layout(
        place / "base",
        place / "tokenizer",
        TEMPLATE,
        {name: place / name for name in ("one", "two")},
        place / "reward_model",
    )
    engine = TransformersEngine(layout, Settings(batch_size=batch_size, threads=1))
    evaluation, _ = run(of, engine=engine, plan=Plan(batch_size=batch_size, cross_cases=2, timing_cases=1))
    return evaluation.files["rows.jsonl"], evaluation.files["cross.jsonl"]


def test_a_real_model_gives_the_same_rows_in_any_batch_and_any_order(place: Path) -> None:
    """Sampling at 0.2 with top-p 0.9, in batches of 1, 3 and 64, and with the cases turned around."""
    asked = suite(sums=6, find=3)
    turned = asked.model_copy(update={"cases": {name: cases[::-1] for name, cases in asked.cases.items()}})
    usual = found(place, asked, 64)

    assert b'"status":"ok"' in usual[0]
    assert found(place, asked, 1) == usual
    assert found(place, asked, 3) == usual
    assert found(place, turned, 4)[0] == usual[0]
