"""Every dial, moved alone, moves its behavior, and moves it to where it was set.

"Near" is adherence: a rate dial up to the middle of its range is met within 0.06 on average over 100 to 150 dialogues. Toward the ends a
dial can ask for more than a dialogue has room for. Order and a clear gap are always required: at least a third of what was asked for.
"""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pytest
from simulate_cases import DOMAINS, NAMES, Listener, Unhelpful, measured, play, said_by, task_of

from personaevo import definitions
from personaevo.simulate.turns import mentions

NEAR = 0.06
LEAST_GAP = 1 / 3
RATES = (0.0, 0.2, 0.4)
SETTINGS = {
    "repetition_rate": (0.0, 0.15, 0.3),
    "words_per_turn": (4.0, 12.0, 30.0),
    "verbosity_cv": (0.1, 0.5, 0.9),
    "front_loading": (0.1, 0.3, 0.5),
    "identifiers_per_turn": (0.0, 0.4, 0.8),
    "opening_words": (3.0, 12.0, 30.0),
}
NO_RATES = {"words_per_turn", "verbosity_cv", "front_loading", "identifiers_per_turn", "opening_words"}
OTHERS = ("facts_per_turn", "patience_turns", "slips_per_100_words", "mood_swing", "persistence")


def mean_shown(domain: str, feature: str, setting: float, episodes: int = 100) -> float:
    return float(measured(play(domain, episodes, {feature: setting}, seed=3))[:, NAMES.index(feature)].mean())


def test_each_dial_is_tested_here() -> None:
    assert set(definitions.dials()) == {*NAMES, *OTHERS}


@pytest.mark.parametrize("feature", NAMES)
@pytest.mark.parametrize("domain", DOMAINS)
def test_a_dial_moves_its_feature(domain: str, feature: str) -> None:
    settings = SETTINGS.get(feature, RATES)
    if domain != "service":
        settings = (settings[0], settings[-1])
    shown = [mean_shown(domain, feature, setting) for setting in settings]
    gaps = np.diff(shown) / np.diff(settings)
    assert (gaps >= LEAST_GAP).all(), dict(zip(settings, shown, strict=True))
    if feature not in NO_RATES:
        assert np.abs(np.subtract(shown, settings)).max() <= NEAR, dict(zip(settings, shown, strict=True))


@pytest.mark.parametrize("domain", DOMAINS)
def test_lengths_are_met(domain: str) -> None:
    for words in (6.0, 12.0, 24.0):
        assert mean_shown(domain, "words_per_turn", words, 150) == pytest.approx(words, rel=0.1)


@pytest.mark.parametrize("domain", DOMAINS)
def test_facts_are_volunteered(domain: str) -> None:
    """Share of the task's facts stated within three turns to an agent that asks for nothing."""
    volunteered = []
    for setting in (0.0, 0.5, 2.0):
        episodes = play(domain, 90, {"facts_per_turn": setting, "identifiers_per_turn": 0.0}, agent=Listener)
        shares = []
        for episode in episodes:
            facts = task_of(episode, domain).facts.values()
            said = " ".join(said_by(episode)[:3]).lower()
            shares.append(sum(mentions(said, value) for value in facts) / len(facts))
        volunteered.append(float(np.mean(shares)))
    assert np.diff(volunteered).min() > 0.1, volunteered


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("patience", [2, 5, 11])
def test_users_give_up_when_patience_ends(domain: str, patience: int) -> None:
    """The turn after as many turns as there was patience says good-bye."""
    for episode in play(domain, 20, {"patience_turns": patience, "mood_swing": 0.0}, agent=Unhelpful):
        assert episode.outcome == "gave_up"
        assert len(said_by(episode)) == patience + 1


@cache
def correctly_written(domain: str) -> frozenset[str]:
    counts = Counter(word for episode in play(domain, 800, seed=9) for text in said_by(episode) for word in text.lower().split())
    return frozenset(counts)


@pytest.mark.parametrize("domain", DOMAINS)
def test_slips_are_made(domain: str) -> None:
    for setting in (0.0, 4.0, 12.0):
        words = [
            word
            for episode in play(domain, 100, {"slips_per_100_words": setting})
            for text in said_by(episode)
            for word in text.lower().split()
        ]
        slips = 100 * sum(word not in correctly_written(domain) for word in words) / len(words)
        assert slips == pytest.approx(setting, abs=0.2 + 0.25 * setting)
