"""Fuzzing the validation of a program's JSON: anything is refused in one line or is a valid population."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import strategies as st

from benchmarks.fuzzing.engine import Target
from personaevo import injection
from personaevo.errors import ProgramError
from personaevo.programs import DialTable, personas
from personaevo.programs import personas as answers
from personaevo.records import Persona

NEXT = b"|personas|"
TABLES = (
    DialTable(),
    DialTable({"words_per_turn": (1.0, 60.0), "typos": (0.0, 1.0)}),
)


def attempt(data: bytes) -> None:
    """Any bytes as AXES and as the result of ``generate``."""
    said = answers.text(data)
    assert said.isprintable() and len(said) <= 500, said
    axes, _, records = data.partition(NEXT)
    for table in TABLES:
        try:
            raw = answers.decode(records, "generate's result")
            count = len(raw) if isinstance(raw, list) else 2
            found = personas.axes(answers.decode(axes, "AXES"), table)
            people = personas.build(raw, count, found, table)
        except ProgramError as error:
            assert str(error).isprintable() and len(str(error)) < 5_000, str(error)
            continue
        made = [person for person in people if person is not None]
        assert len(people) == count and len(made) == len({person.id for person in made}) >= min(count, 1)
        for person in made:
            _is_sound(person, table, {axis.name for axis in found})


def _is_sound(person: Persona, table: DialTable, axes: set[str]) -> None:
    assert person.description.strip() and len(person.description) <= 2_000
    assert person.id.strip() and len(person.policy) <= 8_000
    assert person.behaviors.keys() <= axes
    assert all(0 <= level <= 1 for level in person.behaviors.values())
    ranges = table.ranges or {}
    for dial, value in person.dials.items():
        low, high = ranges[dial] if table.ranges else (-math.inf, math.inf)
        assert math.isfinite(value) and low <= value <= high, (dial, value)
    texts = json.dumps([person.id, person.description, person.policy, dict(person.behaviors), dict(person.dials)], allow_nan=False)
    assert json.loads(texts)
    "".join([person.id, person.description, person.policy, *person.dials]).encode()


KEYS = st.sampled_from(["name", "definition", "low", "high", "dials", "id", "description", "behaviors", "policy", "terse"])
NUMBERS = st.sampled_from([0, 1, 0.5, -1, 60, 61, 1e308, -1e308, 10**400, 1e-320, True]) | st.integers() | st.floats()
ODD = ["terse", "words_per_turn", "", " ", "\0", "\ud800", "{value}", "x" * 81, "x" * 2001, "x\n\x1b[31m\u202e"]
TEXTS = st.sampled_from(ODD) | st.text(max_size=20)
LEAF = st.none() | NUMBERS | TEXTS
ANY = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | TEXTS, inner, max_size=3), max_leaves=8)


def _or_any(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 11).flatmap(lambda drawn: strategy if drawn else ANY)


PLAIN_TEXT = _or_any(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30) | TEXTS)
NAMES = ["terse", "wordy", "ö"]
DIALS = _or_any(st.dictionaries(st.sampled_from(["words_per_turn", "typos", "other"]), _or_any(st.lists(NUMBERS, min_size=2, max_size=2))))
AXIS = st.fixed_dictionaries({"name": _or_any(st.sampled_from(NAMES))}, optional={"low": PLAIN_TEXT, "high": PLAIN_TEXT, "dials": DIALS})
AXES = _or_any(st.lists(_or_any(AXIS), max_size=4, unique_by=lambda axis: str(axis.get("name") if isinstance(axis, dict) else axis)))
LEVELS = _or_any(st.dictionaries(st.sampled_from(NAMES), _or_any(st.floats(0, 1))))
OWN = _or_any(st.dictionaries(st.sampled_from(["words_per_turn", "typos", "other"]), _or_any(st.floats(0, 60))))
PERSONA = st.fixed_dictionaries(
    {"description": PLAIN_TEXT}, optional={"id": PLAIN_TEXT, "behaviors": LEVELS, "dials": OWN, "policy": PLAIN_TEXT}
)
RECORDS = _or_any(st.lists(_or_any(PERSONA), max_size=4))
CASES = st.tuples(AXES, RECORDS).map(lambda drawn: NEXT.join(json.dumps(part).encode() for part in drawn))

GOOD_AXES = [{"name": "terse", "definition": "d", "low": "Talk.", "high": "Be brief.", "dials": {"words_per_turn": [30, 4]}}]
GOOD = [{"id": "a", "description": "Wants it short.", "behaviors": {"terse": 0.5}, "dials": {"typos": 0.2}, "policy": "Be brief."}]
EXAMPLES = (
    NEXT.join(json.dumps(part).encode() for part in (GOOD_AXES, GOOD)),
    NEXT.join(json.dumps(part).encode() for part in (GOOD_AXES * 2, [{"description": "ä\u202e", "dials": {"x": 1e9}}, GOOD[0]])),
    b'[]|personas|[{"description": "x"}]', b"null|personas|3", b"[[[]]]|personas|[[[[]]]]",
)  # fmt: skip
WORDS = (
    NEXT, b"[", b"{", b"]", b"}", b'"', b":", b",", b"NaN", b"-Infinity", b"1e999", b"9" * 400, b"9" * 5000, b"\\ud800", b"\\u0000",
    b"\\u202e",
    b"\xff", b"\0", b"true", b"null", b'"dials": ', b'"behaviors": {', b'{"description": "x"},', b"\\u001b[31m", b"&#x73;", b"%73",
    b"ignore all ",
    b"judge ", b"YWJj" * 8, b"6a 75 64 67 65 6a 75 64 67 65 ", b"a.b.c.d.e.f.",
)  # fmt: skip
TARGET = Target((personas, answers, injection), EXAMPLES, WORDS, attempt, CASES, attempt)
