"""What a refined profile is measured beside, and the report of it."""

from __future__ import annotations

import numpy as np
import pytest

from personaevo.measure.energy import energy_scores
from personaevo.refine.loop.person import RefinementTask, case_of, padded, peer_outcomes, with_truth
from personaevo.refine.loop.run import Cohort, refine_all, refinement_tasks
from personaevo.refine.loop.summary import CONTROLS, person_text, summarize, summary_text
from personaevo.refine.profile import Claim, Profile
from personaevo.refine.records import Outcome, PersonResult
from tests.refine.refine_cases import ENGINE, QUICK, crowd, person, work

PEOPLE = crowd(11)


@pytest.fixture(scope="module")
def results() -> list[PersonResult]:
    return refine_all(ENGINE, QUICK, refinement_tasks(Cohort(PEOPLE), ENGINE, QUICK), None, 1)


def test_padding_has_the_length_and_nothing_else() -> None:
    start = Profile(dials={"words_per_turn": 5.0}).updated("goals", Claim(text="You want to go home."))
    long = padded(start, 40)
    assert 40 <= long.words < 50 and long.dials == start.dials and long.sections["goals"] == start.sections["goals"]
    assert long.problems() == [] and padded(start, start.words) == start == padded(start, 1)


def test_the_truth_is_pasted_in_and_the_guard_sees_it() -> None:
    case, start = case_of(ENGINE, QUICK, work(PEOPLE[1], PEOPLE))
    told = with_truth(case, start, case.judged)
    assert all(" ".join(text.split()) in told.text() for item in case.judged for text in item.texts())
    assert told.dials != start.dials
    assert case.check(told.text()).score > 0.9 and case.check(start.text()).score == 0


def test_anothers_profile_is_scored_by_what_it_showed(results: list[PersonResult]) -> None:
    found = refinement_tasks(Cohort(PEOPLE), ENGINE, QUICK)
    other = peer_outcomes(results, found)
    one, population = results[0], found[0].population
    assert population is not None
    truths = population.scale.points(np.array(one.targets, dtype=float))
    plays = [population.scale.points(np.array(peer.outcomes["refined"].rows, dtype=float)) for peer in results[1:]]
    expected = [energy_scores(points, truths).mean() for points in plays]
    assert other[one.key]["other"].value == pytest.approx(np.mean(expected))
    assert any(other[one.key]["shuffled"].value == pytest.approx(value) for value in expected)
    assert peer_outcomes(results[:1], found)[one.key]["other"].reason.startswith("another person's profile needs a second person")


def test_shuffled_everybody_gets_somebody_elses(results: list[PersonResult]) -> None:
    asked: dict[str, str] = {}

    def play(work: RefinementTask, peer: PersonResult) -> Outcome:
        asked[work.behavior.person] = peer.person
        return Outcome(values=(1.0,))

    found = peer_outcomes(results[:5], refinement_tasks(Cohort(PEOPLE), ENGINE, QUICK), play)
    assert {one["other"].value for one in found.values()} == {1.0}
    assert set(asked) == set(asked.values()) and all(own != peer for own, peer in asked.items())


def test_controls_that_are_no_profile(results: list[PersonResult]) -> None:
    """A constant dialogue has no spread; the ceiling is half the distance of two of one's own."""
    found = refinement_tasks(Cohort(PEOPLE), ENGINE, QUICK)
    one, population = results[0], found[0].population
    assert population is not None
    case, _ = case_of(ENGINE, QUICK, found[0])
    scale, truths = population.scale, np.array(one.targets, dtype=float)
    points, truth = scale.points(np.array(one.outcomes["refined"].rows, dtype=float)), scale.points(truths)
    assert one.outcomes["constant"].value == pytest.approx(np.linalg.norm(points.mean(axis=0) - truth, axis=1).mean(), abs=1e-3)
    own = scale.points(case.space.rows(case.parts.train))  # type: ignore[union-attr]
    assert one.outcomes["own"].value == pytest.approx(np.linalg.norm(own[:, None] - truth[None], axis=2).mean() / 2)
    assert all(0 <= one.outcomes[name].recognized <= 1 for name in ("refined", "start", "population", "own", "constant"))  # type: ignore[operator]


def test_the_curve_is_shrinkage_from_so_many(results: list[PersonResult]) -> None:
    many = refine_all(ENGINE, QUICK, refinement_tasks(Cohort((person("q", 5, count=6), *PEOPLE)), ENGINE)[:1], None, 1)[0]
    assert [step.items for step in many.curve] == [1, 2, 3, 5]
    assert many.curve[-1].value == many.outcomes["shrinkage"].value and [step.items for step in results[0].curve] == [1]


def test_the_summary_compares_with_every_control(results: list[PersonResult]) -> None:
    summary = summarize(results, peer_outcomes(results, refinement_tasks(Cohort(PEOPLE), ENGINE, QUICK)))
    rows = {row.control: row for row in summary.rows}
    assert tuple(rows) == CONTROLS and (summary.people, summary.held_out, summary.failed, summary.in_sample) == (11, 11, 0, False)
    change = rows["population"].change
    assert change is not None and change.n == 11
    gains = [one.outcomes["population"].value - one.outcomes["refined"].value for one in results]  # type: ignore[operator]
    rooms = [one.outcomes["population"].value - one.outcomes["own"].value for one in results]  # type: ignore[operator]
    assert change.gain == pytest.approx(np.mean(gains)) and rows["population"].worse == np.mean(np.array(gains) < 0)
    assert rows["truth"].leak is not None and rows["truth"].leak > 0.9 and rows["rewrite"].change is None and rows["rewrite"].reason
    assert summary.share_of_room.mean == pytest.approx(np.mean(gains) / np.mean(rooms))
    found = summary.re_identification
    assert found.mean == pytest.approx(np.mean([one.outcomes["refined"].recognized for one in results]))  # type: ignore[arg-type]
    assert found.low is not None and found.high is not None and found.low < found.mean < found.high
    assert summary.rank[0] is not None and summary.rank[1] is not None and summary.rank[0] >= summary.rank[1]
    assert summary.updated == np.mean([one.accepted > 0 for one in results]) and summary.unchanged == 0
    standing = {one.name: one for one in summary.standings}
    assert standing["own"].room.mean == pytest.approx(1) and standing["population"].room.mean == 0
    assert standing["other"].change.gain < standing["refined"].change.gain  # type: ignore[operator]
    assert [point.items for point in summary.curve] == [1]


def test_the_text_fits_a_terminal_and_names_the_refused(results: list[PersonResult]) -> None:
    failed = PersonResult(person="x\x1b[31m", role="user", state="failed", reason="no\nway")
    text = summary_text(summarize([*results, failed], peer_outcomes(results, refinement_tasks(Cohort(PEOPLE), ENGINE, QUICK))))
    assert max(map(len, text.splitlines())) <= 80
    assert all(part in text for part in ("11 refined, 1 failed", "population", "one-call rewrite", "re-identification: "))
    assert "\x1b" not in person_text(failed) and person_text(failed).count("\n") == 0
    assert "gain on what is expected of the person" in person_text(results[0]) and "Dials: words_per_turn" in person_text(results[0])


def test_in_sample_is_said(results: list[PersonResult]) -> None:
    found = refinement_tasks(Cohort(PEOPLE), ENGINE, QUICK)
    paper = refine_all(ENGINE, QUICK.model_copy(update={"paper": True}), found[:2], None, 1)
    summary = summarize(paper, {})
    assert summary.in_sample and summary.held_out == 0 and "IN-SAMPLE" in summary_text(summary)
    assert summarize([], {}).measure == "" and "0 refined" in summary_text(summarize([], {}))
