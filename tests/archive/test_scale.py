"""What keeps a large archive quick says what the slow way says: sums by DuckDB, who holds a cell, the writer's memory, columns, copies."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from archive_cases import CELLS, SETTINGS, a_commit, a_failure, a_scoring, scored

from personaevo.archive import Archive, sums
from personaevo.archive.reading import CandidateNumbers, StoredPrograms, text_md5
from personaevo.archive.rows import _canonical_json, as_json, row_as_json
from personaevo.archive.schema import TABLES
from personaevo.errors import ArchiveError
from personaevo.records import Candidate, CellScore, Commit, Estimate, Persona, PlanItem, Program, Screened

NASTY = "".join(map(chr, [*range(0x20, 0x250), *range(0x2000, 0x2070), 0x1F600, 0xFFFD])) + '"\\\n\r\t\b\f'
CONTROL = "".join(map(chr, range(1, 0x20)))


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.create_or_open(tmp_path / "a.duckdb") as opened:
        yield opened


@pytest.fixture
def again(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many commits were added up a second time, at each check."""
    counts: list[int] = []
    own = sums._recomputed
    monkeypatch.setattr(sums, "_recomputed", lambda database, wrong: (counts.append(len(wrong)), own(database, wrong))[1])
    return counts


def strange(number: int, text: str) -> Commit:
    """A commit with a text wherever one can be, and with numbers at the ends of what there is."""
    commit = a_commit(number)
    values = (0.0, -0.0, 5e-324, 1.7976931348623157e308, 1 / 3, -1e-7, 1e16, 123456789.5, 0.1 + 0.2, 99999.99995)
    levels = {text[-200:]: 0.5, "a": 1.0, "a b": 0.0}
    persona = Persona(id="p", description=text, behaviors=levels, dials={"z": 1e-9, "Z": 2.0}, policy=text)
    episode = replace(
        commit.episodes[0], item=PlanItem(text, 0, 2**64 - 1), turns=(("user", text), ("assistant", "")), fingerprint=values,
        persona=persona, outcome=text, p_human=None, cell=None,
    )  # fmt: skip
    assert commit.evaluation is not None
    found = {name: Estimate(value, value, -value) for name, value in zip(("a", "a b", 'a"', "é", "Z"), values[4:], strict=False)}
    evaluation = replace(commit.evaluation, objectives=found, cells=(CellScore(2, 0.1, 0.2, 0.3), CellScore(1, 1e-9, 0.5, 1 / 3)))
    candidate = replace(commit.candidate, program=replace(commit.candidate.program, source=text), operator=text, parents=("one", "other"))
    screened = Screened("x", text, -0.25, True), Screened("y", "tune", 1e9, False)
    return Commit(candidate, evaluation, (episode, commit.episodes[6]), screened)


def test_duckdb_adds_up_what_python_does(archive: Archive, again: list[int]) -> None:
    run = archive.begin_run(SETTINGS, CELLS)
    for number, commit in enumerate([strange(0, NASTY), a_failure(1), a_commit(2), strange(3, "")]):
        archive.commit(run.id, replace(commit, candidate=replace(commit.candidate, number=number)))
    assert archive.verify_digest() == archive.digest(run.id)
    assert again == []


def test_what_duckdb_writes_otherwise_is_added_up_again(archive: Archive, again: list[int]) -> None:
    run = archive.begin_run(SETTINGS, CELLS)
    archive.commit(run.id, a_commit(0))
    archive.commit(run.id, strange(1, CONTROL))
    assert archive.verify_digest() == archive.digest(run.id)
    assert again == [1]


def test_a_candidate_twice_and_rows_of_none(archive: Archive) -> None:
    run = archive.begin_run(SETTINGS, CELLS)
    for number in range(3):
        archive.commit(run.id, a_commit(number))
    archive.close()
    with duckdb.connect(str(archive.path)) as connection:
        connection.execute("INSERT INTO candidates SELECT * REPLACE (9 AS seq) FROM candidates WHERE number = 1")
        connection.execute("UPDATE personas SET number = 70 WHERE number = 2 AND slot < 2")
    with Archive.read(archive.path) as reader:
        found = sums.check(reader._database)
        assert [(one.run, one.number) for one in found.wrong] == [(1, 1), (1, 2), (1, 1)]
        assert found.orphans == [(1, 70)]
        assert {one.kind for one in reader.disagreements()} >= {"digest", "candidate"}


VALUES = [NASTY, CONTROL, "NaN", "Infinity", "", 1, 2**70, 0.1, -0.0, 1e16, 5e-324, None, True, [1, "é"], {"a b": [0.5]}]


@pytest.mark.parametrize("value", VALUES)
def test_texts_are_encoded_as_json_does(value: object) -> None:
    row = {"x": value}
    assert json.loads(row_as_json(row)) == json.loads(as_json(row)) == row
    if not isinstance(value, float | dict):
        plain = ["kind", 3, value]
        assert _canonical_json(plain) == json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        row_as_json({"x": [value]})


def test_text_that_is_not_unicode_is_told_as_ever() -> None:
    with pytest.raises(UnicodeEncodeError):
        _canonical_json(["\ud800"])


@pytest.mark.parametrize("seed", range(4))
def test_who_holds_a_cell_in_whatever_order_they_come(tmp_path: Path, seed: int) -> None:
    """Ties, floors, other splits, cells that nobody reaches, a file opened again in between."""
    rng, path = random.Random(seed), tmp_path / "a.duckdb"
    numbers = rng.sample(range(40), 40)
    for part in (numbers[:20], numbers[20:]):
        with Archive.create_or_open(path) as archive:
            run = archive.run() if archive.runs() else archive.begin_run(SETTINGS, CELLS, a_scoring(0.5))
            for number in part:
                commit = scored(number, [(rng.choice((0.0, 0.25, 0.5, 0.75)), rng.choice((0.0, 0.25))) for _ in CELLS])
                assert commit.evaluation is not None
                values = {"score": Estimate(0.5, 0.1, 0.4), "task_preservation": Estimate(rng.choice((0.25, 0.5, 1.0)), 0.0, 0.0)}
                evaluation = replace(commit.evaluation, objectives=values, split=rng.choice(("train", "train", "test")))
                archive.add(run.id, replace(commit, evaluation=evaluation))
    with Archive.read(path) as archive:
        kept, anew = (archive.query(f"SELECT run, cell, number, share, score, se FROM {view} ORDER BY run, cell")[1] for view in
                      ("elites", "elites_anew"))  # fmt: skip
        assert kept == anew
        assert kept
        assert "cell" not in {one.kind for one in archive.disagreements()}


def test_another_holder_is_a_disagreement(archive: Archive) -> None:
    run = archive.begin_run(SETTINGS, CELLS)
    archive.commit(run.id, scored(0, [(0.5, 0.0)]))
    archive.commit(run.id, scored(1, [(0.75, 0.0)]))
    archive.close()
    with duckdb.connect(str(archive.path)) as connection:
        connection.execute("DELETE FROM holders WHERE number = 1")
    with Archive.read(archive.path) as reader:
        found = [one for one in reader.disagreements() if one.kind == "cell"]
    assert [(one.where, one.found, one.expected) for one in found] == [("run 1, cell 0", "candidate 0 as its elite", "candidate 1")]


def test_a_stored_program_is_known_again(tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    with Archive.create_or_open(path) as archive:
        run = archive.begin_run(SETTINGS, CELLS)
        for number in range(5):
            archive.commit(run.id, a_commit(number))
    with Archive.create_or_open(path) as archive:
        other = archive.begin_run(SETTINGS, CELLS)
        known = a_commit(3).candidate.program
        for number, source in enumerate((known.source, "# another text", known.source)):
            archive.add(other.id, Commit(Candidate(number, replace(known, source=source), (), "tune", "failed", "x", "program")))
        archive.add(other.id, Commit(Candidate(3, Program("new", "x = 1"), (), "tune", "failed", "x", "program")))
        assert archive.summary()["programs"] == 6
        assert [one.candidate.program.source for one in archive.commits(other.id, [0, 1])] == [known.source, "# another text"]
        archive.verify_digest()


def test_numbers_are_known_whether_whole_or_not() -> None:
    numbers = CandidateNumbers(3)
    for number in (5, 4, 7):
        numbers.add(number)
    assert [number in numbers for number in range(-1, 9)] == [False, True, True, True, False, True, True, False, True, False]
    numbers.add(3)
    assert [number in numbers for number in range(9)] == [True] * 6 + [False, True, False]


def test_programs_of_the_same_hash_are_told_apart(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    run = archive.begin_run(SETTINGS, CELLS)
    for number in range(4):
        archive.commit(run.id, a_commit(number))
    monkeypatch.setattr("personaevo.archive.reading.hash", len, raising=False)
    known = StoredPrograms(archive._database)
    for number in range(4):
        program = a_commit(number).candidate.program
        assert known.text(program.id) == text_md5(program.source)
        assert known.text(program.id[::-1]) is None


def test_outcomes_are_what_commits_say(archive: Archive) -> None:
    run = archive.begin_run(SETTINGS, CELLS, a_scoring())
    for commit in (a_commit(2), a_failure(0), scored(1, [(0.5, 0.0)])):
        archive.commit(run.id, commit)
    found, commits = archive.outcomes(run.id), archive.commits(run.id)
    assert list(found.numbers) == [0, 1, 2]
    assert list(found.programs) == [one.candidate.program.id for one in commits]
    assert [("evaluated", "failed", "duplicate")[state] for state in found.states] == [one.candidate.state for one in commits]
    assert list(found.planned) == [one.evaluation.planned if one.evaluation else 0 for one in commits]
    assert list(found.completed) == [one.evaluation.completed if one.evaluation else 0 for one in commits]
    assert {"score", "human_likeness", "task_preservation"} <= found.values.keys()
    for name in found.values:
        known = [one.evaluation.objectives.get(name) if one.evaluation else None for one in commits]
        assert list(found.measured[name]) == [one is not None for one in known]
        assert list(found.values[name]) == [one.value if one else 0.0 for one in known]
    errors = [one.evaluation.objectives["score"].se if one.evaluation else 0.0 for one in commits]
    assert list(found.errors) == errors
    assert archive.commits(run.id, [2, 0]) == [commits[0], commits[2]]
    empty = archive.begin_run(SETTINGS, CELLS)
    assert len(archive.outcomes(empty.id).numbers) == 0


@pytest.mark.parametrize("sql", [
    "UPDATE evaluations SET objectives = MAP {'score': {'value': 'nan'::DOUBLE, 'se': 0.0, 'raw': 0.0}}",
    "UPDATE evaluations SET number = 7", "UPDATE candidates SET number = 0",
])  # fmt: skip
def test_outcomes_that_no_search_writes(archive: Archive, sql: str) -> None:
    run = archive.begin_run(SETTINGS, CELLS)
    for number in range(2):
        archive.commit(run.id, a_commit(number))
    archive.close()
    with duckdb.connect(str(archive.path)) as connection:
        connection.execute(sql)
    with Archive.read(archive.path) as reader, pytest.raises(ArchiveError, match="restore a copy"):
        reader.outcomes(run.id)


def test_a_snapshot_is_the_file_as_it_is(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    run = archive.begin_run(SETTINGS, CELLS)
    for kernel_copies in (True, False):
        if not kernel_copies:
            monkeypatch.setattr("os.copy_file_range", lambda *_: (_ for _ in ()).throw(OSError(18, "EXDEV")))
        archive.commit(run.id, a_commit(int(kernel_copies)))
        archive.publish_snapshot()
        with Archive.read(archive.path) as reader:
            assert reader.verify_digest() == archive.digest(run.id)


def test_only_the_rows_of_elites_are_looked_at_for_elites(archive: Archive) -> None:
    """Others may be as they are: their values are not read."""
    run = archive.begin_run(SETTINGS, CELLS)
    archive.commit(run.id, scored(0, [(0.5, 0.0)]))
    archive.commit(run.id, scored(1, [(0.25, 0.0)]))
    archive.close()
    with duckdb.connect(str(archive.path)) as connection:
        connection.execute("UPDATE candidates SET operator = repeat('x', 90000) WHERE number = 1")
    with Archive.read(archive.path) as reader:
        assert [one.number for one in reader.elites()] == [0]
        with pytest.raises(ArchiveError, match="'operator'"):
            reader.commits(run.id)
    assert "holders" in TABLES
