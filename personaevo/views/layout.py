"""Building blocks of terminal pages: rich renderables that fit any width. All text goes through ``text``, so none is read as markup."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from io import StringIO
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from personaevo.text import one_line, plain

SHORT_ID = 12  # characters of an id that are shown
_LONGEST_NAME = 120  # characters of a name in a table
HEADING, FAINT, GOOD, BAD, KEY = "bold", "dim", "green", "red", "cyan"


def count(number: int, noun: str) -> str:
    """Write a number with its noun: "1 run", "2,000 runs"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def text(value: object, style: str = "") -> Text:
    """Show any value as one line without control characters."""
    return Text(one_line(str(value)), style=style)


def lines(value: str, style: str = "") -> Text:
    """Show text of several lines without control characters."""
    return Text(plain(value).expandtabs(4), style=style)


def short_id(program_id: str) -> Text:
    """Show the beginning of an id, as the commands take it."""
    return text(program_id[:SHORT_ID], KEY)


def name(value: object) -> Text:
    """Show a name in a table, shortened to 120 characters."""
    shown = one_line(str(value))
    return Text(shown if len(shown) <= _LONGEST_NAME else f"{shown[: _LONGEST_NAME - 1]}…")


def operator(value: str) -> Text:
    """Show an operator, or a chain of operators, in words for a narrow column."""
    return name(value.replace("+", " + ").replace("_", " "))


def table(*columns: str, words: Iterable[str] = (), gap: int = 2) -> Table:
    """Make an empty table. Columns hold numbers, right-aligned and never wrapped; those in ``words`` hold text and wrap."""
    made = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style=HEADING, show_edge=False)
    wordy = set(words)
    for column in columns:
        if column in wordy:
            made.add_column(Text(column), overflow="fold")
        else:
            made.add_column(Text(column), justify="right", no_wrap=True)
    return made


def code_line(value: str, style: str = "") -> Text:
    """Show a line of code without wrapping, so that it can be copied."""
    return Text(plain(value), style=style, no_wrap=True, overflow="ignore", end="\n")


def one_row(value: Text) -> Text:
    """Make a row that is truncated at the width of the terminal."""
    value.no_wrap, value.overflow = True, "ellipsis"
    return value


def figure(value: float, sign: str = "") -> str:
    """Write a mean in any unit with three digits."""
    return f"{value:{sign}.3g}" if abs(value) >= 0.01 or value == 0 else f"{value:{sign}.4f}"


def verdict(low: float | None, high: float | None) -> str:
    """Return the color of a difference; empty if its interval contains 0."""
    if low is None or high is None or low <= 0 <= high:
        return ""
    return GOOD if low > 0 else BAD


def labels(rows: Iterable[tuple[str, RenderableType]]) -> Table:
    """Make a two-column grid of labels and values."""
    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for label, value in rows:
        made.add_row(Text(label, style=FAINT), value)
    return made


def section(title: str, *content: RenderableType, style: str = "") -> RenderableType:
    """Make a titled section with indented content."""
    return Group(text(title, f"{HEADING} {style}".strip()), *(Padding(one, (0, 0, 0, 2)) for one in content))


def note(words: str) -> Text:
    """Make a note under a table."""
    return Text(words, style=FAINT)


def page(parts: Sequence[RenderableType]) -> RenderableType:
    """Stack parts with a blank line between them."""
    return Group(*(piece for index, part in enumerate(parts) for piece in ([Text(""), part] if index else [part])))


def as_text(view: RenderableType, width: int) -> str:
    """Render a page as plain text without colors."""
    console = Console(file=StringIO(), width=width, color_system=None, markup=False, emoji=False, highlight=False)
    with console.capture() as captured:
        console.print(view)
    return "\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n"))


def code(source: str) -> RenderableType:
    """Show Python source with highlighting and without wrapping (see ``code_line``)."""
    highlighted = Syntax("", "python", theme="ansi_dark", background_color="default").highlight(plain(source.rstrip()))
    highlighted.no_wrap, highlighted.overflow = True, "ignore"
    return highlighted


_MAX_VALUE = 200  # characters of a value in a table
_GAP, _MIN_WIDTH = 2, 8  # characters: between two columns, and of the narrowest column of text


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Columns (names may repeat) and rows of any DuckDB values. As a rich renderable: a table that fits the width."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def as_object(self) -> dict[str, Any]:
        """Return columns and rows as JSON values."""
        return {"columns": list(self.columns), "rows": [[_plain_value(value) for value in row] for row in self.rows]}

    def as_csv(self) -> str:
        """Write CSV with all digits, safe for a terminal; lists and maps are JSON."""
        text = StringIO()
        lines = [self.columns, *([_text(_plain_value(value)) for value in row] for row in self.rows)]
        csv.writer(text, lineterminator="\n").writerows([[plain(value) for value in line] for line in lines])
        return text.getvalue()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Show numbers in full; columns of text share the remaining width and are truncated. Maps from names to numbers get one column per
        name if these fit. If even a plain table does not fit, each row is shown as a list."""
        spread = _spread_maps(self)
        table = (_fitted(spread, options.max_width) if spread is not None else None) or _fitted(self, options.max_width)
        if table is not None:
            yield table
        else:
            names = [one_line(column) for column in self.columns]
            yield from (_record(names, row, options.max_width) for row in _cells(self))


def _plain_value(value: Any) -> Any:
    """A value as JSON: NaN and infinity are null; times and all other types are text."""
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
    """A plain value with its numbers rounded to four digits."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _text(value: Any) -> str:
    """A plain value as text; empty for None."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value)


def _cells(result: QueryResult) -> list[list[str]]:
    return [[one_line(_text(_rounded(_plain_value(value))))[:_MAX_VALUE] for value in row] for row in result.rows]


def _spread_maps(result: QueryResult) -> QueryResult | None:
    """The same result with a column for each key of a map of numbers; None if there is no such map."""
    columns: list[str] = []
    values: list[Sequence[Any]] = []
    for place, column in enumerate(result.columns):
        held = [row[place] for row in result.rows]
        keys = dict.fromkeys(key for one in held if isinstance(one, dict) for key in one)
        maps = [one for one in held if one is not None]
        if keys and all(isinstance(one, dict) and all(isinstance(x, int | float | Decimal | None) for x in one.values()) for one in maps):
            columns += [str(key).replace("_", " ") for key in keys]
            values += [[None if one is None else one.get(key) for one in held] for key in keys]
        else:
            columns.append(column)
            values.append(held)
    return None if len(columns) == len(result.columns) else QueryResult(columns, list(zip(*values, strict=True)))


def _fitted(result: QueryResult, width: int) -> RenderableType | None:
    """The result as a table; None where texts would be cut too short. Column names of several words are wrapped."""
    names, cells = [one_line(column) for column in result.columns], _cells(result)
    numeric = [all(isinstance(row[place], int | float | Decimal | None) for row in result.rows) for place in range(len(names))]
    sizes = [max(map(cell_len, [*name.split(), *(row[place] for row in cells)]), default=0) for place, name in enumerate(names)]
    fixed = sum(size for size, number in zip(sizes, numeric, strict=True) if number) + _GAP * len(names)
    texts = [size for size, number in zip(sizes, numeric, strict=True) if not number]
    limit = max([*texts, _MIN_WIDTH])  # the width of a column of text
    while limit >= _MIN_WIDTH and sum(min(size, limit) for size in texts) > width - fixed:
        limit -= 1
    if limit < _MIN_WIDTH:
        return None
    made = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold", show_edge=False)
    for name, size, number in zip(names, sizes, numeric, strict=True):
        made.add_column(Text(name), justify="right" if number else "left", width=size if number else min(size, limit), overflow="ellipsis")
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
