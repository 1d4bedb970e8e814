"""What a refined profile is measured beside, and the report of it."""

from __future__ import annotations

import numpy as np
import pytest

from personaevo.refine.controls import padded, with_truth
from personaevo.refine.people import Crowd, refine_all, works
from personaevo.refine.person import case_of, judged
from personaevo.refine.profile import Claim, Profile
from personaevo.refine.result import Outcome, PersonResult
from personaevo.refine.summary import CONTROLS, others, person_text, summarize, summary_text
from tests.refine.refine_cases import ENGINE, QUICK, crowd, work

PEOPLE = crowd(11)


@pytest.fixture(scope="module")
def results() -> list[PersonResult]:
    return refine_all(ENGINE, QUICK, works(Crowd(PEOPLE), ENGINE), None, 1)


def test_padding_has_the_length_and_nothing_else() -> None:
    start = Profile(dials={"words_per_turn": 5.0}).updated("goals", Claim(text="You want to go home."))
    long = padded(start, 40)
    assert 40 <= long.words < 50 and long.dials == start.dials and long.sections["goals"] == start.sections["goals"]
    assert long.problems() == [] and padded(start, start.words) == start == padded(start, 1)


def test_the_truth_is_pasted_in_and_the_guard_sees_it() -> None:
    case, start = case_of(ENGINE, QUICK, work(PEOPLE[1], PEOPLE))
    told = with_truth(case, start, judged(case))
    assert all(" ".join(text.split()) in told.text() for item in judged(case) for text in item.texts())
    assert told.dials != start.dials
    assert case.check(told.text()).score > 0.9 and case.check(start.text()).score == 0


def test_anothers_profile_is_scored_by_what_it_showed(results: list[PersonResult]) -> None:
    found = works(Crowd(PEOPLE), ENGINE)
    other = others(results, found)
    one, population = results[0], found[0].population
    assert population is not None
    z = population.standard
    shown = [np.array([peer.outcomes["refined"].shown]) for peer in results[1:]]
    expected = np.mean([np.linalg.norm(z(np.array(one.targets)) - z(row)) for row in shown])
    assert other[one.key].value == pytest.approx(expected)
    assert others(results[:1], found)[one.key].reason.startswith("another person's profile needs a second person")


def test_where_items_are_played_as_they_are_another_is_played(results: list[PersonResult]) -> None:
    asked = []

    def play(_: object, peer: PersonResult) -> Outcome:
        asked.append(peer.key)
        return Outcome(values=(1.0,))

    assert {one.value for one in others(results[:3], works(Crowd(PEOPLE), ENGINE), play).values()} == {1.0}
    assert asked == [results[1].key, results[2].key, results[0].key]


def test_the_summary_compares_with_every_control(results: list[PersonResult]) -> None:
    found = works(Crowd(PEOPLE), ENGINE)
    summary = summarize(results, found, others(results, found))
    rows = {row.control: row for row in summary.rows}
    assert tuple(rows) == CONTROLS and (summary.people, summary.held_out, summary.failed, summary.in_sample) == (11, 11, 0, False)
    change = rows["population"].change
    assert change is not None and change.n == 11
    gains = [one.outcomes["population"].value - one.outcomes["refined"].value for one in results]  # type: ignore[operator]
    assert change.gain == pytest.approx(np.mean(gains)) and rows["population"].worse == np.mean(np.array(gains) < 0)
    assert rows["truth"].leak is not None and rows["truth"].leak > 0.9 and rows["rewrite"].change is None and rows["rewrite"].reason
    assert summary.rank[0] is not None and summary.rank[1] is not None and summary.rank[0] >= summary.rank[1]
    assert summary.updated == np.mean([one.accepted > 0 for one in results])


def test_the_text_fits_a_terminal_and_names_the_refused(results: list[PersonResult]) -> None:
    found = works(Crowd(PEOPLE), ENGINE)
    failed = PersonResult(person="x\x1b[31m", role="user", state="failed", reason="no\nway")
    text = summary_text(summarize([*results, failed], found, others(results, found)))
    assert max(map(len, text.splitlines())) <= 80
    assert "11 refined, 1 failed" in text and "population mean" in text and "one-call rewrite" in text
    assert "\x1b" not in person_text(failed) and person_text(failed).count("\n") == 0
    updated = next(one for one in results if one.accepted)
    assert "accepted: gain on dev" in person_text(updated) and "Dials: words_per_turn" in person_text(updated)


def test_in_sample_is_said(results: list[PersonResult]) -> None:
    found = works(Crowd(PEOPLE), ENGINE)
    paper = refine_all(ENGINE, QUICK.model_copy(update={"paper": True}), found[:2], None, 1)
    summary = summarize(paper, found, {})
    assert summary.in_sample and summary.held_out == 0 and "IN-SAMPLE" in summary_text(summary)
    assert summarize([], [], {}).measure == "" and "0 refined" in summary_text(summarize([], [], {}))
