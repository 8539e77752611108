"""Formats: pickles and code by whatever name, and no false alarm at what models are made of."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import pickletools
import zipfile
import zlib

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core.formats import HEAD_BYTES, Kind, kind_of, named_kind
from registry.core.pin import Role


class Evil:
    """Runs a command when it is unpickled; nobody here does that."""

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        import os

        return os.system, ("true",)


def zipped(**members: bytes) -> bytes:
    """A zip, as `torch.save` writes one: nothing compressed."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(f"archive/{name.replace('_', '.')}", data)
    return file.getvalue()


def array(of: object, *, allow: bool) -> bytes:
    """A .npy file."""
    file = io.BytesIO()
    numpy.save(file, numpy.array(of, dtype=object if allow else None), allow_pickle=allow)
    return file.getvalue()


def safetensors(header_bytes: int) -> bytes:
    """A file with a header of that length, padded as the format allows."""
    header = b'{"__metadata__":{}}'.ljust(header_bytes)
    return len(header).to_bytes(8, "little") + header


EVIL = [pickle.dumps(Evil(), protocol) for protocol in range(6)]


PICKLED = [
    *EVIL,
    *(pickle.dumps({"weights": [1.0] * 9}, protocol) for protocol in range(2, 6)),
    pickletools.optimize(EVIL[4]),
    pickle.dumps([b"x" * HEAD_BYTES, Evil()]),
    gzip.compress(EVIL[2]),
    zlib.compress(EVIL[2]),
    zlib.compress(EVIL[2], 1),
    bz2.compress(EVIL[2]),
    lzma.compress(EVIL[2]),
    zipped(data_pkl=b"whatever"),
    zipped(weights_safetensors=EVIL[0]),
    zipped(data_txt=b"x" * 1000)[:-30],
    array([Evil()], allow=True),
]


@pytest.mark.parametrize("data", PICKLED, ids=range(len(PICKLED)))
def test_a_pickle_is_known_by_its_content(data: bytes) -> None:
    """Every protocol, in a zip, compressed, as an array of objects; and a zip that cannot be looked into."""
    assert "pickle" == kind_of(io.BytesIO(data))


PLAIN = [
    b"",
    b"\x80",
    b"c",
    b"N.",
    b"chat template\nof the assistant\n{{ messages }}\n",
    b"x" * 100_000,
    json.dumps({"model_type": "llama"}).encode(),
    b"GGUF\x03\x00\x00\x00" + bytes(100),
    *(safetensors(length) for length in (128, 640, 0x280, 0x480, 0x2880, 0x7D0480)),
    gzip.compress(b"plain text" * 100),
    b"\x1f\x8b broken",
    zipped(config_json=b"{}", model_safetensors=safetensors(640)),
    array([1.0, 2.0], allow=False),
]


@pytest.mark.parametrize("data", PLAIN, ids=range(len(PLAIN)))
def test_what_models_are_made_of_raises_no_alarm(data: bytes) -> None:
    """Text, JSON, GGUF, arrays of numbers, and safetensors whose header's length looks like a pickle's first bytes."""
    assert kind_of(io.BytesIO(data)) is None


@given(st.integers(0, 100_000_000), st.binary(max_size=60))
def test_no_safetensors_header_looks_like_a_pickle(length: int, rest: bytes) -> None:
    """Whatever the length of the header is, which comes first."""
    assert kind_of(io.BytesIO(length.to_bytes(8, "little") + b'{"' + rest)) is None


@given(st.recursive(st.integers() | st.text() | st.none() | st.binary(), st.lists, max_leaves=9), st.integers(0, 5))
def test_a_pickle_of_anything_that_runs_is_found(value: object, protocol: int) -> None:
    """Beside whatever else it holds."""
    assert "pickle" == kind_of(io.BytesIO(pickle.dumps([value, Evil()], protocol)))


@pytest.mark.parametrize(
    ("path", "role", "kind"),
    [
        ("pytorch_model.bin", "llm", "pickle"),
        ("A.PT", "adapter", "pickle"),
        ("deep/er/x.joblib", "dataset", "pickle"),
        ("modeling_custom.py", "llm", "python"),
        ("modeling_custom.PY", "tokenizer", "python"),
        ("numeric.py", "verifier", None),
        ("model.safetensors", "llm", None),
        ("bin", "llm", None),
    ],
)
def test_a_name_says_what_a_loader_would_do(path: str, role: Role, kind: Kind | None) -> None:
    """Pickles everywhere; Python code only where a server would load it: a verifier is code."""
    assert kind == named_kind(path, role)
