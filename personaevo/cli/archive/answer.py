"""What a query answers: as plain values, as CSV, and as a table that fits the terminal."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from io import StringIO
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from personaevo.text import one_line, plain

_LONGEST = 200  # characters of a value in a table
_GAP, _NARROWEST = 2, 8  # columns of a terminal: between two columns of a table, and of a text that can still be read


@dataclass(frozen=True, slots=True)
class Answer:
    """Columns (names may repeat) and rows of any values that DuckDB knows. As a view of rich: a table no wider than there is room."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def as_object(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"columns": list(self.columns), "rows": [[_plain_value(value) for value in row] for row in self.rows]}

    def as_csv(self) -> str:
        """With all digits, and safe for a terminal; lists and maps are JSON."""
        text = StringIO()
        lines = [self.columns, *([_text(_plain_value(value)) for value in row] for row in self.rows)]
        csv.writer(text, lineterminator="\n").writerows([[plain(value) for value in line] for line in lines])
        return text.getvalue()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Figures are whole; texts share the room that is left, and are cut there. Where that is too little, each row becomes a list."""
        names = [one_line(column) for column in self.columns]
        cells = [[one_line(_text(_rounded(_plain_value(value))))[:_LONGEST] for value in row] for row in self.rows]
        figures = [all(isinstance(row[place], int | float | Decimal | None) for row in self.rows) for place in range(len(names))]
        sizes = [max(map(cell_len, column)) for column in zip(names, *cells, strict=True)]
        fixed = sum(size for size, figure in zip(sizes, figures, strict=True) if figure) + _GAP * len(names)
        cut = _cut([size for size, figure in zip(sizes, figures, strict=True) if not figure], options.max_width - fixed)
        if cut < _NARROWEST:
            yield from (_record(names, row, options.max_width) for row in cells)
        else:
            yield _table(names, cells, [size if figure else min(size, cut) for size, figure in zip(sizes, figures, strict=True)], figures)


# --- values


def _plain_value(value: Any) -> Any:
    """A value as JSON has it: what is no number is null, times and all else are text."""
    if isinstance(value, dict):
        return {str(key): _plain_value(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_value(one) for one in value]
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return value if value is None or isinstance(value, str | int) else value.hex() if isinstance(value, bytes) else str(value)


def _rounded(value: Any) -> Any:
    """A plain value with its numbers to four digits."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _text(value: Any) -> str:
    """A plain value; nothing where there is none."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value)


# --- a table that fits


def _cut(sizes: Sequence[int], room: int) -> int:
    """The width at which columns of these sizes must be cut to fit into ``room`` together; too narrow a one if they cannot."""
    cut = max([*sizes, _NARROWEST])
    while cut >= _NARROWEST and sum(min(size, cut) for size in sizes) > room:
        cut -= 1
    return cut


def _table(names: Sequence[str], cells: Sequence[Sequence[str]], widths: Sequence[int], figures: Sequence[bool]) -> RenderableType:
    made = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold", show_edge=False)
    for name, size, figure in zip(names, widths, figures, strict=True):
        made.add_column(Text(name), justify="right" if figure else "left", width=size, no_wrap=True, overflow="ellipsis")
    for row in cells:
        made.add_row(*map(Text, row))
    return made


def _record(names: Sequence[str], row: Sequence[str], width: int) -> RenderableType:
    label = min(max(map(cell_len, names)), width // 2)
    made = Table.grid(padding=(0, _GAP, 0, 0))
    made.add_column(style="bold", width=label, no_wrap=True, overflow="ellipsis")
    made.add_column(width=width - label - _GAP, no_wrap=True, overflow="ellipsis")
    for name, value in [*zip(names, row, strict=True), ("", "")]:
        made.add_row(Text(name), Text(value))
    return made
