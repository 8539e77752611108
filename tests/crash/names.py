"""Hostile text wherever a stranger may put some: it is refused, or shown without a terminal obeying it."""

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from registry.adapters.sources.path import tree_at
from registry.core.digest import hex_of
from tests.crash.scenes import VERBS, Scene
from tests.crash.victim import Ended, Victims

TEXTS = (
    *("..", "...", "a/../../b", "/etc/passwd", "~root", "-rf", "--help", "$(id)", "`id`", "a;b", "a|b", "%s%n", "{0}"),
    *("con", "AUX.json", "com1", "nul", "C:x", "a\\b", "a:b", "a.", "a ", " a", "\u3000", "a\u0085", "a\u00a0b", "a&b"),
    *("a\nb", "a\rb", "a\tb", "a\x07", "a\x1b[2J", "a\x1b]0;x\x07", "a\x7f", "a\x9b31m", "a\u2028b"),
    *("a\u202egnp", "a\u2066b", "a\u200bb", "a\u200db", "\ufeffa", "a\U000e0041", "a\ufff9b"),
    *("e\u0301", "\u00e9", "A/a", "\u00df", "\ufb01", "\u2167", "\u0130", "\u0131", "\u1e9e", "模型", "😀", "نموذج"),
    *("x" * 256, "\u00e9" * 128, "x/" * 70 + "x", "null", "true", "0", "NaN", "__proto__", "b.json\x00"),
    *("<script>alert(1)</script>", "' OR 1=1 --", '"', "[link](http://x)"),
    *(os.fsdecode(b"a\xff"), os.fsdecode(b"\xc3\x28"), "\ud800"),
)
"""After the list of naughty strings (github.com/minimaxir/big-list-of-naughty-strings), cut to what names can meet."""

PLACES = ("file", "model", "reason", "reference", "stage", "place")
"""What the text is: a file of a model, a model's name, a reason, a model that is asked for, a stage, a host's place."""


def cases(draw: random.Random) -> Iterator[tuple[str, str]]:
    """Every text at every place."""
    del draw
    yield from ((place, text) for place in PLACES for text in TEXTS)


def name_it(scene: Scene, victims: Victims, place: str, text: str) -> bool:
    """Use `text` there, and look at all that is printed; whether it was let in."""
    outside = {path.name for path in scene.parent.parent.iterdir()}
    words = _prepared(scene, place, text)
    if words is None:
        return False
    ended = _typed(scene, victims, *words)
    if ended.code == 0 and place in ("file", "model"):
        name = text if place == "model" else "one"
        scene.project.commit()
        assert _typed(scene, victims, "promote", name, *VERBS["promote"][2:]).code in (0, 2, 3)
    for more in (("status",), ("log",), ("log", "--json"), ("verify",), ("show", "one"), VERBS["pull"]):
        _typed(scene, victims, *more)
    report = scene.project.registry.verify()
    assert report.is_clean, report
    current = scene.host / "current"
    assert not current.exists() or hex_of(tree_at(current.resolve()).digest) == current.resolve().name
    assert outside == {path.name for path in scene.parent.parent.iterdir()}, "something was written elsewhere"
    return ended.code == 0


def _prepared(scene: Scene, place: str, text: str) -> tuple[str, ...] | None:
    """What is typed, once the text is where it should be; None where the system itself refuses it."""
    root = scene.project.root
    match place:
        case "file":
            if not _written(root / "models/one", text):
                return None
            scene.project.commit()
            return ("pin", "manifests/one.json")
        case "model":
            config = root / "manifests/one.json"
            if not text.isascii():
                text = text.encode(errors="surrogatepass").decode(errors="replace")
            config.write_text(config.read_text().replace('"name": "one"', f'"name": {_json(text)}'))
            scene.project.commit()
            return ("pin", "manifests/one.json")
        case "reason":
            words = (*VERBS["promote"][:-1], text)
        case "reference":
            words = ("show", "--", text)
        case "stage":
            words = ("promote", "one", "--to", text, "--bootstrap", "--reason", "x")
        case _:
            words = ("pull", "dev", "--", f"../hosts/{text.replace('/', '_')}")
    return None if any("\0" in word for word in words) else words


def _json(text: str) -> str:
    import json

    return json.dumps(text)


def _written(directory: Path, text: str) -> bool:
    target = directory / "extra" / text.lstrip("/")
    if ".." in Path(text).parts:
        return False  # why: that is another place, not a name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("{}")
        if "/" in text:
            shutil.copy(target, directory / "extra" / text.swapcase().replace("/", "_"))
    except (OSError, ValueError):
        return False
    return True


def _typed(scene: Scene, victims: Victims, *words: str) -> Ended:
    ended = victims.run(scene.project.root, scene.project.environment, *words)
    assert "Traceback" not in ended.err, f"{words} fell over:\n{ended.err}"
    for line in [*ended.out.split("\n"), *ended.err.split("\n")]:
        assert line.isprintable(), f"{words} prints {line!r}"
    assert ended.code < 8
    return ended
