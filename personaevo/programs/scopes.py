"""Faster forms of ``ast.walk`` and ``ast.NodeVisitor``: a search walks the syntax tree of every program."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

SIGNS = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)  # a detail of their parent node, without fields
# The nodes of a parsed tree are of these classes and of no subclasses, and looking a class up is faster than ``isinstance``.
KINDS = frozenset(kind for kind in vars(ast).values() if isinstance(kind, type) and issubclass(kind, ast.AST))
_SEEN = frozenset(kind for kind in KINDS if not issubclass(kind, SIGNS))
_VISITED = _SEEN - {ast.Constant}
_LEAVES = frozenset({ast.Name, ast.Constant})  # half of all nodes
_NO_NODES = frozenset("arg asname attr conversion ctx id is_async kind level module op ops rest simple type_comment".split())
_FIELDS = {kind: tuple(name for name in kind._fields if name not in _NO_NODES) for kind in _SEEN}  # those that may hold nodes


def levels(tree: ast.AST) -> Iterator[list[ast.AST]]:
    """All nodes of a parsed tree except ``SIGNS``, one list for each level, in the order of ``ast.walk``."""
    level: list[ast.AST] = [tree]
    while level:
        yield level
        below: list[ast.AST] = []
        for node in level:
            if node.__class__ in _LEAVES:
                continue
            for value in vars(node).values():
                if value.__class__ in _SEEN:
                    below.append(value)
                elif value.__class__ is list:
                    below += [one for one in value if one.__class__ in _SEEN]
        level = below


class Visitor:
    """Like ``ast.NodeVisitor``, but does not visit constants and ``SIGNS``."""

    def __init__(self) -> None:
        self._methods: dict[type[ast.AST], Callable[[ast.AST], None]] = {}

    def visit(self, node: ast.AST) -> None:
        """Call ``visit_KIND`` where there is one, else ``generic_visit``."""
        kind = type(node)
        method = self._methods.get(kind)
        if method is None:
            method = self._methods[kind] = getattr(self, f"visit_{kind.__name__}", self.generic_visit)
        method(node)

    def generic_visit(self, node: ast.AST) -> None:
        """Visit the node's children in source order."""
        for name in _FIELDS[node.__class__]:
            value = getattr(node, name, None)
            if value.__class__ in _VISITED:
                self.visit(value)
            elif value.__class__ is list:
                for one in value:
                    if one.__class__ in _VISITED:
                        self.visit(one)


Kind = Literal["module", "function", "class", "comprehension"]
Function = ast.FunctionDef | ast.AsyncFunctionDef
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclass(eq=False, slots=True)
class Scope:
    """One scope: the names that it binds, and those that it declares ``global`` or ``nonlocal``."""

    kind: Kind
    parent: Scope | None
    bound: set[str] = field(default_factory=set)
    loaded: set[str] = field(default_factory=set)
    parameters: set[str] = field(default_factory=set)
    outer: dict[str, Literal["global", "nonlocal"]] = field(default_factory=dict)

    def home(self, name: str) -> Scope | None:
        """The scope that binds ``name`` as seen from here; None if the module does not bind it."""
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


class ScopeVisitor(Visitor):
    """Visits a module with the current scope in ``scope``. A subclass says what an inner scope is and what to do with each name."""

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
        self.visit_all(getattr(node, "type_params", []))  # Python 3.12
        self._visit_signature(node.args)
        if node.returns:
            self.visit(node.returns)
        with self.inside(node, "function"):
            self._bind_parameters(node.args)
            self.visit_all(node.body)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._visit_signature(node.args)
        with self.inside(node, "function"):
            self._bind_parameters(node.args)
            self.visit(node.body)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.name(node, "name", True)
        self.visit_all(node.decorator_list)
        self.visit_all(getattr(node, "type_params", []))
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

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        here = self.scope
        while self.scope.kind == "comprehension" and self.scope.parent is not None:
            self.scope = self.scope.parent  # := binds outside the comprehension
        self.visit(node.target)
        self.scope = here

    def visit_ExceptHandler(self, node: ast.ExceptHandler | ast.MatchAs | ast.MatchStar) -> None:
        if node.name:
            self.name(node, "name", True)
        self.generic_visit(node)

    visit_MatchAs = visit_MatchStar = visit_ExceptHandler

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self.generic_visit(node)
        if node.rest:
            self.name(node, "rest", True)

    def _visit_signature(self, args: ast.arguments) -> None:
        self.visit_all(args.defaults)
        self.visit_all([default for default in args.kw_defaults if default])
        for parameter in parameters(args):
            if parameter.annotation:
                self.visit(parameter.annotation)

    def _bind_parameters(self, args: ast.arguments) -> None:
        for parameter in parameters(args):
            self.name(parameter, "arg", True)


def parameters(args: ast.arguments) -> list[ast.arg]:
    """All parameters in source order."""
    found = [*args.posonlyargs, *args.args, *([args.vararg] if args.vararg else []), *args.kwonlyargs]
    return found + ([args.kwarg] if args.kwarg else [])
