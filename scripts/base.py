"""Stage `base`: train a small Llama from scratch, or take one over from a directory or a Hub."""

import sys
from pathlib import Path

from registry.training.artefact import write_curve, write_metrics
from registry.training.runtime import machine, prepare
from registry.training.settings import Settings, read_settings
from registry.workspace.imported import MODEL_FILES, take_over

OUT = Path("models/base")


def main() -> None:
    """Write the base model, its metrics and its loss curve."""
    settings = read_settings()
    if settings.base.source == "scratch":
        train(settings)
    else:
        print(take_over(settings.base.source, OUT, MODEL_FILES), file=sys.stderr)
        write_metrics(Path("metrics/base.json"), {"source": settings.base.source})
        write_curve(Path("plots/base.csv"), [{"step": 0, "loss": 0.0}])


def train(settings: Settings) -> None:
    """Train every weight on the base corpus."""
    device = prepare(settings.threads, settings.base.seed)
    from registry.training.chat import encode
    from registry.training.documents import read_conversations
    from registry.training.llama import new_llama, save_model, train_base
    from registry.training.vocabulary import load_tokenizer

    tokenizer = load_tokenizer(Path("models/tokenizer"))
    examples = [encode(tokenizer, talk) for talk in read_conversations(Path("data/corpus/base.jsonl"))]
    model = new_llama(settings.base, tokenizer.get_vocab_size()).to(device)
    curve = train_base(model, examples, settings.base)
    save_model(model, OUT)
    write_curve(Path("plots/base.csv"), curve.rows())
    weights = sum(weight.numel() for weight in model.parameters())
    seen = {"loss": curve.final, "parameters": weights, "steps": len(curve.losses)}
    write_metrics(Path("metrics/base.json"), seen | machine(device, settings.threads))


if __name__ == "__main__":
    main()
