"""A base that comes from elsewhere: a directory, or a Hub at a commit, read through the registry's own sources."""

import shutil
from fnmatch import fnmatch
from pathlib import Path

from registry.adapters.sources.workspace import WorkspaceSources
from registry.core.reference import NothingThere
from registry.training.hashing import tree_at

MODEL_FILES = ("*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")


def take_over(location: str, destination: Path, patterns: tuple[str, ...]) -> str:
    """Copy the files at `location` that match `patterns`, checked; the sentence says which commit they are from.

    Raises:
        NothingThere: No file matches.
        RegistryError: The location is not understood, or cannot be read, or has other bytes than its place promises.
    """
    sources = WorkspaceSources(root=Path(), cache=Path(".registry/cache"))
    try:
        found = sources.find(location)
        found.confirm(tree_at(found.files))
        wanted = [file for file in found.files if any(fnmatch(file.path, pattern) for pattern in patterns)]
        if not wanted:
            raise NothingThere(f"{location} has no file that is needed", why=f"none matches {', '.join(patterns)}")
        shutil.rmtree(destination, ignore_errors=True)
        destination.mkdir(parents=True)
        for file in wanted:
            with file.open() as reader, (destination / file.path).open("wb") as writer:
                shutil.copyfileobj(reader, writer)
        revision = f" at {found.source.revision}" if found.source.revision else ""
        return f"took {len(wanted)} files from {location}{revision}"
    finally:
        sources.close()
