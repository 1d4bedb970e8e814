"""What the engine shows other than asked, with everybody: found with other people, and never from the person's own half."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from personaevo.refine import features
from personaevo.refine.items.behavior import Item
from personaevo.refine.loop.rounds import PlayerBias, estimate_bias
from personaevo.refine.loop.run import Cohort, refine_all, refinement_tasks
from personaevo.refine.profile import Profile
from personaevo.refine.roles.base import RolePlay
from personaevo.refine.roles.population import Corpus
from tests.refine.refine_cases import ENGINE, QUICK, Plays, crowd, population

LENGTH = features.names().index("words_per_turn")


@dataclass
class Longer(Plays):
    """Shows by so much more than it is asked, in the length of turns."""

    by: float = 0.0

    def play(self, profile: Profile, items: Sequence[Item], samples: int, seed: int) -> list[RolePlay]:
        found = super().play(profile, items, samples, seed)
        for one in found:
            assert one.fingerprint is not None
            one.fingerprint[LENGTH] += self.by
        return found


def test_what_is_shown_too_much_with_everybody_is_asked_less() -> None:
    found = estimate_bias(Longer(spread=0.1, by=0.5), population(200), 20, 1)
    assert found is not None and found.gain > found.noise and found.offsets["words_per_turn"] < -0.1
    asked = Profile(dials={"words_per_turn": 8.0, "mood_swing": 0.2})
    made = found.corrected(asked)
    assert made.dials["words_per_turn"] == pytest.approx(8 + found.offsets["words_per_turn"]) and set(made.dials) == set(asked.dials)


def test_where_nothing_is_to_be_gained_nothing_is_moved() -> None:
    """Role-plays that lie as people do, but for chance."""
    some = population(200)
    rng, rows = np.random.default_rng(0), some.whole

    class Truth:
        def play(self, profile: Profile, items: Sequence[Item], samples: int, seed: int) -> list[RolePlay]:
            return [RolePlay("p", number, fingerprint=rows[rng.integers(len(rows))]) for number in range(samples)]

    assert estimate_bias(Truth(), some, 20, 1) is None


def test_dials_stay_in_range_and_a_text_stays_as_it_is() -> None:
    moves = PlayerBias({"short_rate": -5.0, "words_per_turn": 1e6}, {"mood_swing": 100.0}, 0.1, 0.0)
    made = moves.corrected(Profile(dials={"short_rate": 0.5, "words_per_turn": 5.0, "mood_swing": 0.5})).dials
    table = features.dials()
    assert made == {"words_per_turn": table["words_per_turn"].high, "short_rate": 0.0, "mood_swing": 1.0}
    said = Profile(sections={"goals": ("You want to go home.",)})
    assert moves.corrected(said) == said


def test_nobody_is_in_the_half_that_tells_of_them() -> None:
    behaviors = crowd(24)
    people = Corpus(behaviors)
    for one in behaviors[:4]:
        half = people.other_half(one.person, "user")
        assert half is not None and len(half.whole) == 24
        own = Corpus([one]).others("nobody", "user")
        rows = Corpus(behaviors).others("nobody", "user")
        assert own is None and rows is not None
        mine = rows.whole[rows.people == [other.person for other in behaviors].index(one.person)]
        assert not any((half.whole[:, :19] == row[:19]).all(axis=1).any() for row in mine)
    assert Corpus(behaviors[:12]).other_half("p00", "user") is None  # 12 dialogues are too few


def test_it_stands_in_the_history_with_its_reason() -> None:
    found = refinement_tasks(Cohort(crowd(22)), ENGINE, QUICK)
    moves = PlayerBias({"words_per_turn": -0.5}, {}, 0.2, 0.1)
    (one,) = refine_all(ENGINE, QUICK, [replace(found[0], bias=moves)], None, 1)
    assert one.history is not None
    version = one.history.versions[1]
    assert version.why == "what the engine shows other than asked, with everybody"
    assert version.reason.startswith("gain on other people 0.200, more than 0.100") and version.parent == 0
    before = one.history.versions[0].profile.dials["words_per_turn"]
    assert version.profile.dials["words_per_turn"] == pytest.approx(before - 0.5)
