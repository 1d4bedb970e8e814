"""What the writer of an archive remembers so that a commit need not ask: to number, to refuse repetition, to add up digests, to name who
took over a cell. An index of 16 bytes a program, made when the archive is opened, and what was added since; no texts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import starmap

import numpy as np

from personaevo.archive import queries
from personaevo.archive.database import Database
from personaevo.archive.rows import Row
from personaevo.records import Evaluation

_NUMBERS = "SELECT run, count(*), count(DISTINCT number), min(number), max(number) FROM candidates GROUP BY run"
_FLOORS = "SELECT run, objective, floor, direction FROM rules WHERE \"role\" = 'holds' AND floor IS NOT NULL"
Floor = tuple[str, float, int]  # of an objective; 1 if more of it is better, else -1


def md5(text: str) -> bytes:
    """Of a text, as DuckDB's md5() says; a comparison, nothing more."""
    return hashlib.md5(text.encode(), usedforsecurity=False).digest()


class Numbers:
    """The numbers of the candidates of one run that were committed: mostly all below one."""

    def __init__(self, below: int = 0) -> None:
        self._below, self._others = below, set[int]()

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and (0 <= number < self._below or number in self._others)

    def add(self, number: int) -> None:
        """Takes in one more."""
        self._others.add(number)
        while self._below in self._others:
            self._others.remove(self._below)
            self._below += 1


class Programs:
    """The programs that are stored: of each the MD5 of its text, which is looked up only when the program comes again."""

    def __init__(self, database: Database) -> None:
        found = database.columns("SELECT id, rowid AS place FROM programs")
        keys = np.fromiter(map(hash, found["id"]), dtype=np.int64, count=len(found["id"]))
        order = np.argsort(keys)
        self._keys, self._places = keys[order], found["place"][order]
        self._database = database
        self._since: dict[str, bytes] = {}

    def text(self, key: str) -> bytes | None:
        """The MD5 of the text that is stored for a program; None if none is."""
        found = self._since.get(key)
        if found is None and len(self._keys):
            found = self._stored(key)
            if found is not None:
                self._since[key] = found
        return found

    def add(self, key: str, text: bytes) -> None:
        """Takes in one more, with the MD5 of its text, unless it is known."""
        self._since.setdefault(key, text)

    def _stored(self, key: str) -> bytes | None:
        number = np.int64(hash(key))
        first, last = np.searchsorted(self._keys, number, "left"), np.searchsorted(self._keys, number, "right")
        for place in self._places[first:last]:
            for (text,) in self._database.execute("SELECT md5(source) FROM programs WHERE rowid = ? AND id = ?", [int(place), key]):
                return bytes.fromhex(text)
        return None


class Cells:
    """The best lower bound of each cell in one run, and the candidate that has it: as in the view ``elites_anew``, but kept up to date."""

    def __init__(self, floors: tuple[Floor, ...] = ()) -> None:
        self._floors = floors
        self._best: dict[int, tuple[float, int]] = {}  # low, and the negative number: the earliest wins ties

    def give(self, held: Iterable[Row]) -> None:
        """Takes in rows of ``holders``."""
        for row in held:
            one = row["score"] - row["se"], -row["number"]
            self._best[row["cell"]] = max(one, self._best.get(row["cell"], one))

    def taken(self, run_id: int, number: int, evaluation: Evaluation | None) -> list[Row]:
        """The rows of ``holders`` for the cells that a candidate takes over, once they are given."""
        if evaluation is None or evaluation.split != "train" or not self._holds(evaluation):
            return []
        better = [one for one in evaluation.cells if one.score > 0 and self._beats(int(one.cell), float(one.score) - float(one.se), number)]
        return [
            {
                "run": run_id, "cell": int(one.cell), "number": number, "share": float(one.share), "score": float(one.score),
                "se": float(one.se),
            }
            for one in better
        ]  # fmt: skip

    def _beats(self, cell: int, low: float, number: int) -> bool:
        return cell not in self._best or (low, -number) > self._best[cell]

    def _holds(self, evaluation: Evaluation) -> bool:
        found = evaluation.objectives
        return all((found[name].value - floor) * sign >= 0 for name, floor, sign in self._floors if name in found)


@dataclass(slots=True)
class Memory:
    """All of it, by run."""

    programs: Programs
    seq: int = 0
    numbers: dict[int, Numbers] = field(default_factory=dict)
    digests: dict[int, int] = field(default_factory=dict)
    cells: dict[int, Cells] = field(default_factory=dict)

    def begin(self, run_id: int, floors: tuple[Floor, ...]) -> None:
        """Takes in a new run."""
        self.numbers[run_id] = Numbers()
        self.cells[run_id] = Cells(floors)


def remember(database: Database) -> Memory:
    """What is stored. Raises ArchiveError: it cannot be read."""
    memory = Memory(Programs(database), digests=queries.run_digests(database))
    memory.seq = int(database.execute("SELECT coalesce(max(seq), 0) FROM candidates")[0][0])
    floors = _floors(database)
    for run in queries.runs(database):
        memory.begin(run.id, floors.get(run.id, ()))
    for run_id, count, distinct, first, last in database.execute(_NUMBERS):
        whole = (first, last, distinct) == (0, count - 1, count)
        memory.numbers[run_id] = Numbers(count) if whole else _some(database, run_id)
    database.check("holders")
    for row in database.stream("SELECT * FROM holders"):
        memory.cells.setdefault(row["run"], Cells()).give([row])
    return memory


def floors_of(rules: Mapping[str, tuple[str, str, float | None, int]]) -> tuple[Floor, ...]:
    """The floors among the rules that a run is scored by."""
    held = ((name, floor, direction) for name, (role, direction, floor, _) in rules.items() if role == "holds" and floor is not None)
    return tuple(starmap(_floor, held))


def _floor(name: str, floor: float, direction: str) -> Floor:
    return name, floor, -1 if direction == "less" else 1


def _floors(database: Database) -> dict[int, tuple[Floor, ...]]:
    found: dict[int, tuple[Floor, ...]] = {}
    for run_id, *rule in database.execute(_FLOORS):
        found[run_id] = (*found.get(run_id, ()), _floor(*rule))
    return found


def _some(database: Database, run_id: int) -> Numbers:
    numbers = Numbers()
    for number in _committed(database, run_id):
        numbers.add(number)
    return numbers


def _committed(database: Database, run_id: int) -> Iterator[int]:
    return (row["number"] for row in database.stream("SELECT number FROM candidates WHERE run = ? ORDER BY number", [run_id]))
