"""Near-duplicate detection for programs: the similarity of their syntax trees.

A program is represented by the set of its shingles (Broder 1997): all runs of a few neighboring nodes of the normalized tree in source
order. Comments, formatting and the author's names do not affect them, and an edit changes only the shingles that it touches.
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

from personaevo.programs.source import SPELLED, normal_tree

_SIZE = 5  # neighboring nodes
_NUMBERED = re.compile(r"v_*\d+")  # the names that normalize gives to variables
_NAMING = frozenset({"id", "arg", "asname", "rest", "names"})  # fields of nodes that contain variables
_NAMING_WITH_NAME = _NAMING | {"name"}  # not in ast.alias
_SPELLINGS, _SHORT = 4_096, 100  # cache of node spellings up to this length: short ones recur
_FOLDED = {kind for kind in SPELLED if issubclass(kind, (ast.operator, ast.unaryop, ast.boolop, ast.cmpop))}


class _Node(NamedTuple):
    spelling: bytes
    names: tuple[str, ...]


def shingles(source: str, size: int = _SIZE) -> frozenset[int]:
    """The shingles of a program, as hashes of 64 bits that are the same in every process and under every version of Python.

    A shingle is ``size`` consecutive nodes of the normalized tree in pre-order (all of them, if there are fewer). A node is spelled by its
    type and its own content: constants in full (a text is one node, however long), operators, attributes, keywords, imported names,
    builtins. Variables are distinguished only within a shingle. One more element stands for the program as a whole: equal sets are equal
    ``program_id``s. So two programs that differ in one number (or text, or attribute) have a likeness below 1, and of at least
    (n - size - 1) / (n + size + 1) if each has n elements: 0.95 for the seed program (3 kB, n = 258), 0.98 for n = 600.

    Raises:
        ProgramError: as ``personaevo.programs.source.parse`` does.
        ValueError: ``size`` is less than 1.
    """
    if size < 1:
        raise ValueError(f"size {size}: expected the number of nodes of a shingle, at least 1")
    return shingles_of(*normal_tree(source), size)


def shingles_of(normal: ast.Module, program_id: str, size: int = _SIZE) -> frozenset[int]:
    """``shingles`` of a program's normalized tree and id (``source.checked``)."""
    nodes: list[_Node] = []
    _collect(normal, nodes)
    runs = (nodes[start : start + size] for start in range(max(1, len(nodes) - size + 1)))
    return frozenset({int(program_id, 16), *map(_hash_shingle, runs)})


def likeness(a: frozenset[int], b: frozenset[int]) -> float:
    """The Jaccard similarity of two sets of shingles, 0 to 1; of two empty sets 1."""
    both = len(a & b)
    union = len(a) + len(b) - both
    return both / union if union else 1.0


def nearest(candidate: frozenset[int], known: Mapping[str, frozenset[int]]) -> tuple[str, float] | None:
    """The known program most similar to the candidate, and its likeness; of equal ones the first by name. None if ``known`` is empty."""
    best: tuple[str, float] | None = None
    for name in sorted(known):
        other = known[name]
        sizes = sorted((len(candidate), len(other)))
        if best is not None and sizes[0] < best[1] * sizes[1]:  # even if the smaller is part of the larger, it is less similar
            continue
        value = likeness(candidate, other)
        if best is None or value > best[1]:
            best = name, value
    return best


class NearDuplicateIndex:
    """An index of programs for finding near-duplicates. For each it stores the id, the number of shingles and a sketch of 512 bytes; only
    programs that the sketch does not rule out are compared in full. The shingles of the most recently used programs are cached.

    The sketch is the exclusive or of the shingles in each of 64 parts of the hashes' range: a shingle that only one of two programs has
    changes at most one part, so the sketches of similar programs differ in few parts.
    """

    def __init__(self, shingles_of: Callable[[str], frozenset[int]]) -> None:
        """``shingles_of`` returns the shingles of an id: called for the few programs that are compared in full."""
        self._shingles_of = shingles_of
        self._names: list[str] = []
        self._recent: OrderedDict[str, frozenset[int]] = OrderedDict()
        self._sizes = np.zeros(_CAPACITY, dtype=np.int64)
        self._sketches = np.zeros((_CAPACITY, _PARTS), dtype=np.uint64)

    def add(self, name: str, own: frozenset[int]) -> None:
        """Add a program to the index."""
        at = len(self._names)
        if at == len(self._sizes):
            self._sizes = np.concatenate([self._sizes, np.zeros_like(self._sizes)])
            self._sketches = np.concatenate([self._sketches, np.zeros_like(self._sketches)])
        self._names.append(name)
        self._remember(name, own)
        self._sizes[at], self._sketches[at] = len(own), _sketch(own)

    def alike(self, own: frozenset[int], threshold: float) -> str | None:
        """The first program added whose likeness is above the threshold (0 < threshold < 1); None if there is none."""
        held = len(self._names)
        only_one = (1 - threshold) / (1 + threshold) * (self._sizes[:held] + len(own))  # J > t: fewer than this are in only one of both
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


_PARTS, _CAPACITY = 64, 256  # parts of a sketch, programs at first
_RECENT = 200  # cached programs, of about 20 kB each


def _sketch(own: frozenset[int]) -> Any:
    values = np.fromiter(own, dtype=np.uint64, count=len(own))
    sketch = np.zeros(_PARTS, dtype=np.uint64)
    np.bitwise_xor.at(sketch, (values >> np.uint64(58)).astype(np.intp), values)
    return sketch


def _hash_shingle(run: Sequence[_Node]) -> int:
    """Hash the spellings of the nodes, and which variables among them are the same."""
    numbers: dict[str, int] = {}
    said = b""
    for spelling, names in run:
        said += spelling
        for name in names:
            said += b"%d," % numbers.setdefault(name, len(numbers))
    return int.from_bytes(hashlib.blake2b(said, digest_size=8).digest(), "big")


def _hash_text(said: str) -> bytes:
    return hashlib.blake2b(said.encode(errors="surrogatepass"), digest_size=8).digest()


_hash_short = lru_cache(maxsize=_SPELLINGS)(_hash_text)


def _collect(node: ast.AST, found: list[_Node]) -> None:
    """Append the tree's nodes in pre-order. Recursion is bounded by ``source.MAX_DEPTH``."""
    kind = node.__class__
    said, naming = kind.__name__, _NAMING if kind is ast.alias else _NAMING_WITH_NAME
    names: list[str] = []
    children: list[ast.AST] = []
    for field in SPELLED[kind]:
        value = getattr(node, field, None)
        for part in value if value.__class__ is list else (value,):
            if part.__class__ in _FOLDED:
                said += f"\0{type(part).__name__}"
            elif part.__class__ in SPELLED:
                children.append(part)
            elif part.__class__ is str and field in naming and _NUMBERED.fullmatch(part):
                names.append(part)
            elif part is not None or field == "value":
                said += f"\0{field}={_constant(part)}"
    found.append(_Node(_hash_short(said) if len(said) <= _SHORT else _hash_text(said), tuple(names)))
    for child in children:
        # Python 3.12 ends nested format specifications with an empty text, earlier versions do not.
        if not (kind is ast.JoinedStr and child.__class__ is ast.Constant and child.value == ""):
            _collect(child, found)


def _constant(value: object) -> str:
    if isinstance(value, str):
        return f"str:{value}"
    return f"int:{value:x}" if type(value) is int else f"{type(value).__name__}:{value!r}"
