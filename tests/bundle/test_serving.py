"""What is pulled loads in transformers and PEFT, and every adapter does what it was trained to do."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from registry.adapters.engines.transformers_engine import Layout, TransformersEngine
from registry.adapters.hosts.directory import HostDirectory
from registry.adapters.stores.memory import MemoryStore
from registry.core.bundle.layout import LOCK, Lock
from registry.core.bundle.report import PreflightRefused
from registry.ports import Message, Turn
from registry.testing.models import Parts
from registry.testing.states import state_serving
from registry.verbs.bundle import plan_of
from registry.verbs.pull import pull
from tests.bundle.stranger import said

pytestmark = pytest.mark.slow

TARGETS = {
    "math": ["q_proj", "v_proj"],
    "med_safety": ["q_proj", "k_proj", "v_proj", "o_proj"],
    "division": ["up_proj"],
}
PROMPT = [[1, 5, 9, 2, 7]]


def files(directory: Path) -> dict[str, bytes]:
    """Every file of a directory that a library saved."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def saved_model(root: Path, *, hidden: int = 32, shard: str = "50GB") -> Parts:
    """A random Llama and three random adapters of it, saved as the libraries save them."""
    torch = pytest.importorskip("torch")
    peft = pytest.importorskip("peft")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(7)
    settings = {"vocab_size": 64, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = transformers.LlamaConfig(hidden_size=hidden, num_key_value_heads=2, **settings)
    base = transformers.LlamaForCausalLM(config)
    base.save_pretrained(root / "base", max_shard_size=shard)
    adapters = {}
    for name, targets in TARGETS.items():
        lora = peft.LoraConfig(r=4, lora_alpha=8, target_modules=targets, init_lora_weights=False)
        model = peft.get_peft_model(transformers.LlamaForCausalLM.from_pretrained(root / "base"), lora)
        model.save_pretrained(root / name)
        # why: PEFT writes a README beside the weights; it is part of what was saved, so it is shipped.
        adapters[name] = files(root / name)
    return Parts(base=files(root / "base"), adapters=adapters)


def test_a_pulled_bundle_answers_as_what_was_saved(tmp_path: Path) -> None:
    """Base and adapters, loaded from `current` without any network, give the logits of the originals, bit for bit."""
    torch = pytest.importorskip("torch")
    peft = pytest.importorskip("peft")
    transformers = pytest.importorskip("transformers")
    parts = saved_model(tmp_path / "saved")
    store, host = MemoryStore(), HostDirectory(tmp_path / "host")
    pull("staging", read=lambda: state_serving([parts.keep(store).digest]), store=store, host=host)
    current = host.path / "current"
    lock = Lock.parse((current / LOCK).read_bytes())

    def logits(base: Path, adapter: Path | None) -> object:
        model = transformers.AutoModelForCausalLM.from_pretrained(base, local_files_only=True)
        if adapter is not None:
            model = peft.PeftModel.from_pretrained(model, adapter, local_files_only=True)
        with torch.no_grad():
            return model.eval()(torch.tensor(PROMPT)).logits

    plain = logits(current, None)

    assert torch.equal(plain, logits(tmp_path / "saved" / "base", None))
    assert {adapter.name for adapter in lock.adapters} == set(TARGETS)
    for adapter in lock.adapters:
        pulled = logits(current, current / "adapters" / adapter.served)

        assert torch.equal(pulled, logits(tmp_path / "saved" / "base", tmp_path / "saved" / adapter.name))
        assert not torch.allclose(pulled, plain)


def test_real_files_pass_the_checks_whole_and_sharded(tmp_path: Path) -> None:
    """What transformers and PEFT save, in one file or in many, is not refused."""
    for shard in ("50GB", "20KB"):
        parts = saved_model(tmp_path / shard, shard=shard)
        store = MemoryStore()
        _, report = plan_of(parts.keep(store), store=store)

        assert {check.verdict for check in report.checks} == {"ok"}
        assert (shard == "20KB") == ("model.safetensors.index.json" in parts.base)


def test_a_real_adapter_of_another_base_is_refused(tmp_path: Path) -> None:
    """An adapter of a narrower base would be padded by some servers, and nobody would know."""
    parts, other = saved_model(tmp_path / "one"), saved_model(tmp_path / "two", hidden=16)
    store = MemoryStore()
    manifest = parts.with_adapter("math", other.adapters["math"]).keep(store)
    with pytest.raises(PreflightRefused, match="pre-flight") as refused:
        plan_of(manifest, store=store)

    assert "do not fit the base" in str(refused.value)


def test_a_stranger_gets_the_same_answers_token_for_token(tmp_path: Path) -> None:
    """Sampled answers of the evaluation's engine come again from the pulled directory, by every adapter."""
    saved = tmp_path / "saved"
    template = (
        "{% for m in messages %}<|{{ m.role }}|> {{ m.content }} <|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    tokenizer = tokenizer_files(tmp_path / "tokenizer", template=template)
    parts = replace(saved_model(saved), tokenizer=tokenizer)
    store, host = MemoryStore(), HostDirectory(tmp_path / "host")
    manifest = parts.keep(store)
    pull("staging", read=lambda: state_serving([manifest.digest]), store=store, host=host)
    adapters = {name: saved / name for name in TARGETS}
    layout = Layout(base=saved / "base", tokenizer=tmp_path / "tokenizer", template=template, adapters=adapters)
    turns = [
        Turn((Message("user", f"w{n} w{n + 9} w20"),), adapter, hashlib.sha256(f"{adapter} {n}".encode()).digest(), 24)
        for n in range(4)
        for adapter in (None, *TARGETS)
    ]
    replies = TransformersEngine(layout).reply(turns, manifest.sampling)

    assert [reply.text for reply in replies] == [said(host.path / "current", turn) for turn in turns]
    assert len({reply.text for reply in replies}) > len(turns) // 2  # the answers differ, so agreeing says something


def test_the_page_tells_the_truth(tmp_path: Path) -> None:
    """The loading code of docs/bundles.md runs as it stands, and ends with every adapter loaded."""
    page = (Path(__file__).parents[2] / "docs" / "bundles.md").read_text()
    code = page.split("```python\n")[1].split("```")[0]
    parts, store, host = saved_model(tmp_path / "saved"), MemoryStore(), HostDirectory(tmp_path / "host")
    parts = replace(parts, tokenizer=tokenizer_files(tmp_path / "tokenizer"))
    pull("staging", read=lambda: state_serving([parts.keep(store).digest]), store=store, host=host)
    found: dict[str, Any] = {}
    exec(code.replace("/srv/models/current", str(host.path / "current")), found)

    assert set(found["base"].peft_config) == set(TARGETS)
    assert found["tokenizer"].decode([5]) == "w0"


def tokenizer_files(root: Path, *, template: str | None = None) -> dict[str, bytes]:
    """A word-level tokenizer of 64 words as transformers saves one."""
    tokenizers = pytest.importorskip("tokenizers")
    transformers = pytest.importorskip("transformers")
    special = ["<|pad|>", "<|bos|>", "<|end|>", "<|user|>", "<|assistant|>"]
    names = [*special, *(f"w{n}" for n in range(64 - len(special)))]
    vocabulary = {name: number for number, name in enumerate(names)}
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<|pad|>"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<|end|>", pad_token="<|pad|>")
    fast.chat_template = template
    fast.save_pretrained(root)
    return files(root)
