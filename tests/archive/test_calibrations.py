"""Calibrations in the archive: the latest counts, and they outlive merge, compact and export."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from archive_cases import CELLS, SETTINGS, a_commit

from personaevo.archive import Archive, StoredCalibration, compact, merge, write_tables
from personaevo.errors import ArchiveError

LINE = {
    "slope": 0.5, "offset": -0.25, "se": 0.125, "n": 60, "r": 0.75, "center": 1.5, "spread": 0.5, "noise": 0.25, "low": 0.5, "high": 3.0,
}  # fmt: skip


def a_calibration(model: str = "openai:x", wording: str = "draft", day: int = 1, **line: Any) -> StoredCalibration:
    dials = {"words_per_turn": LINE | line, "pushback_rate": LINE}
    return StoredCalibration(model, wording, "0123abcd", dials, {"model": model, "breaks": {"mean": 0.5}}, datetime(2026, 1, day))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "calibration.duckdb"
    with Archive.create_or_open(place) as archive:
        for one in (a_calibration(day=2), a_calibration(day=1, slope=9.0), a_calibration("local:y"), a_calibration(wording="direction")):
            archive.add_calibration(one)
    return place


def test_what_was_written_is_read_and_the_latest_counts(path: Path) -> None:
    with Archive.read(path) as archive:
        found = archive.calibrations()
    assert found == [a_calibration("local:y"), a_calibration(wording="direction"), a_calibration(day=2)]
    assert isinstance(found[0].dials["pushback_rate"]["n"], int)


def test_an_archive_of_calibrations_alone_says_what_it_is(path: Path) -> None:
    with Archive.read(path) as archive, pytest.raises(ArchiveError, match=r"holds no search, but a calibration: .*--calibration"):
        archive.run()
    Archive.remove_if_empty(path)
    assert path.exists()


def test_it_is_open_for_writing(path: Path) -> None:
    with Archive.read(path) as archive, pytest.raises(ArchiveError):
        archive.add_calibration(a_calibration())


@pytest.mark.parametrize("wrong", [{"slope": float("nan")}, {"se": float("inf")}])
def test_what_is_not_finite_is_refused(path: Path, wrong: dict[str, float]) -> None:
    with Archive.create_or_open(path) as archive:
        with pytest.raises(ArchiveError, match="finite numbers"):
            archive.add_calibration(a_calibration(**wrong))
        assert len(archive.calibrations()) == 3


def test_merge_and_compact_keep_them(path: Path, tmp_path: Path) -> None:
    searched = tmp_path / "search.duckdb"
    with Archive.create_or_open(searched) as archive:
        run = archive.begin_run(SETTINGS, CELLS)
        archive.commit(run.id, a_commit(0))
        archive.add_calibration(a_calibration("local:z"))
        digest = archive.summary()["digest"]
    runs = merge(tmp_path / "merged.duckdb", [path, searched, searched, path])
    assert [one.taken for one in runs] == [True, False]
    compact(tmp_path / "merged.duckdb", tmp_path / "compacted.duckdb", elites=True)
    for name in ("merged.duckdb", "compacted.duckdb"):
        with Archive.read(tmp_path / name) as archive:
            assert [one.model for one in archive.calibrations()] == ["local:y", "local:z", "openai:x", "openai:x"]
            assert archive.query("SELECT count(*)::INTEGER FROM calibrations")[1] == [(5,)]
            assert archive.disagreements() == []
    with Archive.read(tmp_path / "merged.duckdb") as archive:
        assert archive.summary()["digest"] == digest


def test_they_are_exported(path: Path, tmp_path: Path) -> None:
    assert write_tables(path, tmp_path, "parquet")["calibrations"] == 4


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE calibrations SET report = '[1]'",
        "UPDATE calibrations SET dials = map_from_entries([('x', struct_update(map_values(dials)[1], slope := 'inf'::DOUBLE))])",
        "UPDATE calibrations SET dials = map_from_entries([('x', struct_update(map_values(dials)[1], se := -1.0))])",
        "UPDATE calibrations SET model = repeat('x', 20000000)",
    ],
)
def test_others_archives_are_distrusted(path: Path, sql: str) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(sql)
    with Archive.read(path) as archive, pytest.raises(ArchiveError, match="table 'calibrations' holds a value"):
        archive.calibrations()
