"""What a search found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from personaevo.models import Account
from personaevo.notebook import table as html_table
from personaevo.records import Comparison, Program, TableRow


@dataclass(frozen=True)
class SearchResult:
    """What a search found. ``table`` is the final table on held-out tasks and people; ``comparisons`` are the best program's paired
    differences to every other row; ``best`` the program that won the finals; ``spending`` what each role's model did and cost, in all;
    ``problem`` says why nothing was found, where every proposal was refused or no dialogue of a candidate was played ("" otherwise);
    ``auditor_sees`` what the auditor saw beside fingerprint and dynamics."""

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
        rows = [[row.row.replace("_", " "), *(_shown(row, name) for name in names)] for row in self.table]
        return html_table(["", *(name.replace("_", " ") for name in names)], rows, f"{self.archive}: {self.candidates} candidates")


def _shown(row: TableRow, name: str) -> str:
    found = row.measures.get(name)
    return "" if found is None else f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"
