"""The paired intervals of a difference: the same arithmetic as the search's, and honest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from inspect_cases import episodes

from personaevo.archive import Archive
from personaevo.inspect import compare
from personaevo.inspect.compare import Side, paired, shifts
from personaevo.measure.stats import paired_difference, student_factor
from personaevo.records import Commit, Estimate, Evaluation, Run


@pytest.fixture(scope="module")
def archive(finished_archive: Path) -> Iterator[Archive]:
    with Archive.read(finished_archive) as opened:
        yield opened


def scored(archive: Archive) -> list[Commit]:
    return [commit for commit in archive.commits(1) if commit.evaluation is not None]


def side(archive: Archive, commit: Commit) -> Side:
    assert commit.evaluation is not None
    return Side(commit.evaluation, archive.episodes(1, commit.candidate.number))


def test_the_draws_are_those_of_the_search(archive: Archive) -> None:
    """Alone they give the stored standard errors."""
    commits = scored(archive)
    evaluations = [commit.evaluation for commit in commits if commit.evaluation is not None]
    masses = {cell["cell"]: cell["mass"] for cell in archive.run().cells}
    for commit, evaluation in zip(commits, evaluations, strict=True):
        played = archive.episodes(1, commit.candidate.number)
        tasks = list(dict.fromkeys(one.item.task_id for one in played))
        found = compare._draws(played, tasks, masses, compare._people(evaluations, evaluation.planned))
        assert set(found) == {"human_likeness", "coverage", "score", "task_preservation"}
        for name, values in found.items():
            assert compare.bootstrap_se(values, len(tasks)) == pytest.approx(evaluation.objectives[name].se, rel=1e-6, abs=1e-12), name


def test_a_mean_has_students_paired_interval() -> None:
    """For a mean over tasks of one size, the bootstrap is the textbook's interval."""
    before, after = episodes(tasks=40), episodes(0.1, tasks=40)
    rng = np.random.default_rng(1)
    after = tuple(replace(one, preservation=float(rng.uniform())) for one in after)
    evaluation = Evaluation("x", "train", 80, 79, {"task_preservation": Estimate(0.5, 0.1, 0.5)})
    (found,) = shifts(Run(1, {}, ()), Side(evaluation, before), Side(evaluation, after), [])
    by_task = [[np.mean([one.preservation if one.state == "completed" else 0.0 for one in some if one.item.task_id == f"task{task}"])
                for task in range(40)] for some in (after, before)]  # fmt: skip
    mean, low, high = paired_difference(*by_task)
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low == pytest.approx(high - low, rel=0.05)
    assert mean == pytest.approx((low + high) / 2)


def test_intervals_stand_around_the_stored_difference(archive: Archive) -> None:
    old, new = scored(archive)[:2]
    evaluations = [commit.evaluation for commit in scored(archive) if commit.evaluation]
    found = {shift.objective: shift for shift in shifts(archive.run(), side(archive, old), side(archive, new), evaluations)}
    assert {"human_likeness", "coverage", "score", "task_preservation", "chamfer"} == found.keys()
    assert (found["chamfer"].low, found["chamfer"].high) == (None, None)
    score = found["score"]
    assert score.low is not None
    assert score.high is not None
    assert (score.low + score.high) / 2 == pytest.approx(score.after - score.before)
    assert score.low < score.after - score.before < score.high


def test_a_program_beside_itself_differs_by_nothing_for_sure(archive: Archive) -> None:
    one = side(archive, scored(archive)[0])
    for shift in shifts(archive.run(), one, one, []):
        assert (shift.after - shift.before, shift.low or 0.0, shift.high or 0.0) == (0.0, 0.0, 0.0)


def test_other_episodes_are_not_paired(archive: Archive) -> None:
    one = side(archive, scored(archive)[0])
    assert paired(one.episodes, one.episodes[::-1])
    for other in ((), one.episodes[1:], (*one.episodes[1:], replace(one.episodes[0], item=replace(one.episodes[0].item, seed=1)))):
        assert not paired(one.episodes, other)
        assert all(shift.low is None for shift in shifts(archive.run(), one, Side(one.evaluation, other), []))


def test_one_task_gives_no_interval() -> None:
    evaluation = Evaluation("x", "train", 2, 1, {"task_preservation": Estimate(0.5, 0.0, 0.5)})
    (found,) = shifts(Run(1, {}, ()), *[Side(evaluation, episodes(tasks=1))] * 2, [])
    assert found.low is None
    assert student_factor(0) > 0


def test_people_are_known_from_whoever_is_below_them() -> None:
    capped = Evaluation("x", "train", 8, 8, {"coverage": Estimate(1.0, 0.0, 0.9), "human_likeness": Estimate(0.0, 0.0, 0.0)})
    below = Evaluation("y", "train", 8, 8, {"coverage": Estimate(0.5, 0.0, 0.4), "human_likeness": Estimate(0.6, 0.0, 0.3)})
    elsewhere = Evaluation("z", "train", 4, 4, {"coverage": Estimate(0.5, 0.0, 0.1)})
    assert compare._people([elsewhere, capped, below], 8) == pytest.approx({"coverage": 0.8, "human_likeness": 0.5})
    assert compare._people([capped], 8) == {}
