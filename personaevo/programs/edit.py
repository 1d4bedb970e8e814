"""Edits of a program's source that leave the rest of it, comments included, as it was."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from pprint import PrettyPrinter
from typing import Any

from personaevo.programs.source import syntax

LINE = 120
_LINES = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")  # lines as Python counts them; str.splitlines() knows other ends too

_tree = lru_cache(maxsize=128)(syntax)  # an edit reads the same source again and again; its tree is never changed here


class _Plain(PrettyPrinter):
    """For plain values, whose ``repr`` in C says the same as pprint's own, which is written in Python."""

    def format(self, object: object, context: object, maxlevels: object, level: object) -> tuple[str, bool, bool]:
        return repr(object), True, False


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
    """``with_literals`` for one name."""
    return with_literals(source, {name: value})


def with_literals(source: str, values: Mapping[str, Any]) -> str:
    """The source with the values that are assigned to names at module level replaced; for one that is not assigned, an assignment is added
    before the first function. Values must be plain (finite numbers, strings, lists, dicts)."""
    assigned, added, edits = _assigned(source), "", []
    for name, value in values.items():
        lead = f"{name} = "
        text = _Plain(width=LINE - len(lead), sort_dicts=False).pformat(value).replace("\n", "\n" + " " * len(lead))
        node = assigned.get(name)
        if node is None:
            added += f"{lead}{text}\n\n"
        else:
            edits.append((node.lineno, node.col_offset, node, text))
    edited = _replaced(source, edits)
    return _before_functions(edited, added) if added else edited


def _before_functions(source: str, text: str) -> str:
    first = next((node for node in _tree(source).body if isinstance(node, ast.FunctionDef)), None)
    lines = [line.decode() for line in _LINES.findall(source.encode())]
    at = _first_line(first) - 1 if first else len(lines)
    before = "".join(lines[:at])
    end = "" if not before or before.endswith(("\n", "\r")) else "\n"
    return f"{before}{end}{text}{''.join(lines[at:])}"


def with_function(source: str, name: str, text: str) -> str | None:
    """The source with the module-level function ``name``, decorators included, replaced by ``text``; None if there is no such function.
    Of several, the last one is replaced: it is the one that counts."""
    for node in reversed(_tree(source).body):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return _replaced(source, [(_first_line(node), 0, node, text.strip("\n"))])
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


def _replaced(source: str, edits: Sequence[tuple[int, int, ast.stmt | ast.expr, str]]) -> str:
    """The source with what lies from each place (line, column) to the end of its node replaced; columns count bytes, as in the syntax
    tree."""
    data = source.encode()
    begins = [0, *accumulate(map(len, _LINES.findall(data)))]
    for line, column, node, text in sorted(edits, key=lambda one: one[:2], reverse=True):  # from the end: no place moves
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        begin, end = begins[line - 1] + column, begins[node.end_lineno - 1] + node.end_col_offset
        data = data[:begin] + text.encode() + data[end:]
    return data.decode()
