"""Where each file of a bundle stands, and what cannot stand together."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.adapters.stores.memory import MemoryStore
from registry.core.bundle.layout import LOCK, LayoutConflict, Lock, Plan, served_adapters
from registry.core.canonical import canonical
from registry.core.digest import digest_of, short
from registry.core.manifest import Manifest
from registry.testing.models import Parts, adapter_files
from registry.verbs.bundle import opener, plan_of

WHOLE = Parts(input={"prompt.txt": b"Say it."}).with_adapter("math").with_adapter("Med_Safety.v2")


def planned(parts: Parts) -> tuple[Manifest, Plan, MemoryStore]:
    """The plan of `parts`, and the store that has their bytes."""
    store = MemoryStore()
    manifest = parts.keep(store)
    return manifest, plan_of(manifest, store=store)[0], store


def test_every_file_has_its_place() -> None:
    """Base and tokenizer at the root, adapters under names that hold their digest, ours under .bundle."""
    manifest, plan, _ = planned(WHOLE)
    math, med = (short(pin.digest) for pin in manifest.adapters)

    assert [
        ".bundle/bundle.lock.json",
        ".bundle/input/prompt.txt",
        ".bundle/manifest.json",
        ".bundle/report.json",
        f"adapters/math--{math}/adapter_config.json",
        f"adapters/math--{math}/adapter_model.safetensors",
        f"adapters/med-safety-v2--{med}/adapter_config.json",
        f"adapters/med-safety-v2--{med}/adapter_model.safetensors",
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ] == [entry.path for entry in plan.tree.entries]


def test_the_lock_says_everything() -> None:
    """Whoever has the lock alone knows every byte of the release, and how to serve it."""
    manifest, plan, store = planned(WHOLE)
    entry = next(entry for entry in plan.tree.entries if entry.path == LOCK)
    with opener(plan, store=store)(entry) as content:
        lock = Lock.parse(content.read())

    assert lock == plan.lock
    assert lock.files == tuple(one for one in plan.tree.entries if one.path != LOCK)
    assert manifest.digest == lock.manifest
    assert lock.routes == {"default": "base", "math_basic": "math"}
    assert lock.sampling == {"temperature": "0.2", "top_p": "0.9"}
    assert [adapter.name for adapter in lock.adapters] == ["math", "Med_Safety.v2"]


def test_a_lock_has_the_spelling_of_every_record() -> None:
    """It is written without a dictionary for each file, and to the same bytes."""
    whole = planned(WHOLE)[1].lock
    for lock in (whole, whole.model_copy(update={"files": ()}), planned(Parts())[1].lock):
        assert canonical(lock.model_dump(mode="json", exclude_none=True)) == lock.canonical()


def test_what_is_made_is_what_the_tree_promises() -> None:
    """The digests of generated files are those of their bytes."""
    _, plan, _ = planned(WHOLE)
    promised = {entry.path: entry.digest for entry in plan.tree.entries}

    assert {path: promised[path] for path in plan.generated} == {
        path: digest_of(data) for path, data in plan.generated.items()
    }


def test_the_same_parts_make_the_same_release() -> None:
    """No clock, place or order of work is in a release's digest; a changed adapter is."""
    _, first, _ = planned(WHOLE)
    _, again, _ = planned(WHOLE)
    _, other, _ = planned(WHOLE.with_adapter("math", adapter_files(salt="other")))

    assert first.release == again.release
    assert first.release != other.release


def test_what_only_evaluation_needs_is_not_shipped() -> None:
    """The reward model's file is in the store and not in the release."""
    _, plan, _ = planned(WHOLE)

    assert not [entry.path for entry in plan.tree.entries if "judge" in entry.path]


def test_identical_files_of_base_and_tokenizer_are_one() -> None:
    """A base that was saved with its tokenizer is fine as long as they agree."""
    plain = Parts()
    _, plan, _ = planned(replace(plain, base={**plain.base, **plain.tokenizer}))

    assert planned(plain)[1].tree.entries[3:] == plan.tree.entries[3:]  # all but .bundle/


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        (replace(Parts(), base={**Parts().base, "tokenizer.json": b"{}"}), "tokenizer.json"),
        (replace(Parts(), base={**Parts().base, "adapters/x/y": b""}), "adapters/ at the root"),
        (replace(Parts(), tokenizer={**Parts().tokenizer, ".Bundle/x": b""}), ".bundle/ at the root"),
        (replace(Parts(), tokenizer={**Parts().tokenizer, "CONFIG.json": b""}), "case"),
        (Parts().with_adapter("a_b").with_adapter("a-b"), "a-b"),
        (Parts().with_adapter("Base"), "the bare base model"),
        (Parts().with_adapter("x" * 50), "64 characters"),
    ],
)
def test_parts_that_cannot_stand_together_are_refused(parts: Parts, why: str) -> None:
    """Two files for one path, a name of ours, or two adapters that servers could not tell apart."""
    with pytest.raises(LayoutConflict) as refused:
        planned(parts)

    assert why in str(refused.value)
    assert refused.value.exit_code == 3


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}", fullmatch=True))
def test_a_served_name_is_portable_or_refused(name: str) -> None:
    """Whatever an adapter may be called, servers get a name that they all can spell, or none."""
    manifest = Parts().with_adapter(name).keep(MemoryStore())
    try:
        (adapter,) = served_adapters(manifest)
    except LayoutConflict:
        assert len(name) > 49 or name.lower() == "base"
        return

    assert len(adapter.served) <= 63
    assert set(adapter.served) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert adapter.served.endswith(f"--{short(adapter.digest)}")
