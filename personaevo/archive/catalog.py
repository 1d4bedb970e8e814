"""What an archive file may hold: exactly the tables and views that the migrations make, and nothing that could run by itself.

A file of somebody else is distrusted like a program. Its views, defaults, generated columns, checks and triggers would be executed by
whoever reads or writes it, its macros take the place of DuckDB's functions, so each must be what ours are, word for word as DuckDB spells
them. Looking for that binds and runs nothing of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from personaevo import content
from personaevo.errors import ArchiveError, ArchiveVersionError, ContentError

VERSIONS = "migrations"
_VERSIONS_TABLE = f"CREATE TABLE IF NOT EXISTS {VERSIONS} (number INTEGER NOT NULL, name VARCHAR NOT NULL)"
# Only what is kept in the file, which asks nothing of a view: binding one could already read files.
_OBJECTS = """
SELECT schema_name || '.' || table_name, sql FROM duckdb_tables() WHERE database_name = $1
UNION ALL SELECT schema_name || '.' || view_name, sql FROM duckdb_views() WHERE database_name = $1 AND NOT internal
"""
_NEVER_OURS = """
SELECT 'an index' FROM duckdb_indexes() WHERE database_name = 'archive'
UNION ALL SELECT 'a trigger' FROM duckdb_triggers() WHERE database_name = 'archive'
UNION ALL SELECT 'a type' FROM duckdb_types() WHERE database_name = 'archive' AND NOT internal
UNION ALL SELECT 'a macro' FROM duckdb_functions() WHERE database_name = 'archive'
"""

Execute = Callable[..., Sequence[tuple[Any, ...]]]
_known: dict[tuple[str, ...], Mapping[str, str]] = {}


def migrations() -> list[Path]:
    """The migration files in order.

    Raises:
        ContentError: they are not numbered 0001, 0002, … without gaps.
    """
    folder = content.root("archive") / "migrations"
    files = sorted(folder.glob("*.sql"))
    if not files or any(not file.name.startswith(f"{number:04}_") for number, file in enumerate(files, 1)):
        raise ContentError(f"{folder} must hold migrations numbered 0001_, 0002_, … without gaps: reinstall personaevo")
    return files


def migrate(execute: Execute, number: int) -> None:
    """One step of the schema, and a note of it, in the database in use."""
    file = migrations()[number - 1]
    execute(file.read_text(encoding="utf-8"))
    execute(_VERSIONS_TABLE)
    execute(f"INSERT INTO {VERSIONS} VALUES (?, ?)", [number, file.stem])


def check(execute: Execute, path: Path) -> int:
    """The schema version of the database attached as ``archive``, whose file is at ``path``. To be called before it is in use, as its
    macros would count otherwise.

    Raises:
        ArchiveVersionError: it was made by a newer personaevo.
        ArchiveError: it holds something else than the tables and views of its version.
    """
    found: dict[str, str] = dict(execute(_OBJECTS, ["archive"]))
    texts = tuple(file.read_text(encoding="utf-8") for file in migrations())
    if f"main.{VERSIONS}" not in found:
        raise _not_ours(path, "is a DuckDB database, but not an archive")
    if found[f"main.{VERSIONS}"] != _objects(execute, texts)[f"main.{VERSIONS}"]:
        raise _not_ours(path, f"is not an archive that personaevo wrote: its '{VERSIONS}' is another")
    number = version(execute)
    if number > len(texts):
        known = f"this personaevo knows up to {len(texts)}: upgrade personaevo to open it"
        raise ArchiveVersionError(f"archive {path} has schema {number}, {known}")
    if number < 1:
        raise _not_ours(path, f"is not an archive that personaevo wrote: its '{VERSIONS}' is empty")
    _compare(found, _objects(execute, texts[:number]), path)
    for (kind,) in execute(_NEVER_OURS):
        raise _not_ours(path, f"is not an archive that personaevo wrote: {kind} has no place there")
    return number


def version(execute: Execute) -> int:
    """The schema version that the database attached as ``archive`` says it has, 0 if none."""
    return int(execute(f"SELECT coalesce(max(number), 0) FROM archive.main.{VERSIONS}")[0][0])


def _compare(found: Mapping[str, str], expected: Mapping[str, str], path: Path) -> None:
    for name in sorted({*found, *expected}):
        if found.get(name) != expected.get(name):
            what = "is missing" if name not in found else "is another" if name in expected else "has no place there"
            raise _not_ours(path, f"is not an archive that personaevo wrote: '{name.removeprefix('main.')}' {what}")


def _not_ours(path: Path, problem: str) -> ArchiveError:
    return ArchiveError(f"{path} {problem}: expected a file that personaevo search wrote; give another --archive")


def _objects(execute: Execute, texts: tuple[str, ...]) -> Mapping[str, str]:
    """The definitions, by name, that these migrations lead to: made in the connection's own memory, and undone."""
    if texts not in _known:
        execute("BEGIN TRANSACTION")
        for text in (*texts, _VERSIONS_TABLE):
            execute(text)
        _known[texts] = dict(execute(_OBJECTS, ["memory"]))
        execute("ROLLBACK")
    return _known[texts]
