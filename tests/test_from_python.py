"""Whoever imports the package meets errors of ours only, each in one line that says what was given and what was expected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import personaevo as pe

MISTAKES: dict[str, tuple[Callable[[], Any], str]] = {
    "a count": (lambda: pe.SearchConfig(candidates=0), "setting 'candidates': input should be greater than or equal to 1, got 0"),
    "a name": (lambda: pe.SearchConfig(candidate=3), "unknown setting 'candidate'; did you mean 'candidates'?"),
    "a position": (lambda: pe.SearchConfig("service"), "SearchConfig: give its fields by name"),
    "a role": (lambda: pe.SearchConfig(models={"nobody": "openai:m"}), "no such role as 'nobody'"),
    "a task without a goal": (lambda: pe.Task(id="x"), "Task: field 'goal': field required"),
    "a task's facts": (lambda: pe.Task(id="x", goal="y", facts=3), "Task: field 'facts': input should be a valid dictionary, got 3"),
    "a dialogue's role": (lambda: pe.Dialogue(id="x", turns=[{"role": "king", "content": "y"}]), "Dialogue: field 'turns.0.role'"),
    "a persona": (lambda: pe.Persona(dials={"words_per_turn": 3}), "Persona: field 'id': field required"),
    "an archive": (lambda: pe.PersonaSampler("none"), "archive 'none': there is no such file"),
    "a fingerprint": (lambda: pe.fingerprint(3), "fingerprint: expected a list of dialogues"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told_in_our_words(name: str) -> None:
    make, words = MISTAKES[name]
    with pytest.raises(pe.PersonaevoError) as caught:
        make()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "pydantic" not in str(caught.value)


def test_what_is_read_is_read_as_before() -> None:
    task = pe.Task.model_validate({"id": "x", "goal": "y", "unknown": 1})
    assert task == pe.Task(id="x", goal="y")
    assert pe.SearchConfig.model_validate({"candidates": 3}) == pe.SearchConfig(candidates=3)
