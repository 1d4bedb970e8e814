"""In-memory index of the writer of an archive, so that a commit needs no query: numbers and digests so far, stored programs, cell owners.

It is built when the archive is opened, takes 16 bytes per program, and holds no program texts.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from personaevo.archive import queries
from personaevo.archive.database import Database
from personaevo.archive.rows import Row, Rows
from personaevo.records import Evaluation

_NUMBERS = "SELECT run, count(*), count(DISTINCT number), min(number), max(number) FROM candidates GROUP BY run"
_RULES = 'SELECT run, objective, "role", direction, floor, version FROM rules'
Rule = tuple[str, str, float | None, int]  # role, direction, floor and version of an objective, as in ``Scoring.rules``
Floor = tuple[str, float, int]  # an objective, its floor, and 1 if more of it is better, else -1


def text_md5(text: str) -> bytes:
    """The MD5 of a text, equal to DuckDB's md5(); only used to compare texts."""
    return hashlib.md5(text.encode(), usedforsecurity=False).digest()


class CandidateNumbers:
    """The set of committed candidate numbers of one run. Most are contiguous from 0, and these are stored as their count."""

    def __init__(self, below: int = 0) -> None:
        self._below, self._others = below, set[int]()

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and (0 <= number < self._below or number in self._others)

    def add(self, number: int) -> None:
        """Add a number."""
        self._others.add(number)
        while self._below in self._others:
            self._others.remove(self._below)
            self._below += 1


class StoredPrograms:
    """The stored programs, with the MD5 of each text. It is read from the file only when a program is proposed again."""

    def __init__(self, database: Database) -> None:
        found = database.columns("SELECT id, rowid AS place FROM programs")
        keys = np.fromiter(map(hash, found["id"]), dtype=np.int64, count=len(found["id"]))
        order = np.argsort(keys)
        self._keys, self._places = keys[order], found["place"][order]
        self._database = database
        self._since: dict[str, bytes] = {}

    def text(self, key: str) -> bytes | None:
        """Return the MD5 of the stored text of a program; None if it is not stored."""
        if key in self._since or not len(self._keys):
            return self._since.get(key)
        number = np.int64(hash(key))
        first, last = np.searchsorted(self._keys, number, "left"), np.searchsorted(self._keys, number, "right")
        for place in self._places[first:last]:
            for (text,) in self._database.execute("SELECT md5(source) FROM programs WHERE rowid = ? AND id = ?", [int(place), key]):
                self._since[key] = bytes.fromhex(text)
                return self._since[key]
        return None

    def add(self, key: str, text: bytes) -> None:
        """Add a program with the MD5 of its text, unless it is known."""
        self._since.setdefault(key, text)


class CellOwners:
    """The best lower bound of each cell in one run, and the candidate that reaches it: the view ``elites_anew``, updated incrementally."""

    def __init__(self, floors: tuple[Floor, ...] = ()) -> None:
        self._floors = floors
        self._best: dict[int, tuple[float, int]] = {}  # low, and the negative number: the earliest wins ties

    def give(self, held: Iterable[Row]) -> None:
        """Take in rows of ``holders``."""
        for row in held:
            one = row["score"] - row["se"], -row["number"]
            self._best[row["cell"]] = max(one, self._best.get(row["cell"], one))

    def taken(self, run_id: int, number: int, evaluation: Evaluation | None) -> list[Row]:
        """Return the rows of ``holders`` for the cells that a candidate takes over. The index changes only when ``give`` takes them."""
        if evaluation is None or evaluation.split != "train":
            return []
        found = evaluation.objectives
        if any((found[name].value - floor) * sign < 0 for name, floor, sign in self._floors if name in found):
            return []
        rows: list[Row] = []
        for one in evaluation.cells:
            cell, share, score, se = int(one.cell), float(one.share), float(one.score), float(one.se)
            if score > 0 and (cell not in self._best or (score - se, -number) > self._best[cell]):
                rows.append({"run": run_id, "cell": cell, "number": number, "share": share, "score": score, "se": se})
        return rows


@dataclass(slots=True)
class WriterIndex:
    """The whole index, by run."""

    programs: StoredPrograms
    seq: int = 0
    numbers: dict[int, CandidateNumbers] = field(default_factory=dict)
    digests: dict[int, int] = field(default_factory=dict)
    cells: dict[int, CellOwners] = field(default_factory=dict)

    def begin(self, run_id: int, floors: tuple[Floor, ...]) -> None:
        """Add a new run."""
        self.numbers[run_id] = CandidateNumbers()
        self.cells[run_id] = CellOwners(floors)

    def note(self, run_id: int, rows: Rows, source: str, digest: int) -> None:
        """Add one commit by its rows; ``source`` is that of its program, ``digest`` the run's digest up to here."""
        row = rows["candidates"][0]
        self.seq += 1
        self.programs.add(row["program"], text_md5(source))
        self.digests[run_id] = digest
        self.numbers[run_id].add(row["number"])
        self.cells[run_id].give(rows["holders"])


def build_index(database: Database) -> WriterIndex:
    """Build the index of what is stored. Raises ArchiveError: it cannot be read."""
    index = WriterIndex(StoredPrograms(database), digests=queries.run_digests(database))
    index.seq = int(database.execute("SELECT coalesce(max(seq), 0) FROM candidates")[0][0])
    rules: dict[int, dict[str, Rule]] = defaultdict(dict)
    for run_id, name, role, direction, floor, version in database.execute(_RULES):
        rules[run_id][name] = role, direction, floor, version
    for run in queries.runs(database):
        index.begin(run.id, floors_of(rules[run.id]))
    for run_id, count, distinct, first, last in database.execute(_NUMBERS):
        contiguous = (first, last, distinct) == (0, count - 1, count)
        index.numbers[run_id] = CandidateNumbers(count if contiguous else 0)
        if not contiguous:
            for row in database.stream("SELECT number FROM candidates WHERE run = ? ORDER BY number", [run_id]):
                index.numbers[run_id].add(row["number"])
    database.check("holders")
    for row in database.stream("SELECT * FROM holders"):
        index.cells.setdefault(row["run"], CellOwners()).give([row])
    return index


def floors_of(rules: Mapping[str, Rule]) -> tuple[Floor, ...]:
    """Return the floors among the scoring rules of a run."""
    return tuple(
        (name, floor, -1 if direction == "less" else 1)
        for name, (role, direction, floor, _) in rules.items() if role == "holds" and floor is not None
    )  # fmt: skip
