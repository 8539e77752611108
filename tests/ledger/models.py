"""Small models with all their blobs in a store, and verdicts about them."""

from registry.core.canonical import canonical
from registry.core.digest import Digest, digest_of
from registry.core.gate.verdict import Answer, RuleVerdict, Verdict, Word
from registry.core.manifest import Environment, Manifest
from registry.core.pin import Pin, Role, Source
from registry.core.tree import Entry, tree_of
from registry.ports import Store

HERE = Environment(python="3.11.7", platform="linux", device="cpu", packages=digest_of(b"packages"))


def pin_of(role: Role, name: str, files: dict[str, bytes], store: Store) -> Pin:
    """A pin of `files`, which are put into `store` with their tree."""
    tree = tree_of(Entry(path=path, size=len(data), digest=store.put(data)) for path, data in files.items())
    store.put(tree.canonical())
    return Pin(role=role, name=name, digest=tree.digest, size=tree.size, source=Source(kind="path", location=name))


def model_of(name: str, store: Store, *, weights: bytes = b"weights") -> Manifest:
    """A whole model with one adapter, a suite and a dvc.lock; all its blobs, and the manifest, are in `store`."""
    commit = store.put(canonical({"commit": "c" * 40}))
    suite = pin_of("dataset", "suite", {"math/slice.yaml": b"name: math", "math/cases.jsonl": b"{}"}, store)
    manifest = Manifest(
        name=name,
        llm_sha=pin_of("llm", "base", {"config.json": b"{}", "model.safetensors": b"base weights"}, store),
        adapters=(pin_of("adapter", "math", {"adapter_model.safetensors": weights}, store),),
        tokenizer_sha=pin_of("tokenizer", "tokenizer", {"tokenizer.json": b"{}"}, store),
        suite=suite.digest,
        repo_sha=Pin(role="repo", name="repo", digest=commit, size=1, source=Source(kind="git", location=".")),
        dvc_lock=store.put(b"schema: '2.0'"),
        environment=HERE,
    )
    store.put(manifest.canonical())
    return manifest


def verdict_of(
    model: Digest, stage: str, answer: Answer = "GO", *, baseline: Digest | None = None, note: str = ""
) -> Verdict:
    """A verdict with one rule that passed, and one that decides."""
    word: Word = {"GO": "pass", "NO-GO": "fail", "HOLD": "inconclusive"}[answer]  # type: ignore[assignment] # one of the three
    return Verdict(
        stage=stage,
        answer=answer,
        rules=(
            RuleVerdict(rule="aggregate.success@1.lower_ci >= 0.82", verdict="pass", sentence="it is 0.9"),
            RuleVerdict(rule="delta.success@1{division_hard}.point >= 0.07", verdict=word, sentence=note or "it is so"),
        ),
        flips=(),
        gate_file=digest_of(b"gate file"),
        gate=digest_of(b"gate"),
        candidate=model,
        baseline=baseline,
    )
