"""Static rules for programs, as early feedback to their author. They are no security boundary: the sandbox is."""

from __future__ import annotations

import ast
import itertools
import re
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

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


def check(tree: ast.Module, nodes: Iterable[ast.AST] | None = None) -> list[Finding]:
    """All violations of the rules in a program, by line. ``nodes`` are all nodes of the tree, if they are known."""
    found: defaultdict[type[ast.AST], list[Any]] = defaultdict(list)
    for node in itertools.chain.from_iterable(levels(tree)) if nodes is None else nodes:
        found[node.__class__].append(node)
    own = {node.id for node in found[ast.Name] if node.ctx.__class__ is not ast.Load}
    own |= {node.arg for node in found[ast.arg]}
    own |= {node.name for node in (*found[ast.FunctionDef], *found[ast.ClassDef])}
    findings = [*_contract(tree), *_imports(found), *_names(found[ast.Name], own), *_attributes(found)]
    by_name = _BY_NAME - own
    for call in found[ast.Call]:
        if isinstance(call.func, ast.Name) and call.func.id in by_name and len(call.args) > 1:
            findings += _by_name(call.func.id, call.args[1])
    for constant in found[ast.Constant]:
        if isinstance(constant.value, str):
            findings += _text(constant.lineno, constant.value)
    return sorted(set(findings))


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


def _imported_modules(nodes: Iterable[ast.Import]) -> dict[str, list[str]]:
    """The dotted path, split, of the module to which each imported name refers."""
    aliases = [alias for node in nodes for alias in node.names if _is_allowed(alias.name)]
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


def _imports(found: Mapping[type[ast.AST], Sequence[Any]]) -> Iterator[Finding]:
    for node in found[ast.Import]:
        yield from (_refused_import(node.lineno, alias.name) for alias in node.names if not _is_allowed(alias.name))
    for node in found[ast.ImportFrom]:
        yield from _from_import(node)


def _names(nodes: Sequence[ast.Name], own: Container[str]) -> Iterator[Finding]:
    refused = {name: reason for name in {node.id for node in nodes} if name not in own and (reason := _refused_name(name))}
    yield from (Finding(node.lineno, f"{node.id} is refused: {refused[node.id]}") for node in nodes if node.id in refused)


def _refused_name(name: str) -> str:
    return _REFUSED_NAMES.get(name) or (_NO_FILES if _is_dunder(name) and name not in _ALLOWED_DUNDER_NAMES else "")


def _attributes(found: Mapping[type[ast.AST], Sequence[Any]]) -> Iterator[Finding]:
    nodes: Sequence[ast.Attribute] = found[ast.Attribute]
    reasons, modules = {name: _refusal(name) for name in {node.attr for node in nodes}}, _imported_modules(found[ast.Import])
    for node in nodes:
        if reasons[node.attr]:
            yield Finding(node.lineno, f"the attribute {node.attr} is refused: {reasons[node.attr]}")
        else:
            yield from _module_member(node, modules)


def _module_member(node: ast.Attribute, modules: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
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
    if "{" not in text and "__" not in text:
        return
    looked_up = {name for field in _FIELD.findall(text) for name in re.findall(r"\w+", field)}
    for name in sorted({*_DUNDER.findall(text), *looked_up}):
        if _refusal(name):
            yield Finding(line, f"a text that names {name} is refused: programs may not look it up; format plain values")


def _is_dunder(name: str) -> bool:
    return len(name) > 4 and name.startswith("__") and name.endswith("__")
