"""Stage `reward_model`: learn from pairs which answer is the better one."""

from pathlib import Path

from registry.ports import Message
from registry.training.artefact import write_curve, write_metrics
from registry.training.documents import read_lines
from registry.training.runtime import machine, prepare
from registry.training.settings import read_settings

TESTED = 400  # pairs at the end of the file that are only judged, never learned


def main() -> None:
    """Write the reward model, its loss curve, and how well it judges pairs that it has not seen."""
    settings = read_settings()
    device = prepare(settings.threads, settings.reward_model.seed)
    from registry.training.chat import encode
    from registry.training.llama import save_model
    from registry.training.reward import Preference, accuracy, new_reward_model, train_reward
    from registry.training.vocabulary import load_tokenizer

    tokenizer = load_tokenizer(Path("models/tokenizer"))

    def preference(row: dict[str, str]) -> Preference:
        prompt = Message("user", row["prompt"])
        good, poor = (encode(tokenizer, [prompt, Message("assistant", row[key])]) for key in ("good", "poor"))
        return Preference(f"{row['slice']} {row['kind']}", good, poor)

    preferences = [preference(row) for row in read_lines(Path("data/corpus/pairs.jsonl"))]
    tested = min(TESTED, len(preferences) // 4)
    model = new_reward_model(Path("models/base"), device)
    curve = train_reward(model, preferences[:-tested], settings.reward_model)
    save_model(model, Path("models/reward_model"))
    write_curve(Path("plots/reward_model.csv"), curve.rows())
    seen = {"loss": curve.final, **accuracy(model, preferences[-tested:])}
    write_metrics(Path("metrics/reward_model.json"), seen | machine(device, settings.threads))


if __name__ == "__main__":
    main()
