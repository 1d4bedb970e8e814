"""Which variable each name of a program means, and renaming the author's own names.

Two passes over the syntax tree share one walk: the first finds what every scope binds, the second writes the new
names. A name is only changed where nobody can tell: attributes, imported names, builtins, names of the contract and
everything that text in the program could refer to keep theirs. Where it is doubtful a name stays: two equal programs
with different ids cost one evaluation, two different programs with one id would be a wrong result.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from personaevo.programs.nodes import Visitor

CONTRACT_NAMES = frozenset({"AXES", "generate"})
_BUILTINS = frozenset(dir(builtins))
_REFLECTION_NAMES = frozenset({"locals", "globals", "vars", "dir", "eval", "exec", "compile", "__import__"})
_REFLECTION_ATTRIBUTES = frozenset(
    f"__{name}__" for name in ("name", "qualname", "code", "globals", "dict", "kwdefaults", "annotations", "doc", "module")
)

Kind = Literal["module", "function", "class", "comprehension"]
Function = ast.FunctionDef | ast.AsyncFunctionDef
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclass(eq=False, slots=True)
class Scope:
    """One scope: the names that it binds, and those that it declares to be bound further out."""

    kind: Kind
    parent: Scope | None
    bound: set[str] = field(default_factory=set)
    loaded: set[str] = field(default_factory=set)
    parameters: set[str] = field(default_factory=set)
    outer: dict[str, Literal["global", "nonlocal"]] = field(default_factory=dict)

    def home(self, name: str) -> Scope | None:
        """The scope whose variable ``name`` means here; None if nobody in the module binds it."""
        declared = self.outer.get(name)
        if declared == "global":
            module = self.module()
            return module if name in module.bound else None
        if declared is None and name in self.bound:
            return self
        scope = self.parent
        while scope is not None:
            if scope.kind != "class" and scope.outer.get(name):
                return scope.home(name)
            if scope.kind != "class" and name in scope.bound:
                return scope
            scope = scope.parent
        return None

    def module(self) -> Scope:
        """The outermost scope."""
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope


class _Walk(Visitor):
    """The walk that both passes share: it knows in which scope Python evaluates each part of a node."""

    def __init__(self, module: Scope) -> None:
        super().__init__()
        self.scope = module

    def inner(self, node: ast.AST, kind: Kind) -> Scope:
        raise NotImplementedError

    def name(self, node: ast.AST, attribute: str, store: bool) -> None:
        raise NotImplementedError

    @contextmanager
    def inside(self, node: ast.AST, kind: Kind) -> Iterator[None]:
        outside, self.scope = self.scope, self.inner(node, kind)
        try:
            yield
        finally:
            self.scope = outside

    def visit_all(self, nodes: list[ast.expr] | list[ast.stmt] | list[ast.keyword]) -> None:
        for node in nodes:
            self.visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        self.name(node, "id", not isinstance(node.ctx, ast.Load))

    def visit_FunctionDef(self, node: Function) -> None:
        self.name(node, "name", True)
        self.visit_all(node.decorator_list)
        self._visit_type_parameters(node)
        self._visit_signature(node.args)
        if node.returns:
            self.visit(node.returns)
        with self.inside(node, "function"):
            self._bind_parameters(node.args)
            self.visit_all(node.body)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._visit_signature(node.args)
        with self.inside(node, "function"):
            self._bind_parameters(node.args)
            self.visit(node.body)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.name(node, "name", True)
        self.visit_all(node.decorator_list)
        self._visit_type_parameters(node)
        self.visit_all(node.bases)
        self.visit_all(node.keywords)
        with self.inside(node, "class"):
            self.visit_all(node.body)

    def visit_ListComp(self, node: Comprehension) -> None:
        self.visit(node.generators[0].iter)  # the outermost iterable is evaluated outside
        with self.inside(node, "comprehension"):
            for number, generator in enumerate(node.generators):
                if number:
                    self.visit(generator.iter)
                self.visit(generator.target)
                self.visit_all(generator.ifs)
            parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
            self.visit_all(parts)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self.visit_ListComp(node)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self.visit_ListComp(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self.visit_ListComp(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        here = self.scope
        while self.scope.kind == "comprehension" and self.scope.parent is not None:
            self.scope = self.scope.parent  # := binds outside the comprehension
        self.visit(node.target)
        self.scope = here

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self.name(node, "name", True)
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        if node.name:
            self.name(node, "name", True)
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name:
            self.name(node, "name", True)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self.generic_visit(node)
        if node.rest:
            self.name(node, "rest", True)

    def _visit_type_parameters(self, node: Function | ast.ClassDef) -> None:
        for parameter in getattr(node, "type_params", ()):  # Python 3.12
            self.visit(parameter)

    def _visit_signature(self, args: ast.arguments) -> None:
        self.visit_all(args.defaults)
        self.visit_all([default for default in args.kw_defaults if default])
        for parameter in parameters(args):
            if parameter.annotation:
                self.visit(parameter.annotation)

    def _bind_parameters(self, args: ast.arguments) -> None:
        for parameter in parameters(args):
            self.name(parameter, "arg", True)


class _Finder(_Walk):
    """First pass: every scope, what it binds, and the names that must stay."""

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
        self.seen.update((self.scope, name) for name in node.names)  # perhaps nobody binds it
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
        self.keep.add(node.name)  # what a class's objects say of themselves begins with it: dataclasses, enums
        super().visit_ClassDef(node)

    def visit_Call(self, node: ast.Call) -> None:
        self.calls.append((self.scope, node))
        self.generic_visit(node)

    def visit_TypeVar(self, node: Any) -> None:
        self.keep.add(node.name)
        self.generic_visit(node)

    visit_ParamSpec = visit_TypeVarTuple = visit_TypeVar


def parameters(args: ast.arguments) -> list[ast.arg]:
    """All parameters in the order of writing."""
    found = [*args.posonlyargs, *args.args, *([args.vararg] if args.vararg else []), *args.kwonlyargs]
    return found + ([args.kwarg] if args.kwarg else [])


class _Names:
    """What the second pass asks: which function a call means, and how a variable is called from now on."""

    def __init__(self, finder: _Finder) -> None:
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
        """The function of the module that ``call`` certainly means."""
        if not isinstance(call.func, ast.Name):
            return None
        home = scope.home(call.func.id)
        return self.functions.get((home, call.func.id)) if home else None

    def _spelled_in(self, scope: Scope, call: ast.Call) -> set[str]:
        """Names of parameters that ``call`` may spell as text, so that they must not change."""
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
        """Keywords of ``call`` that stay: a parameter of this name would take what is not meant for it."""
        function = self.called(scope, call)
        known = self.keywords[function] if function else set()
        return {keyword.arg for keyword in call.keywords if keyword.arg} - known


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _plain_functions(finder: _Finder) -> dict[tuple[Scope, str], Function]:
    """Variables that are bound once, by an undecorated ``def``: calls by these names mean this function."""
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


class _Renamer(_Walk):
    """Second pass: writes the new names, numbered in the order of first appearance."""

    def __init__(self, names: _Names, module: Scope) -> None:
        super().__init__(module)
        self.names = names

    def inner(self, node: ast.AST, kind: Kind) -> Scope:
        return self.names.scopes[node]

    def name(self, node: ast.AST, attribute: str, store: bool) -> None:
        setattr(node, attribute, self.names.new(self.scope, getattr(node, attribute)))

    def visit_Global(self, node: ast.Global | ast.Nonlocal) -> None:
        node.names = [self.names.new(self.scope, name) for name in node.names]

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.visit_Global(node)

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*":
                continue
            bound = alias.asname or alias.name.split(".")[0]
            new = self.names.new(self.scope, bound)
            if alias.asname or new != bound:
                alias.asname = new if new != alias.name else None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.visit_Import(node)

    def visit_Call(self, node: ast.Call) -> None:
        function = self.names.called(self.scope, node)  # before the callee is renamed
        self.generic_visit(node)
        if function is None:
            return
        for keyword in node.keywords:
            if keyword.arg and keyword.arg in self.names.keywords[function]:
                keyword.arg = self.names.new(self.names.scopes[function], keyword.arg)


def reflects(nodes: Iterable[ast.AST]) -> bool:
    """Whether the program can read its own names or docstrings, so that renaming could change its behavior."""
    for node in nodes:
        if isinstance(node, ast.Name) and node.id in _REFLECTION_NAMES:
            return True
        if isinstance(node, ast.Attribute) and node.attr in _REFLECTION_ATTRIBUTES:
            return True
        if isinstance(node, ast.Name) and node.id == "__doc__":
            return True
    return False


def rename(tree: ast.Module) -> None:
    """Give the author's names (functions, parameters, variables, classes, import aliases) new ones, in place.

    The new names are numbered in the order of first appearance, per variable and not per spelling: the same word in
    two functions is two variables. Names in class bodies are attributes and stay.
    """
    finder = _Finder(tree)
    _Renamer(_Names(finder), finder.module).visit(tree)
