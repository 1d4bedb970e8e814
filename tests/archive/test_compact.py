"""Compacting: nothing is lost but what was to be left out, the digests still add up, and a crash leaves the old file or the new one."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
from archive_cases import CELLS, SETTINGS, a_commit, a_failure, a_scoring, a_table, scored

from personaevo import content
from personaevo.archive import Archive, compact
from personaevo.config import SearchConfig
from personaevo.errors import ArchiveBusyError, ArchiveError
from personaevo.evolve import search as search_module
from personaevo.evolve.prepare import prepare
from personaevo.evolve.search import begin, search
from personaevo.records import FinalTable, TableRow
from personaevo.workers import Workers

ROOT = content.root("archive").parent


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs with dead space: candidate 3 of the first holds every cell, its candidate 5 is in the final table, nobody has a cell in
    the second."""
    path = tmp_path_factory.mktemp("source") / "a.duckdb"
    with Archive.create_or_open(path) as archive:
        first = archive.begin_run(SETTINGS, CELLS)
        for number in range(8):
            archive.commit(first.id, scored(3, [(1.0, 0.0)] * 4) if number == 3 else a_commit(number))
        archive.commit(first.id, a_failure(8))
        archive.write_table(first.id, FinalTable((TableRow("evolved", a_commit(5).candidate.program.id, a_table().rows[0].measures),)))
        second = archive.begin_run(SETTINGS, CELLS, a_scoring(1.0))
        for number in range(3):
            archive.commit(second.id, a_commit(number, 9))
    return path


@pytest.fixture
def path(source: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "here" / "a.duckdb"
    copy.parent.mkdir()
    shutil.copy(source, copy)
    return copy


def held(path: Path) -> dict[tuple[int, int], int]:
    """How many episodes each candidate has."""
    with Archive.read(path) as archive:
        rows = archive.query("SELECT run, number, count(*) FROM episodes GROUP BY ALL")[1]
    return {(run, number): count for run, number, count in rows}


def test_without_dead_space(path: Path) -> None:
    with Archive.read(path) as archive:
        digest, commits, episodes, summary = archive.verify_digest(), archive.commits(1), archive.episodes(2, 1), archive.summary()
        scoring, table = archive.scoring(2), archive.final_table(1)
    done = compact(path)
    assert (done.episodes, done.personas) == (0, 0)
    assert done.after == path.stat().st_size < done.before
    with Archive.read(path) as archive:
        assert archive.verify_digest() == digest
        assert (archive.commits(1), archive.episodes(2, 1), archive.summary()) == (commits, episodes, summary)
        assert (archive.scoring(2), archive.final_table(1)) == (scoring, table)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_elites_the_final_table_and_the_seed_program_stay(path: Path) -> None:
    before = held(path)
    with Archive.read(path) as archive:
        digest, elites = archive.verify_digest(), archive.elites(1)
        kept = archive.episodes(1, 5)
    done = compact(path, path.with_name("small.duckdb"), elites=True)
    assert held(path) == before
    small = path.with_name("small.duckdb")
    assert held(small) == {(1, 0): 8, (1, 5): 8, (2, 0): 8}
    assert (done.episodes, done.personas) == (56, 56)
    with Archive.read(small) as archive:
        assert archive.verify_digest() == digest
        assert archive.elites(1) == elites
        assert archive.episodes(1, 5) == kept
        assert archive.pruned(1) == {1, 2, 4, 6, 7}
        assert archive.pruned(2) == {1, 2}
        assert not [one for one in archive.disagreements() if one.kind in ("digest", "persona", "episode")]
    assert compact(small, elites=True).episodes == 0
    with Archive.create_or_open(small) as archive:  # goes on
        archive.commit(1, a_commit(9))
        archive.verify_digest()
    assert compact(small, elites=True).episodes == 8
    with Archive.read(small) as archive:
        archive.verify_digest()


def test_what_was_changed_is_not_dropped(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE episodes SET preservation = 0.9 WHERE number = 1 AND slot = 2")
    before = path.read_bytes()
    with pytest.raises(ArchiveError, match="was changed: from candidate 1 of run 1 on"):
        compact(path, path.with_name("b"), elites=True)
    assert path.read_bytes() == before
    assert not path.with_name("b").exists()


def test_not_while_it_is_in_use(path: Path) -> None:
    with Archive.create_or_open(path) as archive:
        with pytest.raises(ArchiveBusyError, match="is being written"):
            compact(path)
        archive.publish_snapshot()
        compact(path, path.with_name("copy"))  # of the snapshot
    assert held(path.with_name("copy")) == held(path)
    with pytest.raises(ArchiveError, match="exists: give the name of a new file"):
        compact(path, path.with_name("copy"))
    with pytest.raises(ArchiveError, match="does not exist"):
        compact(path.with_name("gone"))
    assert sorted(file.name for file in path.parent.iterdir()) == ["a.duckdb", "copy"]


_KILLED = f"""
import os, signal, sys; sys.path.insert(0, {str(ROOT)!r})
from personaevo.archive import compact, database
steps = int(sys.argv[2])
class Dying(database.Database):
    def execute(self, *arguments):
        global steps
        steps -= 1
        if steps == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().execute(*arguments)
from personaevo.archive import opening
opening.Database = Dying
if steps == 0:
    replace = os.replace
    os.replace = lambda *paths: (replace(*paths), os.kill(os.getpid(), signal.SIGKILL))
compact(sys.argv[1], elites=True)
"""


@pytest.mark.parametrize("step", [0, 15, 30, 45, 60])
def test_killed_at_any_moment(path: Path, step: int) -> None:
    """At a statement, or (0) right after the rename."""
    with Archive.read(path) as archive:
        digest = archive.verify_digest()
    done = subprocess.run([sys.executable, "-c", _KILLED, str(path), str(step)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(held(path)) == (3 if step == 0 else 10)
    with Archive.create_or_open(path) as archive:
        assert archive.verify_digest() == digest
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.slow
def test_a_compacted_search_goes_on_to_the_same_end(finished_archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "small.duckdb"
    with Archive.read(finished_archive) as archive:
        settings = archive.run().settings
    config = SearchConfig.model_validate({name: value for name, value in settings.items() if name in SearchConfig.model_fields})
    compact(finished_archive, path, elites=True)
    more = {"candidates": 6, "resume": True, "jobs": 1}
    shutil.copy(finished_archive, tmp_path / "whole.duckdb")
    bench = prepare(config, Workers(1))
    monkeypatch.setattr(search_module, "prepare", lambda *_, **__: bench)  # the same for both
    ends = [search(config.model_copy(update={**more, "archive": file})).digest for file in (path, tmp_path / "whole.duckdb")]
    assert ends[0] == ends[1]


def test_a_mutator_needs_the_dialogues(finished_archive: Path, tmp_path: Path) -> None:
    path, whole = tmp_path / "small.duckdb", Path(shutil.copy(finished_archive, tmp_path / "whole.duckdb"))
    with duckdb.connect(str(whole)) as connection:
        connection.execute("UPDATE rules SET floor = 2 WHERE floor IS NOT NULL; DELETE FROM holders")  # nobody holds it
    compact(whole, path, elites=True)
    config = SimpleNamespace(models={"mutator": "openai:x"}, recorded=dict)
    with Archive.create_or_open(path) as archive, pytest.raises(ArchiveError, match="lacks dialogues that the mutator would be shown"):
        begin(archive, config, SimpleNamespace(inputs={}))  # type: ignore[arg-type]
