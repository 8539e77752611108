"""Make the logs that tests/evidence reads: real ones, by lm-evaluation-harness and Inspect AI, of a tiny model.

The tools do not belong into the project's environment. In one of its own:

    pip install torch==2.13.0 transformers==5.24.0 lm-eval==0.4.12 inspect-ai==0.3.285
    python scripts/foreign_evidence.py tests/evidence/logs

The model is made and trained here, in half a minute: two layers that add two digits, and are sometimes wrong. What the
tools wrote is kept, but for this: the paths of the temporary directory, of this script and of the environment stand as
/made-here, /script and /environment, and lm-eval's report on the machine is emptied.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from random import Random

OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
LETTERS = "0123456789+=? ABCQ:\n"
STEPS = 90
PAIRS = [(one, other) for one in range(10) for other in range(10)]
SUMS = """\
task: sums
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: ["\\n"], max_gen_toks: 4, do_sample: true, temperature: 1.0}}
repeats: 3
filter_list:
  - name: first
    filter: [{{function: take_first}}]
  - name: each
    filter: [{{function: regex, regex_pattern: "([0-9]+)"}}, {{function: take_first_k, k: 3}}]
metric_list: [{{metric: exact_match, aggregation: mean, higher_is_better: true}}]
metadata: {{version: 1.0}}
"""
CHOICES = """\
task: choices
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: "{{{{label}}}}"
metric_list:
  - {{metric: acc, aggregation: mean, higher_is_better: true}}
  - {{metric: acc_norm, aggregation: mean, higher_is_better: true}}
metadata: {{version: 2.0}}
"""


def main() -> None:
    """Make all logs below the directory that is named."""
    os.environ.update(OFFLINE)
    place = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as room:
        work = Path(room)
        make_model(work / "model")
        make_tasks(work)
        run_harness(work)
        run_inspect(work)
        keep(work, place)


def make_model(place: Path) -> None:
    """A character model that has seen sums of two digits; saved as the tools load any other."""
    import torch
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    torch.set_num_threads(1)
    vocabulary = {letter: at for at, letter in enumerate(["<end>", *LETTERS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<end>"))  # noqa: S106 - a token of text
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    config = LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=64, bos_token_id=0, eos_token_id=0, pad_token_id=0,
    )  # fmt: skip
    model, die = LlamaForCausalLM(config), Random(0)  # noqa: S311 - no secret
    adam = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(STEPS):
        texts = [f"{a}+{b}={a + b}\n".ljust(7, "\n") for a, b in die.choices(PAIRS, k=64)]
        ids = torch.tensor([[vocabulary[letter] for letter in text] for text in texts])
        model(input_ids=ids, labels=ids).loss.backward()
        adam.step()
        adam.zero_grad()
    model.save_pretrained(place)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", pad_token="<end>")  # noqa: S106
    fast.chat_template = "{% for message in messages %}{{ message.content }}{% endfor %}"
    fast.save_pretrained(place)


def make_tasks(work: Path) -> None:
    """Two tasks for the harness: sums that are generated, three times each, and sums that are chosen."""
    (work / "tasks").mkdir()
    sums = [{"id": f"sum-{a}{b}", "question": f"{a}+{b}=", "answer": str(a + b)} for a, b in PAIRS[::5]]
    choices = [
        {"question": f"{a}+{b}=", "choices": [str(a + b + shift) for shift in (0, 1, 3)], "label": 0}
        for a, b in PAIRS[1::9]
    ]
    for name, rows, text in (("sums", sums, SUMS), ("choices", choices, CHOICES)):
        data = work / "tasks" / f"{name}.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        (work / "tasks" / f"{name}.yaml").write_text(text.format(data=data))


def run_harness(work: Path) -> None:
    """The command that people type."""
    command = [
        sys.executable, "-m", "lm_eval", "--model", "hf", "--model_args", f"pretrained={work}/model,dtype=float32",
        "--tasks", "sums,choices", "--include_path", f"{work}/tasks", "--device", "cpu", "--batch_size", "8",
        "--log_samples", "--output_path", f"{work}/harness",
    ]  # fmt: skip
    subprocess.run(command, check=True, cwd=work)


def run_inspect(work: Path) -> None:
    """Two tasks, one log format each; a sample of the first breaks in its solver, the second has a graded score."""
    from inspect_ai import Task
    from inspect_ai import eval as evaluate
    from inspect_ai.dataset import Sample
    from inspect_ai.model import GenerateConfig, get_model
    from inspect_ai.scorer import Score, Scorer, Target, match, mean, scorer, stderr
    from inspect_ai.solver import Generate, Solver, TaskState, generate, solver

    @solver  # type: ignore[untyped-decorator] # Inspect is not installed here
    def breaking() -> Solver:
        async def solve(state: TaskState, generate: Generate) -> TaskState:
            if state.sample_id == "sum-33":
                raise RuntimeError("the tool broke")
            return await generate(state)

        return solve

    @scorer(metrics=[mean(), stderr()])  # type: ignore[untyped-decorator] # as above
    def closeness() -> Scorer:
        async def score(state: TaskState, target: Target) -> Score:
            said = re.findall("[0-9]+", state.output.completion)
            return Score(value=round(1 / (1 + abs(int(said[0]) - int(target.text))), 3) if said else float("nan"))

        return score

    os.chdir(work)  # why: so that the logs name no repository
    model = get_model("hf/tiny", model_path=str(work / "model"), device="cpu")
    settings = GenerateConfig(max_tokens=4, temperature=1.0, seed=7)
    sums = [Sample(id=f"sum-{a}{b}", input=f"{a}+{b}=", target=str(a + b)) for a, b in PAIRS[::11]]
    graded = [Sample(input=f"{a}+{b}=", target=str(a + b)) for a, b in PAIRS[1::11]]
    tasks = {
        "eval": Task(name="sums", dataset=sums, solver=breaking(), scorer=match("begin"), epochs=2, config=settings),
        "json": Task(name="graded", dataset=graded, solver=generate(), scorer=closeness(), config=settings),
    }
    for form, task in tasks.items():
        evaluate(
            task, model=model, log_dir=str(work / "inspect" / str(task.name)), log_format=form, fail_on_error=False,
            max_samples=1, display="none",
        )  # fmt: skip


def keep(work: Path, place: Path) -> None:
    """Copy what was written, without the paths of this machine."""
    for file in sorted((work / "harness").rglob("*.json*")):
        name = re.sub(r"_\d{4}-\d\d-\d\dT[\d.-]+(?=\.json)", "_2026-01-01T00-00-00.000000", file.name)
        target = place / "lm_eval" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(cleaned(file.read_text(), work))
    for file in sorted((work / "inspect").rglob("*.eval")) + sorted((work / "inspect").rglob("*.json")):
        target = place / "inspect" / f"{file.parent.name}{file.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".json":
            target.write_text(cleaned(file.read_text(), work))
            continue
        with zipfile.ZipFile(file) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
            for entry in old.infolist():
                new.writestr(entry.filename, cleaned(old.read(entry).decode(), work))


def cleaned(text: str, work: Path) -> str:
    """The text without paths of this machine, and without lm-eval's report on it."""
    places = {work: "/made-here", Path(__file__).parent.resolve(): "/script", Path(sys.prefix): "/environment"}
    places[Path(sys.base_prefix)] = "/python"
    for place, name in places.items():
        text = text.replace(str(place), name).replace(str(place).replace("/", "__"), name.replace("/", "__"))
    return re.sub(r'("pretty_env_info": )"(?:[^"\\]|\\.)*"', r'\1""', text)


if __name__ == "__main__":
    main()
