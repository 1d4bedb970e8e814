"""Parse the source of a persona program, normalize it and derive its id.

Ids of programs that differ only in literals, as most children differ from their parents, are cached.

The text around the literals that a program assigns at module level (``AXES = [...]``) is normalized and spelled once. Such a literal
contains no names, so it does not affect the normalized form of the rest.
"""

from __future__ import annotations

import ast
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

_MOST = 64  # cached texts, of about 50 kB each
_DEEPEST = 50  # levels of a literal that is cut out; deeper ones are spelled with the whole program
_PLAIN = (ast.List, ast.Tuple, ast.Dict, ast.Constant, ast.UnaryOp, ast.USub, ast.Load)

_forms: OrderedDict[bytes, tuple[str, ...]] = OrderedDict()
_lock = threading.Lock()


def spell_cached(
    tree: ast.Module, source: str, spell: Callable[[object], str], normalize: Callable[[], ast.Module], most_bits: int
) -> str:
    """The spelling of the normalized program. ``tree`` is the tree of ``source``; ``normalize`` checks it and normalizes it in place."""
    literals: list[ast.expr] = []
    if not {"\r", "\f"} & set(source):  # with these, lines would be counted differently
        assigned = (one for one in tree.body if isinstance(one, ast.Assign) and len(one.targets) == 1)
        values = (one.value for one in assigned if isinstance(one.targets[0], ast.Name))
        literals = [value for value in values if _is_plain(value, most_bits, _DEEPEST)]
    said = [spell(one) for one in literals]  # before the tree is changed in place
    around = _around(source, literals)
    with _lock:
        form = _forms.get(around)
        if form is not None:
            _forms.move_to_end(around)
    if form is None:
        form = _form(normalize(), literals, spell)
        with _lock:
            _forms[around] = form
            if len(_forms) > _MOST:
                _forms.popitem(last=False)
    return "".join(part for pair in zip(form, [*said, ""], strict=True) for part in pair)


def _is_plain(node: ast.AST, most_bits: int, depth: int) -> bool:
    if not isinstance(node, _PLAIN) or depth < 0:
        return False
    if isinstance(node, ast.Constant):
        return not isinstance(node.value, int) or node.value.bit_length() <= most_bits
    return all(_is_plain(child, most_bits, depth - 1) for child in ast.iter_child_nodes(node))


def _around(source: str, literals: Sequence[ast.expr]) -> bytes:
    """The source with NUL, which no program contains, in place of each literal."""
    lines = source.encode().split(b"\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    text, found, at = b"\n".join(lines), [], 0
    for one in literals:
        assert one.end_lineno is not None
        assert one.end_col_offset is not None
        found.append(text[at : starts[one.lineno - 1] + one.col_offset])
        at = starts[one.end_lineno - 1] + one.end_col_offset
    return b"\0".join([*found, text[at:]])


def _form(normal: ast.Module, literals: Sequence[ast.expr], spell: Callable[[object], str]) -> tuple[str, ...]:
    """The spelling of the normalized program, cut at the literals."""
    cut = set(map(id, literals))
    if not cut:
        return (spell(normal),)
    parts, now = [], "Module(body=["
    for place, statement in enumerate(normal.body):
        now += "," if place else ""
        if isinstance(statement, ast.Assign) and id(statement.value) in cut:
            parts.append(f"{now}Assign(targets={spell(statement.targets)},value=")
            now = ")"
        else:
            now += spell(statement)
    return (*parts, f"{now}])")
