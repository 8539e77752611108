"""Where work was done."""

import subprocess
import sys

from registry.adapters.environment import packages_digest, read_environment


def test_the_environment_is_read_without_heavy_imports() -> None:
    """Neither torch nor anything like it is loaded to say its version; nor by the modules of a pin."""
    program = """
import sys
from registry.adapters.environment import read_environment
import registry.verbs.pin, registry.verbs.show, registry.verbs.add, registry.adapters.sources.workspace
assert read_environment().python
heavy = {"torch", "transformers", "mlflow", "dvc", "huggingface_hub", "git", "scipy", "jsonschema"} & sys.modules.keys()
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_same_place_is_the_same_environment() -> None:
    """It holds no time, no path and no process."""
    assert read_environment() == read_environment()
    assert packages_digest() == packages_digest()


def test_the_engine_may_say_what_it_runs_on() -> None:
    """A machine with a GPU may have worked on its CPU."""
    found = read_environment("cpu")

    assert found.device.startswith("cpu ")
    assert (None, None) == (found.cuda, found.driver)
    assert read_environment("cuda:0").device.startswith("cuda ")
