"""The difference: what one manifest has that another has not, in a few words a part."""

from registry.core.manifest import Manifest
from registry.core.pin import Pin


def changes(old: Manifest, new: Manifest) -> tuple[str, ...]:
    """What changed from `old` to `new`: `+` came, `-` went, `~` is another one, each with its role and name."""
    before, after = _parts(old), _parts(new)
    lines = []
    for role, name in sorted(before.keys() | after.keys()):
        was, now = before.get((role, name)), after.get((role, name))
        if was is None and now is not None:
            lines.append(f"+ {role} {now}")
        elif now is None and was is not None:
            lines.append(f"- {role} {was}")
        elif was != now:
            lines.append(f"~ {role} {was} -> {now}")
    return tuple(lines)


def _parts(manifest: Manifest) -> dict[tuple[str, str], str]:
    """Every part of a manifest in its short form, by role and name."""
    found: dict[tuple[str, str], str] = {(pin.role, pin.name): _spelled(pin) for pin in manifest.pins}
    found |= {("sampling", name): f"{name} {value}" for name, value in manifest.sampling.items()}
    found |= {("version", name): f"{name} {value}" for name, value in manifest.tools.versions.items()}
    found |= {("route", name): f"{name} to {value}" for name, value in manifest.routes.items()}
    if manifest.suite:
        found["suite", ""] = manifest.suite.removeprefix("sha256:")[:12]
    return found


def _spelled(pin: Pin) -> str:
    digits = pin.digest.removeprefix("sha256:")[:12]
    return f"{pin.name}@{digits}" if pin.label is None else f"{pin.name}@{pin.label} ({digits})"
