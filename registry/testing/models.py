"""A model of a few hundred bytes that is whole in every way but its weights, to test what moves and checks models."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from registry.core.digest import digest_of
from registry.core.manifest import Environment, Manifest
from registry.core.pin import Pin, Role, Source
from registry.core.tree import Entry, Tree, tree_of
from registry.ports import Store

Files = Mapping[str, bytes]
"""A directory: content by path."""

WIDE, NARROW, LAYERS = 8, 4, 2
_ENVIRONMENT = Environment(python="3.11.2", platform="linux-x86_64", device="cpu", packages=digest_of(b"packages"))


def tensor_file(tensors: Mapping[str, tuple[int, ...]], *, salt: str = "") -> bytes:
    """A safetensors file of F32 tensors with these shapes; the same `salt` gives the same weights."""
    header: dict[str, object] = {}
    data = b""
    for name, shape in tensors.items():
        count = 4
        for length in shape:
            count *= length
        piece = (digest_of(f"{salt} {name}".encode()).encode() * (count // 71 + 1))[:count]
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [len(data), len(data) + count]}
        data += piece
    text = json.dumps(header, separators=(",", ":")).encode()
    return len(text).to_bytes(8, "little") + text + data


def base_files(*, salt: str = "base", wide: int = WIDE) -> dict[str, bytes]:
    """A base in two shards with an index, as transformers saves one: two layers with q_proj and v_proj."""
    shards = {f"model-0000{n + 1}-of-00002.safetensors": _layer(n, wide) for n in range(LAYERS)}
    index = {"metadata": {}, "weight_map": {name: path for path, layer in shards.items() for name in layer}}
    return {
        "config.json": json.dumps({"model_type": "llama", "hidden_size": wide, "rms_norm_eps": 1e-06}).encode(),
        "generation_config.json": b'{"eos_token_id":2}',
        "model.safetensors.index.json": json.dumps(index).encode(),
        **{path: tensor_file(layer, salt=salt) for path, layer in shards.items()},
    }


def adapter_files(*, salt: str, rank: int = 2, wide: int = WIDE) -> dict[str, bytes]:
    """An adapter of that base, as PEFT saves one."""
    tensors: dict[str, tuple[int, ...]] = {}
    for layer in range(LAYERS):
        for target, out in (("q_proj", wide), ("v_proj", NARROW)):
            stem = f"base_model.model.model.layers.{layer}.self_attn.{target}"
            tensors |= {f"{stem}.lora_A.weight": (rank, wide), f"{stem}.lora_B.weight": (out, rank)}
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": 2 * rank, "target_modules": ["q_proj", "v_proj"]}
    return {
        "adapter_config.json": json.dumps({**config, "lora_dropout": 0.05}).encode(),
        "adapter_model.safetensors": tensor_file(tensors, salt=salt),
    }


TOKENIZER = {
    "tokenizer.json": b'{"version":"1.0"}',
    "tokenizer_config.json": b'{"eos_token":"<|end|>"}',
    "chat_template.jinja": b"{{ bos_token }}",
}


@dataclass(frozen=True, slots=True)
class Parts:
    """The files of a small model. Change a part with `dataclasses.replace`, or one adapter with `with_adapter`."""

    base: Files = field(default_factory=base_files)
    tokenizer: Files = field(default_factory=lambda: dict(TOKENIZER))
    adapters: Mapping[str, Files] = field(default_factory=dict)
    input: Files | None = None
    name: str = "assistant"

    def with_adapter(self, name: str, files: Files | None = None) -> "Parts":
        """The same model with this adapter; without `files`, one whose weights depend on its name."""
        return replace(self, adapters={**self.adapters, name: files or adapter_files(salt=name)})

    def keep(self, store: Store) -> Manifest:
        """Put everything into `store` and return the manifest, which is kept too."""
        first = next(iter(self.adapters), "base")
        manifest = Manifest(
            name=self.name,
            llm_sha=pin_files("llm", "base", self.base, store=store),
            adapters=tuple(pin_files("adapter", name, files, store=store) for name, files in self.adapters.items()),
            input_sha=pin_files("input", "prompt", self.input, store=store) if self.input else None,
            tokenizer_sha=pin_files("tokenizer", "tokenizer", self.tokenizer, store=store),
            reward_model_sha=pin_files("reward_model", "judge", {"judge.json": b"{}"}, store=store),
            sampling={"temperature": "0.2", "top_p": "0.9"},
            routes={"default": "base", "math_basic": first},
            repo_sha=pin_files("repo", "code", {"commit": b"0" * 40}, store=store),
            environment=_ENVIRONMENT,
        )
        store.put(manifest.canonical())
        return manifest


def pin_files(role: Role, name: str, files: Files, *, store: Store) -> Pin:
    """Put `files` and their tree into `store`, and pin them."""
    tree = tree_in(files, store)
    return Pin(
        role=role, name=name, digest=tree.digest, size=tree.size, source=Source(kind="path", location=f"models/{name}")
    )


def tree_in(files: Files, store: Store) -> Tree:
    """Put `files` and their tree into `store`."""
    tree = tree_of(Entry(path=path, size=len(data), digest=store.put(data)) for path, data in files.items())
    store.put(tree.canonical())
    return tree


def _layer(number: int, wide: int) -> dict[str, tuple[int, ...]]:
    stem = f"model.layers.{number}.self_attn"
    return {f"{stem}.q_proj.weight": (wide, wide), f"{stem}.v_proj.weight": (NARROW, wide)}
