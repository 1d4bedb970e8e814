"""The architecture: imports point down, never sideways; each outside library has one owner; only the command line prints."""

from __future__ import annotations

import ast
import sys
from collections.abc import Container, Iterator
from functools import cache
from pathlib import Path

import pytest

import personaevo

PACKAGE = Path(__file__).resolve().parent.parent / "personaevo"

# From the bottom up. A module or package of one layer may import those of the layers before its own, and nothing beside it.
LAYERS = (
    {"errors", "renamed"},
    {"text", "chat"},
    {"records", "model_spec", "executors"},
    {"content", "config", "measure", "where", "workers"},
    {"cache"},
    {"injection"},
    {"readers", "definitions"},
    {"models", "programs", "archive"},
    {"simulate"},
    {"judge"},
    {"reference"},
    {"refine", "calibration"},
    {"evolve"},
    {"sampler", "verify", "export", "testing"},
    {"stress", "views", "report"},
    {"cli"},
    {"__main__", "__init__"},
)
OWNERS = {
    "duckdb": ("archive", "readers.files"),  # the archive, and Parquet files of dialogues
    "sklearn": "judge",
    "scipy": "measure",
    "deap": "evolve.select",
    "joblib": "workers",
    "cloudpickle": "executors",
    "click": "cli",
    "tqdm": "cli",
    "rich": ("views", "cli"),  # pages for a terminal, and the terminal
    "plotly": "report",
    "pygments": "report",
    "rouge_score": "refine.measures",
    "sacrebleu": "refine.measures",
    "sentence_transformers": "refine.measures",
    "bert_score": "refine.measures",
    "httpx2": "simulate.partners",
    "openai": "models",
    "anthropic": "models",
    "xllamacpp": "models",
    "pandas": "archive",
    "pyarrow": "archive",
    "wasmtime": "programs.worker.wasm_serve",
}
OUTSIDE = "programs/worker/"  # runs in the sandbox's server and children, without the package
EVERYWHERE = {"numpy", "pydantic"}
ADDRESSES = {"model_spec.py", "cache.py"}  # read the variables with addresses of servers, and of the cache folder
MODULES = sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py"))


def owners(library: str) -> tuple[str, ...]:
    """Beginnings of the names of the modules that may import a library."""
    found = OWNERS.get(library, "nobody")
    return tuple(f"{owner}." for owner in ((found,) if isinstance(found, str) else found))


def dotted(module: str) -> str:
    """``evolve/select.py`` is ``evolve.select``, ``archive/__init__.py`` is ``archive``."""
    return module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def layer_of(name: str) -> int:
    """The layer of a top-level member of the package."""
    return next(index for index, members in enumerate(LAYERS) if name in members)


@cache
def tree(module: str) -> ast.Module:
    return ast.parse((PACKAGE / module).read_text(encoding="utf-8"))


def imported(module: str) -> Iterator[str]:
    """Full names of what a module imports, wherever in it. ``from personaevo import x`` gives ``personaevo.x``."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level == 1 and module.startswith(OUTSIDE):
                continue
            assert node.level == 0, f"{module} imports relatively: write the full name"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names) if node.module == "personaevo" else [node.module]


def test_every_module_has_a_place() -> None:
    for module in MODULES:
        member = dotted(module).split(".")[0]
        assert any(member in layer for layer in LAYERS), f"{member} has no layer: give it one in LAYERS on purpose"


def test_imports_point_down() -> None:
    for module in MODULES:
        member = dotted(module).split(".")[0]
        inside = {name.split(".")[1] for name in imported(module) if name.startswith("personaevo.")}
        others = inside - {member, "__version__"}
        assert {other for other in others if layer_of(other) >= layer_of(member)} == set(), module


def test_outside_libraries_have_one_owner() -> None:
    for module in MODULES:
        outside = {name.split(".")[0] for name in imported(module)} - set(sys.stdlib_module_names) - {"personaevo"} - EVERYWHERE
        name = dotted(module)
        assert {library for library in outside if not f"{name}.".startswith(owners(library))} == set(), module


def test_only_the_command_line_prints_or_reads_the_environment() -> None:
    for module in MODULES:
        if module.startswith(("cli/", OUTSIDE)) or module in ADDRESSES:
            continue
        calls = [node.func for node in ast.walk(tree(module)) if isinstance(node, ast.Call)]
        printed = [call.id for call in calls if isinstance(call, ast.Name) and call.id in {"print", "input"}]
        reads = [
            node.attr for node in ast.walk(tree(module))
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
            and (node.value.id, node.attr) in {("os", "environ"), ("os", "getenv"), ("sys", "argv"), ("sys", "stdout"), ("sys", "stderr")}
        ]  # fmt: skip
        assert printed + reads == [], module


def test_no_import_cycle() -> None:
    """Inside a package too: modules that import each other when loaded cannot be read one by one."""
    names = {dotted(module): module for module in MODULES}
    edges = {name: {target for target in _loads(module, names) if target != name} for name, module in names.items()}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"import cycle: {' -> '.join((*path, name))}"
        if name not in done:
            for target in sorted(edges[name]):
                visit(target, (*path, name))
            done.add(name)

    for name in sorted(edges):
        visit(name, ())


def _loads(module: str, names: Container[str]) -> Iterator[str]:
    """The package's own modules that a module imports at its top: ``from package import submodule`` means the submodule."""
    for node in tree(module).body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("personaevo."):
            home = node.module.removeprefix("personaevo.")
            yield from (f"{home}.{alias.name}" if f"{home}.{alias.name}" in names else home for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "personaevo":
            yield from (alias.name for alias in node.names if alias.name in names)


def test_public_names_load() -> None:
    assert {name: getattr(personaevo, name) for name in personaevo.__all__}.keys() <= set(dir(personaevo))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = personaevo.nothing
