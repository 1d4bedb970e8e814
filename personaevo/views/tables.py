"""The final table of a search and its headline, the scoring of a run in words, and the costs of models."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from personaevo.evolve.ranking import AUDITOR, BEST, FREE, PEOPLE, SEED
from personaevo.judge.objectives import SCORE, SCORING, objectives, ordered, scoring_of, shown
from personaevo.records import FinalTable, Measure, Run, Scoring, TableRow
from personaevo.views import layout

if TYPE_CHECKING:
    from personaevo.models import Account


Rules = Mapping[str, tuple[str, str, float | None, int]]
AVERAGE = "average_person"  # the row that the best program is compared with
_ROWS = {
    PEOPLE: "people", FREE: "persona-free", AVERAGE: "average person", "copied_people": "copied people",
    "independent": "independent marginals", "programs": "of negative programs", SEED: "seed program", BEST: "evolved",
}  # fmt: skip
_ORDER = {"steers": 1, "holds": 2}  # the score is first, all other objectives are last


def current_rules() -> Rules:
    """Return role, direction, floor and version of each objective of this personaevo, as a run records them."""
    return {one.name: (one.role, one.direction, one.floor, one.version) for one in objectives()}


def arranged(names: Iterable[str], rules: Rules) -> list[str]:
    """Return the names in the order of tables: the score, objectives that steer, objectives with a floor, the rest."""
    order = {name: _ORDER.get(rule[0], 3) for name, rule in rules.items()} | {SCORE: 0}
    return sorted(ordered(list(names)), key=lambda name: order.get(name, 3))


def steered(rules: Rules) -> tuple[str, ...]:
    """Return the objectives that steered a run."""
    return tuple(name for name in arranged(rules, rules) if rules[name][0] == "steers")


def row_name(row: str) -> str:
    """Return the displayed name of a row of the final table, or of a kind of control."""
    return _ROWS.get(row, in_words(row))


def in_words(name: str) -> str:
    """Write a stored name as words."""
    return name.replace("_", " ")


def scoring_warning(run: Run) -> str:
    """Return a warning if a run was scored by another scoring than this personaevo's, else an empty text."""
    made_by = scoring_of(run.settings)
    if made_by == SCORING:
        return ""
    return f"scored by scoring {made_by} (this personaevo scores by {SCORING}): its numbers are not comparable with new ones"


def people_levels(scoring: Scoring, split: str, planned: int | None = None) -> str:
    """Describe the raw values that people reach on each objective, and the value scaled to 0 if it is not 0.

    Levels are those for ``planned`` dialogues, by default the fewest known. Empty where the run has none.
    """
    known = sorted({count for part, count, _, _ in scoring.levels if part == split})
    count = planned if planned is not None else next(iter(known), None)
    levels = {name: level for part, number, name, level in scoring.levels if (part, number) == (split, count)}
    shown = []
    for name in arranged(levels, scoring.rules):
        zero = f" (a share of 0: {levels[name].zero:.3g})" if levels[name].zero else ""
        shown.append(f"{in_words(name)} {levels[name].people:.3g}{zero}")
    return f"{', '.join(shown)} (raw, in {count} dialogues)" if shown else ""


def trained_against(run: Run) -> str:
    """Describe the dialogues not by people that each judge was trained against. Empty where the run does not record them."""
    try:
        kinds = json.loads(str(run.settings.get("negatives", "{}")))
    except (ValueError, RecursionError):
        return ""
    if not isinstance(kinds, dict):
        return ""
    counts = ", ".join(f"{count} {row_name(kind)}" for kind, count in kinds.items() if isinstance(count, int))
    return f"trained against dialogues that are not by people: {counts}" if counts else ""


def scoring_notes(run: Run, scoring: Scoring, split: str, planned: int | None = None) -> Sequence[tuple[str, str]]:
    """Return labels and remarks on how a run was scored; remarks without content are left out."""
    found = (
        ("scoring", scoring_warning(run)), ("people get", people_levels(scoring, split, planned)), ("judge", trained_against(run)),
    )  # fmt: skip
    return [(label, words) for label, words in found if words]


_WIDTH = 100  # characters per line of the table as text
_LABEL = 14  # characters for the names of rows: longer names are wrapped
_MEANS = "scaled so that people are 1; ± half the 95 % interval"
_AUDITS = "auditor: how well it tells a row's dialogues from people's (0.5: not at all, 1: always)"


@dataclass(frozen=True, slots=True)
class _Column:
    """One measure of all rows."""

    name: str
    entries: Sequence[str]

    @property
    def width(self) -> int:
        """Its width in characters."""
        return max(map(cell_len, (*layout.text(in_words(self.name)).plain.split(), *self.entries)), default=0)


@dataclass(frozen=True, slots=True)
class _Rows:
    """A rich renderable of the rows with all measures: the score, objectives that steer, the auditor, and the rest. Measures that do not
    fit side by side are shown in several blocks."""

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

    def _block(self, columns: Sequence[_Column], width: int) -> Table:
        """A table of some of the measures of all rows."""
        made = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style=layout.HEADING, show_edge=False)
        made.add_column("", overflow="fold", max_width=_LABEL)
        for column in columns:
            made.add_column(layout.name(in_words(column.name)), justify="right", overflow="fold", width=min(column.width, width))
        for index, row in enumerate(self.rows):
            made.add_row(layout.name(row_name(row.row)), *(layout.text(column.entries[index]) for column in columns))
        return made

    def _columns(self) -> list[_Column]:
        names = arranged(dict.fromkeys(name for row in self.rows for name in row.measures), self.rules)
        first = [name for name in names if name == SCORE or name in steered(self.rules)]
        names = [*first, *([AUDITOR] if AUDITOR in names else []), *(name for name in names if name not in (*first, AUDITOR))]
        return [_Column(name, [_entry(row.measures.get(name)) for row in self.rows]) for name in names]


def _fitting(columns: Sequence[_Column], width: int) -> list[_Column]:
    """The first columns that fit into a width; at least one."""
    found: list[_Column] = []
    left = width - _LABEL - 1
    for column in columns:
        left -= column.width + 1
        if found and left < 0:
            break
        found.append(column)
    return found


def table_view(table: FinalTable, rules: Rules | None = None) -> RenderableType:
    """Show each value ± half the width of its 95 % interval, row by row, then the numbers of dialogues, and the headline. ``rules`` are
    the run's objectives (by default those of this personaevo)."""
    rules = rules or current_rules()
    audited = any(AUDITOR in row.measures for row in table.rows)
    typing = f"{_AUDITS}; it sees how they type, too" if table.auditor_sees.startswith("typing") else _AUDITS
    notes = [_MEANS, *([typing] if audited else []), *_completed(table.rows)]
    head = headline(table, rules)
    return Group(_Rows(table.rows, rules), *map(layout.note, notes), *([Text(""), *map(layout.text, head)] if head else []))


def table_text(table: FinalTable, rules: Rules | None = None) -> str:
    """Write the page of ``table_view`` as text, at most 100 characters wide."""
    return layout.as_text(table_view(table, rules), _WIDTH)


def _entry(measure: Measure | None) -> str:
    if measure is None:
        return "not measured"
    half = max(measure.high - measure.mean, measure.mean - measure.low)
    return f"{round(measure.mean, 2) + 0.0:.2f} ± {half:.2f}"  # + 0.0: no negative zero


def _completed(rows: Sequence[TableRow]) -> Iterator[str]:
    """The number of planned dialogues, and the rows in which some failed."""
    counts = {row_name(row.row): next(iter(row.measures.values())) for row in rows if row.measures}
    planned = {one.planned for one in counts.values()}
    if len(planned) == 1:
        yield f"{planned.pop()} planned dialogues in each row"
    failed = ", ".join(f"{one.completed} of {one.planned} in {name}" for name, one in counts.items() if one.completed < one.planned)
    if failed:
        yield layout.text(f"completed only: {failed}").plain


def headline(table: FinalTable, rules: Rules) -> list[str]:
    """Describe the paired difference between the best program and the average person, and the objectives in which the program is not
    significantly better. Empty if they were not compared."""
    compared = [one for name in (SCORE, *steered(rules)) if (one := table.compared(AVERAGE, name)) is not None]
    differences, behind = [], []
    for one in compared:
        mean, low, high = (f"{round(value, 2) + 0.0:+.2f}" for value in (one.mean, one.low, one.high))
        differences.append(f"{in_words(one.objective)} {mean} [{low}, {high}]")
        less = one.objective in rules and rules[one.objective][1] == "less"
        if not (one.high < 0 if less else one.low > 0):
            behind.append(in_words(one.objective))
    found = [f"{row_name(BEST)} − {row_name(AVERAGE)}: {', '.join(differences)}"] if compared else []
    return [*found, f"not above the {row_name(AVERAGE)} in: {', '.join(behind)}"] if behind else found


def headline_object(table: FinalTable) -> dict[str, float] | None:
    """Return the paired difference of the score to the average person for ``--json``; None if it was not computed."""
    found = table.compared(AVERAGE, SCORE)
    return None if found is None else {"mean": found.mean, "low": found.low, "high": found.high}


def table_object(table: FinalTable) -> list[dict[str, Any]]:
    """Return the rows for ``--json``; values that were not measured are None."""
    names = ordered([*dict.fromkeys((*shown(), *(name for row in table.rows for name in row.measures), AUDITOR))])
    return [
        {"row": row.row, "program": row.program_id}
        | {name: asdict(row.measures[name]) if name in row.measures else None for name in names}
        for row in table.rows
    ]


def spending_text(spending: Mapping[str, Account]) -> str:
    """Write the calls, tokens and costs of each role's model, one line each."""
    lines = [f"{'role':12}{'calls':>8}{'known':>8}{'tokens in':>12}{'cached':>10}{'out':>10}{'US $':>10}{'s/call':>8}  failed attempts"]
    for role, account in spending.items():
        spent = account.spent
        failures = ", ".join(f"{kind} x{count}" for kind, count in sorted(account.failures.items())) or "none"
        lines.append(
            f"{role:12}{spent.calls:8,}{account.known:8,}{spent.input_tokens:12,}{spent.cached_tokens:10,}{spent.output_tokens:10,}"
            f"{spent.usd:10.4f}{spent.seconds / max(spent.calls, 1):8.2f}  {failures}"
        )
    estimated = sum(account.spent.estimated for account in spending.values())
    if estimated:
        lines.append(f"estimated: the tokens of {estimated:,} answers, which the server did not count (three bytes per token)")
    return "\n".join(lines)


def spending_object(spending: Mapping[str, Account]) -> dict[str, Any]:
    """Return the calls, tokens and costs of each role's model for ``--json``."""
    return {
        role: {
            "calls": one.spent.calls, "known": one.known, "input_tokens": one.spent.input_tokens, "cached_tokens": one.spent.cached_tokens,
            "output_tokens": one.spent.output_tokens, "usd": round(one.spent.usd, 6), "seconds": round(one.spent.seconds, 3),
            "estimated": one.spent.estimated,
            "failed_attempts": dict(one.failures),
        }
        for role, one in spending.items()
    }  # fmt: skip
