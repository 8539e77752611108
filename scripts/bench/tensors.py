"""Measure what storing safetensors files tensor by tensor would save, and what it would cost; made data is removed.

python scripts/bench/tensors.py

Three bases of the reference pipeline, stopped at different steps, are trained in a clone with the smoke profile; one of
its adapters is merged; and a Llama of an everyday shape is merged with adapters of two kinds. The weights are what
matters, not what they have learned.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PIECE_BYTES = 1024 * 1024
ROUNDS = 5
STEPS = (10, 11, 20)
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def main() -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory(prefix="registry-tensors-") as place:
        room = Path(place)
        trained, adapter = _train(room)
        base, merged = _everyday(room)
        print("| what | files, MB | tensors, MB | saved |\n|---|--:|--:|--:|")
        _saving("three checkpoints of one training", trained)
        _saving("a base and its merge with one adapter of the pipeline", [trained[-1], adapter])
        for name, path in merged.items():
            _saving(f"a base and its merge, LoRA on {name}", [base, path])
        _saving("one model with tied embeddings, as it is saved", [base])
        print("\n| step, for one file of the everyday shape | CPU seconds, best of 5 |\n|---|--:|")
        for name, seconds in _costs(base, room).items():
            print(f"| {name} | {seconds:.3f} |")


def _train(room: Path) -> tuple[list[Path], Path]:
    """Bases of the pipeline after so many steps, and the last one with an adapter merged in."""
    clone = room / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    found = list[Path]()
    for steps in STEPS:
        _set_steps(clone / "params.yaml", steps)
        for stage in ("base",) if found else ("corpus", "tokenizer", "base"):
            _run(clone, f"scripts/{stage}.py")
        found.append(Path(shutil.copytree(clone / "models/base", room / f"base-{steps}")) / "model.safetensors")
    _run(clone, "scripts/adapter.py", "math")
    return found, _merge(found[-1].parent, clone / "models/adapters/math", room / "merged")


def _set_steps(path: Path, steps: int) -> None:
    params = yaml.safe_load(path.read_text("utf-8"))
    params["profile"] = "smoke"
    params["smoke"]["base"]["steps"] = steps
    path.write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")


def _run(clone: Path, *words: str) -> None:
    subprocess.run([sys.executable, *words], cwd=clone, env={**os.environ, "PYTHONPATH": str(clone)}, check=True)


def _everyday(room: Path) -> tuple[Path, dict[str, Path]]:
    """A Llama of 0.3 GB with random weights, and merges of it with random adapters."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    shape = {"hidden_size": 1024, "intermediate_size": 2816, "num_hidden_layers": 8, "num_attention_heads": 16}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=32000, tie_word_embeddings=True, **shape)).to(torch.bfloat16)
    model.save_pretrained(room / "everyday")
    merged = {}
    for name, targets in (("every linear layer", TARGETS), ("q_proj and v_proj", ["q_proj", "v_proj"])):
        fresh = LlamaForCausalLM.from_pretrained(room / "everyday", dtype=torch.bfloat16)
        config = LoraConfig(r=16, target_modules=targets, init_lora_weights=False, task_type="CAUSAL_LM")
        get_peft_model(fresh, config).merge_and_unload().save_pretrained(room / name)
        merged[name] = room / name / "model.safetensors"
    return room / "everyday" / "model.safetensors", merged


def _merge(base: Path, adapter: Path, out: Path) -> Path:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base)
    PeftModel.from_pretrained(model, str(adapter)).merge_and_unload().save_pretrained(out)
    return out / "model.safetensors"


def _saving(what: str, files: Sequence[Path]) -> None:
    whole = {hashlib.sha256(path.read_bytes()).digest(): path.stat().st_size for path in files}
    parts = {hashlib.sha256(part).digest(): len(part) for path in files for part in _parts(path)}
    sizes = sum(whole.values()), sum(parts.values())
    print(f"| {what} | {sizes[0] / 1e6:.1f} | {sizes[1] / 1e6:.1f} | {1 - sizes[1] / sizes[0]:.0%} |")


def _parts(path: Path) -> Iterator[bytes]:
    """The header, then each tensor in the order of its bytes; together they are the file."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    yield data[:start]
    infos = json.loads(data[8:start])
    infos.pop("__metadata__", None)
    for first, last in sorted(tuple(info["data_offsets"]) for info in infos.values()):
        yield data[start + first : start + last]


def _costs(path: Path, room: Path) -> dict[str, float]:
    """Seconds to hash a file, to hash it and its tensors, to copy it, and to put it together again."""
    places = []
    for number, part in enumerate(_parts(path)):
        places.append(room / f"part-{number:05}")
        places[-1].write_bytes(part)
    steps: dict[str, Callable[[], None]] = {
        "pin: hash the file": lambda: _hash([path]),
        "pin: hash the file and each tensor": lambda: _hash([path, *places]),
        "pull: copy the file, hashing": lambda: _copy([path], path, room / "copy"),
        "pull: put it together, hashing": lambda: _copy(places, path, room / "copy"),
    }
    found: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            began = time.process_time()
            step()
            found[name].append(time.process_time() - began)
    return {name: min(times) for name, times in found.items()}


def _hash(places: Sequence[Path]) -> None:
    for place in places:
        with place.open("rb") as content:
            hashlib.file_digest(content, "sha256")


def _copy(places: Sequence[Path], whole: Path, target: Path) -> None:
    """Write `places` behind each other; they must be `whole`."""
    hashed, view = hashlib.sha256(), memoryview(bytearray(PIECE_BYTES))
    with target.open("wb", buffering=0) as out:
        for place in places:
            with place.open("rb", buffering=0) as content:
                while count := content.readinto(view):
                    hashed.update(view[:count])
                    out.write(view[:count])
        os.fsync(out.fileno())
    if target.stat().st_size != whole.stat().st_size:
        sys.exit("what was put together is not the file")


if __name__ == "__main__":
    main()
