"""The archive: one DuckDB file that holds everything a search found. The only reader and writer of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from personaevo.archive import calibrations, digest, integrity, opening, queries
from personaevo.archive.calibrations import KeptCalibration
from personaevo.archive.calls import Calls
from personaevo.archive.database import Database, remove_file
from personaevo.archive.frames import FrameKind, frame
from personaevo.archive.integrity import Finding
from personaevo.archive.lock import Lock
from personaevo.archive.memory import Memory, floors_of, remember
from personaevo.archive.memory import md5 as _md5
from personaevo.archive.outcomes import Outcomes, outcomes
from personaevo.archive.population import Population, population
from personaevo.archive.queries import Elite
from personaevo.archive.refinements import Refinements
from personaevo.archive.rows import (
    as_json,
    comparison_rows,
    episode_from,
    finals_rows,
    rows_of,
    scoring_rows,
    table_rows,
)
from personaevo.archive.snapshot import Publisher
from personaevo.errors import ArchiveError
from personaevo.records import Commit, Episode, Evaluation, FinalTable, Run, Scoring

_MODEL_CALLS = 3  # the schema that has them
_MOST_WAITING = 64  # candidates that were added and are not safe yet


class Archive:
    """One archive file, open for writing (``create_or_open``) or reading (``read``); a context manager.

    One thread at a time. Every method raises ArchiveError, with one line that says what to do, when the file cannot be read or written.
    Whatever ``commit`` or ``flush`` returned from is kept, also when the process is killed right after it.
    """

    def __init__(self, path: Path, database: Database, held: Lock | None, publisher: Publisher | None) -> None:
        self.path = path
        self._file = database
        self._waiting: list[Mapping[str, list[str]]] = []  # of each candidate, whole: an interrupt leaves no half
        self._held = held
        self._publisher = publisher
        self._owner = os.getpid()
        self._known: Memory | None = None  # the writer's
        self._calls: Calls | None = None

    @classmethod
    def create_or_open(cls, path: str | os.PathLike[str]) -> Self:
        """Open an archive for writing, or make it. One writer at a time; other processes read its snapshot meanwhile.

        Raises:
            ArchiveBusyError: another process writes it, or does not stop reading it.
            ArchiveVersionError: it was made by a newer personaevo.
            ArchiveError: it is not an archive, is damaged, or cannot be made. The file is then as it was before.
        """
        place = Path(path).resolve()
        database, held = opening.for_writing(place)
        publisher = Publisher(database)
        archive = cls(place, database, held, publisher)
        try:
            archive._remember()
            publisher.publish_at_once()
        except BaseException:
            archive.close()
            raise
        return archive

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Open an archive for reading; while it is being written, that is the last published snapshot.

        Never changes the file. While it is open for reading, and was not being written when opened, nobody can write it: close it soon.

        Raises:
            ArchiveBusyError: it is being written and no snapshot appears within two seconds.
            ArchiveVersionError: it was made by a newer personaevo.
            ArchiveError: it does not exist, is not an archive or is damaged.
        """
        place = Path(path).resolve()
        database, held = opening.for_reading(place)
        return cls(place, database, held, None)

    @classmethod
    def remove_if_empty(cls, path: str | os.PathLike[str]) -> None:
        """Remove an archive without runs, answers of models, a refinement and calibrations; one that holds something, or cannot be read,
        stays."""
        with suppress(ArchiveError):
            with cls.read(path) as archive:
                kept = " UNION ALL ".join(f"SELECT 1 FROM {table}" for table in ("runs", "model_calls", "refinement", "calibrations"))
                empty = not archive.query(kept, limit=1)[1]
            if empty:
                remove_file(Path(path).resolve())

    def close(self) -> None:
        """Close the file and let others have it. A second call does nothing, nor does one in a forked child."""
        if self._owner != os.getpid():
            return
        try:
            self.flush()
        finally:
            self._let_go()

    def _let_go(self) -> None:
        try:
            self._file.close()
        finally:
            if self._publisher is not None and self._held is not None:
                self._publisher.remove()
            if self._held is not None:
                self._held.release()
                self._held = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # --- writing

    def begin_run(self, settings: Mapping[str, Any], cells: Sequence[Mapping[str, Any]], scoring: Scoring | None = None) -> Run:
        """Add a run. ``settings`` and ``cells`` need a JSON form; of a cell, ``cell``, ``name``, ``mass`` count here. ``scoring`` is
        what it is scored by.

        Raises:
            ArchiveError: they have none, or the archive is open for reading.
        """
        self._writable()
        try:
            texts = [as_json(dict(settings)), as_json([dict(cell) for cell in cells])]
        except (TypeError, ValueError) as error:
            raise ArchiveError(f"settings and cells of a run must be plain JSON values: {error}") from error
        scored_by = scoring or Scoring({}, ())
        run_id = 1 + int(self._database.execute("SELECT coalesce(max(run), 0) FROM runs")[0][0])
        with self._database.transaction():
            self._database.execute("INSERT INTO runs (run, settings, cells, begun) VALUES (?, ?, ?, ?)", [run_id, *texts, _now()])
            for table, rows in scoring_rows(run_id, scored_by).items():
                self._database.insert(table, rows)
        self._memory.begin(run_id, floors_of(scored_by.rules))
        self._publish_if_due()
        return self.run(run_id)

    def commit(self, run_id: int, commit: Commit) -> None:
        """Append everything of one candidate, with the run's digest up to here: ``add`` and ``flush``.

        Raises:
            ArchiveError: the run is unknown, the candidate's number is taken, the commit breaks the contract of its
                records, or it cannot be written. Nothing of it is stored then.
        """
        self.add(run_id, commit)
        self.flush()

    def add(self, run_id: int, commit: Commit) -> None:
        """``commit``, but it is written with others in one transaction: with the next ``flush``, or when 64 wait. (Alone it takes 10 ms,
        among sixteen 1 ms.) Whoever reads from this object sees it.

        Raises:
            ArchiveError: as ``commit``; if it cannot be written, nothing of those that waited is stored.
        """
        self._writable()
        known = self._memory
        numbers = known.numbers.get(run_id)
        if numbers is None:
            raise self._no_run(run_id)
        if commit.candidate.number in numbers:
            raise ArchiveError(f"candidate {commit.candidate.number} of run {run_id} was committed before: a candidate is committed once")
        rows, added = rows_of(run_id, commit)
        total = (known.digests.get(run_id, 0) + added) % digest.MODULUS
        row = rows["candidates"][0]
        key, source = row["program"], row.pop("source")
        kept = known.programs.text(key)
        row["variant"] = None if kept is None or kept == _md5(source) else source
        row |= {"seq": known.seq + 1, "digest": digest.as_text(total), "written": _now().isoformat(" ")}
        held = known.cells[run_id].taken(run_id, row["number"], commit.evaluation)
        rows = {"programs": [{"id": key, "source": source}] if kept is None else [], **rows, "holders": held}
        texts = {table: self._file.texts(table, some) for table, some in rows.items()}
        done = False
        try:
            self._waiting.append(texts)
            known.seq += 1
            known.programs.add(key, _md5(source))
            known.digests[run_id] = total
            numbers.add(row["number"])
            known.cells[run_id].give(held)
            done = True
        finally:
            if not done:  # interrupted: what counts is what is stored
                self._forget()
        if len(self._waiting) >= _MOST_WAITING:
            self.flush()

    def flush(self) -> None:
        """Write what was added, in one transaction. Raises ArchiveError if that cannot be done; nothing of it is stored then."""
        if self._waiting:
            self._append()
            self._publish_if_due()

    def write_table(self, run_id: int, table: FinalTable, finals: Sequence[Evaluation] = ()) -> None:
        """Store the final table of a run and the finals that its best program won; later ones take their place.

        Raises:
            ArchiveError: the run is unknown, or a value is not a finite number.
        """
        self._writable()
        self.run(run_id)
        version = 1 + int(
            self._database.execute("SELECT coalesce(max(version), 0) FROM final_tables WHERE run = ?", [run_id])[0][0]
        )
        with self._database.transaction():
            self._database.insert("final_tables", table_rows(run_id, version, table.rows))
            self._database.insert("comparisons", comparison_rows(run_id, version, table.comparisons))
            self._database.insert("finals", finals_rows(run_id, version, finals))
        self._publish_if_due()

    def publish_snapshot(self) -> None:
        """Publish the present state for readers now; ``commit`` does so by itself in at most 2 % of the time.

        Raises:
            ArchiveError: it cannot be written; the last one stays.
        """
        self._writable().publish()

    def calls(self) -> Calls:
        """The answers of models that it holds, and a place for more; one object for all.

        Raises:
            ArchiveError: they cannot be read, or the archive was made before answers were kept.
        """
        if self._calls is None:
            if self._database.schema < _MODEL_CALLS:
                raise ArchiveError(f"archive {self.path} was made before answers of models were kept: it is no recording")
            self._database.check("model_calls", streamed=True)
            self._calls = Calls(self._database)
        return self._calls

    def add_calibration(self, one: KeptCalibration) -> None:
        """Keep a calibration; of one model, wording and prompt the latest counts.

        Raises:
            ArchiveError: it holds a number that is not finite, or what has no JSON form; or the archive is open for reading.
        """
        self._writable()
        calibrations.add(self._database, one)
        self._publish_if_due()

    def calibrations(self) -> list[KeptCalibration]:
        """The latest calibration of each model, wording and prompt, by these."""
        return calibrations.latest(self._database)

    def refinements(self) -> Refinements:
        """The profiles of real people that it holds, and a place for more."""
        return Refinements(self._database, self._writable, self._publish_if_due)

    # --- reading

    def runs(self) -> list[Run]:
        """All runs, oldest first."""
        return queries.runs(self._database)

    def run(self, run_id: int | None = None) -> Run:
        """One run, or the latest.

        Raises:
            ArchiveError: there is no such run.
        """
        known = self.runs()
        if not known:
            other = f"run yet: `personaevo search --archive {self.path}` adds one"
            if self.refinements().settings():
                other = "search, but refined profiles: `personaevo archive profiles` shows them"
            elif self.calibrations():
                other = f"search, but a calibration: `personaevo search --calibration {self.path}` uses it"
            raise ArchiveError(f"archive {self.path} holds no {other}")
        found = known[-1:] if run_id is None else [run for run in known if run.id == run_id]
        if not found:
            raise self._no_run(run_id)
        return found[0]

    def commits(self, run_id: int, numbers: Sequence[int] | None = None) -> list[Commit]:
        """What a run committed, or those of some ``numbers``, by candidate number, without the episodes."""
        return queries.commits(self._database, self.run(run_id).id, numbers)

    def evaluated(self, run_id: int, programs: Sequence[str]) -> list[Commit]:
        """The commits, without episodes, of those of these programs that were evaluated, by candidate number."""
        found = self.run(run_id).id
        return queries.commits(self._database, found, queries.numbers(self._database, found, programs))

    def holders(self, run_id: int, up_to: int) -> dict[int, str]:
        """The ids of the programs that owned cells (see ``elites``) when candidate ``up_to`` was committed, by cell."""
        return queries.holders(self._database, self.run(run_id).id, up_to)

    def outcomes(self, run_id: int, names: Sequence[str] | None = None) -> Outcomes:
        """What came of every candidate of a run as columns, with the objectives of these names (those that steer or hold, if none are
        given) and the score: a second for a million, of which ``commits`` would make a million objects."""
        return outcomes(self._database, self.run(run_id).id, names)

    def episodes(self, run_id: int, number: int) -> tuple[Episode, ...]:
        """The episodes of one candidate with their personas, in the order of committing; none if nothing was run."""
        known = self._known is not None and run_id in self._known.numbers  # the writer's own memory: a search asks often
        wanted = [run_id if known else self.run(run_id).id, number]
        for table in ("episodes", "personas"):
            self._database.check(table, "run = ? AND number = ?", wanted)
        found = self._database.rows(queries.EPISODES + "WHERE e.run = ? AND e.number = ? ORDER BY e.rowid", wanted)
        return tuple(map(episode_from, found))

    def all_episodes(self, run_id: int) -> Iterator[tuple[int, tuple[Episode, ...]]]:
        """``episodes`` of every candidate of a run that has some, by number; read piece by piece."""
        return queries.episodes(self._database, self.run(run_id).id)

    def final_table(self, run_id: int) -> FinalTable:
        """The final table of a run; without rows until it is written."""
        run = self.run(run_id)
        return replace(queries.final_table(self._database, run.id), auditor_sees=str(run.settings.get("auditor_sees", "")))

    def scoring(self, run_id: int) -> Scoring:
        """What a run was scored by: its objectives with their roles and floors, what people get, and the controls of its judge."""
        return queries.scoring(self._database, self.run(run_id).id)

    def finals(self, run_id: int) -> list[Evaluation]:
        """The finals that the best program of the final table won: each finalist's evaluation on fresh episodes, as they were played."""
        return queries.finals(self._database, self.run(run_id).id)

    def elites(self, run_id: int | None = None) -> list[Elite]:
        """The best program of each cell that a run (the latest, if none is given) reaches, by cell."""
        return queries.elites(self._database, self.run(run_id).id)

    def population(self, run_id: int | None = None) -> Population:
        """The elites of a run, by cell, and the personas of these and of its best program (that of the final table, if it holds the floor
        of task preservation): each whose own episode completed and lies in a cell, with what was measured; by candidate, slot and task."""
        return population(self._database, self.run(run_id).id)

    def summary(self) -> dict[str, Any]:
        """What the archive holds, in the shape of ``archive summary --json``.

        ``{"schema", "domain", "runs", "programs", "evaluations", "episodes", "cells": {"held", "total", "mass"},
        "screened", "qd_score", "digest"}``. ``screened`` counts proposals that a stand-in played and the user's model did not.
        Counts and digest are those of the whole archive; domain, cells and QD score (sum over cells of mass times
        elite score) are the latest run's. ``held`` counts cells whose elite scores above 0, ``mass`` is the share of
        people in them.
        """
        return queries.summary(self._database)

    def sources(self, program_ids: Iterable[str]) -> dict[str, str]:
        """The source of each of these programs, as first proposed; unknown ids are left out."""
        wanted = [list(program_ids)]
        self._database.check("programs", "list_contains(?, id)", wanted)
        sql = "SELECT id, source FROM programs WHERE list_contains(?, id)"
        return {str(key): str(source) for key, source in self._database.execute(sql, wanted)}

    def program(self, prefix: str) -> dict[str, Any]:
        """One program by its id or the beginning of it, with everything that happened to it.

        Keys: ``id, source``; ``run, number, parents, operator, state, reason, fault`` of its latest proposal that was
        not a duplicate; ``proposals``, all of them; ``evaluations`` (with ``objectives``: name → value, se, raw);
        ``cells`` that it owns; a few ``personas``; ``best`` and ``worst``, its episodes of highest and lowest
        ``p_human`` with their ``turns`` (None if nothing was judged).

        Raises:
            ArchiveError: no program or several match.
        """
        return queries.program(self._database, prefix)

    def digest(self, run_id: int) -> str:
        """The digest of a run, as stored with its last commit: equal for equal content in whatever order of commits."""
        return digest.as_text(queries.run_digests(self._database).get(self.run(run_id).id, 0))

    def verify_digest(self) -> str:
        """Recompute the digest of every commit from the stored rows; returns that of the archive, as in ``summary``.

        Raises:
            ArchiveError: the rows are not those that were committed; names the first such commit.
        """
        return queries.verified_digest(self._database)

    def disagreements(self) -> list[Finding]:
        """What does not fit together in the stored rows, digests included; see ``personaevo.verify`` for the rest."""
        return integrity.find(self._database)

    def pruned(self, run_id: int) -> frozenset[int]:
        """The candidates of a run whose episodes and personas were left out by ``archive compact --elites``."""
        found = self._database.execute("SELECT number FROM pruned WHERE run = ?", [self.run(run_id).id])
        return frozenset(number for (number,) in found)

    def query(self, sql: str, parameters: Sequence[object] = (), limit: int | None = None) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and rows (at most ``limit``) of a query of the reader's own (tables and views: see ``archive/migrations``).

        Raises:
            ArchiveError: it is not one valid query that only reads, or the archive is open for writing.
        """
        if self._publisher is not None:
            raise ArchiveError(f"archive {self.path} is open for writing: open it with Archive.read to query it")
        return self._database.table(sql, parameters, limit)

    def frame(self, what: str = "episodes", kind: FrameKind = "pandas") -> Any:
        """A table, view or SELECT as a data frame: "pandas" or "arrow", where that is installed.

        Raises:
            ConfigError: there is no such table, view or kind, or the library is not installed. ArchiveError: see ``query``.
        """
        return frame(self.query, what, kind)

    # --- inside

    @property
    def _database(self) -> Database:
        """The file's database, with all that was added."""
        self.flush()
        return self._file

    @property
    def _memory(self) -> Memory:
        assert self._known is not None, "only a writer has one"
        return self._known

    def _writable(self) -> Publisher:
        if self._publisher is None:
            raise ArchiveError(f"archive {self.path} is open for reading: open it with Archive.create_or_open to write")
        if self._owner != os.getpid():  # DuckDB would take the rows and lose them
            raise ArchiveError(f"archive {self.path} was opened by process {self._owner}: only that process may write it")
        return self._publisher

    def _no_run(self, run_id: int | None) -> ArchiveError:
        return ArchiveError(f"archive {self.path} has no run {run_id}: it has {[run.id for run in self.runs()]}")

    def _append(self) -> None:
        done = False
        try:
            with self._file.transaction():
                for table in self._waiting[0]:
                    self._file.insert_texts(table, [text for one in self._waiting for text in one[table]])
            self._waiting = []
            done = True
        finally:
            if not done:  # failed or interrupted, perhaps just after the rows were safe: what counts is what is stored
                self._forget()

    def _forget(self) -> None:
        """Drops what waits, and reads anew what is stored."""
        self._waiting = []
        with suppress(ArchiveError):
            self._remember()

    def _remember(self) -> None:
        self._known = remember(self._database)

    def _publish_if_due(self) -> None:
        publisher = self._writable()
        if publisher.due():
            with suppress(ArchiveError):  # what was committed is safe; readers keep the last snapshot
                publisher.publish()


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
