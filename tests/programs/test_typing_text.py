"""What is said of how somebody types: two sentences at most, nothing that contradicts itself, no numbers."""

from __future__ import annotations

import random
import re

import pytest

from personaevo.definitions import dials, typing_dials
from personaevo.errors import ProgramError
from personaevo.programs.persona_text import describe_dials, rules
from personaevo.programs.personas import build, compose_policy, dial_table

NAMES = [name for name in typing_dials() if name != "typing_swing"]
CONTRADICTIONS = (
    (r"do not and I am in full", r"u for you"),
    (r"not bother with [^.]*full stops", r"leave out the full stop at times"),
    (r"not bother with [^.]*capitals", r"some messages in lower case|most messages in lower case"),
    (r"formal letter|most formal", r"not bother with|u for you|write i for I"),
    (r"most messages in an exclamation", r"trail off with dots in most"),
    (r"Keep your feelings out", r"smiley to most|haha in most"),
)


def test_every_dial_of_typing_has_its_words() -> None:
    assert list(rules().typing.phrases) == NAMES


def test_habits_in_plain_words() -> None:
    careless = {"lower_start": 1.0, "lower_sentence": 1.0, "lower_i": 0.1, "full_stop": 0.0, "question_mark": 1.0}
    assert describe_dials(careless, 120) == "You do not bother with capitals or full stops."
    said = describe_dials({**careless, "lower_i": 0.9, "smileys": 0.2, "ellipses": 0.3}, 120)
    does = "You write i for I, trail off with dots at times and add a smiley now and then."
    assert said == f"You do not bother with capitals or full stops. {does}"
    assert describe_dials({"lower_start": 0.0, "full_stop": 1.0}, 120) == ""
    assert describe_dials({"words_per_turn": 18.0, "lower_start": 0.0}, 120) == rules().ordinary


def test_dials_of_typing_do_not_change_what_else_is_said_where_there_is_room() -> None:
    brief = describe_dials({"words_per_turn": 2.0}, 120)
    assert describe_dials({"words_per_turn": 2.0, "lower_start": 1.0}, 120) == f"{brief} You do not bother with capitals."


def test_texts_are_short_and_do_not_contradict_themselves() -> None:
    for seed in range(300):
        check(seed)


def check(seed: int) -> None:
    rng = random.Random(seed)
    values = {name: rng.choice([0.0, 1.0, rng.random()]) for name in NAMES if rng.random() < 0.7}
    values |= {name: rng.uniform(dial.low, dial.high) for name, dial in dials().items() if rng.random() < 0.4}
    text = compose_policy({}, values, (), "Someone who is formal and courteous." if seed % 3 == 0 else "")
    typed = re.findall(r"You (?:do not bother|write|add|trail|begin|end|leave|put|say|shorten|often)[^.]*\.", text)
    assert len(text.split()) <= 115
    assert len(typed) <= 2
    assert not re.search(r"\d|%|_|dial|share|rate", text)
    for one, other in CONTRADICTIONS:
        assert not (re.search(one, text) and re.search(other, text)), text
    assert all(phrase not in text.replace(phrase, "", 1) for phrase in ("capitals", "full stops", "apostrophes"))


def test_programs_may_set_dials_of_typing_in_their_range() -> None:
    made = build([{"description": "Someone.", "dials": {"lower_start": 1.0, "typing_swing": 0.2}}], 1, (), dial_table())
    assert made[0] is not None
    assert made[0].dials == {"lower_start": 1.0, "typing_swing": 0.2}
    assert made[0].policy == "You do not bother with capitals."


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"lower_start": 1.5}, r"personas\[0\].dials\['lower_start'\]: expected a number from 0 to 1, got 1.5"),
        ({"typing_swing": -1.0}, "expected a number from 0 to 0.9"),
        ({"quotes": 0.5}, "no such dial"),
        ({"lower_case": 0.5}, "no such dial"),
    ],
)
def test_other_values_are_refused_in_one_line(values: dict[str, float], said: str) -> None:
    with pytest.raises(ProgramError, match=said) as caught:
        build([{"description": "Someone.", "dials": values}], 1, (), dial_table())
    assert "\n" not in str(caught.value)
