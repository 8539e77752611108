"""Finds what writes to disk in Python source. What it does not know to be reading, it finds."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

_OS = (
    *("DirEntry", "PathLike", "access", "close", "cpu_count", "devnull", "dup", "dup2", "environ", "environb"),
    *("fsdecode", "fsencode", "fspath", "fstat", "fsync", "geteuid", "getpgid", "getpid", "getuid", "isatty", "kill"),
    *("killpg", "listdir", "lseek", "lstat", "path", "pread", "read", "readlink", "scandir", "sched_getaffinity"),
    *("sep", "setsid", "stat", "stat_result", "statvfs", "strerror", "sysconf", "uname", "walk", "__file__"),
    *("SEEK_END", "SEEK_SET", "O_RDONLY", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_DIRECTORY"),
)
READING: Mapping[str, frozenset[str]] = {
    "os": frozenset(_OS),
    "shutil": frozenset({"disk_usage", "get_terminal_size", "which"}),
    "tempfile": frozenset({"gettempdir"}),
    "fcntl": frozenset({"LOCK_EX", "LOCK_NB", "LOCK_SH", "LOCK_UN", "flock"}),
    **dict.fromkeys(("sqlite3", "dbm", "shelve", "mmap", "ctypes", "posix"), frozenset[str]()),
}
"""What each module that can write has for others than writers. Whoever needs more of one must say why."""

METHODS = frozenset(
    {
        *("write_text", "write_bytes", "touch", "symlink_to", "hardlink_to", "mkdir", "rmdir", "unlink", "chmod"),
        *("lchmod", "savez", "savetxt", "save_file", "save_pretrained", "tofile", "to_csv", "to_parquet", "extractall"),
    }
)
"""Methods of paths, arrays, tables, models and archives that write, whatever they are called on."""

WITH_ONE_ARGUMENT = frozenset({"rename", "replace"})
"""Methods of a path; those of a text or of our own that have the same name take two."""

_NAMES = frozenset({"__import__", "exec", "eval", "save_file"})
_OPENERS = frozenset({"open", "fdopen", "FileIO", "ZipFile", "TarFile"})


@dataclass(frozen=True)
class Source:
    """One module's source."""

    tree: ast.Module

    def writes(self) -> Iterator[str]:
        """Each place that writes, or may, as `line: what`."""
        called = {id(node.func): node for node in ast.walk(self.tree) if isinstance(node, ast.Call)}
        bases = {id(node.value) for node in ast.walk(self.tree) if isinstance(node, ast.Attribute)}
        for node in ast.walk(self.tree):
            found: Sequence[str] = ()
            match node:
                case ast.ImportFrom(module=str(module), names=names) if module in READING:
                    found = [f"{module}.{one.name}" for one in names if not _is_reading(module, one.name)]
                case ast.Attribute():
                    found = self._of_attribute(node, called.get(id(node)))
                case ast.Name():
                    found = self._of_name(node, called.get(id(node)), is_base=id(node) in bases)
            yield from (f"{getattr(node, 'lineno', 0)}: {one}" for one in found)

    def _of_attribute(self, node: ast.Attribute, call: ast.Call | None) -> Sequence[str]:
        spelled = ast.unparse(node)
        module = (self._module(node.value.id) if isinstance(node.value, ast.Name) else None) or ""
        if module == "os" and node.attr == "open":
            return [] if call and self._is_read_only(call) else ["os.open"]
        if module == "os" and node.attr == "fdopen":
            return [] if call and not _may_write(call, is_method=False) else ["os.fdopen"]
        if module in READING:
            return [] if _is_reading(module, node.attr) else [f"{module}.{node.attr}"]
        if node.attr in METHODS:
            return [spelled]
        if node.attr in WITH_ONE_ARGUMENT and call and len(call.args) == 1 and not call.keywords:
            return [spelled]
        return [spelled] if node.attr in _OPENERS and call and _may_write(call, is_method=True) else []

    def _of_name(self, node: ast.Name, call: ast.Call | None, *, is_base: bool) -> Sequence[str]:
        if node.id in _NAMES:
            return [node.id]
        if (module := self._module(node.id)) and not is_base:
            return [f"{module} itself"]  # why: what it is handed to may take anything from it
        if node.id == "open" and call is None:
            return [] if "open" in self._given else ["open"]
        return [node.id] if node.id in _OPENERS and call and _may_write(call, is_method=False) else []

    def _module(self, name: str) -> str | None:
        """The module that can write and is called `name` here."""
        return self._modules.get(name, name if name in READING and name not in self._given else None)

    def _is_read_only(self, call: ast.Call) -> bool:
        """Whether an `os.open` has flags that are known, and all of them for reading."""
        flags = [*call.args[1:2], *(word.value for word in call.keywords if word.arg == "flags")]
        return bool(flags) and all(self._are_read_flags(one, depth=4) for one in flags)

    def _are_read_flags(self, value: ast.expr, *, depth: int) -> bool:
        match value:
            case ast.Attribute(value=ast.Name(), attr=name):
                return name.startswith("O_")  # why any: those for writing are found wherever they stand
            case ast.BinOp(left=left, op=ast.BitOr(), right=right) | ast.IfExp(body=left, orelse=right):
                return all(self._are_read_flags(one, depth=depth) for one in (left, right))
            case ast.Name(id=name) if depth and self._assigned[name]:
                return all(self._are_read_flags(one, depth=depth - 1) for one in self._assigned[name])
            case _:
                return False

    @cached_property
    def _modules(self) -> dict[str, str]:
        """What each of the modules that can write is called here."""
        imports = (node for node in ast.walk(self.tree) if isinstance(node, ast.Import))
        return {one.asname or one.name: one.name for node in imports for one in node.names if one.name in READING}

    @cached_property
    def _assigned(self) -> defaultdict[str, list[ast.expr]]:
        """Everything that each name is ever set to."""
        found = defaultdict[str, list[ast.expr]](list)
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    found[ast.unparse(target)].append(node.value)
            if isinstance(node, ast.arguments) and node.defaults:
                for one, value in zip(node.args[-len(node.defaults) :], node.defaults, strict=True):
                    found[one.arg].append(value)
        return found

    @cached_property
    def _given(self) -> set[str]:
        """The names of parameters, fields and methods, which are no builtins."""
        nodes = list(ast.walk(self.tree))
        fields = (
            node.target.id for node in nodes if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        )
        methods = (node.name for node in nodes if isinstance(node, ast.FunctionDef))
        return {*(node.arg for node in nodes if isinstance(node, ast.arg)), *fields, *methods}


def writes_in(source: str) -> list[str]:
    """Each place in `source` that writes to disk, or may, as `line: what`."""
    return list(Source(ast.parse(source)).writes())


def _is_reading(module: str, name: str) -> bool:
    return name in READING[module]


def _may_write(call: ast.Call, *, is_method: bool) -> bool:
    """Whether an opening has a mode for writing, or one that is made up as it runs."""
    words = {word.arg: word.value for word in call.keywords}
    if "mode" in words:
        return not _is_for_reading(words["mode"])
    if not is_method and len(call.args) > 1:
        return not _is_for_reading(call.args[1])
    inside = [node for value in call.args[:2] for node in ast.walk(value)] if is_method else []
    return any(_is_for_writing(node.value) for node in inside if isinstance(node, ast.Constant))


def _is_for_reading(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, str) and not _is_for_writing(value.value)


def _is_for_writing(word: object) -> bool:
    return isinstance(word, str) and len(word) <= 4 and bool(set("wax+") & set(word)) and set(word) <= set("wax+rbt")
