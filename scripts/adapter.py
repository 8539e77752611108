"""Stage `adapter@NAME`: tune one LoRA adapter on its slice."""

import sys
from pathlib import Path

from registry.training.artefact import write_curve, write_metrics
from registry.training.runtime import machine, prepare
from registry.training.settings import read_settings


def main(name: str) -> None:
    """Write the adapter `name`, its metrics and its loss curve."""
    settings = read_settings()
    device = prepare(settings.threads, settings.adapter.seed)
    from registry.training.chat import encode
    from registry.training.documents import read_conversations
    from registry.training.llama import load_base
    from registry.training.lora import new_adapter, save_adapter, trainable, tune
    from registry.training.vocabulary import load_tokenizer

    tokenizer = load_tokenizer(Path("models/tokenizer"))
    talks = read_conversations(Path(f"data/corpus/adapters/{name}.jsonl"))
    model = new_adapter(load_base(Path("models/base"), device), settings.adapter)
    curve = tune(
        model, [encode(tokenizer, talk) for talk in talks], settings.adapter, steps=settings.adapter.steps[name]
    )
    save_adapter(model, Path("models/adapters") / name)
    write_curve(Path(f"plots/adapters/{name}.csv"), curve.rows())
    weights = sum(weight.numel() for weight in trainable(model))
    seen = {"loss": curve.final, "parameters": weights, "steps": len(curve.losses)}
    write_metrics(Path(f"metrics/adapters/{name}.json"), seen | machine(device, settings.threads))


if __name__ == "__main__":
    main(sys.argv[1])
