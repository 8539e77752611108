"""The difference: what one manifest has that another has not, in a few words a part."""

from collections.abc import Mapping

from registry.core.digest import short
from registry.core.manifest import Manifest
from registry.core.pin import Pin


def changes(old: Manifest, new: Manifest) -> tuple[str, ...]:
    """What changed from `old` to `new`: `+` came, `-` went, `~` is another one, each with its role and name."""
    return compare(_parts(old), _parts(new))


def compare(before: Mapping[tuple[str, str], str], after: Mapping[tuple[str, str], str]) -> tuple[str, ...]:
    """The same for any parts, each by its kind and name."""
    lines = []
    for role, name in sorted(before.keys() | after.keys()):
        was, now = before.get((role, name)), after.get((role, name))
        if was is None and now is not None:
            lines.append(f"+ {role} {name} {now}")
        elif now is None and was is not None:
            lines.append(f"- {role} {name} {was}")
        elif was != now:
            lines.append(f"~ {role} {name} {was} -> {now}")
    return tuple(lines)


def _parts(manifest: Manifest) -> dict[tuple[str, str], str]:
    """Every part of a manifest in its short form, by role and name."""
    found: dict[tuple[str, str], str] = {(pin.role, pin.name): _spelled(pin) for pin in manifest.pins}
    found |= {("sampling", name): value for name, value in manifest.sampling.items()}
    found |= {("version", name): value for name, value in manifest.tools.versions.items()}
    found |= {("route", name): value for name, value in manifest.routes.items()}
    if manifest.suite:
        found["suite", "of cases"] = short(manifest.suite)
    return found


def _spelled(pin: Pin) -> str:
    return short(pin.digest) if pin.label is None else f"{short(pin.digest)} ({pin.label})"
