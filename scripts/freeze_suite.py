"""Write `manifests/heldout` from its generator. Run it only to make a new suite: old evidence will not fit it."""

import shutil
from pathlib import Path

from registry.training.suite import suite_files


def main() -> None:
    """Replace the directory by what the generator says."""
    root = Path("manifests/heldout")
    shutil.rmtree(root, ignore_errors=True)
    for path, data in suite_files().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    print(f"{sum(1 for path in root.rglob('*') if path.is_file())} files in {root}")


if __name__ == "__main__":
    main()
