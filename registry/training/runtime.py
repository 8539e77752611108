"""How a stage's process is set up, so that the same inputs give the same bytes on the same machine."""

import os
import warnings
from typing import Any


def prepare(threads: int, seed: int) -> str:
    """Set torch up for deterministic work, and say where it will run. Call it before anything imports torch.

    Args:
        threads: CPU threads for torch. Another number sums in another order, and gives other bytes.
        seed: Seeds torch's generator.

    Returns:
        `cuda` where there is a GPU, else `cpu`.
    """
    # why: idle OpenMP threads would spin, which on a busy machine costs several times the work itself.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # why: the library would take fewer threads on a smaller machine, and sum in another order.
    os.environ.setdefault("MKL_DYNAMIC", "FALSE")
    os.environ.setdefault("OMP_DYNAMIC", "FALSE")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import torch

    warnings.filterwarnings("ignore", category=FutureWarning)
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(mode=True)
    return "cuda" if torch.cuda.is_available() else "cpu"


def machine(device: str, threads: int) -> dict[str, Any]:
    """What the stage ran on, for the record beside its metrics."""
    import torch

    name = torch.cuda.get_device_name() if device == "cuda" else torch.backends.cpu.get_cpu_capability()
    return {"device": device, "device_kind": name, "threads": threads, "torch": torch.__version__}
