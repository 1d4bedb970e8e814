"""The ``where`` language: conditions on named values, such as ``words_per_turn < 6 and pushback_rate > 0.2``.

    condition  = all {"or" all}
    all        = part {"and" part}
    part       = {"not"} ("(" condition ")" | comparison)
    comparison = value (("<" | "<=" | ">" | ">=" | "==" | "!=") value)+ | value ["not"] "in" "(" value {"," value} ")"
    value      = name | number | text in single or double quotes

Numbers compare with numbers; texts compare with texts, only by ``==``, ``!=`` and ``in``. Every comparison involves a name. Only the parser
below reads the text: it is never evaluated as Python or SQL.
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from personaevo.errors import ConfigError

LONGEST = 2_000
DEEPEST = 50

Values = Mapping[str, float | str | None]
Columns = Mapping[str, NDArray[Any]]
Truths = tuple[Any, Any]  # masks of rows where the condition holds and where it fails; it is unknown in other rows
_ORDERINGS: Mapping[str, Callable[[Any, Any], Any]] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_COMPARISONS = {"==": operator.eq, "!=": operator.ne, **_ORDERINGS}
_KEYWORDS = ("and", "or", "not", "in")
_TOKEN = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)|(?P<name>[^\W\d]\w*)"
    r"""|(?P<text>"[^"]*"|'[^']*')|(?P<sign>[<>=!]=|[<>(),])|(?P<other>\S)"""
)


@dataclass(frozen=True, slots=True)
class Where:
    """A condition parsed from ``text``.

    A name that is missing, None or NaN is unknown, and so is every comparison with it. ``not``, ``and`` and ``or`` follow Kleene's
    three-valued logic. Unknown does not match.

    Evaluation is vectorized: ``columns`` maps names to arrays of ``count`` values, numbers as floats (NaN is unknown), text as objects
    (None is unknown).
    """

    text: str
    _root: _Node
    _parts: tuple[tuple[str, _Node], ...]  # the operands of a top-level "and", as written

    def matches(self, values: Values) -> bool:
        """Whether the condition holds for one row."""
        known = {name: value for name, value in values.items() if value is not None}
        return bool(self.mask({name: column([value]) for name, value in known.items()}, 1)[0])

    def mask(self, columns: Columns, count: int) -> NDArray[np.bool_]:
        """The rows where the condition holds."""
        return _whole(self._root.truths(columns)[0], count)

    def excluded(self, columns: Columns, count: int) -> NDArray[np.bool_]:
        """The rows where the condition fails for any values of the unknown names."""
        return _whole(self._root.truths(columns)[1], count)

    def parts(self, columns: Columns, count: int) -> list[tuple[str, int]]:
        """The operands of a top-level "and", as written, each with the number of rows that it alone matches."""
        return [(text, int(_whole(node.truths(columns)[0], count).sum())) for text, node in self._parts]


def parse(text: str, kinds: Mapping[str, type]) -> Where:
    """Parse a condition. ``kinds`` has all allowed names: ``str`` is text, any other type a number.

    Raises:
        ConfigError: the text is longer than 2,000 characters, nested deeper than 50 parentheses, or not a condition on these names;
            one line with the position (from 1), the problem and what was expected.
    """
    if len(text) > LONGEST:
        raise ConfigError(f"where: {len(text):,} characters; at most {LONGEST:,} are allowed: make it shorter")
    return _Parser(text, kinds).whole()


def column(values: Sequence[float | str | None]) -> NDArray[Any]:
    """The values of one name as an array for ``Where``: of objects if some are text, else of floats."""
    if any(isinstance(value, str) for value in values):
        return np.array(values, dtype=object)
    return np.array([math.nan if value is None else value for value in values], dtype=float)


def _whole(truth: Any, count: int) -> NDArray[np.bool_]:
    return np.array(np.broadcast_to(truth, count))


# --- the syntax tree


@dataclass(frozen=True, slots=True)
class _Value:
    """A name or a constant."""

    kind: str
    name: str | None = None
    constant: float | str | None = None

    def of(self, columns: Columns) -> Any:
        """A column, a constant, or None for a name without a column."""
        return self.constant if self.name is None else columns.get(self.name)


@dataclass(frozen=True, slots=True)
class _Compare:
    left: _Value
    sign: str
    right: _Value

    def truths(self, columns: Columns) -> Truths:
        left, right = self.left.of(columns), self.right.of(columns)
        if left is None or right is None:
            return np.False_, np.False_
        known = _known(left) & _known(right)
        holds = np.asarray(_COMPARISONS[self.sign](left, right), dtype=bool)
        return known & holds, known & ~holds


def _known(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return np.True_
    nothing: Any = None
    return np.not_equal(value, nothing).astype(bool) if value.dtype == object else ~np.isnan(value)


@dataclass(frozen=True, slots=True)
class _Not:
    part: _Node

    def truths(self, columns: Columns) -> Truths:
        holds, fails = self.part.truths(columns)
        return fails, holds


@dataclass(frozen=True, slots=True)
class _Join:
    """An ``and`` or ``or``; ``decisive`` is the value of one operand that decides the whole: False for ``and``, True for ``or``."""

    decisive: bool
    parts: tuple[_Node, ...]

    def truths(self, columns: Columns) -> Truths:
        holds, fails = zip(*(part.truths(columns) for part in self.parts), strict=True)
        if self.decisive:
            return reduce(operator.or_, holds), reduce(operator.and_, fails)
        return reduce(operator.and_, holds), reduce(operator.or_, fails)


_Node = _Compare | _Not | _Join


def _joined(decisive: bool, parts: list[_Node]) -> _Node:
    return parts[0] if len(parts) == 1 else _Join(decisive, tuple(parts))


# --- the parser


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    place: int


class _Parser:
    """Recursive descent; only parentheses recurse, and their depth is limited."""

    def __init__(self, text: str, kinds: Mapping[str, type]) -> None:
        self._text = text
        self._tokens = [_Token(match.lastgroup or "", match[0], match.start() + 1) for match in _TOKEN.finditer(text)]
        self._end = _Token("end", "", len(text) + 1)
        self._kinds = kinds
        self._names = ", ".join(list(kinds)[:20]) + (", …" if len(kinds) > 20 else "")
        self._next = self._depth = 0
        self._written: dict[int, str] = {}  # the text of each operand, by the id of its node

    def whole(self) -> Where:
        node = self._condition()
        if self._here.kind != "end":
            raise self._expected("'and', 'or' or the end")
        parts = node.parts if isinstance(node, _Join) and not node.decisive and id(node) not in self._written else (node,)
        return Where(self._text, node, tuple((self._written.get(id(part), self._text.strip()), part) for part in parts))

    def _condition(self) -> _Node:
        return self._list("or", True, lambda: self._list("and", False, self._part))

    def _list(self, word: str, decisive: bool, read: Callable[[], _Node]) -> _Node:
        parts = [read()]
        while self._took(word):
            parts.append(read())
        return _joined(decisive, parts)

    def _part(self) -> _Node:
        negated, begin = False, self._here.place
        while self._took("not"):
            negated = not negated
        node = self._group() if self._here.text == "(" else self._comparison()
        node = _Not(node) if negated else node
        last = self._tokens[self._next - 1]
        self._written[id(node)] = self._text[begin - 1 : last.place - 1 + len(last.text)]
        return node

    def _group(self) -> _Node:
        if self._depth == DEEPEST:
            raise self._error(f"parentheses are nested deeper than {DEEPEST}", "write it flatter")
        self._depth += 1
        self._take("(")
        node = self._condition()
        self._take(")", "'and', 'or' or ')'")
        self._depth -= 1
        return node

    def _comparison(self) -> _Node:
        left = self._value()
        if self._took("not"):
            if self._here.text != "in":
                raise self._expected("'in' after 'not'")
            return _Not(self._membership(left))
        if self._here.text == "in":
            return self._membership(left)
        parts: list[_Node] = []
        while self._here.text in _COMPARISONS:
            sign = self._advance()
            right = self._value()
            parts.append(self._pair(left, sign, right))
            left = right
        if not parts:
            raise self._expected("a comparison (<, <=, >, >=, ==, != or in)")
        return _joined(False, parts)

    def _membership(self, left: _Value) -> _Node:
        sign = self._advance()
        self._take("(", "'(' and a list, as in 'cell in (1, 2)'")
        parts: list[_Node] = [self._pair(left, sign, self._value())]
        while self._took(","):
            parts.append(self._pair(left, sign, self._value()))
        self._take(")", "',' or ')'")
        return _joined(True, parts)

    def _pair(self, left: _Value, sign: _Token, right: _Value) -> _Node:
        if left.name is None and right.name is None:
            raise self._error("two constants are compared", f"one side must be a name: {self._names}", sign)
        if left.kind != right.kind:
            raise self._error(f"a {left.kind} is compared with a {right.kind}", "compare numbers with numbers, text with text", sign)
        if left.kind == "text" and sign.text in _ORDERINGS:
            raise self._error(f"text has no order for '{sign.text}'", "use ==, != or in", sign)
        return _Compare(left, "==" if sign.text == "in" else sign.text, right)

    def _value(self) -> _Value:
        if self._here.kind not in ("number", "text", "name") or self._here.text in _KEYWORDS:
            raise self._expected("a name, a number or text in quotes")
        token = self._advance()
        if token.kind == "text":
            return _Value("text", constant=token.text[1:-1])
        if token.kind == "name":
            return self._named(token)
        number = float(token.text)
        if not math.isfinite(number):
            raise self._error(f"the number {token.text[:40]} is too large", "write one below 1e308", token)
        return _Value("number", constant=number)

    def _named(self, token: _Token) -> _Value:
        if token.text not in self._kinds:
            close = difflib.get_close_matches(token.text, list(self._kinds), 3)
            hint = f"did you mean {' or '.join(close)}?" if close else f"names are: {self._names}"
            raise self._error(f"there is no name {token.text[:40]!r}", hint, token)
        return _Value("text" if self._kinds[token.text] is str else "number", name=token.text)

    # tokens

    @property
    def _here(self) -> _Token:
        return self._tokens[self._next] if self._next < len(self._tokens) else self._end

    def _advance(self) -> _Token:
        token = self._here
        self._next += 1
        return token

    def _took(self, text: str) -> bool:
        found = self._here.text == text
        self._next += found
        return found

    def _take(self, text: str, expected: str = "") -> None:
        if not self._took(text):
            raise self._expected(expected or f"'{text}'")

    def _expected(self, what: str) -> ConfigError:
        found = "it ends" if self._here.kind == "end" else f"there is {self._here.text[:40]!r}"
        hint = "; write == to compare" if self._here.text == "=" else ""
        return self._error(found, f"expected {what}{hint}")

    def _error(self, problem: str, advice: str, token: _Token | None = None) -> ConfigError:
        return ConfigError(f"where, character {(token or self._here).place}: {problem}; {advice}")
