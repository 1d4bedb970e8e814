"""Intervals for other people and other calls: worlds that are told by their number, paired rows, people's own row."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from judge_cases import CONSISTENCY, NAMES, PERSONAS, episodes, pairs, people_of, scorer, setting

from personaevo.judge import uncertainty
from personaevo.judge.objectives import steering
from personaevo.judge.uncertainty import CALL_DRAWS, People, interval, joined, point, world
from personaevo.records import Episode
from tests import once

N = 2 * PERSONAS
TOLD = {"human_likeness", "coverage", "consistency", "score", "overlap", "chamfer"}  # of people; their tasks were others


@pytest.fixture(autouse=True)
def _trained_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "TRAINED", False)


@cache
def rows() -> dict[str, list[Episode]]:
    return {"evolved": episodes(pairs(PERSONAS, 1)), "again": episodes(pairs(PERSONAS, 1)), "seed": episodes(pairs(PERSONAS, 2, shift=0.8))}


@cache
def worlds() -> list[dict[str, uncertainty.Shares]]:
    return [world(setting(), rows(), N, number) for number in range(4)]


# -- draws of people -----------------------------------------------------------------------------------------------------------


def test_persons_are_drawn_with_all_of_their_dialogues() -> None:
    people = People(np.arange(10.0)[:, None], ("a", "a", "a", "b", "c", "c", "d", "d", "d", "d"))
    for seed in range(20):
        drawn = people.drawn(np.random.default_rng(seed))
        for who in set(drawn.persons):
            rows = sorted(drawn.values[np.array(drawn.persons) == who].ravel())
            own = sorted(people.values[np.array(people.persons) == who].ravel())
            times = len(rows) // len(own)
            assert rows == sorted(own * times)
    assert sum(len(set(people.drawn(np.random.default_rng(seed)).persons)) for seed in range(200)) / 200 == pytest.approx(2.73, abs=0.15)


def test_a_world_is_told_by_its_number() -> None:
    again = world(setting(), rows(), N, 2)
    for name, shares in worlds()[2].items():
        assert shares.keys() == again[name].keys()
        for objective, values in shares.items():
            assert values.tolist() == again[name][objective].tolist()
            assert values.shape == (CALL_DRAWS,)
    assert worlds()[1]["evolved"]["score"].tolist() != worlds()[2]["evolved"]["score"].tolist()


def test_a_row_does_not_depend_on_the_others() -> None:
    alone = world(setting(), {"evolved": rows()["evolved"]}, N, 2)
    assert alone["evolved"]["score"].tolist() == worlds()[2]["evolved"]["score"].tolist()
    assert alone["humans"]["coverage"].tolist() == worlds()[2]["humans"]["coverage"].tolist()


def test_rows_meet_the_same_people_and_the_same_calls() -> None:
    """Equal dialogues are equal in every draw: differences are paired."""
    for one in worlds():
        for objective, values in one["evolved"].items():
            assert values.tolist() == one["again"][objective].tolist()


def test_worlds_have_other_people_and_other_judges() -> None:
    calls = np.concatenate([one["evolved"]["human_likeness"] for one in worlds()])
    between = np.var([one["evolved"]["human_likeness"].mean() for one in worlds()])
    assert between > 0
    assert np.var(calls) > between


def test_everything_is_told_of_programs_and_not_all_of_people() -> None:
    assert set(worlds()[0]["evolved"]) == TOLD | {"task_preservation"}
    assert set(worlds()[0]["humans"]) == TOLD


# -- the row of people ---------------------------------------------------------------------------------------------------------


def test_people_are_measured_and_not_set_to_one() -> None:
    shares, raw = point(setting(), rows(), N)
    humans = {name: float(values[0]) for name, values in shares["humans"].items()}
    assert all(values.shape == (1,) for values in shares["humans"].values())
    for name in ("human_likeness", "coverage", "overlap"):
        assert humans[name] != 1.0
        assert humans[name] == pytest.approx(1.0, abs=0.15)
    agreement = float(raw["humans"]["consistency"][0])
    assert humans["consistency"] == pytest.approx(min(agreement / CONSISTENCY, CONSISTENCY / agreement))
    assert 0.7 < humans["consistency"] < 1.0
    assert humans["score"] <= 1.0


def test_without_people_who_came_twice_their_consistency_is_not_told() -> None:
    once = People(setting().row.values, tuple(map(str, range(len(setting().row.persons)))))
    alone = replace(setting(), row=once)
    found, _ = uncertainty._humans(alone, scorer(), once, N, np.random.default_rng(1))
    assert set(found) == TOLD - {"consistency", "score"}
    drawn, _ = uncertainty._humans(alone, scorer(), once.drawn(np.random.default_rng(1)), N, np.random.default_rng(1))
    assert set(drawn) == set(found)  # somebody who is drawn twice did not come twice


def test_a_copy_of_a_person_does_not_agree_with_it() -> None:
    """Copies of a dialogue agree perfectly: as dialogues of one person they would raise the agreement of every bootstrap sample."""
    row = setting().row
    own, rng = row.retest().mean, np.random.default_rng(1)
    samples = [row.drawn(rng) for _ in range(50)]
    found = np.array([one.retest().mean for one in samples])
    assert found.mean() == pytest.approx(own, abs=0.05)
    wrong = np.array([People(one.values, one.persons).retest().mean for one in samples])
    assert wrong.mean() > found.mean() + 0.05


def test_points_are_the_values_of_the_scorer() -> None:
    shares, raw = point(setting(), rows(), N)
    found = scorer().score("program", rows()["seed"])[0].objectives
    assert shares["seed"].keys() == raw["seed"].keys() == found.keys()
    for name, one in found.items():
        assert shares["seed"][name] == pytest.approx([one.value])
        assert raw["seed"][name] == pytest.approx([one.raw])


# -- intervals -----------------------------------------------------------------------------------------------------------------


def test_an_interval_is_wider_for_few_worlds() -> None:
    one = np.random.default_rng(3).normal(size=CALL_DRAWS)
    widths = [np.diff(interval(0.5, np.tile(one, worlds), 10**6))[0] for worlds in (1000, 20, 5, 2)]
    assert widths == sorted(widths)
    assert widths[1] / widths[0] == pytest.approx(2.093 / 1.960 * (20 / 19) ** 0.5, rel=0.01)


def test_an_interval_is_about_the_value_and_wider_for_few_calls() -> None:
    draws = np.random.default_rng(1).normal(loc=7.0, size=100_000)
    low, high = interval(0.5, draws, 10**6)
    assert (low, high) == pytest.approx((0.5 - 1.96, 0.5 + 1.96), abs=0.03)
    few = interval(0.5, draws, 2)
    assert np.subtract(few, 0.5) == pytest.approx(np.subtract((low, high), 0.5) * 2**0.5, rel=1e-5)
    widths = [np.diff(interval(0.5, draws, calls))[0] for calls in (2, 3, 5, 20)]
    assert widths == sorted(widths, reverse=True)
    assert interval(0.5, draws, 1) == pytest.approx((low, high), rel=1e-5)
    assert interval(0.5, np.full(50, 3.0), 5) == (0.5, 0.5)


def test_draws_of_all_worlds_are_joined_row_by_row() -> None:
    found = joined(worlds())
    assert found.keys() == worlds()[0].keys()
    for name in steering():
        assert found["seed"][name].tolist() == [value for one in worlds() for value in one["seed"][name]]


def test_consistency_of_people_is_drawn_within_its_range() -> None:
    rng, known = np.random.default_rng(1), scorer().agreement
    assert known is not None
    drawn = [uncertainty._agreement(known, rng) for _ in range(300)]
    values = [one.value for one in drawn if one is not None]
    assert known.low <= min(values) < known.value < max(values) <= known.high
    assert np.mean(values) == pytest.approx(known.value, abs=0.01)
    assert uncertainty._agreement(None, rng) is None


def test_cells_of_profiles_keep_their_places_and_get_other_masses() -> None:
    profiled = uncertainty._drawn(uncertainty.replace(setting(), profiled=True), np.random.default_rng(1))
    assert (profiled.cells.centroids == scorer().cells.centroids).all()
    assert (profiled.cells.masses != scorer().cells.masses).any()
    assert uncertainty._drawn(setting(), np.random.default_rng(1)).cells.centroids.tolist() != scorer().cells.centroids.tolist()


def test_what_people_get_is_made_anew_in_each_world() -> None:
    drawn = uncertainty._drawn(setting(), np.random.default_rng(1))
    assert drawn.levels(N) != scorer().levels(N)
    assert drawn.people.shape[1] == len(NAMES)
    assert people_of(3, 1).persons == ("person 0", "person 0", "person 1", "person 1", "person 2", "person 2")
