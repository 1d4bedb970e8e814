"""The archive through its public face: what goes in comes out, and what must not go in does not."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from archive_cases import CELLS, SETTINGS, a_commit, a_failure, a_scoring, a_table, scored

from personaevo.archive import Archive
from personaevo.archive.reading import text_md5
from personaevo.archive.schema import migrations
from personaevo.errors import ArchiveError
from personaevo.records import Candidate, Commit, Estimate, FinalTable, PlanItem, Program, Scoring


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.create_or_open(tmp_path / "a.duckdb") as opened:
        yield opened


def light(commit: Commit) -> Commit:
    return replace(commit, episodes=())


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "it's.duckdb"
    commits = [a_commit(0), a_failure(1), a_commit(2)]
    with Archive.create_or_open(path) as archive:
        run = archive.begin_run(SETTINGS, CELLS)
        for commit in commits:
            archive.commit(run.id, commit)
        archive.write_table(run.id, FinalTable(a_table().rows[:1]))
        assert archive.final_table(run.id) == FinalTable(a_table().rows[:1])
        archive.write_table(run.id, a_table())
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    with Archive.read(path) as archive:
        assert (run.settings, list(run.cells)) == (SETTINGS, CELLS)
        assert archive.run() == archive.run(run.id) == run
        assert archive.commits(run.id) == [light(commit) for commit in commits]
        assert archive.final_table(run.id) == a_table()
        assert archive.episodes(run.id, 2) == commits[2].episodes
        assert archive.episodes(run.id, 1) == ()
        assert archive.verify_digest() == archive.digest(run.id)


def test_a_run_says_what_it_was_scored_by(archive: Archive) -> None:
    bare, told = archive.begin_run(SETTINGS, CELLS), archive.begin_run(SETTINGS, CELLS, a_scoring(0.75))
    assert archive.scoring(bare.id) == Scoring({}, ())
    assert archive.scoring(told.id) == a_scoring(0.75)
    assert archive.final_table(told.id) == FinalTable()


def test_below_a_floor_of_the_run_there_is_no_elite_and_no_best(archive: Archive) -> None:
    low, high = (archive.begin_run(SETTINGS, CELLS, a_scoring(floor)).id for floor in (0.0, 2.0))
    for run in (low, high):
        archive.commit(run, a_commit(0))
    assert archive.elites(low)
    assert archive.elites(high) == []
    archive.publish_snapshot()
    with Archive.read(archive.path) as reader:
        assert reader.query("SELECT run, number FROM best")[1] == [(low, 0)]
        assert reader.query("SELECT run, holds FROM standings ORDER BY run")[1] == [(low, True), (high, False)]


def test_opened_again_it_goes_on(tmp_path: Path) -> None:
    for number in range(3):
        with Archive.create_or_open(tmp_path / "a.duckdb") as archive:
            run = archive.run() if archive.runs() else archive.begin_run(SETTINGS, CELLS)
            archive.commit(run.id, a_commit(number))
    with Archive.create_or_open(tmp_path / "b.duckdb") as other:
        run = other.begin_run({}, CELLS)
        for number in (2, 0, 1):
            other.commit(run.id, a_commit(number))
        assert [commit.candidate.number for commit in other.commits(run.id)] == [0, 1, 2]
        with Archive.read(tmp_path / "a.duckdb") as archive:
            assert archive.verify_digest() == other.verify_digest()


def test_no_text_and_no_number_is_lost(archive: Archive) -> None:
    run = archive.begin_run(SETTINGS, CELLS)
    commit = a_commit(0)
    values = (-0.0, 5e-324, 1.7976931348623157e308, 1 / 3, -1e-7)
    episode = replace(
        commit.episodes[0],
        item=PlanItem("", 0, 2**64 - 1),
        turns=(("user", 'a\0b "\\ \n \N{GRINNING FACE} é'), ("assistant", "")),
        fingerprint=values,
        p_human=None,
        persona=None,
    )
    archive.commit(run.id, replace(commit, episodes=(episode,)))
    assert archive.episodes(run.id, 0) == (episode,)
    archive.verify_digest()


def test_text_that_is_not_unicode_does_not_stop_a_search(archive: Archive) -> None:
    run = archive.begin_run(SETTINGS, CELLS)
    program = Program("broken", "x = '\udc80'")
    archive.commit(run.id, Commit(Candidate(0, program, (), "rewrite", "failed", "not text: \ud800", "program")))
    assert archive.program("broken")["reason"] == "not text: \\ud800"
    archive.verify_digest()


def test_failures_are_states(archive: Archive) -> None:
    run = archive.begin_run(SETTINGS, CELLS)
    commit = a_commit(0)
    archive.commit(run.id, commit)
    failed = [episode for episode in archive.episodes(run.id, 0) if episode.state == "failed"]
    assert [(e.reason, e.fault, e.p_human, e.fingerprint) for e in failed] == [
        ("raised after 0 s", "program", None, ())
    ]
    archive.commit(run.id, a_failure(1))
    assert archive.program("broken1")["fault"] == "program"
    with pytest.raises(ArchiveError, match="without a reason"):
        archive.commit(run.id, Commit(replace(a_failure(2).candidate, fault=None)))
    with pytest.raises(ArchiveError, match="without a reason"):
        archive.commit(run.id, replace(a_commit(2), episodes=(replace(commit.episodes[6], reason=None),)))


def test_a_refused_commit_leaves_nothing(archive: Archive) -> None:
    run = archive.begin_run(SETTINGS, CELLS)
    archive.commit(run.id, a_commit(0))
    before = archive.summary()
    other, commit = a_commit(1), a_commit(2)
    assert commit.evaluation and other.evaluation
    broken = replace(commit.evaluation, objectives={"score": Estimate(math.nan, 0.0, 0.0)})
    for bad, why in [
        (replace(commit, evaluation=broken), "not finite"),
        (replace(commit, evaluation=None), "no evaluation"),
        (replace(commit, evaluation=other.evaluation), "its evaluation is of"),
        (replace(commit, episodes=(replace(commit.episodes[0], item=PlanItem("t", 0, 2**200)),)), "archive"),
        (a_commit(0), "committed once"),
    ]:
        with pytest.raises(ArchiveError, match=why):
            archive.commit(run.id, bad)
    with pytest.raises(ArchiveError, match="has no run 9"):
        archive.commit(9, commit)
    assert archive.summary() == before
    archive.commit(run.id, commit)
    archive.verify_digest()


def test_what_is_added_waits_for_others_and_is_seen(archive: Archive, tmp_path: Path) -> None:
    run = archive.begin_run(SETTINGS, CELLS)
    made = [a_commit(number) for number in range(3)]
    for commit in made:
        archive.add(run.id, commit)
    assert written(tmp_path) == 0
    with pytest.raises(ArchiveError, match="committed once"):
        archive.add(run.id, made[1])
    assert archive.episodes(run.id, 2) == made[2].episodes  # whoever reads sees them, and they are safe then
    assert written(tmp_path) == 3
    archive.verify_digest()


def test_of_what_waits_nothing_is_stored_if_it_cannot_be_written(archive: Archive) -> None:
    run = archive.begin_run(SETTINGS, CELLS)
    archive.commit(run.id, a_commit(0))
    archive.add(run.id, a_commit(1))
    commit = a_commit(2)
    assert commit.evaluation
    broken = replace(commit.evaluation, objectives={"score": Estimate(math.nan, 0.0, 0.0)})
    with pytest.raises(ArchiveError, match="not finite"):
        archive.add(run.id, replace(commit, evaluation=broken))
    archive.flush()  # the one before is as good as ever
    archive.add(run.id, commit)
    archive.add(run.id, replace(a_commit(3), episodes=(replace(commit.episodes[0], item=PlanItem("t", 0, 2**200)),)))
    with pytest.raises(ArchiveError):
        archive.flush()
    archive.flush()
    assert [one.candidate.number for one in archive.commits(run.id)] == [0, 1]
    archive.commit(run.id, commit)
    archive.verify_digest()


@pytest.mark.parametrize("call", range(1, 5))
def test_an_interrupt_leaves_no_half_of_a_candidate(archive: Archive, monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    run = archive.begin_run(SETTINGS, CELLS)
    archive.commit(run.id, a_commit(0))
    calls, own = iter(range(1, 100)), text_md5

    def interrupted(text: str) -> bytes:
        if next(calls) == call:
            raise KeyboardInterrupt
        return own(text)

    monkeypatch.setattr("personaevo.archive.reading.text_md5", interrupted)
    for number in range(1, 5):
        with suppress(KeyboardInterrupt):
            archive.add(run.id, a_commit(number))
    archive.flush()
    archive.verify_digest()
    stored = [one.candidate.number for one in archive.commits(run.id)]
    assert all(archive.episodes(run.id, number) == a_commit(number).episodes for number in stored)
    for number in {1, 2, 3, 4} - set(stored):  # whatever is not stored can be told again
        archive.commit(run.id, a_commit(number))
    archive.verify_digest()


def test_closing_writes_what_waits(tmp_path: Path) -> None:
    with Archive.create_or_open(tmp_path / "b.duckdb") as archive:
        archive.add(archive.begin_run(SETTINGS, CELLS).id, a_commit(0))
    with Archive.read(tmp_path / "b.duckdb") as archive:
        assert len(archive.commits(1)) == 1


def written(folder: Path) -> int:
    """Candidates in a copy of the file as it is now: what a killed process would leave."""
    copy = folder / "copy.duckdb"
    for end in ("", ".wal"):
        source = folder / f"a.duckdb{end}"
        if source.exists():
            shutil.copy(source, f"{copy}{end}")
    with Archive.create_or_open(copy) as archive:
        return len(archive.commits(1))


def test_programs_are_stored_once(archive: Archive) -> None:
    first, second = archive.begin_run(SETTINGS, CELLS), archive.begin_run(SETTINGS, CELLS)
    commit = a_commit(0)
    program = commit.candidate.program
    again = Commit(Candidate(1, replace(program, source="# a comment"), (), "rewrite", "duplicate"))
    archive.commit(first.id, commit)
    archive.commit(first.id, again)
    archive.commit(second.id, commit)
    assert archive.summary()["programs"] == 1
    assert archive.commits(first.id) == [light(commit), again]
    assert [p["state"] for p in archive.program(program.id)["proposals"]] == ["evaluated", "evaluated", "duplicate"]
    assert archive.digest(first.id) != archive.digest(second.id)
    archive.verify_digest()


def test_elites_by_lower_bound(archive: Archive) -> None:
    run = archive.begin_run(SETTINGS, CELLS)
    archive.commit(run.id, scored(0, [(0.50, 0.01), (0.0, 0.0), (0.4, 0.1)]))
    archive.commit(run.id, scored(1, [(0.55, 0.20), (0.02, 0.05), (0.4, 0.1)]))
    found = archive.elites(run.id)
    assert [(elite.cell, elite.number, elite.score) for elite in found] == [(0, 0, 0.5), (1, 1, 0.02), (2, 0, 0.4)]
    assert (found[0].name, found[0].mass, found[0].program_id) == ("mode 0", 0.25, "program0")
    assert found[0].low == pytest.approx(0.49)


def test_summary(archive: Archive) -> None:
    empty = archive.summary()
    assert (empty["domain"], empty["digest"], empty["qd_score"]) == (None, "0" * 32, 0)
    run = archive.begin_run(SETTINGS, CELLS)
    archive.commit(run.id, scored(0, [(0.5, 0.01), (0.0, 0.0), (0.4, 0.1)]))
    archive.commit(run.id, a_failure(1))
    assert archive.summary() == {
        "schema": len(migrations()),
        "domain": "service",
        "runs": 1,
        "programs": 2,
        "evaluations": 1,
        "episodes": 0,
        "cells": {"held": 2, "total": 4, "mass": 0.5},
        "screened": 0,
        "qd_score": pytest.approx(0.25 * 0.9),
        "digest": archive.digest(run.id),
    }


def test_program_in_full(archive: Archive) -> None:
    run = archive.begin_run(SETTINGS, CELLS)
    commit = a_commit(0)
    archive.commit(run.id, commit)
    archive.commit(run.id, scored(1, []))
    found = archive.program(commit.candidate.program.id[:6])
    assert (found["id"], found["source"]) == (commit.candidate.program.id, commit.candidate.program.source)
    assert commit.evaluation is not None
    score = commit.evaluation.objectives["score"]
    assert found["evaluations"][0]["objectives"]["score"] == {"value": score.value, "se": score.se, "raw": score.raw}
    judged = [episode.p_human for episode in commit.episodes if episode.p_human is not None]
    assert (found["best"]["p_human"], found["worst"]["p_human"]) == (max(judged), min(judged))
    assert found["best"]["turns"][0]["role"] == "user"
    assert len(found["cells"]) == 4
    assert found["personas"][0]["id"] == "p0"
    assert archive.program("program1")["best"] is None
    with pytest.raises(ArchiveError, match="has no program 'zzz'"):
        archive.program("zzz")
    with pytest.raises(ArchiveError, match="beginning of 2 programs"):
        archive.program("")


def test_one_mode_at_a_time(archive: Archive) -> None:
    with pytest.raises(ArchiveError, match="holds no run yet"):
        archive.run()
    with pytest.raises(ArchiveError, match="open for writing"):
        archive.query("SELECT 1")
    with pytest.raises(ArchiveError, match="plain JSON"):
        archive.begin_run({"x": object()}, CELLS)
    run = archive.begin_run(SETTINGS, CELLS)
    archive.commit(run.id, a_commit(0))
    archive.publish_snapshot()
    with Archive.read(archive.path) as reader:  # also in the writer's own process
        assert reader.query(
            "SELECT number, objectives['score'].value > 0 AS ok FROM evaluations WHERE run = ?", [run.id]
        ) == (
            ["number", "ok"],
            [(0, True)],
        )
        for sql in ("SELEC", "DELETE FROM runs", "SELECT * FROM nothing"):
            with pytest.raises(ArchiveError) as caught:
                reader.query(sql)
            assert "\n" not in str(caught.value)
        with pytest.raises(ArchiveError, match="open for reading"):
            reader.commit(run.id, a_commit(1))
    with pytest.raises(ArchiveError, match="is closed"):
        reader.runs()
