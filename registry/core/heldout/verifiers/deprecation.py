"""deprecation v1.0: no code of the final answer uses a deprecated name; read by `ast`, never by substring."""

import ast
from collections.abc import Collection, Iterator

from registry.core.heldout.case import Case
from registry.core.heldout.evidence import Finding
from registry.core.heldout.verifiers.look import (
    LONGEST,
    Arguments,
    Instruments,
    Transcript,
    answer_of,
    failed,
    passed,
    texts_of,
)
from registry.core.heldout.verifiers.markup import python_blocks

VERSION = "v1.0"


def check(case: Case, transcript: Transcript, *, arguments: Arguments, instruments: Instruments) -> Finding:
    """Pass where every Python block parses and none uses one of `names`.

    A use is a call, or handing the name on (as an argument, in a list, as a result); by its own name, as an attribute
    of anything, through `getattr` with a plain string, or by an alias from `import … as` or an assignment. A comment, a
    string, prose, an import and an alias that is never used are no use.
    """
    names = frozenset(texts_of(arguments, "names"))
    used: list[str] = []
    for code in python_blocks(answer_of(transcript)):
        tree = _parse(code)
        if tree is None:
            return failed("a code block does not parse")
        used += uses(tree, names)
    return failed(f"uses {used[0]}") if used else passed("no use")


def uses(tree: ast.Module, names: Collection[str]) -> tuple[str, ...]:
    """Every use of `names` or of an alias of them in `tree`, as it is spelled there."""
    pairs = [pair for node in ast.walk(tree) for pair in _bindings(node)]
    known = _aliases(pairs, names)
    # why: binding a name is no use; but a walrus hands its value on in the same breath.
    walrus = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.NamedExpr)}
    bound = {id(value) for _, value in pairs} - walrus
    loads = (node for node in ast.walk(tree) if id(node) not in bound)
    return tuple(word for node in loads if (word := _word(node)) in known)


def _parse(code: str) -> ast.Module | None:
    if len(code) > LONGEST:
        return None
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _bindings(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Each (new name, what it is bound to) of an import or an assignment."""
    match node:
        case ast.Import() | ast.ImportFrom():
            for alias in node.names:
                yield alias.asname or alias.name, ast.Name(alias.name.rpartition(".")[2], ast.Load())
        case ast.Assign():
            for target in node.targets:
                yield from _bound(target, node.value)
        case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.NamedExpr(target=target, value=value):
            yield from _bound(target, value)


def _bound(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.AST]]:
    """The plain names and attributes that `target = value` binds; pairs of tuples are taken one by one."""
    waiting = [(target, value)]
    while waiting:
        left, right = waiting.pop()
        match left, right:
            case (ast.Tuple() | ast.List(), ast.Tuple() | ast.List()) if len(left.elts) == len(right.elts):
                waiting += zip(left.elts, right.elts, strict=True)
            case ((ast.Name(id=name) | ast.Attribute(attr=name)), _):
                yield name, right


def _aliases(pairs: Collection[tuple[str, ast.AST]], names: Collection[str]) -> frozenset[str]:
    """`names` and every name that is bound to one of them, however many steps away."""
    after: dict[str, list[str]] = {}
    for name, value in pairs:
        after.setdefault(_word(value), []).append(name)
    known, waiting = set(names), list(names)
    while waiting:
        fresh = [name for name in after.get(waiting.pop(), ()) if name not in known]
        known.update(fresh)
        waiting += fresh
    return frozenset(known)


def _word(node: ast.AST) -> str:
    """The name that `node` reads: a name, the last part of an attribute, or a plain string in `getattr`."""
    match node:
        case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name, ctx=ast.Load()):
            return name
        case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=str(name)), *_]):
            return name
        case _:
            return ""
