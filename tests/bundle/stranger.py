"""Somebody who has a release, transformers and PEFT, and nothing of ours but the documented sampling."""

from pathlib import Path

import pytest

from registry.adapters.engines.sampling import SeededTopP
from registry.core.bundle.layout import LOCK, Lock
from registry.ports import Turn


def said(release: Path, turn: Turn) -> str:
    """What a stranger gets from a release with transformers and PEFT alone, by its own template and sampling."""
    torch = pytest.importorskip("torch")
    peft = pytest.importorskip("peft")
    transformers = pytest.importorskip("transformers")
    lock = Lock.parse((release / LOCK).read_bytes())
    tokenizer = transformers.AutoTokenizer.from_pretrained(release, local_files_only=True)
    model = transformers.AutoModelForCausalLM.from_pretrained(release, dtype=torch.float64, local_files_only=True)
    if turn.adapter is not None:
        served = {adapter.name: adapter.served for adapter in lock.adapters}[turn.adapter]
        model = peft.PeftModel.from_pretrained(
            model, release / "adapters" / served, autocast_adapter_dtype=False, local_files_only=True
        )
    messages = [{"role": message.role, "content": message.content} for message in turn.messages]
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt")["input_ids"]
    choice = SeededTopP([turn.seed], prompt.shape[1], lock.sampling)
    spoken = model.eval().generate(
        input_ids=prompt, do_sample=False, logits_processor=[choice], max_new_tokens=turn.max_new_tokens
    )
    reply = spoken[0, prompt.shape[1] :].tolist()
    ended = reply[-1] == model.generation_config.eos_token_id
    return str(tokenizer.decode(reply[:-1] if ended else reply, clean_up_tokenization_spaces=False))
