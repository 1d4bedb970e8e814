"""The final table: people, controls, the seed program and the best one, over the same number of held-out dialogues; paired differences."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from evolve_cases import small

from personaevo.archive import Archive
from personaevo.evolve import controls
from personaevo.evolve import rollout as rollout_module
from personaevo.evolve.prepare import EvaluationSetup, prepare
from personaevo.evolve.ranking import AUDITOR
from personaevo.evolve.rollout import Rollout, roll_out
from personaevo.evolve.table import audit_of, final_table
from personaevo.judge.objectives import shown, steering
from personaevo.programs.source import make_program
from personaevo.records import Episode, FinalTable, TableRow
from personaevo.workers import Workers

ROWS = ["humans", "persona_free", *controls.ROWS, "seed_program", "evolved"]
HEAD = "AXES = [{'name': 'a', 'dials': {'words_per_turn': [4.0, 4.0]}}]\ndef generate(task, n, rng, model=None):\n"
CONSTANT = f"{HEAD}    return [{{'description': 'x', 'behaviors': {{'a': 1.0}}}} for _ in range(n)]\n"
FAILING = f"{HEAD}    raise ValueError('no')\n"


@pytest.fixture(scope="module")
def bench() -> EvaluationSetup:
    with Workers(1) as workers:
        return prepare(small(Path("unused.duckdb"), human=None, test_tasks=6, test_personas=4, control_dialogues=60), workers)


@pytest.fixture(scope="module")
def table(bench: EvaluationSetup) -> FinalTable:
    with Workers(1) as workers:
        return final_table(bench, workers, make_program(CONSTANT))


@pytest.fixture(scope="module")
def rows(table: FinalTable) -> dict[str, TableRow]:
    return {row.row: row for row in table.rows}


def test_rows_over_the_same_number_of_dialogues(rows: dict[str, TableRow]) -> None:
    assert list(rows) == ROWS
    for row in rows.values():
        assert {(measure.completed, measure.planned) for measure in row.measures.values()} == {(48, 48)}
        told = set(row.measures) - {AUDITOR}
        if row.row == "humans":  # their tasks were others; hardly any of them came twice
            assert told == set(shown()) - {"task_preservation", "consistency", "score"}
        else:
            assert told == set(shown())
    assert {name for name, row in rows.items() if row.program_id} == {"seed_program", "evolved"}


def test_values_lie_in_their_intervals(rows: dict[str, TableRow]) -> None:
    for row in rows.values():
        for name, measure in row.measures.items():
            assert measure.low <= measure.mean <= measure.high, (row.row, name)
            assert np.isfinite([measure.low, measure.mean, measure.high, measure.raw]).all()


def test_what_is_known_of_the_rows(rows: dict[str, TableRow]) -> None:
    """People are people, persona-free covers nothing, copies of people are told from people less than one persona is."""
    mean = {name: {key: measure.mean for key, measure in row.measures.items()} for name, row in rows.items()}
    assert mean["humans"]["human_likeness"] == pytest.approx(1.0, abs=0.1)
    assert mean["humans"]["coverage"] == pytest.approx(1.0, abs=0.2)
    assert mean["humans"]["coverage"] != 1.0
    assert rows["persona_free"].measures["coverage"].low <= 0.0 <= rows["persona_free"].measures["coverage"].high
    assert mean["persona_free"]["coverage"] < 0.5
    assert mean["copied_people"]["score"] > mean["average_person"]["score"]
    agreement = {name: row.measures["consistency"].raw for name, row in rows.items() if name != "humans"}
    assert agreement["copied_people"] < agreement["independent"]  # persons agree with themselves less than rows played as persons
    for name in ("persona_free", "average_person", "evolved"):  # one and the same person all the time
        assert mean[name]["score"] < 0.3
    assert mean["evolved"]["consistency"] < 0.35


def test_the_auditor_sees_more(rows: dict[str, TableRow], bench: EvaluationSetup) -> None:
    found = {name: row.measures[AUDITOR] for name, row in rows.items()}
    assert found["humans"].mean == pytest.approx(0.5, abs=0.12)
    assert found["humans"].mean < found["copied_people"].mean < found["evolved"].mean
    assert all(0.0 <= one.low <= one.high <= 1.0 for one in found.values())
    few = roll_out(bench.rollout(CONSTANT, bench.test_plan))
    assert audit_of(bench, few)[0] == pytest.approx(found["evolved"].mean, abs=0.1)


def test_the_best_is_compared_with_every_other_row(table: FinalTable, rows: dict[str, TableRow]) -> None:
    assert {one.row for one in table.comparisons} == {"evolved"}
    assert {one.against for one in table.comparisons} == set(ROWS) - {"evolved"}
    for one in table.comparisons:
        ours, theirs = rows["evolved"].measures[one.objective], rows[one.against].measures[one.objective]
        assert one.mean == pytest.approx(ours.mean - theirs.mean)
        assert one.low <= one.mean <= one.high
    for name in ("score", *steering()):
        assert table.compared("seed_program", name) is not None
    assert table.compared("humans", "task_preservation") is None
    assert table.compared("evolved", "score") is None


def test_a_program_is_not_better_than_itself(bench: EvaluationSetup) -> None:
    """Rows meet the same people and the same calls: the difference is nothing, and so is its interval."""
    with Workers(1) as workers:
        found = final_table(bench, workers, bench.seed_program)
    rows = {row.row: row for row in found.rows}
    assert rows["evolved"].measures == rows["seed_program"].measures
    same = [one for one in found.comparisons if one.against == "seed_program"]
    assert same
    assert all((one.mean, one.low, one.high) == (0.0, 0.0, 0.0) for one in same)


def test_a_program_that_fails_on_all_held_out_tasks_has_a_row(bench: EvaluationSetup) -> None:
    with Workers(1) as workers:
        found = final_table(bench, workers, make_program(FAILING))
    measures = found.rows[-1].measures
    assert {(one.completed, one.planned) for one in measures.values()} == {(0, 48)}
    assert measures["score"].mean == 0.0
    assert measures[AUDITOR].mean == 1.0
    assert all(one.mean <= 0 for one in found.comparisons if one.objective in {"score", *steering(), "task_preservation"})


def test_test_people_and_tasks_are_others(bench: EvaluationSetup) -> None:
    train, test = ({task.id for task in plan.tasks} for plan in (bench.train_plan, bench.test_plan))
    assert train.isdisjoint(test)
    assert {task.id for task in bench.final_plan.tasks} & test == set()
    assert set(bench.steering.people).isdisjoint(bench.kept.people)
    assert set(bench.setting.judged_by.persons) == set(bench.kept.people)
    parts = [set(part.persons) for part in (bench.setting.others, bench.setting.row)]
    assert parts[0].isdisjoint(parts[1])
    assert parts[0] | parts[1] == set(bench.steering.people)
    assert bench.train.others is None
    assert (bench.test.people == bench.kept.values).all()


def test_what_a_run_is_scored_by_is_kept_whole(bench: EvaluationSetup) -> None:
    scoring = bench.scoring()
    assert set(scoring.rules) == set(shown()) - {"score"}
    assert scoring.rules["task_preservation"][2] == 0.9
    assert {(split, n) for split, n, _, _ in scoring.levels} == {("train", 18), ("train", 48), ("test", 48)}
    kinds = Counter((one.split, one.kind) for one in scoring.controls)
    assert len(kinds) == 2 * 5
    assert all(20 <= count <= 200 for count in kinds.values())  # what was planned is spread evenly over the tasks


def test_a_row_stopped_by_the_clock_is_played_again(bench: EvaluationSetup, table: FinalTable, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[str | None] = []

    def slow(work: Rollout) -> tuple[Episode, ...]:
        if work.source != CONSTANT or work.source in stopped:
            return roll_out(work)
        stopped.append(work.source)
        return tuple(Episode(item=item, state="failed", reason="time limit of 5 s", fault="program") for item in work.plan.items)

    monkeypatch.setattr(rollout_module, "roll_out", slow)
    with Workers(1) as workers:
        again = final_table(bench, workers, make_program(CONSTANT))
    assert stopped == [CONSTANT]
    assert again == table


def test_the_table_is_kept(finished_archive: Path) -> None:
    with Archive.read(finished_archive) as archive:
        assert [row.row for row in archive.final_table(1).rows] == ROWS
        assert archive.final_table(1).comparisons
