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
        """Figures are whole; texts share the room that is left, and are cut there. Maps from names to numbers are spread over columns, one
        for each name, if there is room. Where there is too little for all else, each row becomes a list."""
        spread = _spread(self)
        table = (_fitted(spread, options.max_width) if spread is not None else None) or _fitted(self, options.max_width)
        if table is not None:
            yield table
        else:
            names = [one_line(column) for column in self.columns]
            yield from (_record(names, row, options.max_width) for row in _cells(self))


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


def _cells(answer: Answer) -> list[list[str]]:
    return [[one_line(_text(_rounded(_plain_value(value))))[:_LONGEST] for value in row] for row in answer.rows]


def _spread(answer: Answer) -> Answer | None:
    """The same with the values of each map in columns of their own; None if there is no such map."""
    columns: list[str] = []
    values: list[Sequence[Any]] = []
    for place, column in enumerate(answer.columns):
        held = [row[place] for row in answer.rows]
        keys = dict.fromkeys(key for one in held if isinstance(one, dict) for key in one)
        if keys and all(one is None or _is_figures(one) for one in held):
            columns += [str(key).replace("_", " ") for key in keys]
            values += [[None if one is None else one.get(key) for one in held] for key in keys]
        else:
            columns.append(column)
            values.append(held)
    return None if len(columns) == len(answer.columns) else Answer(columns, list(zip(*values, strict=True)))


def _is_figures(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(one, int | float | Decimal | None) for one in value.values())


def _fitted(answer: Answer, width: int) -> RenderableType | None:
    """As a table; None where texts would be cut too short. Names of several words are folded."""
    names, cells = [one_line(column) for column in answer.columns], _cells(answer)
    figures = [all(isinstance(row[place], int | float | Decimal | None) for row in answer.rows) for place in range(len(names))]
    sizes = [max(map(cell_len, [*name.split(), *(row[place] for row in cells)]), default=0) for place, name in enumerate(names)]
    fixed = sum(size for size, figure in zip(sizes, figures, strict=True) if figure) + _GAP * len(names)
    cut = _cut([size for size, figure in zip(sizes, figures, strict=True) if not figure], width - fixed)
    if cut < _NARROWEST:
        return None
    return _table(names, cells, [size if figure else min(size, cut) for size, figure in zip(sizes, figures, strict=True)], figures)


def _cut(sizes: Sequence[int], room: int) -> int:
    """The width at which columns of these sizes must be cut to fit into ``room`` together; too narrow a one if they cannot."""
    cut = max([*sizes, _NARROWEST])
    while cut >= _NARROWEST and sum(min(size, cut) for size in sizes) > room:
        cut -= 1
    return cut


def _table(names: Sequence[str], cells: Sequence[Sequence[str]], widths: Sequence[int], figures: Sequence[bool]) -> RenderableType:
    made = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold", show_edge=False)
    for name, size, figure in zip(names, widths, figures, strict=True):
        made.add_column(Text(name), justify="right" if figure else "left", width=size, overflow="ellipsis")
    for row in cells:
        made.add_row(*(Text(value, no_wrap=True, overflow="ellipsis") for value in row))
    return made


def _record(names: Sequence[str], row: Sequence[str], width: int) -> RenderableType:
    label = min(max(map(cell_len, names)), width // 2)
    made = Table.grid(padding=(0, _GAP, 0, 0))
    made.add_column(style="bold", width=label, no_wrap=True, overflow="ellipsis")
    made.add_column(width=width - label - _GAP, no_wrap=True, overflow="ellipsis")
    for name, value in [*zip(names, row, strict=True), ("", "")]:
        made.add_row(Text(name), Text(value))
    return made
