"""Stage `rl`: continue the adapter `division` into `division_rl` by GRPO against two verifiers."""

from pathlib import Path

from registry.training.artefact import write_curve, write_metrics
from registry.training.documents import read_lines
from registry.training.runtime import machine, prepare
from registry.training.settings import read_settings


def main() -> None:
    """Write the adapter, and what each step saw."""
    settings = read_settings()
    device = prepare(settings.rl.threads, settings.rl.seed)
    from registry.training.chat import prompt_ids
    from registry.training.grpo import Practice, practise
    from registry.training.llama import load_base
    from registry.training.lora import load_adapter, save_adapter
    from registry.training.marks import judge
    from registry.training.vocabulary import load_tokenizer

    tokenizer = load_tokenizer(Path("models/tokenizer"))
    rows = read_lines(Path("data/corpus/exercises.jsonl"))
    exercises = [Practice(prompt_ids(tokenizer, row["prompt"]), row["answer"]) for row in rows]
    model = load_adapter(load_base(Path("models/base"), device), Path("models/adapters/division"))

    def decode(ids: list[int]) -> str:
        return str(tokenizer.decode(ids, skip_special_tokens=False))

    steps = practise(model, exercises, judge, decode=decode, settings=settings.rl)
    save_adapter(model, Path("models/adapters/division_rl"))
    rows = [{"step": place, "right": step.right, "formed": step.formed} for place, step in enumerate(steps)]
    write_curve(Path("plots/rl.csv"), rows)
    last = steps[-max(1, len(steps) // 5) :]
    seen = {
        "right_first": steps[0].right,
        "right_last": sum(step.right for step in last) / len(last),
        "formed_first": steps[0].formed,
        "formed_last": sum(step.formed for step in last) / len(last),
        "tokens_first": steps[0].length,
        "tokens_last": sum(step.length for step in last) / len(last),
    }
    write_metrics(Path("metrics/rl.json"), seen | machine(device, settings.rl.threads))


if __name__ == "__main__":
    main()
