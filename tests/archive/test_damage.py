"""Files that are not, no longer or not yet archives: one clear line, and not a byte changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from archive_cases import CELLS, SETTINGS, a_commit

from personaevo import content
from personaevo.archive import Archive
from personaevo.errors import ArchiveError, ArchiveVersionError

ROOT = content.root("archive").parent
NEXT = 1 + len(list((content.root("archive") / "migrations").glob("*.sql")))
OPENERS = [Archive.read, Archive.create_or_open]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        file.name: file.read_bytes() for file in folder.iterdir() if file.suffix != ".lock"
    }  # a dead writer's lock may go


def make(path: Path, commits: int = 2) -> None:
    with Archive.create_or_open(path) as archive:
        run = archive.begin_run(SETTINGS, CELLS)
        for number in range(commits):
            archive.commit(run.id, a_commit(number))


def make_and_die(path: Path, commits: int = 6) -> None:
    """An archive whose writer was killed: its last commits are in the log only."""
    code = (
        "import os, sys; from pathlib import Path; sys.path[:0] = sys.argv[2:]\n"
        "from archive_cases import *; from personaevo.archive import Archive\n"
        "archive = Archive.create_or_open(sys.argv[1]); run = archive.begin_run(SETTINGS, CELLS)\n"
        f"for number in range({commits}): archive.commit(run.id, a_commit(number))\n"
        "os.kill(os.getpid(), 9)"
    )
    here = str(Path(__file__).parent)
    assert subprocess.run([sys.executable, "-c", code, str(path), str(ROOT), here], check=False).returncode == -9


def refused(opener: Callable[[Path], Archive], path: Path, kind: type[ArchiveError] = ArchiveError) -> str:
    """The message of a refusal that changed nothing."""
    before = contents(path.parent)
    with pytest.raises(kind) as caught:
        opener(path)
    assert contents(path.parent) == before
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize("damage", ["empty", "text", "noise", "cut", "flipped"])
def test_damaged_file(tmp_path: Path, opener: Callable[[Path], Archive], damage: str) -> None:
    path = tmp_path / "a.duckdb"
    make(path)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[100] ^= 255
    path.write_bytes(
        {
            "empty": b"",
            "text": b"hello\n" * 1000,
            "noise": os.urandom(50_000),
            "cut": whole[: len(whole) // 3],
            "flipped": bytes(flipped),
        }[damage]
    )
    assert "expected a DuckDB file" in refused(opener, path)


@pytest.mark.parametrize("opener", OPENERS)
def test_another_database_and_a_folder(tmp_path: Path, opener: Callable[[Path], Archive]) -> None:
    path = tmp_path / "other.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1")
    assert "not an archive" in refused(opener, path)
    (tmp_path / "in").mkdir()
    with pytest.raises(ArchiveError):
        opener(tmp_path / "in")
    with pytest.raises(ArchiveError):
        opener(tmp_path / "nowhere" / "a.duckdb")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in", "other.duckdb"]


def test_missing_file_is_not_made_by_reading(tmp_path: Path) -> None:
    assert "does not exist" in refused(Archive.read, tmp_path / "a.duckdb")


@pytest.fixture
def next_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes this personaevo one that knows one migration more; undone by ``monkeypatch.undo``."""
    folder = tmp_path / "content"
    shutil.copytree(content.root("archive"), folder)
    (folder / "migrations" / f"{NEXT:04}_more.sql").write_text(
        "ALTER TABLE runs ADD COLUMN note VARCHAR; CREATE TABLE extra (x INTEGER);"
    )
    return lambda: monkeypatch.setattr(content, "root", lambda name: folder)


@pytest.mark.parametrize("opener", OPENERS)
def test_newer_schema(
    tmp_path: Path,
    next_schema: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    opener: Callable[[Path], Archive],
) -> None:
    path = tmp_path / "here" / "a.duckdb"
    path.parent.mkdir()
    next_schema()
    make(path)
    monkeypatch.undo()
    assert f"has schema {NEXT}, this personaevo knows up to {NEXT - 1}: upgrade" in refused(opener, path, ArchiveVersionError)


def test_older_schema_is_read_as_it_is_and_migrated_for_writing(
    tmp_path: Path, next_schema: Callable[[], None]
) -> None:
    path = tmp_path / "here" / "a.duckdb"
    path.parent.mkdir()
    make(path)
    before = contents(path.parent)
    next_schema()
    with Archive.read(path) as archive:
        assert archive.summary()["schema"] == NEXT
        assert len(archive.elites()) == 4
        digest = archive.verify_digest()
    assert contents(path.parent) == before
    with Archive.create_or_open(path) as archive:
        assert archive.summary()["schema"] == NEXT
        archive.commit(1, a_commit(2))
    with Archive.read(path) as archive:
        assert archive.verify_digest() != digest


def test_a_failing_creation_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "content"
    shutil.copytree(content.root("archive"), folder)
    (folder / "migrations" / f"{NEXT:04}_wrong.sql").write_text("CREATE TABLE (")
    monkeypatch.setattr(content, "root", lambda name: folder)
    path = tmp_path / "here" / "a.duckdb"
    path.parent.mkdir()
    refused(Archive.create_or_open, path)


@pytest.mark.parametrize("opener", OPENERS)
def test_damaged_log(tmp_path: Path, opener: Callable[[Path], Archive]) -> None:
    path = tmp_path / "a.duckdb"
    make_and_die(path)
    log = path.with_name("a.duckdb.wal")
    whole = log.read_bytes()
    log.write_bytes(whole[:-40] + b"\0" * 40)
    message = refused(opener, path)
    assert f"log {log} is damaged at byte" in message
    os.truncate(log, int(message.split("truncate -s ")[1].split()[0]))  # do as it says
    path.with_name("a.duckdb.snapshot").unlink()
    with opener(path) as archive:
        assert len(archive.commits(1)) == 5
        archive.verify_digest()


def test_a_log_of_another_archive_and_a_log_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    make_and_die(path)
    log = path.with_name("a.duckdb.wal")
    path.with_name("a.duckdb.snapshot").unlink()
    path.unlink()
    assert "but its write-ahead log" in refused(Archive.create_or_open, path)
    kept = log.read_bytes()
    log.unlink()
    make(path)
    log.write_bytes(kept)
    for opener in OPENERS:
        assert "belongs to another file" in refused(opener, path)


def test_lost_commits_are_noticed_by_the_snapshot(tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    with Archive.create_or_open(path) as archive:
        run = archive.begin_run(SETTINGS, CELLS)
        archive.commit(run.id, a_commit(0))
        archive.publish_snapshot()
        shutil.copy(path.with_name("a.duckdb.snapshot"), tmp_path / "kept")
    path.unlink()
    make(path, commits=0)
    (tmp_path / "kept").rename(path.with_name("a.duckdb.snapshot"))
    assert "commits were lost" in refused(Archive.create_or_open, path)
    with Archive.read(path) as archive:
        assert archive.commits(1) == []


def test_changed_rows_are_found(tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    make(path, commits=3)
    for change in (
        "UPDATE episodes SET preservation = 0.9 WHERE number = 1 AND slot = 2",
        "UPDATE programs SET source = source || ' ' WHERE id IN (SELECT program FROM candidates WHERE number = 1)",
        "DELETE FROM personas WHERE number = 1 AND slot = 3",
        "UPDATE evaluations SET planned = planned + 1 WHERE number = 1",
        "UPDATE candidates SET parents = ['x'] WHERE number = 1",
    ):
        copy = tmp_path / "copy.duckdb"
        shutil.copy(path, copy)
        with duckdb.connect(str(copy)) as connection:
            connection.execute(change)
        with Archive.read(copy) as archive, pytest.raises(ArchiveError, match="from candidate 1 of run 1 on"):
            archive.verify_digest()
