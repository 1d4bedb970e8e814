"""Archives of others: whatever is planted in a file, opening and reading it runs nothing of it and ends in one clear line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from archive_cases import CELLS, SETTINGS, a_commit, a_scoring, a_table

from personaevo.archive import Archive
from personaevo.archive.schema import _EXPECTED, MAX_SOURCE_BYTES, TABLES, apply_migration, migrations
from personaevo.errors import ArchiveError
from personaevo.programs.source import MAX_BYTES

CANARY = "the canary sang"
OBJECTS = {
    "another table": ("CREATE TABLE more (x INTEGER)", "'more' does not belong there"),
    "another view": ("CREATE VIEW more AS SELECT 1 AS x", "'more' does not belong there"),
    "another schema": ("CREATE SCHEMA s; CREATE TABLE s.runs (x INTEGER)", "'s.runs' does not belong there"),
    "a view that reads a file": ("CREATE OR REPLACE VIEW elites AS SELECT * FROM read_text('{canary}')", "'elites' has another definition"),
    "a view that reads the internet": (
        "CREATE OR REPLACE VIEW lineage AS SELECT 'http://127.0.0.1:9/' AS y",
        "'lineage' has another definition",
    ),
    "a view that never ends": (
        "CREATE OR REPLACE VIEW cells AS WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT * FROM t",
        "'cells' has another definition",
    ),
    "a view for a table": ("ALTER TABLE programs RENAME TO p; CREATE VIEW programs AS SELECT * FROM p", "'p' does not belong there"),
    "a view for the versions": (
        "ALTER TABLE migrations RENAME TO m; CREATE VIEW migrations AS SELECT * FROM m", "its 'migrations' has another definition",
    ),
    "a missing table": ("DROP TABLE finals", "'finals' is missing"),
    "a missing view": ("DROP VIEW lineage", "'lineage' is missing"),
    "a column more": ("ALTER TABLE runs ADD COLUMN evil VARCHAR", "'runs' has another definition"),
    "a default": ("ALTER TABLE programs ALTER COLUMN source SET DEFAULT random()", "'programs' has another definition"),
    "another type": ("DROP TABLE finals; CREATE TABLE finals (run VARCHAR)", "'finals' has another definition"),
    "a generated column": (
        "DROP TABLE programs; CREATE TABLE programs (id VARCHAR NOT NULL, source VARCHAR AS (repeat(id, 1000000)))",
        "'programs' has another definition",
    ),
    "a check": ("DROP TABLE programs; CREATE TABLE programs (id VARCHAR NOT NULL, source VARCHAR NOT NULL CHECK (length(source) > 3))",
                "'programs' has another definition"),
    "an index": ("CREATE INDEX i ON programs (id)", "an index does not belong there"),
    "no version": ("DELETE FROM migrations", "its 'migrations' is empty"),
    "a macro": ("CREATE MACRO arg_max(a, b) AS 'EVIL'", "a macro does not belong there"),
    "macros for what opening needs": (
        "CREATE MACRO max(x) AS 1; CREATE MACRO coalesce(a, b) AS 1; CREATE MACRO duckdb_tables() AS TABLE SELECT 1",
        "a macro does not belong there",
    ),
    "an operator": ('CREATE MACRO "-"(a, b) AS 13', "a macro does not belong there"),
    "a type": ("CREATE TYPE color AS ENUM ('red')", "a type does not belong there"),
}  # fmt: skip
@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "a.duckdb"
    with Archive.create_or_open(path) as archive:
        run = archive.begin_run(SETTINGS, CELLS, a_scoring(0.5))
        for number in range(2):
            archive.commit(run.id, a_commit(number))
        archive.write_table(run.id, a_table())
    return path


@pytest.fixture
def planted(whole: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of the archive, changed by some SQL."""

    def plant(sql: str) -> Path:
        path = tmp_path / "theirs.duckdb"
        shutil.copy(whole, path)
        with duckdb.connect(str(path)) as connection:
            connection.execute(sql)
        return path

    return plant


def readings(archive: Archive) -> list[object]:
    """All that can be read of an archive with run 1 and candidate 0."""
    program = archive.commits(1)[0].candidate.program.id
    return [
        archive.summary(), archive.runs(), archive.commits(1), archive.episodes(1, 0), archive.final_table(1), archive.elites(1),
        archive.scoring(1), archive.sources([program]), archive.program(program), archive.digest(1), archive.verify_digest(),
    ]  # fmt: skip


def one_clear_line(caught: pytest.ExceptionInfo[ArchiveError], path: Path) -> str:
    message = str(caught.value)
    assert str(path) in message
    assert message.isprintable()
    assert len(message) < 500
    return message


@pytest.mark.parametrize("opener", [Archive.read, Archive.create_or_open])
@pytest.mark.parametrize("name", OBJECTS)
def test_objects_that_are_not_ours(tmp_path: Path, planted: Callable[[str], Path], opener: Callable[[Path], Archive], name: str) -> None:
    canary = tmp_path / "canary"
    canary.write_text(CANARY, encoding="utf-8")
    sql, words = OBJECTS[name]
    path = planted(sql.format(canary=canary))
    before = path.read_bytes()
    with pytest.raises(ArchiveError) as caught:
        opener(path)
    message = one_clear_line(caught, path)
    assert "is not an archive that personaevo wrote" in message
    assert words in message
    assert CANARY not in message
    assert path.read_bytes() == before


def test_a_trigger(tmp_path: Path) -> None:
    path = tmp_path / "theirs.duckdb"
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{path}' AS archive (STORAGE_VERSION 'v2.0.0')")
        connection.execute("USE archive")
        for number in range(1, 1 + len(migrations())):
            apply_migration(lambda *sql: connection.execute(*sql).fetchall(), number)
        connection.execute("CREATE TRIGGER t AFTER INSERT ON programs FOR EACH STATEMENT INSERT INTO migrations VALUES (99, 'x')")
    for opener in (Archive.read, Archive.create_or_open):
        with pytest.raises(ArchiveError, match="a trigger does not belong there"):
            opener(path)


VALUES = {
    "settings that are no object": ("UPDATE runs SET settings = '[1]'", "'settings'"),
    "settings nested too deeply": ("UPDATE runs SET settings = '{\"a\":' || repeat('[', 90000) || repeat(']', 90000) || '}'", "run 1"),
    "a setting of another type": ("UPDATE runs SET settings = '{\"personas\": \"many\"}'", "the setting 'personas' of run 1"),
    "a setting out of range": ("UPDATE runs SET settings = '{\"personas\": 0}'", "the setting 'personas' of run 1"),
    "a huge setting": ("UPDATE runs SET settings = '{\"a\": \"' || repeat('x', 17000000) || '\"}'", "'settings'"),
    "cells that are no list": ("UPDATE runs SET cells = '{}'", "'cells'"),
    "a cell without a mass": ("UPDATE runs SET cells = '[{\"cell\": 0, \"name\": \"x\"}]'", "the cells of run 1"),
    "a cell with a name that is none": ("UPDATE runs SET cells = '[{\"cell\": 0, \"name\": 3, \"mass\": 0.1}]'", "the cells of run 1"),
    "NaN": ("UPDATE evaluations SET objectives = MAP {'score': {'value': 'nan'::DOUBLE, 'se': 0.0, 'raw': 0.0}}", "'objectives'"),
    "infinity": ("UPDATE evaluations SET cells = [{'cell': 0, 'share': 'inf'::DOUBLE, 'score': 1.0, 'se': 0.0}]", "'cells'"),
    "NULL in a list": ("UPDATE evaluations SET cells = [NULL]", "'cells'"),
    "more completed than planned": ("UPDATE evaluations SET completed = planned + 1", "'completed'"),
    "another split": ("UPDATE evaluations SET split = 'both'", "'split'"),
    "a list without end": ("UPDATE evaluations SET cells = list_resize(cells, 20000, cells[1])", "'cells'"),
    "a huge source": (f"UPDATE programs SET source = repeat('#', {MAX_BYTES + 1})", "'source'"),
    "a huge variant": (f"UPDATE candidates SET variant = repeat('#', {MAX_BYTES + 1})", "'variant'"),
    "a digest that is none": ("UPDATE candidates SET digest = 'x'", "'digest'"),
    "a negative number": ("UPDATE candidates SET number = -1 WHERE number = 1", "'number'"),
    "too many parents": ("UPDATE candidates SET parents = list_resize(parents, 20000, 'x')", "'parents'"),
    "a negative seed": ("UPDATE episodes SET seed = -1", "'seed'"),
    "a role that is none": ("UPDATE episodes SET turns = [{'role': 'system' || chr(27), 'content': 'x'}]", "'turns'"),
    "a huge turn": ("UPDATE episodes SET turns = [{'role': 'user', 'content': repeat('x', 1000001)}]", "'turns'"),
    "a million turns": ("UPDATE episodes SET turns = list_resize(turns, 1000000, turns[1]) WHERE rowid = 0", "'turns'"),
    "a P(human) of two": ("UPDATE episodes SET p_human = 2", "'p_human'"),
    "NaN in a fingerprint": ("UPDATE episodes SET fingerprint = ['nan'::DOUBLE]", "'fingerprint'"),
    "a huge policy": ("UPDATE personas SET policy = repeat('x', 1000001)", "'policy'"),
    "NaN in a dial": ("UPDATE personas SET dials = MAP {'patience': 'nan'::DOUBLE}", "'dials'"),
    "a huge dial's name": ("UPDATE personas SET dials = MAP {repeat('x', 10000): 1.0}", "'dials'"),
    "NaN in the table": (
        "UPDATE final_tables SET measures = MAP {'score': "
        "{'mean': 'nan'::DOUBLE, 'low': 0, 'high': 0, 'raw': 0, 'completed': 1, 'planned': 1}}",
        "'measures'",
    ),
    "a scoring that is none": ("UPDATE runs SET settings = '{\"scoring\": \"x\"}'", "the setting 'scoring' of run 1"),
    "NaN in what is left without a call": ("UPDATE evaluations SET replicates = MAP {'score': ['nan'::DOUBLE]}", "'replicates'"),
    "a role of an objective that is none": ("UPDATE rules SET \"role\" = 'sings'", "'role'"),
    "a direction that is none": ("UPDATE rules SET direction = 'up'", "'direction'"),
    "a floor without end": ("UPDATE rules SET floor = 'inf'::DOUBLE", "'floor'"),
    "an objective with a huge name": ("UPDATE rules SET objective = repeat('x', 90000)", "'objective'"),
    "NaN in what people get": ("UPDATE levels SET people = 'nan'::DOUBLE", "'people'"),
    "no zero": ("UPDATE levels SET zero = 'inf'::DOUBLE", "'zero'"),
    "NaN in a control": ("UPDATE controls SET fingerprint = ['nan'::DOUBLE]", "'fingerprint'"),
    "a control with a huge kind": ("UPDATE controls SET kind = repeat('x', 90000)", "'kind'"),
    "NaN in a comparison": ("UPDATE comparisons SET low = 'nan'::DOUBLE", "'low'"),
    "a comparison with a huge row": ("UPDATE comparisons SET against = repeat('x', 90000)", "'against'"),
}


@pytest.mark.parametrize("name", VALUES)
def test_values_that_no_search_writes(planted: Callable[[str], Path], name: str) -> None:
    sql, words = VALUES[name]
    path = planted(sql)
    with pytest.raises(ArchiveError) as caught, Archive.read(path) as archive:
        readings(archive)
    message = one_clear_line(caught, path)
    assert words in message
    assert message.endswith("restore a copy, or do not use this file")


def test_more_rows_than_fit(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("personaevo.archive.schema.MAX_ROWS", 7)
    with Archive.read(whole) as archive:
        with pytest.raises(ArchiveError, match="'episodes' holds 8 rows; at most 7 can be read at once"):
            archive.episodes(1, 0)
        archive.verify_digest()


def test_the_bound_of_a_source_is_that_of_programs() -> None:
    assert MAX_SOURCE_BYTES == MAX_BYTES


def test_every_table_and_column_of_text_is_bounded() -> None:
    """So that a migration that adds one is not forgotten here."""
    with duckdb.connect() as connection:
        for file in migrations():
            connection.execute(file.read_text(encoding="utf-8"))
        columns = connection.execute(
            "SELECT table_name, column_name FROM duckdb_columns() JOIN duckdb_tables() USING (table_name) "
            "WHERE NOT duckdb_columns.internal AND data_type NOT IN ('INTEGER', 'BIGINT', 'TIMESTAMP')"
        ).fetchall()
    assert {table for table, _ in columns} == set(TABLES)
    assert [pair for pair in columns if pair[1] not in _EXPECTED[pair[0]]] == []


@pytest.mark.parametrize("sql", [
    "SELECT * FROM read_text('{file}')", "SELECT * FROM read_csv('{file}')", "SELECT * FROM glob('/etc/*')", "COPY runs TO '{file}.csv'",
    "ATTACH '{file}.duckdb' AS more", "SET memory_limit = '1TB'", "SET enable_external_access = true", "INSTALL httpfs", "LOAD httpfs",
    "SELECT * FROM read_text('http://127.0.0.1:9/')", "EXPORT DATABASE '{file}.d'", "UPDATE programs SET id = 'x'",
])  # fmt: skip
def test_a_query_reaches_nothing_else(whole: Path, tmp_path: Path, sql: str) -> None:
    file = tmp_path / "canary"
    file.write_text(CANARY, encoding="utf-8")
    with Archive.read(whole) as archive, pytest.raises(ArchiveError) as caught:
        archive.query(sql.format(file=file))
    assert CANARY not in one_clear_line(caught, whole)
    assert [entry.name for entry in tmp_path.iterdir()] == ["canary"]


def test_a_writer_reaches_nothing_else_either(planted: Callable[[str], Path], tmp_path: Path) -> None:
    path = planted("SELECT 1")
    with Archive.create_or_open(path) as archive:
        for sql in (f"ATTACH '{tmp_path}/m.duckdb' AS m", f"COPY runs TO '{tmp_path}/x.csv'", "SELECT * FROM read_text('/etc/hostname')"):
            with pytest.raises(ArchiveError, match="disabled by configuration"):
                archive._database.execute(sql)
