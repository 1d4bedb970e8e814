"""Validation of archive files: they may hold exactly the tables and views that the migrations make, and values that a search writes.

A file from elsewhere is distrusted like a program. DuckDB would execute its views, defaults, generated columns, checks and triggers when
the file is read or written, and its macros can replace DuckDB's functions. So each definition must equal ours, word for word as DuckDB
prints it. This check binds and runs nothing of the file. Rows that are asked for are then checked before they are used; the bounds are
wide enough for everything that a search writes, and narrow enough that no row costs much memory or breaks a calculation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from personaevo import content
from personaevo.errors import ArchiveError, ArchiveVersionError, ContentError

VERSIONS = "migrations"
_VERSIONS_TABLE = f"CREATE TABLE IF NOT EXISTS {VERSIONS} (number INTEGER NOT NULL, name VARCHAR NOT NULL)"
# Only columns that DuckDB stores, so that no view is bound: binding one could already read files.
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
_definitions: dict[tuple[str, ...], Mapping[str, str]] = {}  # a cache, by the texts of the migrations


def migrations() -> list[Path]:
    """Return the migration files in order.

    Raises:
        ContentError: they are not numbered 0001, 0002, … without gaps.
    """
    folder = content.root("archive") / "migrations"
    files = sorted(folder.glob("*.sql"))
    if not files or any(not file.name.startswith(f"{number:04}_") for number, file in enumerate(files, 1)):
        raise ContentError(f"{folder} must hold migrations numbered 0001_, 0002_, … without gaps: reinstall personaevo")
    return files


def apply_migration(execute: Execute, number: int) -> None:
    """Apply one migration to the database in use, and record it."""
    file = migrations()[number - 1]
    execute(file.read_text(encoding="utf-8"))
    execute(_VERSIONS_TABLE)
    execute(f"INSERT INTO {VERSIONS} VALUES (?, ?)", [number, file.stem])


def check_objects(execute: Execute, path: Path) -> int:
    """Check the definitions in the database attached as ``archive`` from the file at ``path``, and return its schema version. Call this
    before ``USE archive``: its macros would take effect otherwise.

    Raises:
        ArchiveVersionError: it was made by a newer personaevo.
        ArchiveError: it holds anything but the tables and views of its version.
    """
    found: dict[str, str] = dict(execute(_OBJECTS, ["archive"]))
    texts = tuple(file.read_text(encoding="utf-8") for file in migrations())
    if f"main.{VERSIONS}" not in found:
        raise _not_ours(path, "is a DuckDB database, but not an archive")
    if found[f"main.{VERSIONS}"] != _expected_definitions(execute, texts)[f"main.{VERSIONS}"]:
        raise _not_ours(path, f"is not an archive that personaevo wrote: its '{VERSIONS}' has another definition")
    number = schema_version(execute)
    if number > len(texts):
        known = f"this personaevo knows up to {len(texts)}: upgrade personaevo to open it"
        raise ArchiveVersionError(f"archive {path} has schema {number}, {known}")
    if number < 1:
        raise _not_ours(path, f"is not an archive that personaevo wrote: its '{VERSIONS}' is empty")
    expected = _expected_definitions(execute, texts[:number])
    for name in sorted({*found, *expected}):
        if found.get(name) != expected.get(name):
            what = "is missing" if name not in found else "has another definition" if name in expected else "does not belong there"
            raise _not_ours(path, f"is not an archive that personaevo wrote: '{name.removeprefix('main.')}' {what}")
    for (kind,) in execute(_NEVER_OURS):
        raise _not_ours(path, f"is not an archive that personaevo wrote: {kind} does not belong there")
    return number


def schema_version(execute: Execute) -> int:
    """Return the recorded schema version of the database attached as ``archive``, 0 if none."""
    return int(execute(f"SELECT coalesce(max(number), 0) FROM archive.main.{VERSIONS}")[0][0])


def _not_ours(path: Path, problem: str) -> ArchiveError:
    return ArchiveError(f"{path} {problem}: expected a file that personaevo search wrote; give another --archive")


def _expected_definitions(execute: Execute, texts: tuple[str, ...]) -> Mapping[str, str]:
    """The definitions by name that these migrations make, found by applying them in the connection's own memory and rolling back."""
    if texts not in _definitions:
        execute("BEGIN TRANSACTION")
        for text in (*texts, _VERSIONS_TABLE):
            execute(text)
        _definitions[texts] = dict(execute(_OBJECTS, ["memory"]))
        execute("ROLLBACK")
    return _definitions[texts]
