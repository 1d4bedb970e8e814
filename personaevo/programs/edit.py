"""Edit a program's source: replace literals and functions, and find the places of search/replace blocks. The rest of the source, comments
included, stays unchanged."""

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
_LINES = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")  # lines as Python counts them; str.splitlines() splits at other characters too

_tree = lru_cache(maxsize=128)(syntax)  # the same source is parsed many times; its tree is not changed here


class _Plain(PrettyPrinter):
    """Faster for plain values: their ``repr``, in C, gives the same text as pprint's own code, in Python."""

    def format(self, object: object, context: object, maxlevels: object, level: object) -> tuple[str, bool, bool]:
        return repr(object), True, False


def literals(source: str) -> dict[str, Any]:
    """Values of the module-level names that are assigned exactly once, a plain literal (number, string, list, dict …)."""
    found = {}
    for name, node in _assigned(source).items():
        try:
            found[name] = ast.literal_eval(node)
        except (ValueError, TypeError, RecursionError, MemoryError):  # not a literal, or one that Python itself could not evaluate
            continue
    return found


def stored(source: str) -> set[str]:
    """All variables that the program assigns anywhere, in any way."""
    names = (node for node in ast.walk(_tree(source)) if isinstance(node, ast.Name))
    return {node.id for node in names if isinstance(node.ctx, ast.Store)}


def with_literal(source: str, name: str, value: Any) -> str:
    """``with_literals`` for one name."""
    return with_literals(source, {name: value})


def with_literals(source: str, values: Mapping[str, Any]) -> str:
    """Replace the values assigned to module-level names. For a name without an assignment, one is added before the first function. Values
    must be plain (finite numbers, strings, lists, dicts)."""
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
    return _insert_before_functions(edited, added) if added else edited


def _insert_before_functions(source: str, text: str) -> str:
    first = next((node for node in _tree(source).body if isinstance(node, ast.FunctionDef)), None)
    lines = [line.decode() for line in _LINES.findall(source.encode())]
    at = _first_line(first) - 1 if first else len(lines)
    before = "".join(lines[:at])
    end = "" if not before or before.endswith(("\n", "\r")) else "\n"
    return f"{before}{end}{text}{''.join(lines[at:])}"


def with_function(source: str, name: str, text: str) -> str | None:
    """Replace the module-level function ``name``, decorators included, by ``text``; None if there is no such function. Of several the last
    one, which is in effect, is replaced."""
    for node in reversed(_tree(source).body):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return _replaced(source, [(_first_line(node), 0, node, text.strip("\n"))])
    return None


def _assigned(source: str) -> Mapping[str, ast.expr]:
    """The value of each name that has one plain assignment at module level and no second one of any kind."""
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
    """Replace the text from each position (line, column) to the end of its node; columns count bytes, as in the syntax tree."""
    data = source.encode()
    begins = [0, *accumulate(map(len, _LINES.findall(data)))]
    for line, column, node, text in sorted(edits, key=lambda one: one[:2], reverse=True):  # from the end, so that no position moves
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        begin, end = begins[line - 1] + column, begins[node.end_lineno - 1] + node.end_col_offset
        data = data[:begin] + text.encode() + data[end:]
    return data.decode()
