"""An archive of the first schema opens, migrates and verifies, for ever.

``tests/data/schema1.duckdb`` was written by the code of 25041fc, one of the last commits that knew one migration: a search of the domain
camping with seed 1 over six candidates, on three tasks with two personas. Afterwards only its blocks were made smaller.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from personaevo.archive import Archive, merge
from personaevo.archive.schema import migrations
from personaevo.cli.app import run
from personaevo.judge.objectives import SCORING
from personaevo.verify import verify

FIRST = Path(__file__).resolve().parents[1] / "data" / "schema1.duckdb"
DIGEST = "575f7f7da8557417fcc68d037ee16a61"


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return Path(shutil.copy(FIRST, tmp_path / "first.duckdb"))


def test_it_is_of_the_first_schema(first: Path) -> None:
    with duckdb.connect(str(first), read_only=True) as connection:
        assert connection.execute("SELECT * FROM migrations").fetchall() == [(1, "0001_events_and_views")]
        assert connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'model_calls'").fetchall() == [(0,)]


def test_it_is_read_as_it_is(first: Path) -> None:
    before = first.read_bytes()
    with Archive.read(first) as archive:
        summary = archive.summary()
        assert (summary["schema"], summary["domain"], summary["runs"]) == (len(migrations()), "camping", 1)
        assert (summary["programs"], summary["episodes"], summary["digest"]) == (6, 36, DIGEST)
        assert archive.verify_digest() == DIGEST
        assert len(archive.program(archive.commits(1)[0].candidate.program.id)["personas"]) == 3
        assert archive.elites()
        table, scoring = archive.final_table(1), archive.scoring(1)
        assert [row.row for row in table.rows] == ["humans", "persona_free", "seed_program", "evolved"]
        assert table.comparisons == ()
        assert scoring.rules["task_preservation"] == ("holds", "more", 0.9, 1)
        assert [name for name, rule in scoring.rules.items() if rule[0] == "steers"] == ["human_likeness", "coverage"]
        assert (scoring.levels, scoring.controls) == ((), ())
        evaluations = [commit.evaluation for commit in archive.commits(1) if commit.evaluation is not None]
        assert all(one.replicates == () for evaluation in evaluations for one in evaluation.objectives.values())
    assert first.read_bytes() == before


def test_it_is_migrated_for_writing(first: Path) -> None:
    with Archive.create_or_open(first) as archive:
        assert archive.summary()["schema"] == len(migrations())
        assert archive.calls().get("0" * 32) is None
    with duckdb.connect(str(first), read_only=True) as connection:
        assert connection.execute("SELECT max(number) FROM migrations").fetchall() == [(len(migrations()),)]
    with Archive.read(first) as archive:
        assert archive.verify_digest() == DIGEST


def test_it_verifies(first: Path) -> None:
    """Its ids, references and digests always; its fingerprints as long as the content that it was made with is at hand; of its scores that
    they agree with one another, since another scoring made them."""
    found = verify(first)
    assert found.findings == ()
    assert (found.checked["candidates"], found.checked["programs"], found.checked["episodes"]) == (6, 6, 36)
    assert f"run 1, scores: made by scoring 1, this personaevo scores by {SCORING}" in found.unchecked
    assert "scores" not in found.checked


_OTHER = "{'value': 1.5::DOUBLE, 'se': 0::DOUBLE, 'raw': 0.9::DOUBLE}"


@pytest.mark.parametrize("sql", [
    f"UPDATE evaluations SET objectives = map_concat(objectives, MAP {{'score': {_OTHER}}}) WHERE number = 0",
    f"UPDATE evaluations SET objectives = map_concat(objectives, MAP {{'coverage': {_OTHER}}}) WHERE number = 0",
    "UPDATE evaluations SET cells = list_transform(cells, lambda c: {'cell': c.cell, 'share': 1.0, 'score': c.score, 'se': c.se}) "
    "WHERE number = 0",
])  # fmt: skip
def test_its_scores_must_agree_with_one_another(first: Path, sql: str) -> None:
    with duckdb.connect(str(first)) as connection:
        connection.execute(sql)
    assert {one.kind for one in verify(first).findings} >= {"digest", "score"}


def test_its_pages_say_that_it_was_scored_by_another_scoring(first: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = f"scored by scoring 1 (this personaevo scores by {SCORING}): its numbers are not comparable with new ones"
    with Archive.read(first) as archive:
        child = next(one.candidate.program.id for one in archive.commits(1) if one.candidate.parents)
    for page in (["summary"], ["elites"], ["show"], ["lineage"], ["lineage", "--descendants"], ["diff", child]):
        assert run(["archive", page[0], str(first), *page[1:]]) == 0
        out = " ".join(capsys.readouterr().out.split())
        assert out.count(said) == 1, page
        assert "human" not in page or "human likeness" in out
    assert run(["archive", "summary", str(first)]) == 0
    assert "no room for" not in capsys.readouterr().out


def test_its_search_cannot_be_resumed(first: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", "--domain", "camping", "--archive", str(first), "--resume", "--jobs", "1"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert f"was scored by scoring 1, this personaevo scores by {SCORING}" in err


def test_it_merges(first: Path, tmp_path: Path) -> None:
    merge(tmp_path / "out.duckdb", [first])
    with Archive.read(tmp_path / "out.duckdb") as archive:
        assert archive.verify_digest() == DIGEST
