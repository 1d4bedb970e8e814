"""Near-duplicates of programs: how much of their syntax trees is alike.

A program is seen as the set of its shingles (Broder 1997): all runs of a few neighboring nodes of the normalized tree in the order of
writing. Comments, formatting and the author's names leave no trace in them, and an edit changes only those that it touches.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from personaevo.programs.source import normal_tree, spelled

_SIZE = 5  # neighboring nodes
_NUMBERED = re.compile(r"v_*\d+")  # what normalize calls the author's variables
_NAMING = frozenset({"id", "arg", "asname", "rest", "names"})
_SPELLINGS, _SHORT = 4_096, 100  # nodes that occur again (names, calls, small numbers) are spelled once; the others are longer
_FOLDED = (ast.operator, ast.unaryop, ast.boolop, ast.cmpop)


class _Node(NamedTuple):
    spelling: bytes
    names: tuple[str, ...]


def shingles(source: str, size: int = _SIZE) -> frozenset[int]:
    """The shingles of a program, as hashes of 64 bits that are the same in every process and under every version of Python.

    A shingle is ``size`` consecutive nodes of the normalized tree in pre-order (all of them, if there are fewer). A node is spelled by its
    type and what it says itself: constants in full (a text is one node, however long), operators, attributes, keywords, imported names,
    builtins. Variables are told apart only within a shingle. One more element stands for the program as a whole: equal sets are equal
    ``program_id``s. So two programs that differ in one number (or text, or attribute) have a likeness below 1, and of at least
    (n - size - 1) / (n + size + 1) if each has n elements: 0.95 for the seed program (3 kB, n = 258), 0.98 for n = 600.

    Raises:
        ProgramError: as ``personaevo.programs.source.parse`` does.
        ValueError: ``size`` is less than 1.
    """
    if size < 1:
        raise ValueError(f"size {size}: expected the number of nodes of a shingle, at least 1")
    return _of(*normal_tree(source), size)


def shingles_of(normal: ast.Module, program_id: str) -> frozenset[int]:
    """The same of a program's normalized tree and id (``source.checked``)."""
    return _of(normal, program_id, _SIZE)


def _of(tree: ast.Module, whole: str, size: int) -> frozenset[int]:
    nodes: list[_Node] = []
    _collect(tree, nodes)
    runs = (nodes[start : start + size] for start in range(max(1, len(nodes) - size + 1)))
    return frozenset({int(whole, 16), *map(_hashed, runs)})


def likeness(a: frozenset[int], b: frozenset[int]) -> float:
    """The share of the shingles of two programs that both have (Jaccard), 0 to 1; two empty sets are alike: 1."""
    both = len(a & b)
    union = len(a) + len(b) - both
    return both / union if union else 1.0


def nearest(candidate: frozenset[int], known: Mapping[str, frozenset[int]]) -> tuple[str, float] | None:
    """The known program most like the candidate, and its likeness; of equally near ones the first by name. None if none is known."""
    best: tuple[str, float] | None = None
    for name in sorted(known):
        other = known[name]
        sizes = sorted((len(candidate), len(other)))
        if best is not None and sizes[0] < best[1] * sizes[1]:  # even as a part of the larger it would be less near
            continue
        value = likeness(candidate, other)
        if best is None or value > best[1]:
            best = name, value
    return best


class Known:
    """An index of known programs for finding near-duplicates. For each it holds the id, the number of shingles and a sketch of 512 bytes;
    only programs that the sketch does not rule out are compared in full. The shingles of those used last stay.

    The sketch is the exclusive or of the shingles in each of 64 parts of the hashes' range: every shingle that only one of two programs
    has changes one part at most, so that alike programs differ in few.
    """

    def __init__(self, shingles_of: Callable[[str], frozenset[int]]) -> None:
        """``shingles_of`` an id: asked for the few programs that are compared in full."""
        self._shingles_of = shingles_of
        self._names: list[str] = []
        self._recent: OrderedDict[str, frozenset[int]] = OrderedDict()
        self._sizes = np.zeros(_ROOM, dtype=np.int64)
        self._sketches = np.zeros((_ROOM, _PARTS), dtype=np.uint64)

    def add(self, name: str, own: frozenset[int]) -> None:
        """Make a program known."""
        at = len(self._names)
        if at == len(self._sizes):
            self._sizes = np.concatenate([self._sizes, np.zeros_like(self._sizes)])
            self._sketches = np.concatenate([self._sketches, np.zeros_like(self._sketches)])
        self._names.append(name)
        self._remember(name, own)
        self._sizes[at], self._sketches[at] = len(own), _sketch(own)

    def alike(self, own: frozenset[int], threshold: float) -> str | None:
        """The first known program whose likeness is above the threshold (0 < threshold < 1); None if there is none."""
        held = len(self._names)
        only_one = (1 - threshold) / (1 + threshold) * (self._sizes[:held] + len(own))  # J > t: fewer shingles than these are in one alone
        differ = (self._sketches[:held] != _sketch(own)).sum(axis=1)
        near = (self._names[at] for at in np.flatnonzero(differ <= only_one).tolist())
        return next((name for name in near if likeness(own, self._whole(name)) > threshold), None)

    def _whole(self, name: str) -> frozenset[int]:
        known = self._recent.get(name)
        return self._remember(name, self._shingles_of(name) if known is None else known)

    def _remember(self, name: str, own: frozenset[int]) -> frozenset[int]:
        self._recent[name] = own
        self._recent.move_to_end(name)
        if len(self._recent) > _RECENT:
            self._recent.popitem(last=False)
        return own


_PARTS, _ROOM = 64, 256
_RECENT = 200  # programs, of some 20 kB


def _sketch(own: frozenset[int]) -> Any:
    values = np.fromiter(own, dtype=np.uint64, count=len(own))
    sketch = np.zeros(_PARTS, dtype=np.uint64)
    np.bitwise_xor.at(sketch, (values >> np.uint64(58)).astype(np.intp), values)
    return sketch


def _hashed(run: Sequence[_Node]) -> int:
    """Of the spellings, and of which names in the run are the same."""
    numbers: dict[str, int] = {}
    parts = []
    for spelling, names in run:
        parts.append(spelling)
        parts += [b"%d," % numbers.setdefault(name, len(numbers)) for name in names]
    return int.from_bytes(hashlib.blake2b(b"".join(parts), digest_size=8).digest(), "big")


def _hash(said: str) -> bytes:
    return hashlib.blake2b(said.encode(errors="surrogatepass"), digest_size=8).digest()


_spelling = lru_cache(maxsize=_SPELLINGS)(_hash)


def _collect(node: ast.AST, found: list[_Node]) -> None:
    """The tree in pre-order. It is at most as deep as a program may be (source.MAX_DEPTH)."""
    said = type(node).__name__
    names: list[str] = []
    children: list[ast.AST] = []
    for field in spelled(type(node)):
        value = getattr(node, field, None)
        for part in value if value.__class__ is list else (value,):
            if part is None:
                if field == "value":
                    said += f"\0{field}={_constant(part)}"
            elif isinstance(part, ast.AST):
                if isinstance(part, _FOLDED):
                    said += f"\0{type(part).__name__}"
                else:
                    children.append(part)
            elif isinstance(part, str) and _is_variable(node, field, part):
                names.append(part)
            else:
                said += f"\0{field}={_constant(part)}"
    found.append(_Node(_spelling(said) if len(said) <= _SHORT else _hash(said), tuple(names)))
    for child in children:
        if not _is_nothing(node, child):
            _collect(child, found)


def _is_variable(node: ast.AST, field: str, value: str) -> bool:
    naming = field in _NAMING or (field == "name" and not isinstance(node, ast.alias))
    return naming and _NUMBERED.fullmatch(value) is not None


def _is_nothing(node: ast.AST, child: ast.AST) -> bool:
    """Python 3.12 ends nested format specifications with an empty text."""
    return isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant) and child.value == ""


def _constant(value: object) -> str:
    if isinstance(value, str):
        return f"str:{value}"
    return f"int:{value:x}" if type(value) is int else f"{type(value).__name__}:{value!r}"
