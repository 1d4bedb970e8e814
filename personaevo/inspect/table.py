"""The final table of a search and its headline, for a terminal, as text, and as plain values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from personaevo.evolve.names import AUDITOR, BEST
from personaevo.inspect import layout
from personaevo.inspect.scoring import AVERAGE, Rules, arranged, row_name, rules_at_hand, spoken, steered
from personaevo.judge.objectives import SCORE, ordered, shown
from personaevo.records import Comparison, FinalTable, Measure, TableRow

_WIDTH = 100  # of the table as text
_LABEL = 14  # columns of a terminal for the rows' names: longer ones are folded
_MEANS = "shares of what people get (people are 1) ± half the 95 % interval"
_AUDITS = "auditor: how well it tells a row's dialogues from people's (0.5: not at all, 1: always)"


@dataclass(frozen=True, slots=True)
class _Column:
    """One measure of all rows, and the columns of a terminal that it takes."""

    name: str
    entries: Sequence[str]

    @property
    def width(self) -> int:
        return max(map(cell_len, (*layout.text(spoken(self.name)).plain.split(), *self.entries)), default=0)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows with all measures: the score, what steers, the auditor, and the rest; beneath one another where there is no room for all
    of them side by side. As a view of rich."""

    rows: Sequence[TableRow]
    rules: Rules

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        left = self._columns()
        while left:
            fitting = _fitting(left, options.max_width)
            left = [column for column in left if column not in fitting]
            yield self._block(fitting, options.max_width)
            if left:
                yield Text("")

    def _block(self, columns: Sequence[_Column], room: int) -> Table:
        """Some of the measures of all rows."""
        made = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style=layout.HEADING, show_edge=False)
        made.add_column("", overflow="fold", max_width=_LABEL)
        for column in columns:
            made.add_column(layout.name(spoken(column.name)), justify="right", overflow="fold", width=min(column.width, room))
        for index, row in enumerate(self.rows):
            made.add_row(layout.name(row_name(row.row)), *(layout.text(column.entries[index]) for column in columns))
        return made

    def _columns(self) -> list[_Column]:
        names = arranged(dict.fromkeys(name for row in self.rows for name in row.measures), self.rules)
        first = [name for name in names if name == SCORE or name in steered(self.rules)]
        names = [*first, *([AUDITOR] if AUDITOR in names else []), *(name for name in names if name not in (*first, AUDITOR))]
        return [_Column(name, [_entry(row.measures.get(name)) for row in self.rows]) for name in names]


def _fitting(columns: Sequence[_Column], room: int) -> list[_Column]:
    """The first of them, as many as there is room for; one at least."""
    found: list[_Column] = []
    left = room - _LABEL - 1
    for column in columns:
        left -= column.width + 1
        if found and left < 0:
            break
        found.append(column)
    return found


def table_view(table: FinalTable, rules: Rules | None = None) -> RenderableType:
    """Share ± half the width of its 95 % interval, row by row; under it how many dialogues were completed, and the headline. ``rules`` are
    the run's objectives (those of this personaevo, if none are given)."""
    rules = rules or rules_at_hand()
    audited = any(AUDITOR in row.measures for row in table.rows)
    typing = f"{_AUDITS}; it sees how they type, too" if table.auditor_sees.startswith("typing") else _AUDITS
    notes = [_MEANS, *([typing] if audited else []), *_completed(table.rows)]
    head = headline(table, rules)
    return Group(_Rows(table.rows, rules), *map(layout.note, notes), *([Text(""), *map(layout.text, head)] if head else []))


def table_text(table: FinalTable, rules: Rules | None = None) -> str:
    """The same as text, at most 100 characters wide."""
    return layout.as_text(table_view(table, rules), _WIDTH)


def _entry(measure: Measure | None) -> str:
    if measure is None:
        return "not measured"
    half = max(measure.high - measure.mean, measure.mean - measure.low)
    return f"{_rounded(measure.mean):.2f} ± {half:.2f}"


def _rounded(value: float) -> float:
    """To two digits, and no negative zero."""
    return round(value, 2) + 0.0


def _completed(rows: Sequence[TableRow]) -> Iterator[str]:
    """Over how many planned dialogues, and of which rows some failed."""
    counts = {row_name(row.row): next(iter(row.measures.values())) for row in rows if row.measures}
    planned = {one.planned for one in counts.values()}
    if len(planned) == 1:
        yield f"{planned.pop()} planned dialogues in each row"
    failed = ", ".join(f"{one.completed} of {one.planned} in {name}" for name, one in counts.items() if one.completed < one.planned)
    if failed:
        yield layout.text(f"completed only: {failed}").plain


# --- the headline


def headline(table: FinalTable, rules: Rules) -> list[str]:
    """The best program less the average person, paired, in words; and in what it is not above that. Nothing if they were not compared."""
    compared = [one for name in (SCORE, *steered(rules)) if (one := table.compared(AVERAGE, name)) is not None]
    if not compared:
        return []
    differences = ", ".join(f"{spoken(one.objective)} {_signed(one.mean)} [{_signed(one.low)}, {_signed(one.high)}]" for one in compared)
    said = [f"{row_name(BEST)} − {row_name(AVERAGE)}: {differences}"]
    behind = [spoken(one.objective) for one in compared if not _better(one, rules)]
    return [*said, f"not above the {row_name(AVERAGE)} in: {', '.join(behind)}"] if behind else said


def _signed(value: float) -> str:
    return f"{_rounded(value):+.2f}"


def _better(one: Comparison, rules: Rules) -> bool:
    """Whether the whole interval lies on the better side of 0."""
    less = one.objective in rules and rules[one.objective][1] == "less"
    return one.high < 0 if less else one.low > 0


def headline_object(table: FinalTable) -> dict[str, float] | None:
    """The paired difference of the score to the average person, for ``--json``; None if it was not made."""
    found = table.compared(AVERAGE, SCORE)
    return None if found is None else {"mean": found.mean, "low": found.low, "high": found.high}


def table_object(table: FinalTable) -> list[dict[str, Any]]:
    """The rows for ``--json``; what was not measured is None."""
    names = ordered([*dict.fromkeys((*shown(), *(name for row in table.rows for name in row.measures), AUDITOR))])
    return [
        {"row": row.row, "program": row.program_id}
        | {name: asdict(row.measures[name]) if name in row.measures else None for name in names}
        for row in table.rows
    ]
