"""Edits of a program's source that leave the rest of it, comments included, as it was."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import lru_cache
from pprint import pformat
from typing import Any

from personaevo.programs.source import parse

LINE = 120
_LINES = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")  # lines as Python counts them; str.splitlines() knows other ends too

_tree = lru_cache(maxsize=128)(parse)  # an edit reads the same source again and again; its tree is never changed here


def literals(source: str) -> dict[str, Any]:
    """Values of the module-level names that are assigned plain literals (numbers, strings, lists, dicts ...), each once."""
    found = {}
    for name, node in _assigned(source).items():
        try:
            found[name] = ast.literal_eval(node)
        except (ValueError, TypeError, RecursionError, MemoryError):  # no literal, or one that Python itself could not evaluate
            continue
    return found


def stored(source: str) -> set[str]:
    """All variables that the program assigns anywhere, in whatever way."""
    names = (node for node in ast.walk(_tree(source)) if isinstance(node, ast.Name))
    return {node.id for node in names if isinstance(node.ctx, ast.Store)}


def with_literal(source: str, name: str, value: Any) -> str:
    """The source with the value that is assigned to ``name`` at module level replaced; if it is not assigned, an assignment is added
    before the first function. ``value`` must be plain (finite numbers, strings, lists, dicts)."""
    lead = f"{name} = "
    text = pformat(value, width=LINE - len(lead), sort_dicts=False).replace("\n", "\n" + " " * len(lead))
    node = _assigned(source).get(name)
    if node is not None:
        return _replaced(source, node.lineno, node.col_offset, node, text)
    first = next((node for node in _tree(source).body if isinstance(node, ast.FunctionDef)), None)
    lines = [line.decode() for line in _LINES.findall(source.encode())]
    at = _first_line(first) - 1 if first else len(lines)
    before = "".join(lines[:at])
    end = "" if not before or before.endswith(("\n", "\r")) else "\n"
    return f"{before}{end}{lead}{text}\n\n{''.join(lines[at:])}"


def with_function(source: str, name: str, text: str) -> str | None:
    """The source with the module-level function ``name``, decorators included, replaced by ``text``; None if there is no such function.
    Of several, the last one is replaced: it is the one that counts."""
    for node in reversed(_tree(source).body):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return _replaced(source, _first_line(node), 0, node, text.strip("\n"))
    return None


def _assigned(source: str) -> Mapping[str, ast.expr]:
    """What each name is assigned that has one plain assignment at module level and no second one of any kind."""
    values: dict[str, ast.expr] = {}
    again = set()
    for node in _tree(source).body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign | ast.AugAssign) else []
        for target in targets:
            if not isinstance(target, ast.Name):
                continue
            if target.id in values or isinstance(node, ast.AugAssign) or len(targets) > 1:
                again.add(target.id)
            elif node.value is not None:  # type: ignore[attr-defined]
                values[target.id] = node.value  # type: ignore[attr-defined]
    return {name: value for name, value in values.items() if name not in again}


def _first_line(function: ast.FunctionDef) -> int:
    return min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])


def _replaced(source: str, line: int, column: int, node: ast.stmt | ast.expr, text: str) -> str:
    """The source with what lies from a place to the end of ``node`` replaced; columns count bytes, as in the syntax tree."""
    data = source.encode()
    lines = _LINES.findall(data)
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    begin = sum(map(len, lines[: line - 1])) + column
    end = sum(map(len, lines[: node.end_lineno - 1])) + node.end_col_offset
    return (data[:begin] + text.encode() + data[end:]).decode()
