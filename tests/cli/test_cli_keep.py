"""``archive verify, merge, compact, query, export`` from the command line: what is printed where, exit codes, wrong and hostile input."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import duckdb
import pytest

from personaevo import content
from personaevo.archive import Archive, Finding, named_queries, named_query
from personaevo.cli.app import run
from personaevo.cli.archive import _verification
from personaevo.verify import Verification
from tests.cli.cli_cases import Capture, fails, has_open, until

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def archive(finished_archive: Path) -> str:
    shutil.copy(finished_archive, "a.duckdb")
    return "a.duckdb"


# --- verify


def test_verify_says_what_it_found_and_ends_with_1(capsys: Capture, archive: str) -> None:
    assert run(["archive", "verify", archive]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("not checked: run 1, numbers of the finals and the final table")
    assert said[-1] == "no disagreements"
    with duckdb.connect(archive) as connection:
        connection.execute("UPDATE candidates SET parents = ['no such thing' || chr(27)] WHERE number = 2")
    assert run(["archive", "verify", archive]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "1 disagreement"  # a value that no search writes: nothing else is read then
    assert run(["archive", "verify", archive, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False
    assert found["disagreements"] == len(found["findings"]) > 0
    assert set(found["findings"][0]) == {"kind", "where", "found", "expected"}
    assert "does not exist" in fails(capsys, ["archive", "verify", "gone.duckdb"])


def test_many_findings_are_cut_and_their_text_is_data() -> None:
    findings = tuple(Finding("score", f"candidate {number}", "\x1b[31m" + "x" * 1000, "a\nb") for number in range(1234))
    text = _verification(Verification(findings, ("why\nnot",), {"runs": 1}))
    lines = text.splitlines()
    assert len(lines) == 3 * 20 + 4
    assert "… and 1,214 more" in text
    assert "\x1b" not in text
    assert "not checked: why\\nnot" in lines
    assert max(map(len, lines)) < 200


# --- merge, compact, export


def test_merge_and_compact(capsys: Capture, archive: str) -> None:
    assert run(["archive", "merge", "both.duckdb", archive, archive]) == 0
    said = capsys.readouterr()
    assert said.err.count("stored once") == 1
    assert "1 run, 5 programs, 5 evaluations, 120 episodes; digest " in said.out
    assert "exists" in fails(capsys, ["archive", "merge", "both.duckdb", archive])
    assert "Missing argument" in fails(capsys, ["archive", "merge", "new.duckdb"], 2)
    assert run(["archive", "merge", "again.duckdb", archive, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["runs"] == [{"file": str(Path(archive).resolve()), "run": 1, "number": 1, "taken": True}]
    assert run(["archive", "compact", archive, "--elites", "--out", "small.duckdb", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["archive"], found["after"]) == ("small.duckdb", Path("small.duckdb").stat().st_size)
    assert run(["archive", "compact", archive]) == 0
    assert " MB before, " in capsys.readouterr().out
    digests = set()
    for file in ("both.duckdb", "again.duckdb", "small.duckdb", archive):
        with Archive.read(file) as opened:
            digests.add(opened.verify_digest())
    assert len(digests) == 1


def test_export(capsys: Capture, archive: str) -> None:
    assert run(["archive", "export", archive, "--out", "out"]) == 0
    assert capsys.readouterr().out == "out: 5 programs, 60 personas, 120 dialogues\n"
    assert "is not an empty folder" in fails(capsys, ["archive", "export", archive, "--out", "out"])
    assert run(["archive", "export", archive, "--out", "tables", "--tables", "csv", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"folder": "tables", "tables": len(list(Path("tables/tables").iterdir()))}
    assert "Missing option '-o' / '--out'" in fails(capsys, ["archive", "export", archive], 2)


# --- query


@pytest.mark.parametrize("name", named_queries())
def test_named_queries(capsys: Capture, archive: str, name: str) -> None:
    assert run(["archive", "query", archive, name, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["columns"]) > 3
    assert bool(found["rows"]) == (name not in ("costs", "failures"))
    assert (named_query(name) or "").startswith(f"-- {named_queries()[name]}\n")
    assert named_queries()[name]


def test_named_queries_say_what_the_archive_says(archive: str) -> None:
    def asked(name: str) -> list[dict[str, object]]:
        columns, rows = opened.query(named_query(name) or "")
        return [dict(zip(columns, row, strict=True)) for row in rows]

    with Archive.read(archive) as opened:
        commits, elites = opened.commits(1), {elite.cell: elite for elite in opened.elites()}
        best = next(row.program_id for row in opened.final_table(1).rows if row.row == "evolved")
        assert {row["cell"]: row["program"] for row in asked("elites") if row["program"]} == {c: e.program_id for c, e in elites.items()}
        scores = [one.evaluation.objectives["score"].value if one.evaluation else None for one in commits]
        assert [row["score"] for row in asked("progress")] == scores
        lineage = asked("lineage")
        assert (lineage[0]["program"], lineage[-1]["operator"]) == (best, "seed")
        number = next(one.candidate.number for one in commits if one.candidate.program.id == best)
        rows = [episode.fingerprint for episode in opened.episodes(1, number)]
        means = [sum(row[place] for row in rows) / len(rows) for place in range(len(rows[0]))]
        assert [row["best_program"] for row in asked("behaviors")] == pytest.approx(means)
        operators = {row["operator"]: row["proposals"] for row in asked("operators")}
        assert operators == {
            name: sum(name in one.candidate.operator.split("+") for one in commits)
            for name in {part for one in commits for part in one.candidate.operator.split("+")}
        }
        assert {row["number"] for row in asked("personas")} == {elite.number for elite in elites.values()}


def test_names_are_listed_and_unknown_ones_refused(capsys: Capture, archive: str) -> None:
    assert run(["archive", "query", archive]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")] == list(named_queries())
    assert run(["archive", "query", archive, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"queries": named_queries()}
    assert "no query is called 'elitse'; there are behaviors, " in fails(capsys, ["archive", "query", archive, "elitse"], 2)


@pytest.mark.parametrize("columns", [60, 100, 200])
@pytest.mark.parametrize("name", ["elites", "progress", "personas", "operators"])
def test_tables_fit(capsys: Capture, monkeypatch: pytest.MonkeyPatch, archive: str, name: str, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert run(["archive", "query", archive, name]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= columns


def test_forms_and_values(capsys: Capture, archive: str) -> None:
    sql = (
        "SELECT 'a,b' || chr(27) || chr(10) AS x, 0.123456789::DOUBLE AS x, NULL AS z, [1.5, 'nan'::DOUBLE] AS l, "
        "{'k': DATE '2020-01-02'} AS s"
    )
    assert run(["archive", "query", archive, sql, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    row = ["a,b\x1b\n", 0.123456789, None, [1.5, None], {"k": "2020-01-02"}]
    assert found == {"columns": ["x", "x", "z", "l", "s"], "rows": [row], "cut": False}
    assert run(["archive", "query", archive, sql, "--format", "csv"]) == 0
    assert list(csv.reader(StringIO(capsys.readouterr().out))) == [
        ["x", "x", "z", "l", "s"], ["a,b\\x1b\n", "0.123456789", "", "[1.5, null]", '{"k": "2020-01-02"}'],
    ]  # fmt: skip
    assert run(["archive", "query", archive, sql]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "a,b\\x1b\\n" in said
    assert "0.1235" in said
    assert run(["archive", "query", archive, "SELECT '[red]' AS \"[bold]\""]) == 0
    assert capsys.readouterr().out.split() == ["[bold]", "[red]"]


def test_more_rows_than_wanted(capsys: Capture, archive: str) -> None:
    assert run(["archive", "query", archive, "SELECT * FROM range(1000000000000)", "--limit", "3", "--format", "csv"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == ["range", "0", "1", "2"]
    assert "only the first 3 rows are shown" in said.err
    assert run(["archive", "query", archive, "SELECT * FROM range(1000)", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["cut"] is False
    assert said.err == ""


HOSTILE = (
    "ATTACH '{file}' AS more", "COPY runs TO '{file}'", "SELECT * FROM read_csv('{file}')", "SELECT * FROM '{file}'",
    "SELECT * FROM read_text('/etc/hostname')", "INSTALL httpfs", "LOAD httpfs", "PRAGMA database_list", "PRAGMA threads = 4",
    "SET threads = 4", "RESET threads", "UPDATE programs SET id = 'x'", "DELETE FROM runs", "DROP TABLE runs",
    "CREATE TABLE x (y INTEGER)", "CREATE TEMP TABLE x (y INTEGER)", "SELECT 1; SELECT 2", "SELECT 1; DROP TABLE runs",
    "EXPORT DATABASE '{file}'", "IMPORT DATABASE '{file}'", "EXPLAIN ANALYZE UPDATE runs SET run = 2", "CALL pragma_version()",
    "EXECUTE x", "PREPARE x AS SELECT 1", "BEGIN TRANSACTION", "USE memory", "DETACH archive", "VACUUM", "CHECKPOINT",
    "SELECT getenv('HOME')", "SELECT * FROM glob('/*')", "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM query('DROP TABLE runs')", "WITH x AS (DELETE FROM runs RETURNING *) SELECT * FROM x", "SELEC 1", "-- nothing", " ; ",
    "SELECT * FROM nowhere", "SELECT 'a' + 1", "SELECT \x00",
)  # fmt: skip


@pytest.mark.parametrize("sql", HOSTILE)
def test_queries_only_read_and_only_the_archive(capsys: Capture, archive: str, sql: str) -> None:
    Path("canary").write_text("the canary sang", encoding="utf-8")
    before = Path(archive).read_bytes()
    code = run(["archive", "query", archive, sql.format(file=Path("canary").resolve())])
    said = capsys.readouterr()
    assert code in (1, 2)  # 2 where it looks like an option or the name of a query
    assert said.out == ""
    assert said.err.startswith("Error: ")
    assert said.err.count("\n") == 1
    assert "canary sang" not in said.out + said.err
    assert Path(archive).read_bytes() == before
    assert sorted(path.name for path in Path().iterdir()) == ["a.duckdb", "canary"]


def test_an_older_archive_in_memory_cannot_be_written_either(capsys: Capture) -> None:
    shutil.copy(ROOT / "tests" / "data" / "schema1.duckdb", "first.duckdb")
    for sql in ("DELETE FROM runs", "CREATE TABLE memory.x (y INTEGER)", "INSERT INTO runs SELECT * FROM runs"):
        assert "expected one query that only reads" in fails(capsys, ["archive", "query", "first.duckdb", sql])


def test_an_endless_query_ends_with_ctrl_c(archive: str) -> None:
    endless = "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT max(x) FROM t"
    command = [sys.executable, "-m", "personaevo", "archive", "query", archive, endless]
    environment = {**os.environ, "PYTHONPATH": str(content.root("archive").parent)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: has_open(process.pid, archive))
        time.sleep(1)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err.strip()) == (130, "", "Interrupted.")
