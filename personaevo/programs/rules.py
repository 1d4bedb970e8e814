"""Static rules as feedback for whoever writes programs. They are not the wall: the sandbox is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

ALLOWED_IMPORTS = (
    "__future__", "bisect", "collections", "dataclasses", "enum", "functools", "heapq", "itertools", "json", "math",
    "random", "re", "statistics", "string", "textwrap", "typing",
)  # fmt: skip

_NO_CODE = "write the code out"
_NO_FILES = "work with task, n, rng and model only"
_REFUSED_NAMES = {
    "eval": _NO_CODE,
    "exec": _NO_CODE,
    "compile": _NO_CODE,
    "__import__": "use an import statement at the top",
    "open": _NO_FILES,
    "input": _NO_FILES,
    "breakpoint": _NO_FILES,
    "exit": "return from generate",
    "quit": "return from generate",
    "globals": "use a dict of your own",
    "locals": "use a dict of your own",
    "vars": "use a dict of your own",
    "id": "number things yourself: addresses differ from run to run",
    "hash": "use rng, or a sum over ord(character): hashes differ from run to run",
}
_ALLOWED_DUNDER_ATTRIBUTES = frozenset({"__init__"})
_ALLOWED_DUNDER_NAMES = frozenset({"__name__"})


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One broken rule: the line, and what is refused and what to write instead."""

    line: int
    message: str


def check(tree: ast.Module) -> list[Finding]:
    """What in a program breaks the rules, by line; empty if nothing does."""
    findings = [*_contract(tree)]
    modules = _imported_modules(tree)
    own = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    own |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    own |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            findings += [
                _refused_import(node.lineno, alias.name) for alias in node.names if not _is_allowed(alias.name)
            ]
        elif isinstance(node, ast.ImportFrom):
            findings += _from_import(node)
        elif isinstance(node, ast.Name) and node.id not in own:
            findings += _name(node)
        elif isinstance(node, ast.Attribute):
            findings += _attribute(node, modules)
    return sorted(set(findings))


def _contract(tree: ast.Module) -> Iterator[Finding]:
    targets = {target.id for target in _top_level_targets(tree) if isinstance(target, ast.Name)}
    if "AXES" not in targets:
        form = 'AXES = [{"name": …, "definition": …, "low": …, "high": …, "dials": {dial: [at 0, at 1]}}]'
        yield Finding(1, f"AXES is missing: define at the top level {form}")
    functions = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == "generate"
    ]
    if not functions:
        yield Finding(
            1,
            "generate is missing: define at the top level def generate(task, n, rng, model=None), "
            "returning n persona dicts",
        )
        return
    function = functions[-1]
    if isinstance(function, ast.AsyncFunctionDef):
        yield Finding(
            function.lineno, "generate is async, which nobody awaits: write def generate(task, n, rng, model=None)"
        )
    args = function.args
    positional = len(args.posonlyargs) + len(args.args)
    required_keywords = args.kw_defaults.count(None)
    if positional != 4 or required_keywords or args.vararg:
        written = ast.unparse(args) or "nothing"
        yield Finding(
            function.lineno,
            f"generate takes ({written}); it is called with four values: write def generate(task, n, rng, model=None)",
        )


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
    return Finding(
        line, f"import of {module} is refused: programs see only task, n, rng and model; importable are {allowed}"
    )


def _from_import(node: ast.ImportFrom) -> Iterator[Finding]:
    if node.level or not _is_allowed(node.module or ""):
        yield _refused_import(node.lineno, "." * node.level + (node.module or ""))
        return
    for alias in node.names:
        if alias.name == "*":
            yield Finding(node.lineno, f"from {node.module} import * is refused: name what you need")
        elif node.module != "__future__":
            yield from _member(node.lineno, node.module or "", alias.name)


def _imported_modules(tree: ast.Module) -> dict[str, str]:
    aliases = (alias for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names)
    return {alias.asname or alias.name.split(".")[0]: alias.name for alias in aliases}


def _member(line: int, module: str, name: str) -> Iterator[Finding]:
    if name == "SystemRandom":
        yield Finding(line, "SystemRandom is refused: equal inputs must give equal personas; use rng")
    elif name.startswith("_"):
        yield Finding(line, f"{module}.{name} is refused: it is private to the module; use the module's public names")


def _name(node: ast.Name) -> Iterator[Finding]:
    if node.id in _REFUSED_NAMES:
        yield Finding(node.lineno, f"{node.id} is refused: {_REFUSED_NAMES[node.id]}")
    elif _is_dunder(node.id) and node.id not in _ALLOWED_DUNDER_NAMES:
        yield Finding(node.lineno, f"{node.id} is refused: {_NO_FILES}")


def _attribute(node: ast.Attribute, modules: dict[str, str]) -> Iterator[Finding]:
    if _is_dunder(node.attr):
        if node.attr not in _ALLOWED_DUNDER_ATTRIBUTES:
            yield Finding(node.lineno, f"the attribute {node.attr} is refused: use plain functions, dicts and lists")
    elif isinstance(node.value, ast.Name) and node.value.id in modules:
        yield from _member(node.lineno, modules[node.value.id], node.attr)


def _is_dunder(name: str) -> bool:
    return len(name) > 4 and name.startswith("__") and name.endswith("__")
