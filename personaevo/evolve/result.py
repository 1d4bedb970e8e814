"""The result of a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from personaevo.models import Account
from personaevo.notebook import table as html_table
from personaevo.records import Comparison, Program, TableRow


@dataclass(frozen=True)
class SearchResult:
    """Result of a search.

    Attributes:
        best: the program that won the finals.
        table: final table on held-out tasks and people.
        comparisons: paired differences between the best program and every other row.
        spending: calls, tokens and costs of the model of each role.
        problem: why there is no result, if every proposal was refused or no dialogue of a candidate was played; else "".
        auditor_sees: input of the auditor in addition to fingerprint and dynamics.
    """

    archive: Path
    seed: int
    candidates: int
    episodes: int
    seconds: float
    digest: str
    best: Program
    table: tuple[TableRow, ...]
    comparisons: tuple[Comparison, ...] = ()
    spending: Mapping[str, Account] = field(default_factory=dict)
    problem: str = ""
    auditor_sees: str = ""

    def _repr_html_(self) -> str:
        names = list(dict.fromkeys(name for row in self.table for name in row.measures))
        rows = []
        for row in self.table:
            measures = [row.measures.get(name) for name in names]
            values = ["" if one is None else f"{one.mean:.2f} [{one.low:.2f}, {one.high:.2f}]" for one in measures]
            rows.append([row.row.replace("_", " "), *values])
        return html_table(["", *(name.replace("_", " ") for name in names)], rows, f"{self.archive}: {self.candidates} candidates")
