"""The paired intervals of a difference: from the values without each call, for every objective alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from inspect_cases import episodes

from personaevo.archive import Archive
from personaevo.judge.objectives import ordered
from personaevo.measure.agreement import jackknife_se
from personaevo.measure.stats import paired_difference, student_factor
from personaevo.records import Estimate, Evaluation
from personaevo.views.lineage import difference_se, paired, shifts


@pytest.fixture(scope="module")
def archive(finished_archive: Path) -> Iterator[Archive]:
    with Archive.read(finished_archive) as opened:
        yield opened


def scored(archive: Archive) -> list[Evaluation]:
    return [commit.evaluation for commit in archive.commits(1) if commit.evaluation is not None]


def with_means(by_call: np.ndarray) -> Estimate:
    """A mean over calls of one size, and the mean without each."""
    without = (by_call.sum() - by_call) / (len(by_call) - 1)
    return Estimate(float(by_call.mean()), jackknife_se(without), float(by_call.mean()), tuple(map(float, without)))


def test_what_is_kept_gives_the_stored_standard_errors(archive: Archive) -> None:
    for evaluation in scored(archive):
        for name, one in evaluation.objectives.items():
            assert jackknife_se(np.array(one.replicates)) == pytest.approx(one.se, rel=1e-9, abs=1e-12), name


def test_a_mean_has_students_paired_interval() -> None:
    """For a mean over calls of one size, the jackknife is the textbook's interval."""
    rng = np.random.default_rng(1)
    before = rng.uniform(size=40)
    after = before + rng.normal(0.1, 0.05, size=40)
    old, new = (Evaluation("x", "train", 40, 40, {"anything": with_means(values)}) for values in (before, after))
    (found,) = shifts(old, new, same_plan=True)
    _, low, high = paired_difference(after, before)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    error = difference_se(old.objectives["anything"], new.objectives["anything"])
    assert error is not None
    assert error < old.objectives["anything"].se  # what the two share is gone


def test_intervals_stand_around_the_stored_difference_of_every_objective(archive: Archive) -> None:
    old, new = scored(archive)[:2]
    found = shifts(old, new, same_plan=True)
    assert [shift.objective for shift in found] == ordered(list(new.objectives))
    for shift in found:
        assert shift.low is not None
        assert shift.high is not None
        change = new.objectives[shift.objective].value - old.objectives[shift.objective].value
        assert (shift.low + shift.high) / 2 == pytest.approx(change)
        assert shift.low <= change <= shift.high
    factor = student_factor(len(new.objectives["score"].replicates) - 1)
    score = found[0]
    assert score.objective == "score"
    error = jackknife_se(np.subtract(new.objectives["score"].replicates, old.objectives["score"].replicates))
    assert (score.high or 0.0) - (score.low or 0.0) == pytest.approx(2 * factor * error)


def test_a_program_beside_itself_differs_by_nothing_for_sure(archive: Archive) -> None:
    one = scored(archive)[0]
    for shift in shifts(one, one, same_plan=True):
        assert (shift.after - shift.before, shift.low, shift.high) == (0.0, 0.0, 0.0)


def test_without_the_same_plan_there_is_no_interval(archive: Archive) -> None:
    played = archive.episodes(1, 0)
    assert paired(played, played[::-1])
    for other in ((), played[1:], (*played[1:], replace(played[0], item=replace(played[0].item, seed=1)))):
        assert not paired(played, other)
    one = scored(archive)[0]
    assert all(shift.low is None for shift in shifts(one, one, same_plan=False))


def test_two_dialogues_of_a_persona_are_two_places() -> None:
    twice = [replace(one, item=replace(one.item, seed=one.item.seed + 1000)) for one in episodes()]
    both = [*episodes(), *twice]
    assert paired(both, both[::-1])
    assert not paired(both, [*episodes(), *episodes()])


@pytest.mark.parametrize("kept", [(), (0.5,), (0.5, 0.25, 0.125)])
def test_without_as_many_values_there_is_no_interval(kept: tuple[float, ...]) -> None:
    """Of the first scoring none were kept; a single call tells no error."""
    two, other = Estimate(0.5, 0.1, 0.5, (0.5, 0.25)), Estimate(0.5, 0.1, 0.5, kept)
    assert difference_se(two, other) is None
    assert difference_se(Estimate(0.5, 0.0, 0.5, (0.5,)), Estimate(0.5, 0.0, 0.5, (0.5,))) is None
    old, new = (Evaluation("x", "train", 2, 2, {"anything": one}) for one in (two, other))
    (found,) = shifts(old, new, same_plan=True)
    assert (found.low, found.high) == (None, None)


def test_an_objective_that_only_one_has_is_left_out() -> None:
    old = Evaluation("x", "train", 2, 2, {"anything": Estimate(0.5, 0.1, 0.5), "gone": Estimate(0.5, 0.1, 0.5)})
    new = Evaluation("y", "train", 2, 2, {"fresh": Estimate(0.5, 0.1, 0.5), "anything": Estimate(0.5, 0.1, 0.5)})
    assert [shift.objective for shift in shifts(old, new, same_plan=True)] == ["anything"]
