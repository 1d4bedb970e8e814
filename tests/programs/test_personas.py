"""Checking and completing what a program returned."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personaevo.errors import ProgramError
from personaevo.programs.personas import DialTable, axes, build

DIALS = DialTable({"words_per_turn": (1.0, 60.0), "typos": (0.0, 10.0)})
RAW_AXES = [
    {"name": "terse", "low": "Write a lot.", "high": "Be brief.", "dials": {"words_per_turn": [30, 4]}},
    {"name": "hurried", "low": "Take time.", "high": "Hurry.", "dials": {"words_per_turn": [20, 10], "typos": [0, 4]}},
    {"name": "kind", "low": "Be cold.", "high": "Be kind.", "who": ["cold", "kind"]},
]
AXES = axes(RAW_AXES, DIALS)


def persona(**fields: Any) -> dict[str, Any]:
    return {"description": "Someone.", **fields}


def test_complete_persona() -> None:
    records = [
        persona(behaviors={"terse": 1, "hurried": 0.5, "kind": 0.9}),
        persona(id="x", behaviors={"terse": 0.0, "kind": 0.5}, dials={"typos": 3}),
        persona(policy="Mine."),
    ]
    first, second, third = build(records, 3, AXES, DIALS)
    assert first.id == "p0" and first.behaviors == {"terse": 1.0, "hurried": 0.5, "kind": 0.9}
    assert first.dials == {"words_per_turn": (4 + 15) / 2, "typos": 2.0}  # two axes: the mean
    assert first.policy == "Be kind.\nKeep your messages on the short side."  # axes with dials are said by these
    assert second.dials == {"words_per_turn": 30.0, "typos": 3.0} and second.policy == "Take your time and write long messages."
    assert first.text == f"Someone.\n{first.policy}" and AXES[2].who == ("cold", "kind")
    assert third.id == "p2" and third.policy == "Mine." and third.dials == {}


def test_own_dials_override_what_follows_from_axes() -> None:
    (made,) = build([persona(behaviors={"terse": 0.5}, dials={"words_per_turn": 60})], 1, AXES, DIALS)
    assert made.dials == {"words_per_turn": 60.0}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"behaviors": {"terse": math.nan}}, "personas[1].behaviors['terse']: expected a number from 0 to 1, got nan"),
        ({"behaviors": {"terse": 1.5}}, "got 1.5"),
        ({"behaviors": {"terse": True}}, "type bool"),
        ({"behaviors": {"terse": "0.5"}}, "type str"),
        ({"behaviors": {"terse": None}}, "got None"),
        ({"behaviors": {"rude": 0.5}}, "no such axis; expected one of terse, hurried, kind"),
        ({"behaviors": [1]}, "personas[1].behaviors: expected a dict"),
        ({"dials": {"words_per_turn": 61}}, "dials['words_per_turn']: expected a number from 1 to 60, got 61"),
        ({"dials": {"words_per_turn": 10**400}}, "too large for a float"),
        ({"dials": {"words_per_turn": math.inf}}, "got inf"),
        ({"dials": {"mood": 1}}, "no such dial; expected one of words_per_turn, typos"),
        ({"id": 3}, "personas[1].id: expected text, got a value of type int"),
        ({"id": "first"}, "personas[1].id: 'first' is already the id of personas[0]"),
        ({"id": ""}, "blank"),
        ({"id": "x" * 81}, "at most 80"),
        ({"description": "x" * 2001}, "personas[1].description: 2,001 characters"),
        ({"description": " "}, "personas[1].description is blank"),
        ({"description": "a\0b"}, "NUL"),
        ({"description": "a\udc80"}, "surrogate"),
        ({"policy": "x" * 8001}, "personas[1].policy: 8,001 characters"),
        ({"policy": 1}, "expected text"),
        ({"goal": "x"}, "unknown key 'goal'; expected id, description"),
        ({"a\ud800": 1}, "a key of personas[1]"),
    ],
)
def test_refused_persona(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ProgramError) as caught:
        build([persona(id="first"), persona(**fields)], 2, AXES, DIALS)
    assert words in str(caught.value)
    str(caught.value).encode()


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([persona()] * 9, "returned 9 personas; exactly n = 10"),
        ([persona()] * 11, "returned 11"),
        ({"a": 1}, "expected a list, got a value of type dict"),
        (None, "got None"),
        ([3] * 10, "personas[0]: expected a dict"),
        ([{}] * 10, "personas[0].description is missing"),
        ([persona(id="p1"), *[persona()] * 9], "personas[1].id: 'p1' is already"),
    ],
)
def test_refused_records(records: object, words: str) -> None:
    with pytest.raises(ProgramError) as caught:
        build(records, 10, AXES, DIALS)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({}, "AXES: expected a list"),
        ([{"name": "a"}] * 2, "AXES[1].name: 'a' is already"),
        ([{"name": f"a{i}"} for i in range(25)], "25 entries; at most 24"),
        ([{}], "AXES[0].name is missing"),
        ([{"name": "a", "middle": ""}], "unknown key 'middle'"),
        ([{"name": "a", "low": 1}], "AXES[0].low: expected text"),
        (
            [{"name": "a", "dials": {"typos": [0, 11]}}],
            "AXES[0].dials['typos'][1]: expected a number from 0 to 10, got 11",
        ),
        ([{"name": "a", "dials": {"typos": [0]}}], "expected [value at level 0, value at level 1], got 1 values"),
        ([{"name": "a", "dials": {"typos": 3}}], "expected a list"),
        ([{"name": "a", "dials": {"typos": [False, 1]}}], "type bool"),
        ([{"name": "a", "dials": {"mood": [0, 1]}}], "no such dial"),
    ],
)
def test_refused_axes(raw: object, words: str) -> None:
    with pytest.raises(ProgramError) as caught:
        axes(raw, DIALS)
    assert words in str(caught.value)


def test_open_table_takes_any_finite_dial() -> None:
    (made,) = build([persona(dials={"mood": -1e9})], 1, (), DialTable())
    assert made.dials == {"mood": -1e9}
    with pytest.raises(ProgramError, match="expected a finite number, got inf"):
        build([persona(dials={"mood": math.inf})], 1, (), DialTable())


def test_composed_policy_is_limited() -> None:
    many = axes([{"name": f"a{i}", "low": "x" * 2000} for i in range(5)], DIALS)
    with pytest.raises(ProgramError, match="shorten low and high"):
        build([persona(behaviors={f"a{i}": 0 for i in range(5)})], 1, many, DIALS)


FIELDS = ("id", "description", "behaviors", "dials", "policy")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON)))
def test_any_json_is_made_a_persona_or_refused(record: dict[str, Any]) -> None:
    try:
        (made,) = build([record], 1, AXES, DIALS)
    except ProgramError as error:
        str(error).encode()
        return
    json.dumps(made.model_dump(), allow_nan=False).encode()


@settings(max_examples=60)
@given(st.floats(0, 1), st.floats(0, 1))
def test_dials_that_follow_stay_in_range(terse: float, hurried: float) -> None:
    (made,) = build([persona(behaviors={"terse": terse, "hurried": hurried})], 1, AXES, DIALS)
    ranges = DIALS.ranges or {}
    assert all(ranges[dial][0] - 1e-9 <= value <= ranges[dial][1] + 1e-9 for dial, value in made.dials.items())
