"""The reading half of ``Archive``: runs, candidates, episodes, elites and tables of one open archive file."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from personaevo.archive import integrity, queries
from personaevo.archive.database import Database
from personaevo.archive.integrity import Finding
from personaevo.archive.queries import Elite, Population, population
from personaevo.archive.rows import Row, Rows, digest_text, episode_from
from personaevo.archive.side_tables import StoredCalibration, latest_calibrations
from personaevo.archive.tables import Outcomes, outcomes
from personaevo.errors import ArchiveError
from personaevo.records import Commit, Episode, Evaluation, FinalTable, Run, Scoring


class ArchiveReader:
    """What ``Archive`` offers for reading. Every method raises ArchiveError when the file cannot be read or holds damaged values."""

    def __init__(self, path: Path, database: Database) -> None:
        self.path = path
        self._file = database
        self._index: WriterIndex | None = None  # only a writer has one

    @property
    def _database(self) -> Database:
        """The database with everything that was added so far."""
        return self._file

    def runs(self) -> list[Run]:
        """Return all runs, oldest first."""
        return queries.runs(self._database)

    def run(self, run_id: int | None = None) -> Run:
        """Return one run, or the latest.

        Raises:
            ArchiveError: there is no such run.
        """
        known = self.runs()
        if not known:
            hint = f"run yet: `personaevo search --archive {self.path}` adds one"
            if not self._database.is_empty("refinement"):
                hint = "search, but refined profiles: `personaevo archive profiles` shows them"
            elif self.calibrations():
                hint = f"search, but a calibration: `personaevo search --calibration {self.path}` uses it"
            raise ArchiveError(f"archive {self.path} holds no {hint}")
        found = known[-1:] if run_id is None else [run for run in known if run.id == run_id]
        if not found:
            raise ArchiveError(f"archive {self.path} has no run {run_id}: it has {[run.id for run in known]}")
        return found[0]

    def commits(self, run_id: int, numbers: Sequence[int] | None = None) -> list[Commit]:
        """Return the commits of a run (all, or those of some candidate ``numbers``) by candidate number, without their episodes."""
        return queries.commits(self._database, self.run(run_id).id, numbers)

    def evaluated(self, run_id: int, programs: Sequence[str]) -> list[Commit]:
        """Return the commits, without episodes, of those of these programs that were evaluated, by candidate number."""
        found = self.run(run_id).id
        return queries.commits(self._database, found, queries.numbers(self._database, found, programs))

    def holders(self, run_id: int, up_to: int) -> dict[int, str]:
        """Map each cell to the id of the program that owned it (see ``elites``) when candidate ``up_to`` was committed."""
        return queries.holders(self._database, self.run(run_id).id, up_to)

    def outcomes(self, run_id: int, names: Sequence[str] | None = None) -> Outcomes:
        """Return every candidate of a run as columns, with the score and the objectives of these names (by default, those that steer or
        constrain the search). Takes one second per million candidates; ``commits`` would build a million objects."""
        return outcomes(self._database, self.run(run_id).id, names)

    def episodes(self, run_id: int, number: int) -> tuple[Episode, ...]:
        """Return the episodes of one candidate with their personas, in the order they were committed; empty if none were played."""
        known = self._index is not None and run_id in self._index.numbers  # saves a query: a search asks often
        wanted = [run_id if known else self.run(run_id).id, number]
        for table in ("episodes", "personas"):
            self._database.check(table, "run = ? AND number = ?", wanted)
        found = self._database.rows(queries.EPISODES + "WHERE e.run = ? AND e.number = ? ORDER BY e.rowid", wanted)
        return tuple(map(episode_from, found))

    def all_episodes(self, run_id: int) -> Iterator[tuple[int, tuple[Episode, ...]]]:
        """Yield the ``episodes`` of every candidate of a run that has some, by candidate number; read in batches."""
        return queries.episodes(self._database, self.run(run_id).id)

    def final_table(self, run_id: int) -> FinalTable:
        """Return the final table of a run; it has no rows until it is written."""
        run = self.run(run_id)
        return replace(queries.final_table(self._database, run.id), auditor_sees=str(run.settings.get("auditor_sees", "")))

    def scoring(self, run_id: int) -> Scoring:
        """Return how a run is scored: objectives with roles and floors, the levels that people reach, and the controls of the judge."""
        return queries.scoring(self._database, self.run(run_id).id)

    def finals(self, run_id: int) -> list[Evaluation]:
        """Return each finalist's evaluation on fresh episodes, in the order played. The winner is the best program of the final table."""
        return queries.finals(self._database, self.run(run_id).id)

    def elites(self, run_id: int | None = None) -> list[Elite]:
        """Return the best program of each cell that a run (by default the latest) reaches, by cell."""
        return queries.elites(self._database, self.run(run_id).id)

    def population(self, run_id: int | None = None) -> Population:
        """Return the elites of a run by cell, and the personas of these and of its best program.

        The best program is that of the final table, if it meets the floor of task preservation. A persona is included if its own episode
        completed and is in a cell. Ordered by candidate, slot and task; each comes with its measured values.
        """
        return population(self._database, self.run(run_id).id)

    def summary(self) -> dict[str, Any]:
        """Summarize the archive in the shape of ``archive summary --json``.

        ``{"schema", "domain", "runs", "programs", "evaluations", "episodes", "cells": {"held", "total", "mass"},
        "screened", "qd_score", "digest"}``. ``screened`` counts proposals that a stand-in played and the user's model did not.
        Counts and digest are those of the whole archive; domain, cells and QD score (sum over cells of mass times
        elite score) are the latest run's. ``held`` counts cells whose elite scores above 0, ``mass`` is the share of
        people in them.
        """
        return queries.summary(self._database)

    def sources(self, program_ids: Iterable[str]) -> dict[str, str]:
        """Return the source of each of these programs, as first proposed; unknown ids are left out."""
        wanted = [list(program_ids)]
        self._database.check("programs", "list_contains(?, id)", wanted)
        sql = "SELECT id, source FROM programs WHERE list_contains(?, id)"
        return {str(key): str(source) for key, source in self._database.execute(sql, wanted)}

    def program(self, prefix: str) -> dict[str, Any]:
        """Return one program by its id or a prefix of it, with its full history.

        Keys: ``id, source``; ``run, number, parents, operator, state, reason, fault`` of its latest proposal that was
        not a duplicate; ``proposals``, all of them; ``evaluations`` (with ``objectives``: name → value, se, raw);
        ``cells`` that it owns; a few ``personas``; ``best`` and ``worst``, its episodes of highest and lowest
        ``p_human`` with their ``turns`` (None if nothing was judged).

        Raises:
            ArchiveError: no program or several match.
        """
        return queries.program(self._database, prefix)

    def digest(self, run_id: int) -> str:
        """Return the digest of a run as stored with its last commit: equal for equal content in any order of commits."""
        return digest_text(queries.run_digests(self._database).get(self.run(run_id).id, 0))

    def verify_digest(self) -> str:
        """Recompute the digest of every commit from the stored rows, and return that of the archive, as in ``summary``.

        Raises:
            ArchiveError: the rows are not those that were committed; names the first such commit.
        """
        return queries.verified_digest(self._database)

    def disagreements(self) -> list[Finding]:
        """Return every inconsistency among the stored rows, digests included; see ``personaevo.verify`` for the other checks."""
        return integrity.find(self._database)

    def pruned(self, run_id: int) -> frozenset[int]:
        """Return the candidates of a run whose episodes and personas ``archive compact --elites`` left out."""
        found = self._database.execute("SELECT number FROM pruned WHERE run = ?", [self.run(run_id).id])
        return frozenset(number for (number,) in found)

    def calibrations(self) -> list[StoredCalibration]:
        """Return the latest calibration of each model, wording and prompt, in this order."""
        return latest_calibrations(self._database)


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
