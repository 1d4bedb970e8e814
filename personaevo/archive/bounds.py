"""Bounds of stored values, as SQL conditions. A file may come from anywhere: rows are checked before they are used."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from personaevo.archive.rows import Row
from personaevo.config import SearchConfig
from personaevo.errors import ArchiveError

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
