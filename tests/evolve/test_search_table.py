"""The final table: four rows over the same number of held-out episodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from evolve_cases import small

from personaevo.archive import Archive
from personaevo.evolve import rollout as rollout_module
from personaevo.evolve.prepare import Bench, prepare
from personaevo.evolve.rollout import Rollout, roll_out
from personaevo.evolve.table import MEASURES, final_table
from personaevo.records import Episode, TableRow
from personaevo.workers import Workers


@pytest.fixture(scope="module")
def bench() -> Bench:
    with Workers(1) as workers:
        return prepare(small(Path("unused.duckdb"), test_tasks=10, test_personas=5), workers)


@pytest.fixture(scope="module")
def table(bench: Bench) -> dict[str, TableRow]:
    with Workers(1) as workers:
        return {row.row: row for row in final_table(bench, workers, bench.seed_program)}


def test_four_rows_over_the_same_episodes(table: dict[str, TableRow]) -> None:
    assert list(table) == ["humans", "persona_free", "seed_program", "evolved"]
    for row in table.values():
        assert {(measure.completed, measure.planned) for measure in row.measures.values()} == {(50, 50)}
        assert set(row.measures) == set(MEASURES) - ({"task_preservation"} if row.row == "humans" else set())
    assert table["humans"].program_id is table["persona_free"].program_id is None
    assert table["evolved"].measures == table["seed_program"].measures  # here they are the same program


def test_values_lie_in_their_intervals(table: dict[str, TableRow]) -> None:
    for row in table.values():
        for measure in row.measures.values():
            assert 0.0 <= measure.low <= measure.mean <= measure.high <= 1.0
            assert 0.0 <= measure.raw <= 1.0


def test_people_score_as_people(table: dict[str, TableRow]) -> None:
    for name in ("human_likeness", "coverage", "score"):
        assert table["humans"].measures[name].mean == pytest.approx(1.0, abs=0.05)
        assert table["persona_free"].measures[name].mean < table["seed_program"].measures[name].mean + 0.2
    assert table["persona_free"].measures["score"].mean < 0.5


def test_test_people_and_tasks_are_others(bench: Bench) -> None:
    train, test = ({task.id for task in plan.tasks} for plan in (bench.train_plan, bench.test_plan))
    assert train.isdisjoint(test)
    assert {task.id for task in bench.final_plan.tasks} & test == set()
    assert bench.test.held_out is not None
    rows = {tuple(row) for row in np.round(bench.train.people, 12)}
    assert len(rows & {tuple(row) for row in np.round(bench.test.people, 12)}) < 0.1 * len(rows)  # a few people are alike


def test_a_row_stopped_by_the_clock_is_played_again(bench: Bench, table: dict[str, TableRow], monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[str | None] = []

    def slow(work: Rollout) -> tuple[Episode, ...]:
        if work.source in stopped or work.source is None:
            return roll_out(work)
        stopped.append(work.source)
        return tuple(Episode(item=item, state="failed", reason="time limit of 5 s", fault="program") for item in work.plan.items)

    monkeypatch.setattr(rollout_module, "roll_out", slow)
    with Workers(1) as workers:
        again = final_table(bench, workers, bench.seed_program)
    assert len(stopped) == 1
    assert {row.row: row for row in again} == table


def test_the_table_is_kept(finished_archive: Path) -> None:
    with Archive.read(finished_archive) as archive:
        assert [row.row for row in archive.table(1)] == ["humans", "persona_free", "seed_program", "evolved"]
