"""The reading half of ``Archive``: runs, candidates, episodes, elites and tables of one open archive file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from personaevo.archive import integrity, queries
from personaevo.archive.database import Database
from personaevo.archive.integrity import Finding
from personaevo.archive.queries import Elite, Population, population
from personaevo.archive.rows import digest_text, episode_from
from personaevo.archive.side_tables import StoredCalibration, latest_calibrations
from personaevo.archive.tables import Outcomes, outcomes
from personaevo.archive.writer_index import WriterIndex
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
