"""The source of a persona program: reading it, its normalized form and the id that follows from it."""

from __future__ import annotations

import ast
import hashlib
import threading

from personaevo.errors import ProgramError
from personaevo.programs import names
from personaevo.quiet import quiet
from personaevo.records import Program

MAX_BYTES = 64 * 1024
# Passes over the tree recurse, a few frames per level; Python's own limit is 1000 frames, some used by the caller.
MAX_DEPTH = 100
_MOST_BITS = 14_280  # of an integer that Python still writes in decimal

# CPython 3.11 counts the depth of all threads' syntax trees together, and raises SystemError if two are made at once.
_one_at_a_time = threading.Lock()


def parse(source: str) -> ast.Module:
    """Read a program.

    Raises ProgramError, with the line where there is one, if the source is larger than 64 kB, contains NUL or lone
    surrogates, is not valid Python for the running interpreter, or is nested deeper than 100 levels of the syntax tree.
    """
    _check_text(source)
    try:
        tree = _compile(source)
    except SyntaxError as error:
        raise ProgramError(f"the program is not valid Python: {error.msg}, line {error.lineno or 1}") from error
    except (RecursionError, MemoryError) as error:
        raise _too_deep(1) from error
    except (ValueError, OverflowError) as error:  # e.g. an integer literal of more digits than Python converts
        raise ProgramError(f"the program is not valid Python: {error}") from error
    return tree


def normalize(source: str) -> str:
    """The program without what does not matter: comments, docstrings, formatting and the author's choice of names.

    ``AXES``, ``generate``, builtins, attributes and imported names stay; every other variable is numbered in the order
    of first appearance. A program that looks at its own names (``globals()``, ``f.__name__``, …) keeps them. The result
    is a program that does the same and is its own normalized form. Raises ProgramError as ``parse`` does.
    """
    return ast.unparse(ast.fix_missing_locations(_normal_tree(source)))


def normal_tree(source: str) -> ast.Module:
    """The tree of the normalized program as Python reads it back. Raises ProgramError as ``parse`` does, or if it cannot be read back."""
    try:
        normal = normalize(source)
        with _one_at_a_time:
            return ast.parse(normal)
    except (ValueError, SyntaxError) as error:  # it has a number of more digits than Python converts, say
        raise ProgramError(f"the program cannot be written in normal form: {error}; use shorter numbers and simpler texts") from error


def program_id(source: str) -> str:
    """16 hex digits of blake2b over the normalized program. Raises ProgramError as ``parse`` does.

    What is hashed is a spelling of the normalized syntax tree that is the same under every Python version (that of
    ``ast.unparse`` and ``ast.dump`` is not), so that an archive can be verified elsewhere.
    """
    return hashlib.blake2b(_spell(_normal_tree(source)).encode(), digest_size=8).hexdigest()


def make_program(source: str) -> Program:
    """The record of a program. Raises ProgramError as ``parse`` does."""
    return Program(id=program_id(source), source=source)


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


def _compile(source: str) -> ast.Module:
    with _one_at_a_time, quiet():  # of invalid escapes, say: the author's business, not the host's
        tree = ast.parse(source)
        _check_depth(tree)  # before compiling, which recurses in C
        compile(
            tree, "<program>", "exec", dont_inherit=True
        )  # finds what the grammar allows: "return" outside a function
    return tree


def _check_depth(tree: ast.Module) -> None:
    stack: list[tuple[ast.AST, int, int]] = [(tree, 0, 1)]
    while stack:
        node, depth, line = stack.pop()
        if depth > MAX_DEPTH:
            raise _too_deep(line)
        if isinstance(node, ast.Constant) and isinstance(node.value, int) and node.value.bit_length() > _MOST_BITS:
            raise ProgramError(f"the program holds an integer of more than 4,300 digits, line {line}; write it as a power")
        stack.extend((child, depth + 1, getattr(child, "lineno", line)) for child in ast.iter_child_nodes(node))


def _too_deep(line: int) -> ProgramError:
    return ProgramError(
        f"the program is nested deeper than {MAX_DEPTH} levels, line {line}; use loops or tables, or join shorter parts"
    )


def _normal_tree(source: str) -> ast.Module:
    tree = parse(source)
    if not names.reflects(tree):
        names.rename(tree)
        _strip(tree)
    return tree


def _strip(tree: ast.Module) -> None:
    """Remove statements that are only a constant (docstrings, strings used as comments) and ``pass`` beside others."""
    for node in ast.walk(tree):
        for block in ("body", "orelse", "finalbody"):
            statements = getattr(node, block, None)
            if isinstance(statements, list) and statements:
                left = [statement for statement in statements if not _says_nothing(statement)]
                # An emptied "else" is no else; every other block needs a statement.
                needed = block != "orelse" and not isinstance(node, ast.Module)
                setattr(node, block, left or ([ast.Pass()] if needed else []))


def _says_nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def _spell(node: object) -> str:
    if isinstance(node, ast.JoinedStr):  # Python 3.12 ends nested format specifications with an empty text
        parts = [part for part in node.values if not (isinstance(part, ast.Constant) and part.value == "")]
        return f"JoinedStr({_spell(parts)})"
    if isinstance(node, ast.AST):
        fields = ((name, getattr(node, name, None)) for name in node._fields if name not in _UNSPELLED)
        inner = ",".join(f"{name}={_spell(value)}" for name, value in fields if value is not None and value != [])
        return f"{type(node).__name__}({inner})"
    if isinstance(node, list):
        return f"[{','.join(map(_spell, node))}]"
    return f"{type(node).__name__}:{node!r}"


# Fields that follow from the place of a node, or that only some versions have without any meaning here.
_UNSPELLED = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
