"""Fuzzing the ``where`` parser: any text is read or refused; generated expressions are read with the right meaning."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from functools import reduce
from typing import Any

from hypothesis import strategies as st

from benchmarks.fuzzing.engine import Target
from personaevo import where
from personaevo.errors import ConfigError

KINDS = {"x": float, "words_per_turn": float, "cell": int, "name": str, "größe": float, "inner": float, "not_set": float, "t": str}
SIGNS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne}
Values = dict[str, Any]
# An independent implementation of Kleene's logic in numbers: 0 is false, 1/2 unknown, 1 true; "and" is min, "or" is max.
Meaning = Callable[[Values], float]
Part = tuple[list[str], Meaning]

EXAMPLES = (
    b"words_per_turn < 6 and x > 0.2", b"not (x >= 1) or cell == 3", b"cell in (1, 2)", b"0.1 < x <= 0.5", b"name == \"terse\"",
    b"name not in ('a', 'b',)", b"((x<1))", b"not not x == -.5e-3",
)  # fmt: skip
WORDS = (b"(", b")", b"not ", b" and ", b" or ", b" in ", b",", b"<", b"==", b"=", b"1e999", b"nan", b"'", b'"', b"\0", b"\x1b", b"9" * 50)


def attempt(data: bytes) -> None:
    """Any text."""
    try:
        found = where.parse(data.decode("utf-8", "replace"), KINDS)
    except ConfigError as error:
        assert str(error).isprintable() and len(str(error)) < 500, str(error)
        return
    cases: tuple[Values, ...] = ({}, dict.fromkeys(KINDS), {"x": math.nan, "cell": 3, "name": "terse"})
    for values in cases:
        assert found.matches(values) in (True, False)


def _named(kind: str) -> st.SearchStrategy[tuple[str, Callable[[Values], Any]]]:
    names = st.sampled_from([name for name in KINDS if (KINDS[name] is str) == (kind == "text")])
    return names.map(lambda name: (name, operator.methodcaller("get", name)))


def _constant(kind: str) -> st.SearchStrategy[tuple[str, Callable[[Values], Any]]]:
    if kind == "text":
        texts = st.sampled_from(["", "terse", "a b", "ä(", "and"])
        return st.tuples(texts, st.sampled_from("'\"")).map(lambda drawn: (f"{drawn[1]}{drawn[0]}{drawn[1]}", lambda _: drawn[0]))
    numbers = st.integers(-3, 3) | st.floats(-10, 10) | st.floats(allow_nan=False, allow_infinity=False)
    return numbers.map(lambda number: (repr(number), lambda _: float(number)))


@st.composite
def _comparison(draw: st.DrawFn) -> Part:
    kind = draw(st.sampled_from(["number", "text"]))
    signs = [draw(st.sampled_from(list(SIGNS) if kind == "number" else ["==", "!="])) for _ in range(draw(st.integers(1, 3)))]
    anchor = draw(st.integers(0, 1))  # every second value is a name, so that every pair has one
    values = [draw(_named(kind) if place % 2 == anchor else _named(kind) | _constant(kind)) for place in range(len(signs) + 1)]
    tokens = [values[0][0]]
    for sign, value in zip(signs, values[1:], strict=True):
        tokens += [sign, value[0]]
    pairs = [_pair(SIGNS[sign], left[1], right[1]) for sign, left, right in zip(signs, values, values[1:], strict=False)]
    return tokens, lambda at: min(pair(at) for pair in pairs)


@st.composite
def _membership(draw: st.DrawFn) -> Part:
    kind = draw(st.sampled_from(["number", "text"]))
    name, members = draw(_named(kind)), draw(st.lists(_constant(kind), min_size=1, max_size=4))
    negated = draw(st.booleans())
    tokens = [name[0], *(["not"] if negated else []), "in", "(", *" , ".join("\0" * len(members)).split(" "), ")"]
    texts = iter(text for text, _ in members)
    pairs = [_pair(operator.eq, name[1], member) for _, member in members]
    whole: Meaning = lambda at: max(pair(at) for pair in pairs)  # noqa: E731
    return [next(texts) if token == "\0" else token for token in tokens], _not(whole) if negated else whole


def _pair(compare: Callable[[Any, Any], bool], left: Callable[[Values], Any], right: Callable[[Values], Any]) -> Meaning:
    def meaning(values: Values) -> float:
        one, two = left(values), right(values)
        unknown = any(value is None or (isinstance(value, float) and math.isnan(value)) for value in (one, two))
        return 0.5 if unknown else float(compare(one, two))

    return meaning


def _not(part: Meaning) -> Meaning:
    return lambda values: 1 - part(values)


def _joined(word: str, choose: Callable[..., float]) -> Callable[[list[Part]], Part]:
    def join(parts: list[Part]) -> Part:
        tokens: list[str] = reduce(lambda left, right: [*left, word, *right], [part[0] for part in parts])
        return tokens, lambda values: choose([part[1](values) for part in parts])

    return join


def _parts(condition: st.SearchStrategy[Part]) -> st.SearchStrategy[Part]:
    group = condition.map(lambda part: (["(", *part[0], ")"], part[1]))
    plain = _comparison() | _membership() | group
    part = plain | plain.map(lambda part: (["not", *part[0]], _not(part[1])))
    every = st.lists(part, min_size=1, max_size=3).map(_joined("and", min))
    return st.lists(every, min_size=1, max_size=3).map(_joined("or", max))


CONDITION: st.SearchStrategy[Part] = st.deferred(lambda: _parts(CONDITION))
VALUES = st.fixed_dictionaries(
    {},
    optional={
        name: st.none() | (st.sampled_from(["", "terse", "a b", "x"]) if kind is str else st.integers(-3, 3) | st.floats())
        for name, kind in KINDS.items()
    },
)
SPACES = st.lists(st.sampled_from([" ", " ", "\t", " \n ", "\u3000"]), min_size=1, max_size=5)


def check(case: tuple[Part, list[Values], list[str]]) -> None:
    """Generated expressions."""
    (tokens, meaning), cases, spaces = case
    text = "".join(token + spaces[place % len(spaces)] for place, token in enumerate(tokens))
    if len(text) > where.LONGEST:
        return
    found = where.parse(text, KINDS)
    for values in cases:
        assert found.matches(values) is (meaning(values) == 1), (text, values)


TARGET = Target((where,), EXAMPLES, WORDS, attempt, st.tuples(CONDITION, st.lists(VALUES, min_size=1, max_size=4), SPACES), check)
