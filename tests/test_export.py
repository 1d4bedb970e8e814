"""Exports: what comes out is what is in the archive, can be read by others, and is there whole or not at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from personaevo import definitions
from personaevo import export as export_module
from personaevo.archive import Archive
from personaevo.errors import ArchiveError, InputError
from personaevo.export import export
from personaevo.programs import program_id
from personaevo.readers import read_dialogues
from personaevo.records import Candidate, Commit, Program


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def folder(finished_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export") / "out"
    assert export(finished_archive, out) == {"programs": 5, "personas": 60, "dialogues": 120}
    return out


def test_programs_are_the_stored_ones_and_say_what_they_scored(folder: Path, finished_archive: Path) -> None:
    with Archive.read(finished_archive) as archive:
        commits = archive.commits(1)
    assert sorted(file.stem for file in (folder / "programs").iterdir()) == sorted(one.candidate.program.id for one in commits)
    for commit in commits:
        text = (folder / "programs" / f"{commit.candidate.program.id}.py").read_text(encoding="utf-8")
        assert program_id(text) == commit.candidate.program.id
        assert text.endswith(commit.candidate.program.source)
        assert commit.evaluation is not None
        head = text.splitlines()[3]
        score = f"score {commit.evaluation.objectives['score'].value:.4f}"
        told = (f"candidate {commit.candidate.number};", commit.candidate.operator, score, *commit.candidate.parents)
        assert all(words in head for words in told)


def test_dialogues_are_read_back_as_they_were(folder: Path, finished_archive: Path) -> None:
    read = {dialogue.id: dialogue for dialogue in read_dialogues(folder / "dialogues.jsonl")}
    rows = {row["id"]: row for row in lines(folder / "dialogues.jsonl")}
    personas = {row["key"] for row in lines(folder / "personas.jsonl")}
    with Archive.read(finished_archive) as archive:
        episodes = {number: archive.episodes(1, number) for number in range(5)}
    assert len(read) == 120
    for number, played in episodes.items():
        seen: set[str] = set()
        for episode in played:
            key = f"1-{number}-{episode.item.task_id}-{episode.item.slot}"
            key = f"{key}-2" if key in seen else key  # the persona's second dialogue
            seen.add(key)
            assert [(turn.role, turn.content) for turn in read[key].turns] == list(episode.turns)
            assert (read[key].user_kind, read[key].domain, read[key].task) == ("simulated", "service", episode.item.task_id)
            assert read[key].user_id in personas
            assert rows[key]["features"] == dict(zip(definitions.features().names, episode.fingerprint, strict=True))
            assert (rows[key]["p_human"], rows[key]["cell"]) == (episode.p_human, episode.cell)


def test_personas_have_keys_of_their_own(folder: Path) -> None:
    rows = lines(folder / "personas.jsonl")
    assert len({row["key"] for row in rows}) == 60
    assert {"description", "behaviors", "dials", "policy", "program", "task"} <= rows[0].keys()


def test_elites_only(finished_archive: Path, tmp_path: Path) -> None:
    counts = export(finished_archive, tmp_path / "out", ["programs", "dialogues"], elites=True)
    with Archive.read(finished_archive) as archive:
        best = {elite.program_id for elite in archive.elites()} | {row.program_id for row in archive.final_table(1).rows if row.program_id}
    assert {file.stem for file in (tmp_path / "out" / "programs").iterdir()} == best
    assert counts == {"programs": len(best), "dialogues": 24 * len(best)}
    assert {row["program"] for row in lines(tmp_path / "out" / "dialogues.jsonl")} == best
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["dialogues.jsonl", "programs"]


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_tables(finished_archive: Path, tmp_path: Path, kind: export_module.TableKind) -> None:
    folder = tmp_path / "o'ut"  # its name is quoted
    with duckdb.connect(str(finished_archive), read_only=True) as bare:
        names = bare.execute("SELECT table_name FROM duckdb_tables() UNION ALL SELECT view_name FROM duckdb_views() WHERE NOT internal")
        expected = {name for (name,) in names.fetchall()} - {"migrations"}
    assert export(finished_archive, folder, [], tables=kind) == {"tables": len(expected)}
    assert {file.stem for file in (folder / "tables").iterdir()} == expected
    with duckdb.connect() as connection, Archive.read(finished_archive) as archive:
        for file in (folder / "tables").iterdir():
            rows = connection.execute(f"SELECT count(*) FROM read_{kind}(?)", [str(file)]).fetchall()
            assert rows == archive.query(f"SELECT count(*) FROM {file.stem}")[1]
        seeds = f"SELECT CAST(seed AS HUGEINT) FROM read_{kind}(?) ORDER BY 1"
        found = connection.execute(seeds, [str(folder / "tables" / f"episodes.{kind}")]).fetchall()
        assert found == archive.query("SELECT seed FROM episodes ORDER BY 1")[1]


def test_stored_text_cannot_leave_its_comment(tmp_path: Path) -> None:
    source = "# coding: utf-7\nAXES = []\n"
    operator = "x\nimport os\r\x0cimport os\u2028#coding: utf-7"
    evil = Candidate(0, Program(program_id(source), source), (), operator, "failed", "a\nb = 1", "program")
    with Archive.create_or_open(tmp_path / "a.duckdb") as archive:
        archive.commit(archive.begin_run({"domain": "service"}, []).id, Commit(evil))
    export(tmp_path / "a.duckdb", tmp_path / "out")
    text = (tmp_path / "out" / "programs" / f"{program_id(source)}.py").read_bytes()
    compiled = compile(text, "exported", "exec")  # as Python reads files: with what the first two lines say of their encoding
    assert compiled.co_names == ("AXES",)


def test_the_folder_is_whole_or_not_there(finished_archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine").write_text("kept", encoding="utf-8")
    for out in (full, full / "mine"):
        with pytest.raises(InputError, match="exists and is not an empty folder"):
            export(finished_archive, out)
    with pytest.raises(InputError, match="cannot be made"):
        export(finished_archive, tmp_path / "nowhere" / "out")
    with pytest.raises(ArchiveError, match="does not exist"):
        export(tmp_path / "gone.duckdb", tmp_path / "out")

    def fail(*arguments: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(export_module._WRITERS, "dialogues", fail)
    with pytest.raises(InputError, match="no space left on device"):
        export(finished_archive, tmp_path / "out")
    assert [file.name for file in tmp_path.iterdir()] == ["full"]
    (tmp_path / "empty").mkdir()
    assert export(finished_archive, tmp_path / "empty", ["programs"]) == {"programs": 5}


def test_failed_dialogues_and_other_features(finished_archive: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    shutil.copy(finished_archive, path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE episodes SET state = 'failed', reason = 'x', fault = 'program' WHERE number = 1")
        connection.execute("UPDATE episodes SET fingerprint = fingerprint[:2] WHERE number = 2")
    assert export(path, tmp_path / "out", ["dialogues"]) == {"dialogues": 96}
    assert {tuple(row["features"]) for row in lines(tmp_path / "out" / "dialogues.jsonl") if row["candidate"] == 2} == {("0", "1")}
