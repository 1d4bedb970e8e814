"""An archive of the first schema opens, migrates and verifies, for ever.

``tests/data/schema1.duckdb`` was written by the code of 25041fc, one of the last commits that knew one migration: a search of the domain
camping with seed 1 over six candidates, on three tasks with two personas. Afterwards only its blocks were made smaller.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from personaevo.archive import Archive, catalog, merge
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
        assert (summary["schema"], summary["domain"], summary["runs"]) == (len(catalog.migrations()), "camping", 1)
        assert (summary["programs"], summary["episodes"], summary["digest"]) == (6, 36, DIGEST)
        assert archive.verify_digest() == DIGEST
        assert len(archive.program(archive.commits(1)[0].candidate.program.id)["personas"]) == 3
        assert archive.elites()
        assert [row.row for row in archive.table(1)] == ["humans", "persona_free", "seed_program", "evolved"]
    assert first.read_bytes() == before


def test_it_is_migrated_for_writing(first: Path) -> None:
    with Archive.create_or_open(first) as archive:
        assert archive.summary()["schema"] == len(catalog.migrations())
        assert archive.calls().get("0" * 32) is None
    with duckdb.connect(str(first), read_only=True) as connection:
        assert connection.execute("SELECT max(number) FROM migrations").fetchall() == [(len(catalog.migrations()),)]
    with Archive.read(first) as archive:
        assert archive.verify_digest() == DIGEST


def test_it_verifies(first: Path) -> None:
    """Its ids, references and digests always; its fingerprints and scores as long as the content that it was made with is at hand."""
    found = verify(first)
    assert found.findings == ()
    assert (found.checked["candidates"], found.checked["programs"], found.checked["episodes"]) == (6, 6, 36)
    unchecked = [why for why in found.unchecked if why.startswith("run 1, scores: it was made with other")]
    assert bool(unchecked) != (found.checked.get("scores") == 6)


def test_it_merges(first: Path, tmp_path: Path) -> None:
    merge(tmp_path / "out.duckdb", [first])
    with Archive.read(tmp_path / "out.duckdb") as archive:
        assert archive.verify_digest() == DIGEST
