"""Static rules for programs, as early feedback to their author. They are no security boundary: the sandbox is."""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from personaevo.programs.scopes import levels

ALLOWED_IMPORTS = (
    "__future__", "bisect", "collections", "dataclasses", "enum", "functools", "heapq", "itertools", "json", "math",
    "random", "re", "statistics", "string", "textwrap", "typing",
)  # fmt: skip

_SIGNATURE = "def generate(task, n, rng, model=None)"
_NO_CODE = "write the code out"
_NO_FILES = "work with task, n, rng and model only"
_OWN_DICT = "use a dict of your own"
_REFUSED_NAMES = {
    "eval": _NO_CODE,
    "exec": _NO_CODE,
    "compile": _NO_CODE,
    "__import__": "use an import statement at the top",
    "open": _NO_FILES,
    "input": _NO_FILES,
    "breakpoint": _NO_FILES,
    "help": _NO_FILES,
    "exit": "return from generate",
    "quit": "return from generate",
    "globals": _OWN_DICT,
    "locals": _OWN_DICT,
    "vars": _OWN_DICT,
    "dir": _OWN_DICT,
    "id": "number things yourself: addresses differ from run to run",
    "hash": "use rng, or a sum over ord(character): hashes differ from run to run",
}
# Methods that classes define and call in their bases, and attributes that describe a function or class. Every other __name__ is refused.
_ALLOWED_DUNDERS = frozenset(
    f"__{name}__"
    for name in (
        "init post_init new call enter exit repr str format bool len iter next contains getitem setitem delitem missing reversed "
        "eq ne lt le gt ge add radd iadd sub rsub mul rmul truediv floordiv mod divmod pow neg pos abs round floor ceil trunc "
        "int float index and or xor invert setattr getattr name qualname doc members match_args slots main future annotations"
    ).split()
)
_ALLOWED_DUNDER_NAMES = frozenset({"__name__", "__doc__"})
_PLAIN = "use plain functions, dicts and lists"
_INTERPRETER = re.compile(
    "(?:gi|cr|ag)_(?:frame|code|yieldfrom|await|origin|suspended)|f_(?:back|globals|locals|builtins|code|trace|lasti)|tb_(?:frame|next|lasti)"
    "|co_(?:code|consts|names|varnames|freevars|cellvars|filename|flags|lines|positions|firstlineno)"
)
_SOURCES = frozenset({"SystemRandom", "urandom", "getrandom"})
_CLOCKS = frozenset({"time_ns", "perf_counter", "perf_counter_ns", "monotonic_ns", "clock_gettime", "utcnow"})
_REPEATABLE = "equal inputs must give equal personas"
_BY_NAME = frozenset({"getattr", "setattr", "delattr"})
_DUNDER = re.compile(r"__[A-Za-z_]+?__")
_FIELD = re.compile(r"\{[^{}.\[]*[.\[]([^{}!:]*)")  # attributes and items that a format string reads from a value


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One violation of a rule: the line, and a message that says what is refused and what to write instead."""

    line: int
    message: str


def check(tree: ast.Module) -> list[Finding]:
    """All violations of the rules in a program, by line."""
    nodes = [node for level in levels(tree) for node in level]
    modules = _imported_modules(nodes)
    own = {node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    own |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    own |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    findings = [*_contract(tree)]
    for node in nodes:
        if isinstance(node, _CHECKED):
            findings += _violations(node, modules, own)
    return sorted(set(findings))


_CHECKED = (ast.Import, ast.ImportFrom, ast.Name, ast.Attribute, ast.Call, ast.Constant)


def _violations(node: ast.AST, modules: Mapping[str, Sequence[str]], own: Container[str]) -> Iterable[Finding]:
    match node:
        case ast.Import():
            return [_refused_import(node.lineno, alias.name) for alias in node.names if not _is_allowed(alias.name)]
        case ast.ImportFrom():
            return _from_import(node)
        case ast.Name(id=name) if name not in own:
            return _name(node)
        case ast.Attribute():
            return _attribute(node, modules)
        case ast.Call(func=ast.Name(id=name), args=[_, wanted, *_]) if name in _BY_NAME and name not in own:
            return _by_name(name, wanted)
        case ast.Constant(value=str(text)):
            return _text(node.lineno, text)
    return ()


def _contract(tree: ast.Module) -> Iterator[Finding]:
    targets = {target.id for target in _top_level_targets(tree) if isinstance(target, ast.Name)}
    if "AXES" not in targets:
        form = 'AXES = [{"name": …, "definition": …, "low": …, "high": …, "dials": {dial: [at 0, at 1]}}]'
        yield Finding(1, f"AXES is missing: define at the top level {form}")
    functions = [
        node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == "generate"
    ]
    if not functions:
        yield Finding(1, f"generate is missing: define at the top level {_SIGNATURE}, returning n persona dicts")
        return
    function = functions[-1]
    if isinstance(function, ast.AsyncFunctionDef):
        yield Finding(function.lineno, f"generate is async, which nobody awaits: write {_SIGNATURE}")
    args = function.args
    if len(args.posonlyargs) + len(args.args) != 4 or args.kw_defaults.count(None) or args.vararg:
        written = ast.unparse(args) or "nothing"
        yield Finding(function.lineno, f"generate takes ({written}); it is called with four values: write {_SIGNATURE}")


def _top_level_targets(tree: ast.Module) -> Iterator[ast.expr]:
    for node in tree.body:
        if isinstance(node, ast.Assign):
            yield from node.targets
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield node.target


def _is_allowed(module: str) -> bool:
    return module.split(".", maxsplit=1)[0] in ALLOWED_IMPORTS


def _refused_import(line: int, module: str) -> Finding:
    allowed = ", ".join(name for name in ALLOWED_IMPORTS if name != "__future__")
    return Finding(line, f"import of {module} is refused: programs see only task, n, rng and model; importable are {allowed}")


def _from_import(node: ast.ImportFrom) -> Iterator[Finding]:
    if node.level or not _is_allowed(node.module or ""):
        yield _refused_import(node.lineno, "." * node.level + (node.module or ""))
        return
    for alias in node.names:
        if alias.name == "*":
            yield Finding(node.lineno, f"from {node.module} import * is refused: name what you need")
        elif _refusal(alias.name):
            yield Finding(node.lineno, f"{node.module}.{alias.name} is refused: {_refusal(alias.name)}")
        elif node.module != "__future__":
            yield from _member(node.lineno, [*(node.module or "").split("."), alias.name])


def _imported_modules(nodes: Iterable[ast.AST]) -> dict[str, list[str]]:
    """The dotted path, split, of the module to which each imported name refers."""
    aliases = [alias for node in nodes if isinstance(node, ast.Import) for alias in node.names if _is_allowed(alias.name)]
    paths = [(alias, alias.name.split(".")) for alias in aliases]
    return {alias.asname or path[0]: path if alias.asname else path[:1] for alias, path in paths}


def _member(line: int, path: Sequence[str]) -> Iterator[Finding]:
    """Violations of ``path[0].path[1]…``, where path[0] is an importable module."""
    value: object = import_module(path[0])
    for place, name in enumerate(path[1:], 2):
        if not isinstance(value, ModuleType):
            return
        value, spelled = vars(value).get(name), ".".join(path[:place])  # not getattr, which may warn
        if name.startswith("_") and not _is_dunder(name):
            yield Finding(line, f"{spelled} is refused: it is private to the module; use the module's public names")
        elif isinstance(value, ModuleType) and not value.__name__.startswith(f"{path[0]}."):
            yield Finding(line, f"{spelled} is refused: it is another module; import what you need, of what is importable, by its name")
            return


def _name(node: ast.Name) -> Iterator[Finding]:
    if node.id in _REFUSED_NAMES:
        yield Finding(node.lineno, f"{node.id} is refused: {_REFUSED_NAMES[node.id]}")
    elif _is_dunder(node.id) and node.id not in _ALLOWED_DUNDER_NAMES:
        yield Finding(node.lineno, f"{node.id} is refused: {_NO_FILES}")


def _attribute(node: ast.Attribute, modules: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    reason = _refusal(node.attr)
    if reason:
        yield Finding(node.lineno, f"the attribute {node.attr} is refused: {reason}")
        return
    path: list[str] = []
    root: ast.expr = node
    while isinstance(root, ast.Attribute):
        path.insert(0, root.attr)
        root = root.value
    if isinstance(root, ast.Name) and root.id in modules:
        yield from _member(node.lineno, [*modules[root.id], *path])


def _refusal(name: str) -> str:
    """Why attributes of this name are refused, and what to do instead; "" if they are allowed."""
    if _is_dunder(name):
        return "" if name in _ALLOWED_DUNDERS else _PLAIN
    if _INTERPRETER.fullmatch(name):
        return "it leads into the interpreter; pass what a function needs as an argument"
    if name == "mro":
        return f"it leads to all classes; {_PLAIN}"
    if name in _SOURCES:
        return f"{_REPEATABLE}; use rng"
    return f"{_REPEATABLE}, at any time; take what varies from rng" if name in _CLOCKS else ""


def _by_name(function: str, wanted: ast.expr) -> Iterator[Finding]:
    if not (isinstance(wanted, ast.Constant) and isinstance(wanted.value, str)):
        yield Finding(wanted.lineno, f"{function} with a computed name is refused: write the name, or use a dict (dataclasses.asdict)")
    elif _refusal(wanted.value):
        yield Finding(wanted.lineno, f"{function} of {wanted.value} is refused: {_refusal(wanted.value)}")


def _text(line: int, text: str) -> Iterator[Finding]:
    """Texts that name a refused attribute, which ``str.format`` and the like would read."""
    looked_up = {name for field in _FIELD.findall(text) for name in re.findall(r"\w+", field)}
    for name in sorted({*_DUNDER.findall(text), *looked_up}):
        if _refusal(name):
            yield Finding(line, f"a text that names {name} is refused: programs may not look it up; format plain values")


def _is_dunder(name: str) -> bool:
    return len(name) > 4 and name.startswith("__") and name.endswith("__")
