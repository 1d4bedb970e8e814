"""Objectives: failing never pays, shares of what people get, and what each of them is blind to."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_cases import (
    CALLS,
    CONSISTENCY,
    NAMES,
    PERSONAS,
    POPULATIONS,
    episodes,
    evaluated,
    failed,
    failing,
    independent,
    pairs,
    scorer,
    shares,
)

from personaevo.judge import objectives
from personaevo.judge.objectives import Played
from personaevo.measure.energy import energy_distance
from personaevo.records import Episode, Floats

STEERING = objectives.steering()
SEEDS = range(12)
ROWS = st.integers(0, 2 * PERSONAS - 1)


def mean_of(name: str, objective: str) -> float:
    return float(np.mean([shares(POPULATIONS[name](100 + seed))[objective] for seed in SEEDS]))


# -- failures ------------------------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.sampled_from(sorted(POPULATIONS)), st.integers(0, 20), st.sets(ROWS), ROWS)
def test_failing_never_pays(name: str, seed: int, before: set[int], one: int) -> None:
    """Whatever failed before, and wherever the others lie: one completed dialogue less raises nothing.

    Of consistency it holds on average only (see below): whoever could pick the persona to lose could pick out the one that spoils it.
    """
    played = episodes(POPULATIONS[name](seed))
    first, second = (evaluated(failing(played, rows)).objectives for rows in (before - {one}, before | {one}))
    for objective in ("human_likeness", "coverage", "task_preservation"):
        assert second[objective].value <= first[objective].value + 1e-9, objective


@pytest.mark.parametrize("name", POPULATIONS)
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_failing_by_chance_does_not_pay_on_average(name: str, share: float) -> None:
    """The score and every objective that steers, the consistency of too consistent personas among them."""
    gain: dict[str, list[float]] = {objective: [] for objective in (*STEERING, "score")}
    for seed in SEEDS:
        played, rng = episodes(POPULATIONS[name](seed)), np.random.default_rng(seed)
        rows = set(rng.choice(len(played), int(share * len(played)), replace=False).tolist())
        before, after = evaluated(played).objectives, evaluated(failing(played, rows)).objectives
        for objective, found in gain.items():
            found.append(after[objective].value - before[objective].value)
    assert {objective: float(np.mean(found)) for objective, found in gain.items() if np.mean(found) > 0.01} == {}


def test_a_failed_pair_takes_its_share_of_consistency() -> None:
    """Personas that are all equally consistent: without every third of them it is two thirds."""
    persons, moods = np.where(np.arange(PERSONAS) // CALLS % 2, 1.0, -1.0), np.array([0.7, -0.7])
    values = np.repeat((persons[:, None] + moods)[..., None], len(NAMES), axis=-1)
    played = episodes(values)
    lost = {2 * persona for persona in range(PERSONAS) if persona // CALLS in (0, 1)}
    whole = evaluated(played).objectives["consistency"]
    part = evaluated(failing(played, lost)).objectives["consistency"]
    near = min(part.raw / CONSISTENCY, CONSISTENCY / part.raw)
    assert part.value == pytest.approx(near * (1 - len(lost) / PERSONAS))
    assert part.value < whole.value


def test_who_always_fails_gets_nothing() -> None:
    found = evaluated([failed(one) for one in episodes(pairs(PERSONAS, 1))])
    assert all(found.objectives[name].value <= 0 for name in (*STEERING, "task_preservation", "overlap"))
    assert found.objectives["score"].value == 0.0
    assert (found.cells, found.remarks, found.completed, found.planned) == ((), (), 0, 2 * PERSONAS)


# -- shares --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", STEERING)
def test_people_get_about_one(objective: str) -> None:
    found = [shares(pairs(150, seed))[objective] for seed in SEEDS]
    assert np.mean(found) == pytest.approx(1.0, abs=0.1)


def test_shares_are_not_clipped_at_either_end() -> None:
    people = [shares(pairs(PERSONAS, seed)) for seed in SEEDS]
    assert max(one["human_likeness"] for one in people) > 1.0
    assert max(one["coverage"] for one in people) > 1.0
    far = shares(pairs(PERSONAS, 1, scale=0.1, shift=-4.0))
    assert far["coverage"] < 0.0


@given(st.lists(st.tuples(*[st.floats(-1, 2, allow_nan=False)] * len(STEERING)), min_size=1, max_size=5))
def test_the_score_is_the_harmonic_mean_of_clipped_shares(rows: list[tuple[float, ...]]) -> None:
    columns: Mapping[str, Floats] = {name: np.array([row[index] for row in rows]) for index, name in enumerate(STEERING)}
    for row, found in zip(rows, objectives.harmonic(columns), strict=True):
        clipped = [min(max(value, 0.0), 1.0) for value in row]
        if min(clipped) == 0.0:
            assert found == 0.0
        elif min(clipped) > 1e-9:
            assert found == pytest.approx(len(clipped) / sum(1 / value for value in clipped))
            assert min(clipped) - 1e-12 <= found <= max(clipped) + 1e-12


# -- human-likeness ------------------------------------------------------------------------------------------------------------


def test_caricatures_and_the_average_person_are_less_human() -> None:
    for name in ("one persona", "narrow", "caricatures"):
        assert mean_of(name, "human_likeness") < 0.8 * mean_of("people", "human_likeness"), name


# -- coverage ------------------------------------------------------------------------------------------------------------------


def test_coverage_sees_what_marginals_do_not() -> None:
    people, apart = (np.mean([shares(make(150, seed))["coverage"] for seed in SEEDS]) for make in (pairs, independent))
    assert people == pytest.approx(1.0, abs=0.05)
    assert apart < people - 0.1


def test_the_persona_free_simulator_covers_nothing() -> None:
    free = scorer().free
    values = np.stack([free[np.random.default_rng(seed).integers(len(free), size=(60, 2))] for seed in SEEDS])
    assert np.mean([shares(one)["coverage"] for one in values]) == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("personas", [10, 40, 120])
def test_coverage_of_other_people_does_not_depend_on_how_many_they_are(personas: int) -> None:
    found = [shares(pairs(2 * personas, seed)[:, :1].reshape(personas, 2, -1))["coverage"] for seed in range(20)]
    assert np.mean(found) == pytest.approx(1.0, abs=0.06)


def test_less_variety_covers_less() -> None:
    found = [np.mean([shares(pairs(PERSONAS, seed, scale=scale))["coverage"] for seed in SEEDS]) for scale in (0.1, 0.4, 0.7, 1.0)]
    assert sorted(found) == found
    assert mean_of("caricatures", "coverage") < mean_of("people", "coverage")


# -- consistency ---------------------------------------------------------------------------------------------------------------


def test_people_are_consistent_and_copies_too_much_so() -> None:
    """With few personas what is left of people's after shrinking is less than 1, with many it is about 1."""
    people, copies, consistent = (mean_of(name, "consistency") for name in ("people", "recordings", "too consistent"))
    assert 0.7 < people < np.mean([shares(pairs(200, seed))["consistency"] for seed in SEEDS])
    assert copies == pytest.approx(CONSISTENCY, abs=0.01)  # 1 / C_people turned over
    assert copies < consistent < people


def test_noise_is_no_consistency() -> None:
    """A constant program with noise: each dialogue a fresh draw. Without shrinking it would have the noise's consistency half the time."""
    fresh = [shares(pairs(PERSONAS, seed, consistency=0.0))["consistency"] for seed in range(60)]
    assert np.median(fresh) == 0.0
    assert np.mean(fresh) < 0.06
    assert shares(np.zeros((PERSONAS, 2, len(NAMES))))["consistency"] == 0.0
    assert shares(np.zeros((PERSONAS, 2, len(NAMES))))["score"] == 0.0


def test_what_a_task_makes_everybody_do_is_no_consistency() -> None:
    by_task = np.random.default_rng(1).normal(size=(CALLS, len(NAMES))) * 3
    values = pairs(PERSONAS, 3, consistency=0.0) + by_task[np.arange(PERSONAS) % CALLS, None]
    assert shares(values)["consistency"] < 0.1


def test_one_dialogue_each_has_no_consistency() -> None:
    assert evaluated(episodes(pairs(PERSONAS, 1))[::2]).objectives["consistency"].raw == 0.0


def test_without_an_agreement_there_is_neither_consistency_nor_score() -> None:
    assert shares(pairs(PERSONAS, 1), scorer(agreement=False)).keys().isdisjoint({"consistency", "score"})


# -- task preservation, overlap, chamfer ---------------------------------------------------------------------------------------


def test_failed_dialogues_preserve_nothing() -> None:
    played = episodes(pairs(PERSONAS, 1))
    assert evaluated(failing(played, set(range(0, 60, 2)))).objectives["task_preservation"].value == pytest.approx(0.5)


def test_overlap_by_hand() -> None:
    found, judged = scorer().score("program", failing(episodes(pairs(PERSONAS, 2)), {0, 1, 2}))
    cells = scorer().cells
    share = np.array([sum(one.cell == cell for one in judged) / len(judged) for cell in range(len(cells))])
    assert found.objectives["overlap"].raw == pytest.approx(np.minimum(share, cells.masses).sum())


def test_ten_copies_of_the_average_person_please_chamfer_alone() -> None:
    """Why PPol's coverage is shown and does not steer."""
    copies = np.zeros((5, 2, len(NAMES)))
    people = [shares(pairs(5, seed)) for seed in SEEDS]
    assert shares(copies)["chamfer"] > 0.9 * np.mean([one["chamfer"] for one in people])
    assert shares(copies)["coverage"] < 0.3


# -- the registry --------------------------------------------------------------------------------------------------------------


def test_every_objective_is_told_what_it_is() -> None:
    names = [one.name for one in objectives.objectives()]
    assert objectives.shown() == ("score", *names)
    assert len(set(names)) == len(names)
    assert set(STEERING) == {"human_likeness", "coverage", "consistency"}
    assert set(objectives.floors()) == {"task_preservation"}
    for one in objectives.objectives():
        assert re.fullmatch(r"[a-z_]+", one.name)
        assert objectives.meanings()[one.name] == one.meaning
        assert one.role != "steers" or one.direction == "more"
        assert (one.floor is not None) == (one.role == "holds")
        assert one.role != "steers" or one.reads == "fingerprints"  # or people's level could not be told
    assert objectives.ordered(["of another time", "score", *reversed(names)]) == ["score", *names, "of another time"]


def test_the_digest_follows_from_versions_and_roles() -> None:
    assert re.fullmatch(r"[0-9a-f]{16}", objectives.scoring_digest())
    assert objectives.scoring_of({}) == 1
    assert objectives.scoring_of({"scoring": "2"}) == 2


# -- replicates ----------------------------------------------------------------------------------------------------------------


def without(played: list[Episode], call: int) -> Played:
    """The dialogues of all other calls, compared as all of them are."""
    others = scorer().judged([one for one in played if one.item.task_id != f"task {call}"])
    kept = Played.of(others, scorer().worst, np.ones((1, CALLS - 1)))
    return Played(kept.episodes, kept.values, kept.done, kept.call, kept.persona, kept.weights, len(played))


@pytest.mark.parametrize("objective", [one.name for one in objectives.objectives() if one.name not in {"chamfer", "consistency"}])
def test_replicates_are_the_values_without_each_call(objective: str) -> None:
    played = failing(episodes(pairs(PERSONAS, 4)), {3, 17, 18})
    found = evaluated(played).objectives[objective]
    level = scorer().levels(len(played))[objective]
    of = next(one for one in objectives.objectives() if one.name == objective)
    assert level is not None
    assert len(found.replicates) == CALLS
    for call, value in enumerate(found.replicates):
        left = without(played, call)
        assert value == pytest.approx(float(of.share(of.raw(left, scorer()), level, left)[0]))


def test_the_score_without_a_call_is_the_mean_of_its_replicates() -> None:
    found = evaluated(episodes(pairs(PERSONAS, 4))).objectives
    columns = {name: np.array(found[name].replicates) for name in STEERING}
    assert found["score"].replicates == pytest.approx(objectives.harmonic(columns))


def test_energy_is_that_of_the_dialogues_in_the_space() -> None:
    found = evaluated(episodes(pairs(PERSONAS, 4))).objectives["coverage"]
    points = scorer().space(pairs(PERSONAS, 4).reshape(-1, len(NAMES)))
    plain = energy_distance(points, np.zeros(len(points), int), np.ones((1, 1)), scorer().target, len(points))
    assert found.raw == pytest.approx(float(plain[0]))
