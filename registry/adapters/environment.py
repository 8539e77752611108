"""The environment that this process runs in, as far as it can change a bit of a result; nothing heavy is imported."""

import importlib.metadata
import importlib.util
import platform
import re
from pathlib import Path

from registry.core.canonical import canonical
from registry.core.digest import Digest, digest_of
from registry.core.manifest import Environment

_OURS = "lockstep-registry"
_NVIDIA = Path("/proc/driver/nvidia")


def read_environment(device: str | None = None) -> Environment:
    """Say where this process runs.

    Args:
        device: What the engine runs on, as it says itself, such as `cpu` or `cuda`; None means CUDA if the machine
            has an NVIDIA driver and torch was built for CUDA, else the CPU.

    Returns:
        Versions and models as the platform spells them; `packages` is the digest of the sorted `name==version` list.
    """
    cuda = _cuda_of_torch()
    on_gpu = device.startswith("cuda") if device is not None else bool(cuda) and _NVIDIA.is_dir()
    return Environment(
        python=f"{platform.python_implementation()} {platform.python_version()}",
        platform="-".join(part for part in (platform.system(), platform.machine(), *platform.libc_ver()) if part),
        device=f"cuda {_gpu()}" if on_gpu else f"cpu {_cpu()}",
        torch=_version("torch"),
        cuda=cuda if on_gpu else None,
        driver=_driver() if on_gpu else None,
        packages=packages_digest(),
    )


def packages_digest() -> Digest:
    """The digest of every installed distribution's name and version, this package apart: the commit pins that."""
    named = (_name_and_version(distribution) for distribution in importlib.metadata.distributions())
    # why the name first: a directory that pip left half removed has metadata without one.
    found = {f"{re.sub(r'[-_.]+', '-', name).lower()}=={version}" for name, version in named if name}
    return digest_of(canonical(sorted(name for name in found if not name.startswith(f"{_OURS}=="))))


def _name_and_version(distribution: importlib.metadata.Distribution) -> tuple[str, str]:
    """What a distribution is called, from the head of its metadata: the rest, mostly a README, takes long to parse."""
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    head = text.replace("\r\n", "\n").split("\n\n", 1)[0]
    found = dict(re.findall(r"^(Name|Version):[ \t]*(.*?)[ \t]*$", head, re.MULTILINE))
    return found.get("Name", ""), found.get("Version", "")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cuda_of_torch() -> str | None:
    """The CUDA version that torch was built for, from its version file: importing torch takes seconds."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    text = _read(Path(spec.origin).parent / "version.py")
    found = re.search(r"^cuda\s*(?::[^=]+)?=\s*['\"]([0-9.]+)['\"]", text, re.MULTILINE)
    return found[1] if found else None


def _cpu() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", _read(Path("/proc/cpuinfo")), re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def _gpu() -> str:
    """The models of all GPUs that the driver sees, each once."""
    files = sorted(_NVIDIA.glob("gpus/*/information"))
    models = [found[1].strip() for file in files if (found := re.search(r"^Model:\s*(.+)$", _read(file), re.MULTILINE))]
    return ", ".join(dict.fromkeys(models)) or "unknown"


def _driver() -> str | None:
    found = re.search(r"\b(\d+\.\d+(?:\.\d+)?)\b", _read(_NVIDIA / "version"))
    return found[1] if found else None


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
