"""Three sources of variation: personas (the dials), one persona's dialogues (``mood_swing``), and turns (``persistence``).

Halves of a dialogue agree when its turns have a level of their own; two dialogues of a persona agree when personas differ. None of the
numbers here comes from a corpus.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import cache
from statistics import fmean

import numpy as np
import pytest
from simulate_cases import DOMAINS, NAMES, measured, play, run_task, said_by, tasks

from personaevo import definitions
from personaevo.records import Floats, Persona
from personaevo.simulate.director import resolve
from personaevo.simulate.draws import AMOUNTS, SHORT, BehaviorDraws, LengthPlan, dialogue_levels
from personaevo.simulate.episodes import ScriptedAgent
from personaevo.simulate.turns import seed_of

each_domain = pytest.mark.parametrize("domain", DOMAINS)
RATES = ("politeness_rate", "formality_rate", "uncertainty_rate", "certainty_rate", "pushback_rate", "info_seeking_rate", "emotion_rate")
PERSONA = {
    "words_per_turn": 10.0, "verbosity_cv": 0.5, "short_rate": 0.1, "opening_words": 10.0, "front_loading": 0.28,
    "identifiers_per_turn": 0.4, "ack_only_rate": 0.05, **dict.fromkeys(RATES, 0.2),
}  # fmt: skip
SOME = 500


# -- the turns of a dialogue agree ---------------------------------------------------------------------------------------------


def agreement(dialogues: Sequence[Sequence[str]]) -> Floats:
    """Correlation over dialogues of each feature's mean in the second, fourth … turn with that in the third, fifth …"""
    dialogues = [texts for texts in dialogues if len(texts) > 3]
    halves = [definitions.features().measure([texts[start::2] for texts in dialogues]).values for start in (1, 2)]
    return np.array(
        [np.corrcoef(*columns)[0, 1] if min(map(np.std, columns)) else 0.0 for columns in zip(*(half.T for half in halves), strict=True)]
    )


@cache
def halves(domain: str, swing: float | None = None) -> Mapping[str, float]:
    """Agreement of the halves for one fixed set of dials; with a swing, turns have no memory beside it."""
    dials = PERSONA if swing is None else PERSONA | {"mood_swing": swing, "persistence": 0.0}
    found = agreement([said_by(episode) for episode in play(domain, SOME, dials)])
    return dict(zip(NAMES, found, strict=True))


@each_domain
def test_halves_of_a_dialogue_agree(domain: str) -> None:
    found = halves(domain)
    assert 0.15 <= found["words_per_turn"] <= 0.6
    assert found["identifiers_per_turn"] >= -0.05
    assert fmean(found[name] for name in RATES) >= 0.02


@each_domain
def test_persona_free_halves_agree_too(domain: str) -> None:
    found = dict(zip(NAMES, agreement([said_by(episode) for episode in play(domain, SOME)]), strict=True))
    assert found["words_per_turn"] >= 0.2
    assert found["identifiers_per_turn"] >= 0.0


@each_domain
def test_a_swing_of_mood_makes_them_agree_more(domain: str) -> None:
    steady, moody = halves(domain, 0.0), halves(domain, 0.3)
    assert moody["words_per_turn"] >= steady["words_per_turn"] + 0.15
    assert fmean(moody[name] for name in RATES) >= fmean(steady[name] for name in RATES) + 0.05
    assert fmean(steady[name] for name in RATES) == pytest.approx(0.0, abs=0.06)  # nothing drawn by chance is paid back


# -- two dialogues of one persona ------------------------------------------------------------------------------------------------


def retest(domain: str, personas: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    """Intraclass correlation, one-way, of two dialogues of each persona on the same task."""
    rows = []
    for seed in (1, 2):
        played = []
        for index, dials in enumerate(personas):
            task, persona = tasks(domain)[index % len(tasks(domain))], Persona(id=str(index), description="", dials=dict(dials))
            played.append(run_task(task, domain, persona, seed=seed_of(seed, index)))
        rows.append(measured(played))
    between, within = np.var(np.mean(rows, axis=0), axis=0, ddof=1), np.mean((rows[0] - rows[1]) ** 2 / 2, axis=0)
    return dict(zip(NAMES, (between - within / 2) / np.maximum(between + within / 2, 1e-12), strict=True))


def different(swing: float) -> list[dict[str, float]]:
    rng = random.Random(3)
    return [
        {"words_per_turn": 10.0 * rng.lognormvariate(0, 0.4), **{name: rng.uniform(0.05, 0.5) for name in RATES}, "mood_swing": swing}
        for _ in range(SOME)
    ]


@each_domain
def test_equal_personas_are_not_told_apart(domain: str) -> None:
    found = retest(domain, [PERSONA | {"mood_swing": 0.3}] * SOME)
    assert fmean(found[name] for name in RATES) == pytest.approx(0.0, abs=0.05)
    assert found["words_per_turn"] == pytest.approx(0.0, abs=0.12)  # both dialogues are on the same task


def test_a_swing_of_mood_hides_who_it_is() -> None:
    steady, moody, wild = (retest("service", different(swing)) for swing in (0.0, 0.35, 0.7))
    for name in ("words_per_turn", *RATES[:2]):
        assert steady[name] > moody[name] > wild[name], name
    assert steady["words_per_turn"] > 0.5
    assert wild["words_per_turn"] < 0.25


# -- the dials of one dialogue ---------------------------------------------------------------------------------------------------


def test_dials_are_drawn_around_their_values() -> None:
    rng, asked_for = random.Random(1), resolve(PERSONA | {"mood_swing": 0.4})
    drawn = [dialogue_levels(asked_for, rng) for _ in range(4000)]
    for name in ("words_per_turn", "identifiers_per_turn", "verbosity_cv", "short_rate", *RATES):
        values = np.array([dials[name] for dials in drawn], dtype=float)
        assert values.mean() == pytest.approx(asked_for[name], rel=0.06), name
        assert values.std() > 0.0
    words, short, opening = (np.array([dials[name] for dials in drawn]) for name in ("words_per_turn", "short_rate", "opening_words"))
    assert np.corrcoef(words, opening)[0, 1] > 0.95
    assert np.corrcoef(words, short)[0, 1] < -0.7


def test_without_swings_the_dials_are_as_they_were_set() -> None:
    rng = random.Random(1)
    assert dialogue_levels(steady := resolve(PERSONA | {"mood_swing": 0.0}), rng) == steady
    ends = resolve({name: dial.low for name, dial in definitions.dials().items()} | {"mood_swing": 1.0})
    zeros = [name for name, value in ends.items() if value == 0.0]
    for _ in range(100):
        drawn = dialogue_levels(ends, rng)
        assert all(drawn[name] == 0.0 for name in zeros)
        assert all(definitions.dials()[name].low <= (drawn[name] or 0.0) <= definitions.dials()[name].high for name in AMOUNTS)


# -- from turn to turn -----------------------------------------------------------------------------------------------------------


def lag_one(series: Sequence[Sequence[float]]) -> float:
    return float(np.corrcoef([one for row in series for one in row[:-1]], [one for row in series for one in row[1:]])[0, 1])


@pytest.mark.parametrize("persistence", [0.0, 0.5, 0.9])
def test_behaviors_persist(persistence: float) -> None:
    rng, shown = random.Random(2), []
    for _ in range(400):
        tone, row = BehaviorDraws(dict.fromkeys(definitions.behaviors().names, 0.3), persistence), []
        for _ in range(12):
            tone.move(rng)
            row.append("politeness_rate" in tone.due(mistake=False))
        shown.append(row)
    assert np.mean(shown) == pytest.approx(0.3, abs=0.04)
    assert lag_one(shown) == pytest.approx(persistence, abs=0.05)


@pytest.mark.parametrize("persistence", [0.0, 0.5, 0.9])
def test_lengths_persist(persistence: float) -> None:
    rng, drawn = random.Random(2), []
    for _ in range(400):
        plan, row = LengthPlan(15.0, 0.4, None, None, None, 12.0, persistence), []
        for _ in range(12):
            row.append(float(np.log(plan.next(rng))))
            plan.said(plan.budget)
        drawn.append(row[1:])
    assert lag_one(drawn) == pytest.approx(persistence, abs=0.07)


def test_only_forced_words_are_made_up_for() -> None:
    """After a turn that facts made too long the next ones are shorter; after one that was drawn long they are not."""
    after = {}
    for forced in (0, 20):
        rng, words = random.Random(4), []
        for _ in range(600):
            plan = LengthPlan(15.0, 0.4, None, None, None, 8.0)
            for _ in range(3):
                plan.said(plan.next(rng))
            plan.next(rng)
            plan.said(plan.budget + forced)
            words.append(plan.next(rng))
        after[forced] = fmean(words)
    assert after[0] == pytest.approx(plan.rest, rel=0.05)
    assert 0.5 * after[0] < after[20] < 0.75 * after[0]


# -- how many turns --------------------------------------------------------------------------------------------------------------


def user_turns(domain: str) -> Floats:
    return np.array([len(said_by(episode)) for episode in play(domain, 300)], dtype=float)


@pytest.mark.parametrize("domain", [name for name in DOMAINS if "least_turns" in definitions.domain(name).script])
def test_dialogues_have_the_least_turns(domain: str) -> None:
    turns, least = user_turns(domain), definitions.domain(domain).script["least_turns"]
    assert turns.min() >= least
    assert np.quantile(turns, 0.95) <= least + 4


def test_service_has_short_and_long_dialogues() -> None:
    turns = user_turns("service")
    assert np.quantile(turns, 0.95) - np.quantile(turns, 0.05) >= 5


@each_domain
def test_expected_turns_are_usual(domain: str) -> None:
    assert user_turns(domain).mean() == pytest.approx(definitions.domain(domain).script["expected_turns"], rel=0.1)


@each_domain
def test_the_agent_does_not_repeat_itself(domain: str) -> None:
    for episode in play(domain, 150):
        lines = said_by(episode, "assistant")
        assert len(set(lines)) == len(lines), lines


def test_a_last_question_is_answered() -> None:
    """Who asks something when asked whether that was all gets an answer, and the question again."""
    task, domain = tasks("service")[0], definitions.domain("service")
    agent = ScriptedAgent(task, domain, random.Random(1))
    agent.stage = "bye"
    more = tuple(phrase.text for phrase in domain.agent["more"])
    answer, farewell = (agent.reply([("user", text)]) or "" for text in ("How long does it take?", "That was all, bye."))
    assert answer.endswith(more)
    assert len(answer.split()) > min(len(text.split()) for text in more) + 2
    assert not farewell.endswith(more)


@pytest.mark.parametrize("short", [None, 0.4])
@pytest.mark.parametrize("mean", [3.0, 10.0, 25.0])
def test_behaviors_go_by_length_and_keep_their_mean(mean: float, short: float | None) -> None:
    """The weight of a turn is 1 on average, more in longer turns, and what is forced upon a dialogue does not change that."""
    rng = random.Random(6)
    seen = []
    for _ in range(600):
        plan = LengthPlan(mean, 0.6, short, None, None, 8.0)
        for _ in range(8):
            words = plan.next(rng)
            seen.append((plan.drawn, plan.weight()))
            plan.said(words + 2 if words > SHORT else words)
    lengths, weights = np.array(seen).T
    assert weights.mean() == pytest.approx(1.0, abs=0.06)
    assert np.corrcoef(lengths, weights)[0, 1] > 0.9


# -- what people show together ----------------------------------------------------------------------------------------------------


def test_first_turns_vary_as_turns_do() -> None:
    """Their mean is the dial, their spread that of turns."""
    rng = random.Random(1)
    first = [LengthPlan(12.0, 0.5, 0.1, 12.0, None, 8.0).next(rng) for _ in range(4000)]
    assert np.mean(first) == pytest.approx(12.0, rel=0.03)
    assert np.std(first) / np.mean(first) == pytest.approx(0.5, abs=0.05)


def test_who_says_more_in_a_dialogue_shows_more_of_everything() -> None:
    """From dialogue to dialogue of one person; rates keep their means."""
    level = {**resolve({"words_per_turn": 10.0}), "politeness_rate": 0.2, "emotion_rate": 0.1, "mood_swing": 0.5}
    rng = random.Random(1)
    drawn = [dialogue_levels(level, rng) for _ in range(6000)]
    words, polite, emotion = (np.array([one[name] for one in drawn]) for name in ("words_per_turn", "politeness_rate", "emotion_rate"))
    assert np.corrcoef(np.log(words), polite)[0, 1] > 0.4
    assert np.corrcoef(polite, emotion)[0, 1] > 0.15
    assert (polite.mean(), emotion.mean()) == (pytest.approx(0.2, abs=0.01), pytest.approx(0.1, abs=0.01))


def test_short_turns_are_as_long_as_planned() -> None:
    """Acknowledgements too: what is missing from a turn of three words cannot be filled in."""
    dials = {"words_per_turn": 3.5, "short_rate": 0.7, "ack_only_rate": 0.4, "verbosity_cv": 0.7, "opening_words": 2.5}
    for domain in DOMAINS:
        shown = measured(play(domain, 200, dials, seed=2))
        assert shown[:, NAMES.index("words_per_turn")].mean() == pytest.approx(3.5, rel=0.1)


def test_terse_users_give_numbers_again_and_repeat_bare_answers() -> None:
    dials = {"words_per_turn": 3.5, "short_rate": 0.7, "ack_only_rate": 0.4, "identifiers_per_turn": 0.4, "repetition_rate": 0.08}
    shown = measured(play("service", 300, dials, seed=2)).mean(axis=0)
    assert shown[NAMES.index("identifiers_per_turn")] > 0.27  # a task without numbers (one in ten) has none to give again
    assert shown[NAMES.index("repetition_rate")] > 0.05
