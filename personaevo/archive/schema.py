"""Validation of archive files: they may hold exactly the tables and views that the migrations make, and values that a search writes.

A file from elsewhere is distrusted like a program. DuckDB would execute its views, defaults, generated columns, checks and triggers when
the file is read or written, and its macros can replace DuckDB's functions. So each definition must equal ours, word for word as DuckDB
prints it. This check binds and runs nothing of the file. Rows that are asked for are then checked before they are used; the bounds are
wide enough for everything that a search writes, and narrow enough that no row costs much memory or breaks a calculation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from personaevo import content
from personaevo.archive.rows import Row
from personaevo.config import SearchConfig
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


MAX_SOURCE_BYTES = 64 * 1024  # programs.source.MAX_BYTES
MAX_ROWS = 2_000_000
_NAME, _TEXT, _JSON = 80_000, 1_000_000, 16_000_000  # bytes


def _name(column: str) -> str:
    return f"strlen({column}) <= {_NAME}"


def _id(column: str) -> str:
    return f"regexp_full_match({column}, '[A-Za-z0-9_.-]{{1,200}}')"


def _text(column: str) -> str:
    return f"({column} IS NULL OR strlen({column}) <= {_TEXT})"


def _object(column: str) -> str:
    return f"strlen({column}) <= {_JSON} AND json_valid({column}) AND json_type({column}) = 'OBJECT'"


def _all(values: str, condition: str) -> str:
    """The condition on ``x`` holds for every value of a list."""
    return f"len({values}) <= 10000 AND len(list_filter({values}, lambda x: ({condition}) IS NOT TRUE)) = 0"


def _share(column: str) -> str:
    return f"({column} IS NULL OR {column} BETWEEN 0 AND 1)"


def _map(column: str, numbers: str) -> str:
    """A map from names to finite numbers, or to structures with these fields."""
    finite = " AND ".join(f"isfinite({x})" for x in numbers.split())
    return f"{_all(f'map_values({column})', finite)} AND {_all(f'map_keys({column})', 'strlen(x) <= 1000')}"


_COUNTS = {"planned": "planned BETWEEN 0 AND 1e9", "completed": "completed BETWEEN 0 AND planned"}
_OBJECTIVES = _map("objectives", "x.value x.se x.raw")
_TIER = "tier IS NULL OR strlen(tier) <= 80"
_FAULT = "fault IS NULL OR fault IN ('program', 'infrastructure')"
_PLACE = {"task": _name("task"), "slot": "slot >= 0"}
_EXPECTED: Mapping[str, Mapping[str, str]] = {
    "runs": {
        "run": "run >= 1",
        "settings": _object("settings"),
        "cells": f"strlen(cells) <= {_JSON} AND json_valid(cells) AND json_type(cells) = 'ARRAY'",
    },
    "programs": {"id": _id("id"), "source": f"strlen(source) <= {MAX_SOURCE_BYTES}"},
    "candidates": {
        "number": "number >= 0",
        "program": _id("program"),
        "variant": f"variant IS NULL OR strlen(variant) <= {MAX_SOURCE_BYTES}",
        "parents": _all("parents", _id("x")),
        "operator": _name("operator"),
        "state": "state IN ('evaluated', 'failed', 'duplicate')",
        "reason": _text("reason"),
        "fault": _FAULT,
        "digest": "regexp_full_match(digest, '[0-9a-f]{32}')",
    },
    "evaluations": {
        "split": "split IN ('train', 'test')",
        **_COUNTS,
        "objectives": _OBJECTIVES,
        "cells": _all("cells", "x.cell >= 0 AND isfinite(x.share) AND isfinite(x.score) AND isfinite(x.se)"),
        "remarks": _all("remarks", "strlen(x.feature) <= 1000 AND strlen(x.wanted) <= 1000"),
        "tier": _TIER,
        "replicates": "replicates IS NULL OR ("
        + _all("flatten(map_values(replicates))", "isfinite(x)") + " AND " + _all("map_keys(replicates)", "strlen(x) <= 1000") + ")",
    },
    "episodes": {
        **_PLACE,
        "seed": "seed >= 0",
        "state": "state IN ('completed', 'failed')",
        "turns": _all("turns", f"x.role IN ('user', 'assistant') AND strlen(x.content) <= {_TEXT}"),
        "outcome": _name("outcome"),
        "fingerprint": "fingerprint IS NULL OR " + _all("fingerprint", "isfinite(x)"),
        "preservation": _share("preservation"),
        "p_human": _share("p_human"),
        "cell": "cell IS NULL OR cell >= 0",
        "persona": "persona IS NULL OR " + _name("persona"),
        "reason": _text("reason"),
        "fault": _FAULT,
        "broke": "broke IS NULL OR " + _all("broke", "x.turn >= 1 AND len(x.points) <= 100"),
    },
    "personas": {
        **_PLACE,
        "id": _name("id"),
        "description": _text("description"),
        "behaviors": _map("behaviors", "x"),
        "dials": _map("dials", "x"),
        "policy": _text("policy"),
    },
    "final_tables": {
        "row": _id('"row"'),
        "program": "program IS NULL OR " + _id("program"),
        "measures": _map("measures", "x.mean x.low x.high x.raw")
        + " AND " + _all("map_values(measures)", "x.planned >= 0 AND x.completed BETWEEN 0 AND x.planned"),
    },
    "model_calls": {
        "key": "regexp_full_match(\"key\", '[0-9a-f]{32}')",
        "role": _name('"role"'),
        "model": _name("model"),
        "candidate": "candidate IS NULL OR candidate >= 0",
        "text": _text('"text"'),
        "cut": "cut IS NOT NULL",
        "refusal": _text("refusal"),
        "input_tokens": "input_tokens BETWEEN 0 AND 1e12",
        "cached_tokens": "cached_tokens BETWEEN 0 AND input_tokens",
        "output_tokens": "output_tokens BETWEEN 0 AND 1e12",
        "cost": "cost BETWEEN 0 AND 1e9",
        "seconds": "seconds BETWEEN 0 AND 1e9",
        "estimated": "true",
    },
    "pruned": {
        "episodes": "episodes BETWEEN 0 AND 1e9",
        "personas": "personas BETWEEN 0 AND 1e9",
        "digest": "regexp_full_match(digest, '[0-9a-f]{32}')",
    },
    "finals": {"program": _id("program"), **_COUNTS, "objectives": _OBJECTIVES, "tier": _TIER},
    "rules": {
        "objective": _name("objective"),
        "role": "\"role\" IN ('steers', 'holds', 'beside')",
        "direction": "direction IN ('more', 'less')",
        "floor": "floor IS NULL OR isfinite(floor)",
        "version": "version >= 1",
    },
    "levels": {
        "split": _name("split"), "planned": "planned BETWEEN 0 AND 1e9", "objective": _name("objective"),
        "zero": "isfinite(zero)", "people": "isfinite(people)",
    },
    "controls": {"split": _name("split"), "kind": _name("kind"), "task": _name("task"), "fingerprint": _all("fingerprint", "isfinite(x)")},
    "comparisons": {
        "row": _name('"row"'), "against": _name("against"), "objective": _name("objective"), "mean": "isfinite(mean)",
        "low": "isfinite(low)", "high": "isfinite(high)",
    },
    "screenings": {
        "number": "number >= 0", "program": _id("program"), "operator": _name("operator"), "standing": "isfinite(standing)",
        "played": "played IS NOT NULL",
    },
    "holders": {
        "cell": "cell >= 0", "number": "number >= 0", "share": "isfinite(share)", "score": "isfinite(score)", "se": "isfinite(se)",
    },
    "refinement": {"settings": _object("settings")},
    "calibrations": {
        "model": _name("model"), "wording": _name("wording"), "prompt": _name("prompt"), "made": "made IS NOT NULL",
        "dials": _map("dials", 'x.slope x."offset" x.se x.r x.center x.spread x.noise x.low x.high')
        + " AND " + _all("map_values(dials)", "x.n BETWEEN 0 AND 1e9 AND x.se >= 0 AND x.spread >= 0 AND x.noise >= 0"),
        "report": _object("report"),
    },
    "refined": {
        "person": _name("person"),
        "role": "\"role\" IN ('user', 'assistant', '')",
        "state": "state IN ('done', 'failed')",
        "profile": "profile IS NULL OR " + _id("profile"),
        "record": _object("record"),
        "digest": "regexp_full_match(digest, '[0-9a-f]{32}')",
    },
}  # fmt: skip
TABLES = tuple(_EXPECTED)


def value_query(table: str, where: str, columns: Sequence[str] = ()) -> str:
    """Return SQL that counts the rows of ``table`` that meet ``where``, and for each column (or each of ``columns``) its invalid values."""
    checks = ", ".join(f"count(*) FILTER (({_EXPECTED[table][column]}) IS NOT TRUE)" for column in columns or _EXPECTED[table])
    return f"SELECT count(*), {checks} FROM {table} WHERE {where}"


def check_values(found: Sequence[int], table: str, path: object, *, streamed: bool, columns: Sequence[str] = ()) -> None:
    """Check the result of ``value_query``; the number of rows is not limited if they are streamed.

    Raises:
        ArchiveError: too many rows, or a value that no search writes; names the table and the column.
    """
    wrong = next((column for column, count in zip(columns or _EXPECTED[table], found[1:], strict=True) if count), None)
    if wrong is not None:
        raise _damaged(path, f"table '{table}' holds a value of '{wrong}' that no search writes")
    if found[0] > MAX_ROWS and not streamed:
        raise _damaged(path, f"table '{table}' holds {found[0]:,} rows; at most {MAX_ROWS:,} can be read at once")


def settings_and_cells(row: Row, path: object) -> tuple[dict[str, Any], tuple[dict[str, Any], ...]]:
    """Parse the settings and cells of a row of ``runs``.

    Raises:
        ArchiveError: they are nested too deeply, or not what a search records.
    """
    try:
        settings, cells = json.loads(row["settings"]), tuple(json.loads(row["cells"]))
        if not re.fullmatch("[1-9][0-9]{0,8}", str(settings.get("scoring", 1))):
            raise _damaged(path, f"the setting 'scoring' of run {row['run']} is not what a search records")
        SearchConfig.model_validate({name: value for name, value in settings.items() if name in SearchConfig.model_fields})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise _damaged(path, f"the setting '{name[:80]}' of run {row['run']} is not what a search records") from None
    except (RecursionError, ValueError):
        raise _damaged(path, f"settings or cells of run {row['run']} are not JSON that a search records") from None
    if not all(_is_cell(cell) for cell in cells):
        raise _damaged(path, f"the cells of run {row['run']} are not what a search records")
    return settings, cells


def _is_cell(cell: Any) -> bool:
    """Check number, name and share of people; other keys of a cell are not used from the file."""
    if not isinstance(cell, dict):
        return False
    number, name, mass = cell.get("cell"), cell.get("name"), cell.get("mass")
    if not isinstance(number, int) or not isinstance(name, str) or not isinstance(mass, int | float):
        return False
    return number >= 0 and 0 <= mass <= 1


def _damaged(path: object, problem: str) -> ArchiveError:
    return ArchiveError(f"archive {path}: {problem}; restore a copy, or do not use this file")
