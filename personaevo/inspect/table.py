"""The final table of a search, for a terminal, as text, and as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from personaevo.inspect import layout
from personaevo.records import Measure, TableRow

COLUMNS = ("human_likeness", "coverage", "score", "task_preservation")
_ROWS = {"persona_free": "persona-free", "seed_program": "seed program"}
_WIDTH = 100  # of the table as text


def table_view(rows: Sequence[TableRow]) -> Table:
    """The final table: share ± half the width of its 95 % interval (raw value), and how many planned episodes were completed."""
    figures = [name.replace("_", " ") for name in COLUMNS]
    made = layout.table("", *figures, "episodes", words=figures, gap=1)
    made.columns[0].justify = "left"
    for column in made.columns[1:]:
        column.justify = "right"
    for row in rows:
        counted = next(iter(row.measures.values()), None)
        episodes = f"{counted.completed}/{counted.planned}" if counted else "-"
        entries = [layout.text(_entry(row.measures.get(name))) for name in COLUMNS]
        made.add_row(layout.text(_ROWS.get(row.row, row.row)), *entries, layout.text(episodes))
    return made


def table_text(rows: Sequence[TableRow]) -> str:
    """The same as text, at most 100 characters wide."""
    return layout.as_text(table_view(rows), _WIDTH)


def _entry(measure: Measure | None) -> str:
    if measure is None:
        return "not measured"
    half = max(measure.high - measure.mean, measure.mean - measure.low)
    return f"{measure.mean:.2f} ± {half:.2f} ({measure.raw:.2f})"


def table_object(rows: Sequence[TableRow]) -> list[dict[str, Any]]:
    """The final table for ``--json``; what was not measured is None."""
    names = dict.fromkeys((*COLUMNS, *(name for row in rows for name in row.measures)))
    return [
        {"row": row.row, "program": row.program_id}
        | {name: asdict(row.measures[name]) if name in row.measures else None for name in names}
        for row in rows
    ]
