"""Edits of a program's source that leave the rest of it, comments included, as it was."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import lru_cache
from pprint import pformat
from typing import Any

from personaevo.programs.source import parse

LINE = 120


_tree = lru_cache(maxsize=128)(parse)  # an edit reads the same source again and again; its tree is never changed here


@lru_cache(maxsize=128)
def literals(source: str) -> Mapping[str, Any]:
    """Values of the module-level names that are assigned plain literals (numbers, strings, lists, dicts ...): to be copied, not changed."""
    found = {}
    for node in _assignments(source):
        try:
            found[node.targets[0].id] = ast.literal_eval(node.value)  # type: ignore[attr-defined]
        except ValueError:
            continue
    return found


def with_literal(source: str, name: str, value: Any) -> str:
    """The source with the module-level assignment of ``name`` replaced (or, if there is none, added before the first function)."""
    lead = f"{name} = "
    text = lead + pformat(value, width=LINE - len(lead), sort_dicts=False).replace("\n", "\n" + " " * len(lead))
    for node in _assignments(source):
        if node.targets[0].id == name:  # type: ignore[attr-defined]
            return _replaced(source, node, text)
    first = next((node for node in _tree(source).body if isinstance(node, ast.FunctionDef)), None)
    lines = source.splitlines()
    at = first.lineno - 1 if first else len(lines)
    return "\n".join([*lines[:at], text, "", *lines[at:]]) + "\n"


def with_function(source: str, name: str, text: str) -> str | None:
    """The source with the module-level function ``name`` replaced by ``text``; None when there is no such function."""
    for node in _tree(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return _replaced(source, node, text.strip("\n"))
    return None


def _assignments(source: str) -> list[ast.Assign]:
    return [
        node
        for node in _tree(source).body
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)
    ]


def _replaced(source: str, node: ast.stmt, text: str) -> str:
    lines = source.splitlines()
    return "\n".join([*lines[: node.lineno - 1], text, *lines[node.end_lineno :]]) + "\n"
