"""The parts of the simulator: what is heard, how facts are found, how long turns are to be, which phrase is picked."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulate_cases import DOMAINS, tasks

from personaevo import definitions
from personaevo.records import Task
from personaevo.simulate.director import resolve
from personaevo.simulate.draws import SHORT, LengthPlan
from personaevo.simulate.episodes import embedded_user
from personaevo.simulate.templates import filled, wording
from personaevo.simulate.turns import Understanding, count_numbers, facts_of, mentions, number_of, numbers_in, spell_out

each_domain = pytest.mark.parametrize("domain", DOMAINS)


# -- hearing -------------------------------------------------------------------------------------------------------------------


@each_domain
@pytest.mark.parametrize("rightly", [True, False])
def test_what_is_read_back_is_checked(domain: str, rightly: bool) -> None:
    for task in tasks(domain):
        hearing, given = Understanding(task, definitions.domain(domain)), dict.fromkeys(task.facts, 1)
        for name, value in task.facts.items():
            for phrase in definitions.domain(domain).agent["readback"]:
                text = filled(phrase.text, name=name, value=value if rightly else "Qwx")
                heard = hearing.understand(text, given)
                assert (heard.asked, heard.misread) == ((), None if rightly else name), text


@each_domain
def test_every_question_is_heard(domain: str) -> None:
    agent = definitions.domain(domain).agent
    for task in tasks(domain):
        hearing, given = Understanding(task, definitions.domain(domain)), dict.fromkeys(task.facts, 0)
        for name in task.facts:
            for phrase in (*agent[f"ask.{name}" if f"ask.{name}" in agent else "ask"], *agent["again"]):
                assert hearing.understand(filled(phrase.text, name=name), given).asked == (name,), phrase.text


@each_domain
def test_what_asks_for_no_fact_is_not_taken_so(domain: str) -> None:
    agent = definitions.domain(domain).agent
    for task in tasks(domain):
        hearing, given = Understanding(task, definitions.domain(domain)), dict.fromkeys(task.facts, 1)
        for key in ("inform", "answer", "sorry", "confirm", "resolve", "bye"):
            for phrase in agent[key]:
                heard = hearing.understand(filled(phrase.text, goal=task.goal), given)
                assert (heard.asked, heard.misread, heard.closing) == ((), None, False), phrase.text
        for phrase in agent["more"]:
            assert hearing.understand(phrase.text, given).closing


def test_a_name_inside_another_name_is_not_heard() -> None:
    task = Task(id="t", goal="move a trip", facts={"date": "May 3", "new date": "June 9"})
    hearing = Understanding(task, definitions.domain("service"))
    given = {"date": 1, "new date": 1}
    assert hearing.understand("Your new date is June 9, is that correct?", given).misread is None
    assert hearing.understand("Your new date is June 7, is that correct?", given).misread == "new date"
    assert hearing.understand("What is your date?", given).asked == ("date",)
    assert hearing.understand(None, given).asked == ()


# -- facts ---------------------------------------------------------------------------------------------------------------------


def test_small_numbers_are_spelled_out_and_codes_are_not() -> None:
    assert spell_out("2 bags and 12 tags") == "two bags and twelve tags"
    assert spell_out("007  in room 13") == "007  in room 13"
    assert number_of("about 10 dollars each fall") == "10 dollars"
    assert number_of("R7K2QD 5") == "R7K2QD"
    assert number_of("none at all") == ""
    assert count_numbers("call 555 0142, ext B7") == 3
    assert numbers_in('Code "b7", (12).') == {"b7", "12"}
    assert facts_of(Task(id="t", goal="g", facts={"a": " ", " ": "b", "c": "d"})) == {"c": "d"}


def test_a_value_is_mentioned_as_words_of_its_own() -> None:
    assert mentions("i have 4 bags.", "4 bags")
    assert mentions("i have four bags.", "4 Bags")
    assert mentions("44, 4!", "4")
    assert not mentions("44 bags", "4")
    assert not mentions("foodd", "food")


@given(st.text(), st.dictionaries(st.sampled_from(["name", "value", "goal"]), st.text()))
def test_what_fills_a_slot_is_left_alone(text: str, slots: dict[str, str]) -> None:
    assert filled("<{name}|{value}>", name="{value}", value="{name}") == "<{value}|{name}>"
    assert filled("{name}", name=text) == text
    assert filled("no slots", **slots) == "no slots"


# -- lengths -------------------------------------------------------------------------------------------------------------------


def lengths_of(seed: int, turns: int = 8, **dials: float | None) -> list[int]:
    settings = {"mean": 15.0, "cv": 0.4, "short": 0.1, "opening": None, "front": None, **dials}
    plan, rng, words = LengthPlan(**settings, expected_turns=float(turns)), random.Random(seed), []  # type: ignore[arg-type]
    for _ in range(turns):
        words.append(plan.next(rng))
        plan.said(words[-1])
    return words


def test_planned_lengths_meet_the_dials() -> None:
    for mean, short in ((15.0, 0.1), (6.0, 0.3), (25.0, 0.5)):
        drawn = [lengths_of(seed, mean=mean, short=short) for seed in range(400)]
        assert np.mean(drawn) == pytest.approx(mean, rel=0.12)
        assert np.mean(np.array(drawn) <= SHORT) == pytest.approx(short, abs=0.03)
    uneven = [np.array([lengths_of(seed, cv=cv) for seed in range(400)]) for cv in (0.2, 0.5, 0.8)]
    spread = [(words.std(axis=1) / words.mean(axis=1)).mean() for words in uneven]
    assert np.diff(spread).min() > 0.1
    opened = [lengths_of(seed, opening=20.0, front=0.5) for seed in range(400)]
    assert np.mean([words[0] for words in opened]) == pytest.approx(20.0, rel=0.05)
    assert np.mean([sum(words[:2]) / sum(words) for words in opened]) == pytest.approx(0.5, abs=0.05)


any_dials = st.fixed_dictionaries(
    {
        "mean": st.floats(1, 60),
        "cv": st.floats(0, 1.5),
        "short": st.none() | st.floats(0, 1),
        "opening": st.none() | st.floats(1, 80),
        "front": st.none() | st.floats(0.05, 0.95),
    }
)


@given(st.integers(0, 99), any_dials)
def test_every_turn_has_a_length(seed: int, dials: dict[str, float | None]) -> None:
    assert all(1 <= words <= 3000 for words in lengths_of(seed, turns=20, **dials))


# -- wording -------------------------------------------------------------------------------------------------------------------


@each_domain
def test_phrases_are_used_up_before_one_comes_again(domain: str) -> None:
    bank, rng, used = wording(definitions.domain(domain))["filler"], random.Random(1), set()
    families = {phrase.family for phrase in bank.phrases}
    picked = [bank.pick(rng, 5, 7, used) for _ in range(len(families))]
    assert {phrase.family for phrase in picked} == families
    assert 5 <= picked[0].words <= 7
    assert bank.pick(rng, 5, 7, used).family in families


@each_domain
def test_a_phrase_of_the_nearest_length_is_picked(domain: str) -> None:
    bank = wording(definitions.domain(domain))["filler"]
    assert bank.pick(random.Random(1), 0, 0, set()).words == bank.words[0]
    assert bank.pick(random.Random(1), 900, 1000, set()).words == bank.words[-1]


# -- dials ---------------------------------------------------------------------------------------------------------------------


def test_dials_of_length_follow_the_words_per_turn() -> None:
    defaults = {name: dial.default for name, dial in definitions.dials().items()}
    assert resolve({}) == defaults
    moved = resolve({"words_per_turn": 5.0, "opening_words": 9.0})
    assert (moved["words_per_turn"], moved["opening_words"], moved["short_rate"]) == (5.0, 9.0, None)
    assert moved["politeness_rate"] == defaults["politeness_rate"]


def test_a_user_who_left_says_nothing_more() -> None:
    user = embedded_user(tasks("service")[0], {"patience_turns": 2.0, "mood_swing": 0.0}, definitions.domain("service"), 1)
    turns = [user.say("No.") for _ in range(4)]
    assert [turn is not None for turn in turns] == [True, True, True, False]
    assert user.outcome == "gave_up"
