"""The small calculations of the page."""

from __future__ import annotations

import numpy as np
import pytest

from personaevo.records import Candidate, Commit, Estimate, Evaluation, Program
from personaevo.report.material import Plane, fingerprints, front, gains, intervals, mean_interval, spread, tiles
from tests.archive.archive_cases import a_commit


def scored(number: int, program: str, score: float, *parents: str) -> Commit:
    evaluation = Evaluation(program, "train", 10, 10, {"score": Estimate(score, 0.02, score)})
    return Commit(Candidate(number, Program(program, "x = 1"), parents, "tune", "evaluated"), evaluation)


def test_plane_holds_the_directions_in_which_people_differ_most() -> None:
    rng = np.random.default_rng(0)
    along = rng.normal(size=400)
    people = np.column_stack([along, along * 2 + rng.normal(scale=0.1, size=400), rng.normal(size=400), np.full(400, 3.0)])
    plane = Plane.of(people, ["long", "longer", "other", "constant"])
    assert plane.shares[0] == pytest.approx(2 / 3, abs=0.03)
    assert sum(plane.shares) <= 1
    assert set(plane.names[0].split(", ")[:2]) == {"more long", "more longer"}
    assert plane.names[1].startswith("more other")
    at = plane(people)
    assert at.mean(axis=0) == pytest.approx([0, 0], abs=1e-9)
    assert abs(np.corrcoef(at.T)[0, 1]) < 1e-9
    assert plane(people[:, :2]).shape == (0, 2)  # values of other features have no place


def test_spread_tells_mean_and_quantiles() -> None:
    values = np.column_stack([np.arange(101.0), np.zeros(101)])
    assert spread(values)[0] == {"mean": 50, "q10": 10, "q25": 25, "q50": 50, "q75": 75, "q90": 90}
    assert set(spread(values)[1].values()) == {0.0}


def test_front_is_what_no_other_beats() -> None:
    points = {0: (0.2, 0.9), 1: (0.9, 0.1), 2: (0.5, 0.5), 3: (0.4, 0.4), 4: (0.5, 0.5), 5: (0.9, 0.05)}
    assert front(points) == [1, 2, 0]  # of equal points the first
    assert front({key: (-0.5, *at) for key, at in points.items()}) == [0, 1, 2]
    assert front({}) == []


def test_front_over_three_objectives_is_that_of_all_pairs() -> None:
    values = np.random.default_rng(0).integers(-3, 4, size=(60, 3)) / 2
    better = [[bool((b >= a).all() and (b > a).any()) for b in values] for a in values]
    first = [not any((values[j] == values[i]).all() for j in range(i)) for i in range(len(values))]
    wanted = {i for i in range(len(values)) if not any(better[i]) and first[i]}
    assert set(front(dict(enumerate(values.tolist())))) == wanted


def test_gains_are_over_the_first_parent() -> None:
    commits = [scored(0, "a", 0.3), scored(1, "b", 0.5, "a"), scored(2, "c", 0.4, "b", "a"), scored(3, "d", 0.4, "unknown")]
    assert gains(commits) == pytest.approx({1: 0.2, 2: -0.1})


def test_mean_interval_needs_two_values() -> None:
    assert mean_interval([1.0]) is None
    mean, low, high = mean_interval([1.0, 3.0]) or (0, 0, 0)
    assert (mean, high - mean) == (2, pytest.approx(12.706 * 2**0.5 / 2**0.5, abs=1e-2))
    assert low < mean < high


@pytest.mark.parametrize("masses", [[1.0], [0.5, 0.5], [0.4, 0.3, 0.2, 0.05, 0.05], [0.0, 1.0], [0.0, 0.0], [1 / 256] * 256])
def test_tiles_fill_the_area_as_the_masses_say(masses: list[float]) -> None:
    boxes = tiles(masses)
    areas = np.array([width * height for _, _, width, height in boxes]) / 1e4
    assert areas.sum() == pytest.approx(1)
    expected = np.maximum(masses, 1e-3)
    assert areas == pytest.approx(expected / expected.sum())
    for index, (left, top, width, height) in enumerate(boxes):
        assert min(left, top) >= -1e-9
        assert max(left + width, top + height) <= 100 + 1e-6
        for other in boxes[:index]:
            across = min(left + width, other[0] + other[2]) - max(left, other[0])
            down = min(top + height, other[1] + other[3]) - max(top, other[1])
            assert min(across, down) < 1e-6, "tiles overlap"


def test_intervals_are_student_over_calls_and_not_clipped() -> None:
    found = intervals(scored(0, "a", 0.99), 10)["score"]
    assert found == [0.99, pytest.approx(0.99 - 2.262 * 0.02, abs=1e-3), pytest.approx(0.99 + 2.262 * 0.02, abs=1e-3), 0.99]
    assert intervals(Commit(scored(0, "a", 0.5).candidate), 10) == {}


def test_fingerprints_are_of_completed_episodes() -> None:
    episodes = a_commit(0, episodes=8).episodes
    assert fingerprints(episodes).shape == (7, 5)  # every seventh fails
    assert fingerprints(()).shape == (0, 0)
    assert fingerprints((*episodes, *a_commit(1, features=3).episodes)).shape == (0, 0)
