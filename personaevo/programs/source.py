"""Parse the source of a persona program, normalize it and derive its id.

Ids of programs that differ only in literals, as most children differ from their parents, are cached.

The text around the literals that a program assigns at module level (``AXES = [...]``) is normalized and spelled once. Such a literal
contains no names, so it does not affect the normalized form of the rest.
"""

from __future__ import annotations

import ast
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any, Generic, NamedTuple, TypeVar

from personaevo.errors import ProgramError, quiet
from personaevo.programs.names import reflects, rename
from personaevo.programs.scopes import KINDS, levels
from personaevo.programs.worker.run import FILENAME
from personaevo.records import Program

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


MAX_BYTES = 64 * 1024
# The passes over the tree recurse, a few frames per level; Python's own limit is 1000 frames, and the caller needs some.
MAX_DEPTH = 100
_MOST_BITS = 14_280  # of an integer that Python converts to decimal

Read = TypeVar("Read")

# CPython 3.11 counts the depth of all threads' syntax trees together, and raises SystemError if two are made at once.
_one_at_a_time = threading.Lock()


def parse(source: str) -> ast.Module:
    """Parse a program.

    Raises ProgramError, with the line where there is one, if the source is larger than 64 kB, contains NUL or lone
    surrogates, is not valid Python for the running interpreter, or is nested deeper than 100 levels of the syntax tree.
    """
    return _read(source, _compile).tree


def syntax(source: str) -> ast.Module:
    """Parse a known program or an edit of one, with fewer checks. Raises ProgramError as ``parse`` does."""
    return _read(source, _parsed)


def _read(source: str, read: Callable[[str], Read]) -> Read:
    _check_text(source)
    try:
        return read(source)
    except SyntaxError as error:
        raise ProgramError(f"the program is not valid Python: {error.msg}, line {error.lineno or 1}") from error
    except (RecursionError, MemoryError) as error:
        raise _too_deep(1) from error
    except (ValueError, OverflowError) as error:  # e.g. an integer literal of more digits than Python converts
        raise ProgramError(f"the program is not valid Python: {error}") from error


def normalize(source: str) -> str:
    """The program without comments, docstrings, formatting and the author's choice of names.

    ``AXES``, ``generate``, builtins, attributes and imported names stay; every other variable is numbered in the order
    of first appearance. A program that reads its own names (``globals()``, ``f.__name__``, …) keeps them. The result
    is a program that behaves the same and is its own normalized form. Raises ProgramError as ``parse`` does.
    """
    read = _read(source, _compile)
    return ast.unparse(ast.fix_missing_locations(_normal(read.tree, read.nodes)))


def normal_tree(source: str) -> tuple[ast.Module, str]:
    """The tree of the normalized program, and the program's id. Raises ProgramError as ``parse`` does."""
    read = _read(source, _compile)
    tree = _normal(read.tree, read.nodes)
    return tree, _hashed(_spell(tree))


def program_id(source: str) -> str:
    """16 hex digits of blake2b over the normalized program. Raises ProgramError as ``parse`` does.

    What is hashed is a spelling of the normalized syntax tree that is the same under every Python version (that of
    ``ast.unparse`` and ``ast.dump`` is not), so that an archive can be verified elsewhere.
    """

    def spell_program(source: str) -> str:
        tree = _parsed(source)
        return spell_cached(tree, source, _spell, lambda: _normal(tree, _compiled(tree).nodes), _MOST_BITS)

    return _hashed(_read(source, spell_program))


def _hashed(spelling: str) -> str:
    return hashlib.blake2b(spelling.encode(), digest_size=8).hexdigest()


def make_program(source: str) -> Program:
    """The record of a program. Raises ProgramError as ``parse`` does."""
    return Program(id=program_id(source), source=source)


@dataclass(frozen=True, slots=True)
class Checked(Generic[Read]):
    """Result of parsing a program once: its record, the ``findings`` of a check, its normalized tree, and its compiled code."""

    program: Program
    findings: Read
    normal: ast.Module
    code: CodeType


def checked(source: str, check: Callable[[ast.Module, list[ast.AST]], Read]) -> Checked[Read]:
    """Parse a program, and ``check`` its syntax tree, all nodes of which are the second argument. Raises ProgramError as ``parse`` does."""
    tree, nodes, code = _read(source, _compile)
    findings = check(tree, nodes)
    normal = _normal(tree, nodes)
    return Checked(Program(_hashed(_spell(normal)), source), findings, normal, code)


def _check_text(source: str) -> None:
    try:
        size = len(source.encode())
    except UnicodeEncodeError as error:
        line = source.count("\n", 0, error.start) + 1
        raise ProgramError(
            f"the program contains half a surrogate pair, which is not text, line {line}; remove it"
        ) from error
    if size > MAX_BYTES:
        raise ProgramError(f"the program has {size:,} bytes; at most {MAX_BYTES:,} are allowed: make it shorter")
    if "\0" in source:
        line = source.count("\n", 0, source.index("\0")) + 1
        raise ProgramError(f"the program contains a NUL character, line {line}; remove it")


def _parsed(source: str) -> ast.Module:
    with _one_at_a_time, quiet():  # warnings, of invalid escapes say, concern the author and not the host
        return ast.parse(source)


class _Compiled(NamedTuple):
    """A tree, all its nodes, and its code."""

    tree: ast.Module
    nodes: list[ast.AST]
    code: CodeType


def _compile(source: str) -> _Compiled:
    return _compiled(_parsed(source))


def _compiled(tree: ast.Module) -> _Compiled:
    """Compile a tree, which finds errors that the grammar allows, such as "return" outside a function."""
    nodes = _nodes(tree)  # before compiling, which recurses in C
    with _one_at_a_time, quiet():
        return _Compiled(tree, nodes, compile(tree, FILENAME, "exec", dont_inherit=True))


def _nodes(tree: ast.Module) -> list[ast.AST]:
    """All nodes of the tree. Raises ProgramError if one is too deep, or an integer too large."""
    found: list[ast.AST] = []
    for depth, level in enumerate(levels(tree)):
        if depth > MAX_DEPTH:
            raise _too_deep(min(getattr(node, "lineno", 1) for node in level))
        for node in level:
            if isinstance(node, ast.Constant) and isinstance(node.value, int) and node.value.bit_length() > _MOST_BITS:
                raise ProgramError(f"the program holds an integer of more than 4,300 digits, line {node.lineno}; write it as a power")
        found += level
    return found


def _too_deep(line: int) -> ProgramError:
    return ProgramError(
        f"the program is nested deeper than {MAX_DEPTH} levels, line {line}; use loops or tables, or join shorter parts"
    )


def _normal(tree: ast.Module, nodes: list[ast.AST]) -> ast.Module:
    """Normalize a tree in place and return it; ``nodes`` are all of its nodes."""
    if not reflects(nodes):
        rename(tree)
        _strip(nodes)
    return tree


def _strip(nodes: Iterable[ast.AST]) -> None:
    """Remove statements that are only a constant (docstrings, strings used as comments), and ``pass`` next to other statements."""
    for node in nodes:
        for block in _BLOCKS.get(node.__class__, ()):
            statements = getattr(node, block, None)
            if isinstance(statements, list) and statements:
                left = [statement for statement in statements if not _is_no_op(statement)]
                # An empty "else" is left out; every other block needs a statement.
                needed = block != "orelse" and not isinstance(node, ast.Module)
                setattr(node, block, left or ([ast.Pass()] if needed else []))


_BLOCKS: dict[type[ast.AST], tuple[str, ...]] = {
    kind: tuple(name for name in ("body", "orelse", "finalbody") if name in kind._fields)
    for kind in KINDS if issubclass(kind, (ast.mod, ast.stmt, ast.excepthandler, ast.match_case))
}  # fmt: skip


def _is_no_op(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def _spell(node: Any) -> str:
    kind = node.__class__
    if kind is ast.Constant:
        return "Constant()" if node.value is None else f"Constant(value={type(node.value).__name__}:{node.value!r})"
    if kind is list:
        return f"[{','.join([_spell(one) for one in node])}]"
    if kind is ast.JoinedStr:  # Python 3.12 ends nested format specifications with an empty text
        parts = [part for part in node.values if not (isinstance(part, ast.Constant) and part.value == "")]
        return f"JoinedStr({_spell(parts)})"
    if kind not in SPELLED:
        return f"{kind.__name__}:{node!r}"
    inner = []
    for name in SPELLED[kind]:
        value = getattr(node, name, None)
        if value is not None and value != []:
            inner.append(f"{name}={_spell(value)}")
    return f"{kind.__name__}({','.join(inner)})"


# The fields of each class of nodes that the id depends on: not the load/store context, nor fields that only some Python versions have.
SPELLED = {
    kind: tuple(name for name in kind._fields if name not in ("ctx", "kind", "type_comment", "type_ignores")) for kind in KINDS
}
