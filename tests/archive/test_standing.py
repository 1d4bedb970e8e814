"""What the archive's views say of standing, floors, best and elites is what ``evolve.ranking`` says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from archive_cases import CELLS, SETTINGS

from personaevo import content
from personaevo.archive import Archive
from personaevo.evolve import ranking
from personaevo.evolve.ranking import Scored
from personaevo.records import Candidate, CellScore, Commit, Estimate, Evaluation, Program, Scoring
from personaevo.views.lineage import best_id

ROOT = Path(__file__).resolve().parents[2]
OLD = [ROOT / "tests" / "data" / "schema1.duckdb", *sorted((content.root("archive") / "packaged").glob("*.duckdb"))]


def agrees(path: Path) -> None:
    """For every run of an archive; ``best_id`` too, where there is no final table."""
    with Archive.read(path) as archive:
        for run in archive.runs():
            _agrees(archive, run.id)


def _agrees(archive: Archive, run_id: int) -> None:
    rules = archive.scoring(run_id).rules
    steered = [name for name, rule in rules.items() if rule[0] == "steers"]
    floors = {name: floor for name, (role, _, floor, _) in rules.items() if role == "holds" and floor is not None}
    commits = [commit for commit in archive.commits(run_id) if commit.evaluation is not None]
    rows = archive.query("SELECT number, standing, low, holds FROM standings WHERE run = ?", [run_id])[1]
    seen = {number: rest for number, *rest in rows}
    assert seen.keys() == {commit.candidate.number for commit in commits}
    members: list[tuple[Evaluation, int]] = []
    for commit in commits:
        one = commit.evaluation
        assert one is not None
        standing, low, holds = seen[commit.candidate.number]
        assert standing == pytest.approx(ranking.standing(one, steered), abs=1e-12)
        assert low == pytest.approx(ranking.lower_bound(one, steered), abs=1e-12)
        assert holds == ranking.holds_floors(one, floors)
        if holds and commit.candidate.state == "evaluated":
            members.append((one, commit.candidate.number))
    best = archive.query("SELECT number FROM best WHERE run = ?", [run_id])[1]
    assert [number for (number,) in best] == ranking.ranked(members, steered)[:1]
    owners = ranking.elites(Scored(one.program_id, one) for one, _ in members)
    held = {elite.cell: elite.program_id for elite in archive.elites(run_id)}
    assert held == {cell: scored.program_id for cell, scored in owners.items()}
    if not archive.final_table(run_id).rows and best:
        program = next(commit.candidate.program.id for commit in commits if commit.candidate.number == best[0][0])
        assert best_id(archive, run_id) == program


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem)
def test_of_archives_that_were_written_before(path: Path) -> None:
    agrees(path)


def test_of_a_search(finished_archive: Path) -> None:
    agrees(finished_archive)


def candidate(number: int, state: str, values: Mapping[str, float], se: float, cells: Mapping[int, float]) -> Commit:
    program = Program(f"program{number}", f"x = {number}")
    objectives = {name: Estimate(value, se, value) for name, value in values.items()}
    places = tuple(CellScore(cell, 0.5, score, se) for cell, score in cells.items())
    reason = ("x", "program") if state == "failed" else (None, None)
    found = Evaluation(program.id, "train", 4, 0 if state == "failed" else 4, objectives, places)
    return Commit(Candidate(number, program, (), "seed", state, *reason), found)  # type: ignore[arg-type]


CASES = {
    "the score decides": [("evaluated", {"score": 0.4, "one": 0.4}, 0.1, {0: 0.5}), ("evaluated", {"score": 0.5}, 0.1, {0: 0.6})],
    "a wide error loses": [("evaluated", {"score": 0.4}, 0.0, {0: 0.5}), ("evaluated", {"score": 0.5}, 0.2, {0: 0.6})],
    "ties go to the earlier": [("evaluated", {"score": 0.4}, 0.1, {0: 0.5, 1: 0.2})] * 3,
    "at score 0 the smallest share decides": [
        ("evaluated", {"score": 0.0, "one": -0.5, "other": 0.9}, 0.0, {}),
        ("evaluated", {"score": 0.0, "one": 0.1, "other": -0.2}, 0.0, {}),
    ],
    "what was not measured is held, and counts as nothing": [
        ("evaluated", {"score": 0.0, "one": -0.5}, 0.0, {2: 0.1}), ("evaluated", {"one": -0.25}, 0.1, {}), ("evaluated", {}, 0.1, {}),
    ],
    "below a floor": [
        ("evaluated", {"score": 0.9, "floored": 0.49}, 0.0, {0: 0.9}), ("evaluated", {"score": 0.2, "floored": 0.5}, 0.0, {0: 0.1}),
        ("evaluated", {"score": 0.3, "floored": 0.9, "more": 0.0}, 0.0, {1: 0.9}),
    ],
    "nobody holds": [("evaluated", {"score": 0.9, "floored": 0.4}, 0.0, {0: 0.9})],
    "failed": [("failed", {"score": 0.0, "one": -1.0}, 0.0, {}), ("evaluated", {"score": 0.0, "one": -2.0}, 0.0, {0: 0.0})],
    "only failed": [("failed", {"score": 0.0}, 0.0, {})],
}  # fmt: skip


@pytest.mark.parametrize("scored_by", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_of_cases_that_a_search_rarely_has(tmp_path: Path, name: str, scored_by: bool) -> None:
    rules: dict[str, tuple[str, str, float | None, int]] = {
        "one": ("steers", "more", None, 1), "other": ("steers", "more", None, 1), "floored": ("holds", "more", 0.5, 1),
        "more": ("holds", "more", 0.1, 1), "loose": ("holds", "more", None, 1), "beside": ("beside", "more", None, 1),
    }  # fmt: skip
    path = tmp_path / "a.duckdb"
    with Archive.create_or_open(path) as archive:
        run = archive.begin_run(SETTINGS, CELLS, Scoring(rules, ()) if scored_by else None)
        for number, one in enumerate(CASES[name]):
            archive.commit(run.id, candidate(number, *one))
    if scored_by:
        agrees(path)
    else:  # nothing is known of what steers: the score alone
        with Archive.read(path) as archive:
            assert all(holds for (holds,) in archive.query("SELECT holds FROM standings")[1])
