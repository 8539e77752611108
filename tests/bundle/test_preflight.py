"""What a server would refuse, or load silently wrong, is refused before."""

import json
from collections.abc import Callable
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.adapters.stores.memory import MemoryStore
from registry.core.bundle.report import PreflightRefused, Report
from registry.core.bundle.tensors import MalformedTensors, Tensor, read_header
from registry.core.digest import DigestMismatch
from registry.testing.models import Parts, adapter_files, base_files, tensor_file
from registry.verbs.bundle import plan_of

Files = dict[str, bytes]
WEIGHTS = "adapter_model.safetensors"
STEM = "base_model.model.model.layers.0.self_attn.q_proj"
FIRST, SECOND, INDEX = (
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
)
OF_THREE = ("model-00001-of-00003.safetensors", "model-00003-of-00003.safetensors")


def report_on(parts: Parts) -> Report:
    """What the pre-flight says of `parts`."""
    store = MemoryStore()
    return plan_of(parts.keep(store), store=store)[1]


def base_with(change: Callable[[Files], object]) -> Parts:
    """A model whose base was changed, with a good adapter."""
    files = base_files()
    change(files)
    return Parts(base=files).with_adapter("math")


def adapter_with(change: Callable[[Files], object]) -> Parts:
    """A model whose adapter was changed."""
    files = adapter_files(salt="math")
    change(files)
    return Parts().with_adapter("math", files)


def config(**changes: object) -> Callable[[Files], object]:
    """Change keys of adapter_config.json."""

    def change(files: Files) -> None:
        files["adapter_config.json"] = json.dumps({**json.loads(files["adapter_config.json"]), **changes}).encode()

    return change


def tensors(**changes: tuple[int, ...] | None) -> Callable[[Files], object]:
    """Add tensors to the adapter, or take them away; `lora_A` stands for the q_proj of layer 0."""

    def change(files: Files) -> None:
        header = read_header(BytesIO(files[WEIGHTS]), len(files[WEIGHTS]))
        shapes = {name: tensor.shape for name, tensor in header.items()}
        for key, shape in changes.items():
            name = {"lora_A": f"{STEM}.lora_A.weight", "lora_B": f"{STEM}.lora_B.weight"}.get(key, key)
            shapes.pop(name, None)
            if shape is not None:
                shapes[name] = shape
        files[WEIGHTS] = tensor_file(shapes)

    return change


REFUSED = {
    "a pickled base": (base_with(lambda f: f.update({"pytorch_model.bin": b"x"})), "run code"),
    "a pickled state beside the adapter": (adapter_with(lambda f: f.update({"training_args.bin": b"x"})), "run code"),
    "code": (base_with(lambda f: f.update({"modeling.py": b"x"})), "run code"),
    "a request for code": (base_with(lambda f: f.update({"config.json": b'{"auto_map":{"a":"b"}}'})), "auto_map"),
    "a cut file": (base_with(lambda f: f.update({FIRST: f[FIRST][:-1]})), "promises"),
    "a long file": (base_with(lambda f: f.update({FIRST: f[FIRST] + b"x"})), "promises"),
    "an empty file": (base_with(lambda f: f.update({FIRST: b""})), "shorter"),
    "a git-lfs pointer": (
        base_with(lambda f: f.update({FIRST: b"version https://git-lfs.github.com/spec/v1".ljust(150)})),
        "git-lfs",
    ),
    "no base config": (base_with(lambda f: f.pop("config.json")), "no config.json"),
    "a base config with a key twice": (base_with(lambda f: f.update({"config.json": b'{"a":1,"a":2}'})), "twice"),
    "no weights": (base_with(lambda f: [f.pop(FIRST), f.pop(SECOND)]), "no safetensors"),
    "a shard missing": (base_with(lambda f: f.pop(SECOND)), "1 of 2"),
    "a middle shard missing": (
        base_with(lambda f: f.update({n: f.pop(x) for n, x in zip(OF_THREE, (FIRST, SECOND), strict=True)})),
        "2 of 3",
    ),
    "an index missing": (base_with(lambda f: f.pop(INDEX)), "no index"),
    "an index that knows less": (base_with(lambda f: f.update({INDEX: b'{"weight_map":{}}'})), "disagree"),
    "an index of nonsense": (base_with(lambda f: f.update({INDEX: b'{"weight_map":[1]}'})), "disagree"),
    "a tensor in two shards": (base_with(lambda f: f.update({"model.safetensors": f[FIRST]})), "two files"),
    "no adapter config": (adapter_with(lambda f: f.pop("adapter_config.json")), "adapter_config"),
    "no adapter weights": (adapter_with(lambda f: f.pop(WEIGHTS)), WEIGHTS),
    "another kind of adapter": (adapter_with(config(peft_type="IA3")), "LORA"),
    "no rank": (adapter_with(config(r=0)), "rank"),
    "a rank that is not the tensors'": (adapter_with(config(r=4)), "the rank of"),
    "a scale that is no number": (adapter_with(config(lora_alpha=float("nan"))), "lora_alpha"),
    "targets as a pattern": (adapter_with(config(target_modules=".*")), "target_modules"),
    "a target without weights": (adapter_with(config(target_modules=["q_proj", "v_proj", "o_proj"])), "o_proj"),
    "weights without a target": (adapter_with(config(target_modules=["q_proj"])), "not a target"),
    "ranks as a list": (adapter_with(config(rank_pattern=[2])), "rank_pattern"),
    "half a pair": (adapter_with(tensors(lora_B=None)), "lora_B is missing"),
    "a module cut away": (adapter_with(tensors(lora_A=None, lora_B=None)), "has no weights"),
    "an unsharded save": (adapter_with(tensors(lora_A=(0,))), "do not fit"),
    "a first half of another width": (adapter_with(tensors(lora_A=(2, 9))), "do not fit"),
    "a second half of another height": (adapter_with(tensors(lora_B=(9, 2))), "do not fit"),
    "halves of two ranks": (adapter_with(tensors(lora_B=(8, 3))), "do not fit"),
    "a layer too many": (
        adapter_with(tensors(**{STEM.replace("layers.0", "layers.9") + ".lora_A.weight": (2, 8)})),
        "layers.9",
    ),
    "a name from state_dict()": (adapter_with(tensors(**{f"{STEM}.lora_A.default.weight": (2, 8)})), "adapter name"),
    "a magnitude vector": (adapter_with(tensors(**{f"{STEM}.lora_magnitude_vector": (8,)})), "half of a LoRA"),
    "an adapter of a narrower base": (Parts().with_adapter("math", adapter_files(salt="math", wide=4)), "do not fit"),
    "an adapter of a wider base": (Parts().with_adapter("math", adapter_files(salt="math", wide=16)), "do not fit"),
    "its own vocabulary": (adapter_with(lambda f: f.update({"tokenizer.json": b"{}"})), "tokenizer"),
    "its own template": (adapter_with(lambda f: f.update({"chat_template.jinja": b"x"})), "tokenizer"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_bundle_that_would_be_wrong_is_refused(kind: str) -> None:
    """Each fault is told as what, why and how to mend it."""
    parts, word = REFUSED[kind]
    with pytest.raises(PreflightRefused) as refused:
        report_on(parts)

    assert word in str(refused.value)
    assert all(check.what and check.why and check.mend for check in refused.value.refusals)
    assert refused.value.exit_code == 3


def test_good_parts_pass_every_check() -> None:
    """A whole base and a fitting adapter raise neither refusal nor warning."""
    report = report_on(Parts().with_adapter("math"))

    assert {"ok"} == {check.verdict for check in report.checks}
    assert {"plain files", "tensor file", "base", "adapter"} == {check.name for check in report.checks}


def test_one_file_needs_no_index() -> None:
    """A small base is one model.safetensors."""
    files = base_files()
    shapes: dict[str, tuple[int, ...]] = {}
    for shard in (FIRST, SECOND):
        data = files.pop(shard)
        shapes |= {name: tensor.shape for name, tensor in read_header(BytesIO(data), len(data)).items()}
    del files[INDEX]
    report = report_on(Parts(base={**files, "model.safetensors": tensor_file(shapes)}).with_adapter("math"))

    assert not report.refusals


@pytest.mark.parametrize(
    "change",
    [
        config(target_modules=["self_attn.q_proj", "model.layers.0.self_attn.v_proj", "layers.1.self_attn.v_proj"]),
        config(r=8, rank_pattern={"q_proj": 2, "v_proj": 2}),
        lambda files: files.update({"chat_template.jinja": Parts().tokenizer["chat_template.jinja"]}),
    ],
)
def test_unusual_but_right_adapters_pass(change: Callable[[Files], object]) -> None:
    """Long module names, ranks by pattern, and the server's own template are fine."""
    assert not report_on(adapter_with(change)).refusals


def test_layers_left_out_on_purpose_are_not_missed() -> None:
    """layers_to_transform says that some modules have no weights."""
    only_first = tensors(
        **{
            f"{STEM.replace('layers.0', 'layers.1').replace('q_proj', target)}.lora_{half}.weight": None
            for target in ("q_proj", "v_proj")
            for half in "AB"
        }
    )
    files = adapter_files(salt="math")
    only_first(files)
    config(layers_to_transform=[0])(files)

    assert not report_on(Parts().with_adapter("math", files)).refusals


def test_a_conv_layer_is_turned() -> None:
    """fan_in_fan_out says that the base keeps its weight as [in, out]."""
    shapes: dict[str, tuple[int, ...]] = {"h.0.c_attn.weight": (8, 24)}
    adapter = {
        "base_model.model.h.0.c_attn.lora_A.weight": (2, 8),
        "base_model.model.h.0.c_attn.lora_B.weight": (24, 2),
    }
    settings = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["c_attn"], "fan_in_fan_out": True}
    base = {"config.json": b"{}", "model.safetensors": tensor_file(shapes)}
    files = {"adapter_config.json": json.dumps(settings).encode(), WEIGHTS: tensor_file(adapter)}

    assert not report_on(Parts(base=base).with_adapter("math", files)).refusals


@pytest.mark.parametrize(
    ("parts", "word"),
    [
        (Parts().with_adapter("math").with_adapter("copy", adapter_files(salt="math")), "same weights as math"),
        (adapter_with(lambda f: f.update({"tokenizer_config.json": b"{}"})), "another tokenizer_config.json"),
    ],
)
def test_what_is_only_odd_is_a_warning(parts: Parts, word: str) -> None:
    """It is told, and shipped in the report, and does not stop the bundle."""
    report = report_on(parts)

    assert not report.refusals
    assert any(word in f"{check.what} {check.why}" for check in report.warnings)


def test_a_damaged_blob_is_damage_and_not_a_refusal() -> None:
    """A file that rotted in the store is told as such (5), whatever it looks like to the checks."""
    store = MemoryStore()
    parts = Parts().with_adapter("math")
    manifest = parts.keep(store)
    for path, data in {**parts.base, **parts.adapters["math"]}.items():
        if path.endswith(".safetensors"):
            digest = next(key for key, value in store.blobs.items() if value == data)
            store.blobs[digest] = data[:-1] + bytes([data[-1] ^ 1])
            store.blobs[digest] = b"\xff" + store.blobs[digest][1:]
            with pytest.raises(DigestMismatch):
                plan_of(manifest, store=store)
            store.blobs[digest] = data


@given(st.binary(max_size=200))
def test_no_bytes_confuse_the_header_reader(data: bytes) -> None:
    """Anything at all is a header or is refused."""
    try:
        read_header(BytesIO(data), len(data))
    except MalformedTensors:
        return

    assert len(data) >= 10


@given(st.dictionaries(st.text("abc.", min_size=1), st.lists(st.integers(0, 5), max_size=3), max_size=5))
def test_every_whole_file_is_read(shapes: dict[str, list[int]]) -> None:
    """The names, types and shapes that were written come back."""
    data = tensor_file({name: tuple(shape) for name, shape in shapes.items()})

    assert {name: Tensor("F32", tuple(shape)) for name, shape in shapes.items()} == read_header(
        BytesIO(data), len(data)
    )


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', "not [2] of F32"),
        ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', "gap"),
        ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}', "not [1] of F32"),
        ('{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,0]}}', "list of lengths"),
        ('{"a":{"dtype":"F32","shape":[1]}}', "data_offsets"),
        ('{"a":1,"a":2}', "twice"),
        ('{"a":{"dtype":"X","shape":[1],"data_offsets":[0,NaN]}}', "NaN"),
        ("[]", "not a JSON object"),
        ("{", "not JSON"),
    ],
)
def test_a_header_that_does_not_add_up_is_refused(header: str, why: str) -> None:
    """Offsets, shapes and types must agree with each other and with the file."""
    data = len(header).to_bytes(8, "little") + header.encode() + b"x" * 8
    with pytest.raises(MalformedTensors) as refused:
        read_header(BytesIO(data), len(data))

    assert why in str(refused.value)


def test_a_giant_header_is_not_read() -> None:
    """A length that nobody would write is refused before memory is taken for it."""
    with pytest.raises(MalformedTensors, match="whole"):
        read_header(BytesIO((10**12).to_bytes(8, "little")), 2 * 10**12)
