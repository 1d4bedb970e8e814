"""The final table of a search, as text and as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from personaevo.records import Measure, TableRow

COLUMNS = ("human_likeness", "coverage", "score", "task_preservation")
_ROWS = {"persona_free": "persona-free", "seed_program": "seed program"}


def table_text(rows: Sequence[TableRow]) -> str:
    """The final table: share ± half the width of its 95 % interval (raw value), and how many planned episodes were completed."""
    header = [f"{'':12}", *(f"{name.replace('_', ' '):>19}" for name in ("human-likeness", *COLUMNS[1:])), "  episodes"]
    lines = ["".join(header)]
    for row in rows:
        cells = [f"{_entry(row.measures.get(name)):>19}" for name in COLUMNS]
        counted = next(iter(row.measures.values()), None)
        episodes = f"{counted.completed}/{counted.planned}" if counted else "-"
        lines.append(f"{_ROWS.get(row.row, row.row):12}{''.join(cells)}{episodes:>10}")
    return "\n".join(lines)


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
