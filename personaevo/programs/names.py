"""Rename the author's own names in a program, for its normalized form.

Two passes over the syntax tree: the first finds what every scope binds, the second writes the new names. A name is
changed only where the change cannot be observed: attributes, imported names, builtins, ``AXES`` and ``generate``, and
everything that text in the program could refer to keep their names. In doubt a name stays: two equal programs with
different ids cost one evaluation, two different programs with one id would give a wrong result.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable
from typing import Any

from personaevo.programs.scopes import Function, Kind, Scope, ScopeVisitor, parameters

CONTRACT_NAMES = frozenset({"AXES", "generate"})
_BUILTINS = frozenset(dir(builtins))
_REFLECTION_NAMES = frozenset({"locals", "globals", "vars", "dir", "eval", "exec", "compile", "__import__", "__doc__"})
_REFLECTION_ATTRIBUTES = frozenset(
    f"__{name}__" for name in ("name", "qualname", "code", "globals", "dict", "kwdefaults", "annotations", "doc", "module")
)


class _BindingFinder(ScopeVisitor):
    """First pass: finds every scope, the names that it binds, and the names that must stay."""

    def __init__(self, tree: ast.Module) -> None:
        super().__init__(Scope("module", None))
        self.module = self.scope
        self.scopes: dict[ast.AST, Scope] = {tree: self.module}
        self.stores: list[tuple[Scope, str, ast.AST]] = []
        self.seen: set[tuple[Scope, str]] = set()
        self.calls: list[tuple[Scope, ast.Call]] = []
        self.keep: set[str] = set(CONTRACT_NAMES)
        self.visit(tree)

    def inner(self, node: ast.AST, kind: Kind) -> Scope:
        return self.scopes.setdefault(node, Scope(kind, self.scope))

    def name(self, node: ast.AST, attribute: str, store: bool) -> None:
        self._note(node, getattr(node, attribute), store)

    def _note(self, node: ast.AST, name: str, store: bool) -> None:
        self.seen.add((self.scope, name))
        if name.startswith("__"):  # names with a meaning of their own, and those that a class mangles
            self.keep.add(name)
        if not store:
            self.scope.loaded.add(name)
            return
        self.stores.append((self.scope, name, node))
        declared = self.scope.outer.get(name)
        if declared == "global":
            self.module.bound.add(name)
        elif declared is None:
            self.scope.bound.add(name)

    def visit_Global(self, node: ast.Global) -> None:
        self.seen.update((self.scope, name) for name in node.names)  # the module may not bind it
        self.scope.outer.update(dict.fromkeys(node.names, "global"))

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.scope.outer.update(dict.fromkeys(node.names, "nonlocal"))

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.scope.loaded.update({node.target.id} if isinstance(node.target, ast.Name) else ())
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            root = alias.name.split(".")[0]
            if alias.asname is None and root != alias.name:
                self.keep.add(root)  # "import a.b" binds a: no alias says the same
            self._note(node, alias.asname or root, True)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if node.module == "__future__":
                self.keep.add(alias.asname or alias.name)
            if alias.name != "*":
                self._note(node, alias.asname or alias.name, True)

    def _bind_parameters(self, args: ast.arguments) -> None:
        self.scope.parameters.update(parameter.arg for parameter in parameters(args))
        super()._bind_parameters(args)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.keep.add(node.name)  # the repr of dataclasses and enums begins with it
        super().visit_ClassDef(node)

    def visit_Call(self, node: ast.Call) -> None:
        self.calls.append((self.scope, node))
        self.generic_visit(node)

    def visit_TypeVar(self, node: Any) -> None:
        self.keep.add(node.name)
        self.generic_visit(node)

    visit_ParamSpec = visit_TypeVarTuple = visit_TypeVar


class _NewNames:
    """Answers the second pass: the function that a call means, and the new name of a variable."""

    def __init__(self, finder: _BindingFinder) -> None:
        self.scopes = finder.scopes
        self.numbers: dict[tuple[Scope, str], str] = {}
        self.functions = _plain_functions(finder)
        self.keywords = {f: {a.arg for a in (*f.args.args, *f.args.kwonlyargs)} for f in self.functions.values()}
        self.keep = finder.keep | (finder.module.bound & _BUILTINS)  # before it is bound, such a name is the builtin
        for scope in finder.scopes.values():
            if scope.kind == "class":
                self.keep |= scope.bound & scope.loaded  # may mean the outer variable until the class binds it
        self.spelled: set[str] = set().union(*(self._spelled_in(scope, call) for scope, call in finder.calls))
        self.prefix = "v"
        staying = {name for scope, name in finder.seen if self.stays(scope, name)}
        staying.update(*(self._passed_on(scope, call) for scope, call in finder.calls))
        while any(re.fullmatch(rf"{self.prefix}\d+", name) for name in staying):
            self.prefix += "_"

    def stays(self, scope: Scope, name: str) -> bool:
        home = scope.home(name)
        if home is None or home.kind == "class" or name in self.keep:
            return True
        return name in self.spelled and name in home.parameters

    def new(self, scope: Scope, name: str) -> str:
        home = scope.home(name)
        if home is None or self.stays(scope, name):
            return name
        return self.numbers.setdefault((home, name), f"{self.prefix}{len(self.numbers)}")

    def called(self, scope: Scope, call: ast.Call) -> Function | None:
        """The module's function that ``call`` certainly calls; None if that is uncertain."""
        if not isinstance(call.func, ast.Name):
            return None
        home = scope.home(call.func.id)
        return self.functions.get((home, call.func.id)) if home else None

    def _spelled_in(self, scope: Scope, call: ast.Call) -> set[str]:
        """Parameter names that ``call`` may pass as text, which must not change."""
        if isinstance(call.func, ast.Name) and scope.home(call.func.id) is None:
            return set()  # a builtin
        function = self.called(scope, call)
        spelled: set[str] = set()
        if function is None:
            spelled |= {keyword.arg for keyword in call.keywords if keyword.arg}
        if any(keyword.arg is None for keyword in call.keywords):
            called = [function] if function else [n for n in self.scopes if isinstance(n, (*_FUNCTIONS, ast.Lambda))]
            spelled |= {parameter.arg for node in called for parameter in parameters(node.args)}
        return spelled

    def _passed_on(self, scope: Scope, call: ast.Call) -> set[str]:
        """Keywords of ``call`` that stay: no parameter may be renamed to one of them."""
        function = self.called(scope, call)
        known = self.keywords[function] if function else set()
        return {keyword.arg for keyword in call.keywords if keyword.arg} - known


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _plain_functions(finder: _BindingFinder) -> dict[tuple[Scope, str], Function]:
    """Variables bound exactly once, by an undecorated ``def``, with that function."""
    bindings: dict[tuple[Scope, str], list[ast.AST]] = {}
    for scope, name, node in finder.stores:
        home = scope.home(name)
        if home is not None and home.kind != "class":
            bindings.setdefault((home, name), []).append(node)
    return {
        key: nodes[0]
        for key, nodes in bindings.items()
        if len(nodes) == 1 and isinstance(nodes[0], _FUNCTIONS) and not nodes[0].decorator_list
    }


class _Renamer(ScopeVisitor):
    """Second pass: writes the new names, numbered in the order of first appearance."""

    def __init__(self, names: _NewNames, module: Scope) -> None:
        super().__init__(module)
        self.names = names

    def inner(self, node: ast.AST, kind: Kind) -> Scope:
        return self.names.scopes[node]

    def name(self, node: ast.AST, attribute: str, store: bool) -> None:
        setattr(node, attribute, self.names.new(self.scope, getattr(node, attribute)))

    def visit_Global(self, node: ast.Global | ast.Nonlocal) -> None:
        node.names = [self.names.new(self.scope, name) for name in node.names]

    visit_Nonlocal = visit_Global

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*":
                continue
            bound = alias.asname or alias.name.split(".")[0]
            new = self.names.new(self.scope, bound)
            if alias.asname or new != bound:
                alias.asname = new if new != alias.name else None

    visit_ImportFrom = visit_Import

    def visit_Call(self, node: ast.Call) -> None:
        function = self.names.called(self.scope, node)  # before the callee is renamed
        self.generic_visit(node)
        if function is None:
            return
        for keyword in node.keywords:
            if keyword.arg and keyword.arg in self.names.keywords[function]:
                keyword.arg = self.names.new(self.names.scopes[function], keyword.arg)


def reflects(nodes: Iterable[Any]) -> bool:
    """Whether the program with these nodes can read its own names or docstrings, so that renaming could change its behavior."""
    for node in nodes:
        if node.__class__ is ast.Name:
            if node.id in _REFLECTION_NAMES:
                return True
        elif node.__class__ is ast.Attribute and node.attr in _REFLECTION_ATTRIBUTES:
            return True
    return False


def rename(tree: ast.Module) -> None:
    """Give the author's names (functions, parameters, variables, classes, import aliases) new ones, in place.

    The new names are numbered in the order of first appearance, per variable and not per spelling: the same word in
    two functions is two variables. Names in class bodies are attributes and stay.
    """
    finder = _BindingFinder(tree)
    _Renamer(_NewNames(finder), finder.module).visit(tree)
