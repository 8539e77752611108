"""One LoRA adapter against its base: rank, modules and shapes, from the headers and the adapter's config alone."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from registry.core.bundle.tensors import Tensor

_TENSOR = re.compile(r"base_model\.model\.(.+)\.lora_([AB])\.weight")
_AT_MOST = 5  # why: a wrong base makes every tensor wrong; a few say it as well as a thousand.

Fault = tuple[str, str]
"""What is wrong, and what was seen."""


def check_adapter(config: Any, tensors: Mapping[str, Tensor], base: Mapping[str, Tensor]) -> list[Fault]:
    """Compare an adapter with the base that it is to be served on.

    Args:
        config: The loaded `adapter_config.json`.
        tensors: The header of `adapter_model.safetensors`.
        base: The headers of all the base's files together.

    Returns:
        What an engine would refuse or load silently wrong; empty if nothing is. At most five of a kind.
    """
    if faults := list(_config_faults(config)):
        return faults
    if faults := [_stray(name) for name in tensors if not _TENSOR.fullmatch(name)]:
        return faults[:_AT_MOST]
    halves = {(match[1], match[2]): tensor for name, tensor in tensors.items() if (match := _TENSOR.fullmatch(name))}
    modules = sorted({module for module, _ in halves})
    if not modules:
        return [("it holds no tensor", "a server would load it and change nothing")]
    pairs = {module: (halves.get((module, "A")), halves.get((module, "B"))) for module in modules}
    shapes = [fault for module, pair in pairs.items() for fault in _module_faults((module, *pair), base, config)]
    return [*shapes[:_AT_MOST], *list(_coverage_faults(modules, base, config))[:_AT_MOST]]


def _config_faults(config: Any) -> Iterator[Fault]:
    if not isinstance(config, dict):
        yield "adapter_config.json is not an object", f"it is {type(config).__name__}"
        return
    if (kind := config.get("peft_type")) != "LORA":
        yield "peft_type is not LORA", f"it is {kind!r}, which servers do not load as what it is"
    rank = config.get("r")
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        yield "r is not a rank", f"it is {rank!r}; a rank is a whole number from 1"
    targets = config.get("target_modules")
    if not isinstance(targets, list) or not targets or not all(isinstance(target, str) for target in targets):
        yield "target_modules is not a list of module names", f"it is {targets!r}; engines cannot read a pattern"
    alpha = config.get("lora_alpha")
    if not isinstance(alpha, int | float) or not math.isfinite(alpha):
        yield "lora_alpha is not a finite number", f"it is {alpha!r}; every output would be scaled by it"
    if not isinstance(config.get("rank_pattern") or {}, dict):
        yield "rank_pattern is not an object", f"it is {config['rank_pattern']!r}"


def _stray(name: str) -> Fault:
    """A tensor that is not `base_model.model.<module>.lora_A.weight` or its other half."""
    what = f"{name} is not half of a LoRA pair"
    if re.search(r"\.lora_[AB]\.[^.]+\.weight$", name):
        return what, "it carries an adapter name, as state_dict() writes it; engines skip such names"
    return what, "engines skip tensors whose names they do not know"


def _module_faults(
    pair: tuple[str, Tensor | None, Tensor | None], base: Mapping[str, Tensor], config: Mapping[str, Any]
) -> Iterator[Fault]:
    """Shapes: A is [rank, in], B is [out, rank], and the base's weight is [out, in]."""
    module, first, second = pair
    weight = base.get(f"{module}.weight")
    if weight is None or len(weight.shape) != 2:
        yield f"the base has no linear module {module}", "the adapter was trained on another base, or its names differ"
        return
    out, into = reversed(weight.shape) if config.get("fan_in_fan_out") else weight.shape
    if first is None or second is None:
        yield f"{module} has only one half of its pair", f"lora_{'B' if first else 'A'} is missing"
        return
    rank = first.shape[0] if first.shape else 0
    if first.shape != (rank, into) or second.shape != (out, rank):
        seen = f"A is {list(first.shape)}, B is {list(second.shape)}, the base's weight is {list(weight.shape)}"
        yield f"the shapes of {module} do not fit the base", seen
    elif rank not in (allowed := _ranks(config)):
        yield f"the rank of {module} is {rank}", f"adapter_config.json says {', '.join(map(str, allowed))}"


def _ranks(config: Mapping[str, Any]) -> list[int]:
    """Every rank that the config allows. Which module has which is a pattern, and patterns are for PEFT to match."""
    pattern = (config.get("rank_pattern") or {}).values()
    return sorted({config["r"], *(rank for rank in pattern if isinstance(rank, int))})


def _coverage_faults(modules: list[str], base: Mapping[str, Tensor], config: Mapping[str, Any]) -> Iterator[Fault]:
    """Every module that the config names has its pair, and no other module has one."""
    targets = config["target_modules"]
    for module in modules:
        if not _is_target(module, targets):
            yield f"{module} has weights but is not a target", f"target_modules are {', '.join(targets)}"
    if config.get("layers_to_transform") is not None or config.get("exclude_modules"):
        return  # why: then some modules are left out on purpose; which ones is for PEFT to say.
    wanted = {name.removesuffix(".weight") for name, tensor in base.items() if len(tensor.shape) == 2}
    for module in sorted(wanted - set(modules)):
        if _is_target(module, targets):
            yield f"{module} has no weights", "target_modules name it; the file was cut or saved by hand"
    for target in targets:
        if not any(_is_target(module, [target]) for module in modules):
            yield f"the target {target} is in no module", "the base has none of that name, or its weights are missing"


def _is_target(module: str, targets: list[str]) -> bool:
    """PEFT's rule for a list: the module's whole path, or its last steps."""
    return any(module == target or module.endswith(f".{target}") for target in targets)
