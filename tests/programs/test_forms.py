"""Ids from remembered forms are those of the whole program, whatever was seen before."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personaevo.config import DEFAULT_OPERATORS
from personaevo.errors import ProgramError
from personaevo.evolve.recombine import Parents, breed
from personaevo.programs import source
from personaevo.programs import source as forms
from personaevo.records import Remark

ROOT = Path(__file__).resolve().parents[2]
SEED = (ROOT / "seeds" / "program.py").read_text(encoding="utf-8")
REMARKS = (Remark("words_per_turn", "less"), Remark("politeness_rate", "apart"), Remark("words_per_turn~emotion_rate", "together"))
END = "\ndef generate(task, n, rng, model=None):\n    return [{'description': LATER} for _ in range(n)]\n"
LITERALS = st.recursive(
    st.one_of(st.integers(-(10**20), 10**20), st.floats(allow_nan=False), st.text(max_size=8), st.sampled_from([True, None, b"x", 1j])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.tuples(inner, inner), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=8,
)


def whole(text: str) -> str:
    """The id without any memory."""
    return source.normal_tree(text)[1]


@pytest.mark.parametrize("seed", range(4))
def test_generations_of_children(seed: int) -> None:
    rng, known = random.Random(seed), [SEED]
    for _ in range(40):
        child, _ = breed(Parents(rng.choice(known), rng.choice(known), REMARKS), DEFAULT_OPERATORS, rng)
        assert source.program_id(child) == whole(child)
        known.append(child)


@given(st.lists(LITERALS, min_size=2, max_size=2), st.sampled_from(["", "# a comment\n", "'text'\n", "LATER = f'{1}'\n", "é = 'é'; "]))
@settings(max_examples=150)
def test_literals_of_every_kind(values: list[object], before: str) -> None:
    first, second = (f"{before}AXES = {value!r}; LATER = ({value!r},\n  {before!r})  # {value!r:.20}{END}" for value in values)
    assert [source.program_id(text) for text in (first, second, first)] == [whole(text) for text in (first, second, first)]


def test_the_memory_is_bounded() -> None:
    for number in range(2 * forms._MOST):
        source.program_id(f"AXES = []\nname{number} = len\nother = name{number}{END}")
    assert len(forms._forms) == forms._MOST


@pytest.mark.parametrize("literal", ["9" * 5000, "[" * 80 + "]" * 80, "[" * 300 + "]" * 300, "[1,, 2]", "1 + 1", "[x for x in 'ab']"])
def test_what_is_no_plain_literal_is_as_ever(literal: str) -> None:
    for _ in range(2):
        text, found = f"AXES = {literal}{END}", []
        for identify in (source.program_id, whole):
            try:
                found.append(identify(text))
            except ProgramError as error:
                found.append(str(error))
        assert found[0] == found[1]
