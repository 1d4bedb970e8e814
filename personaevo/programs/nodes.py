"""Faster forms of ``ast.walk`` and ``ast.NodeVisitor``: a search walks the syntax tree of every program."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

SIGNS = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)  # a detail of their parent node, without fields


def levels(tree: ast.AST) -> Iterator[list[ast.AST]]:
    """All nodes of a tree except ``SIGNS``, one list for each level, in the order of ``ast.walk``."""
    level: list[ast.AST] = [tree]
    while level:
        yield level
        below: list[ast.AST] = []
        for node in level:
            for value in vars(node).values():
                if value.__class__ is list:
                    below += [one for one in value if isinstance(one, ast.AST) and not isinstance(one, SIGNS)]
                elif isinstance(value, ast.AST) and not isinstance(value, SIGNS):
                    below.append(value)
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
        for name in node._fields:
            value = getattr(node, name, None)
            if value.__class__ is list:
                for one in value:
                    if isinstance(one, ast.AST) and not isinstance(one, _UNSEEN):
                        self.visit(one)
            elif isinstance(value, ast.AST) and not isinstance(value, _UNSEEN):
                self.visit(value)


_UNSEEN = (ast.Constant, *SIGNS)
