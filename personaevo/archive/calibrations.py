"""Calibrations in the archive: how well models follow the dials that they are given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from personaevo.archive.database import Database
from personaevo.archive.rows import as_json, utc_now
from personaevo.errors import ArchiveError

COLUMNS = ("slope", "offset", "se", "n", "r", "center", "spread", "noise", "low", "high")
_LATEST = """
SELECT model, wording, prompt, made, dials, CAST(report AS VARCHAR) AS report FROM calibrations
QUALIFY row_number() OVER (PARTITION BY model, wording, prompt ORDER BY made DESC, rowid DESC) = 1
ORDER BY model, wording, prompt
"""


@dataclass(frozen=True, slots=True)
class StoredCalibration:
    """A stored calibration: ``dials`` has the values of ``COLUMNS`` for each dial's fitted line (see ``simulate.curves.Curve``), ``report``
    every measurement as plain JSON values."""

    model: str
    wording: str
    prompt: str
    dials: Mapping[str, Mapping[str, float]]
    report: Mapping[str, Any]
    made: datetime | None = None


def add_calibration(database: Database, one: StoredCalibration) -> None:
    """Store a calibration. Raises ArchiveError: a number is not finite, or the report has no JSON form."""
    made = one.made or utc_now()
    try:
        dials, report = {name: {column: line[column] for column in COLUMNS} for name, line in one.dials.items()}, dict(one.report)
        as_json([dials, report])
    except (KeyError, TypeError, ValueError) as error:
        raise ArchiveError(f"a calibration must hold finite numbers and plain JSON values: {error}") from error
    row = {
        "model": one.model, "wording": one.wording, "prompt": one.prompt, "made": made.isoformat(" "), "dials": dials, "report": report,
    }  # fmt: skip
    with database.transaction():
        database.insert("calibrations", [row])


def latest_calibrations(database: Database) -> list[StoredCalibration]:
    """Return the latest calibration of each model, wording and prompt, in this order. Raises ArchiveError: invalid values."""
    database.check("calibrations")
    found = []
    for row in database.rows(_LATEST):
        try:
            report = dict(json.loads(row["report"]))
        except (RecursionError, ValueError):
            raise ArchiveError(f"archive {database.path}: the report of a calibration is not JSON; restore a copy") from None
        found.append(StoredCalibration(**{**row, "report": report}))
    return found
