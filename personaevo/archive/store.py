"""The archive: one DuckDB file that holds everything a search found. Only this package reads or writes it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from personaevo.archive.database import Database, remove_file
from personaevo.archive.files import Lock
from personaevo.archive.opening import Publisher, for_reading, for_writing
from personaevo.archive.reading import ArchiveReader, build_index, floors_of, text_md5
from personaevo.archive.rows import (
    MODULUS,
    Row,
    Rows,
    as_json,
    comparison_rows,
    digest_text,
    finals_rows,
    rows_of,
    scoring_rows,
    table_rows,
    utc_now,
)
from personaevo.archive.side_tables import ModelCallStore, Refinements, StoredCalibration, add_calibration
from personaevo.archive.tables import FrameKind, frame
from personaevo.errors import ArchiveError
from personaevo.records import Commit, Evaluation, FinalTable, Run, Scoring

_MODEL_CALLS_SCHEMA = 3  # the first schema with a table of model calls
_MOST_WAITING = 64  # candidates that were added and are not written yet


class Archive(ArchiveReader):
    """One archive file, open for writing (``create_or_open``) or reading (``read``); a context manager.

    Not thread-safe. Every method raises ArchiveError, with one line that says what to do, when the file cannot be read or written.
    What ``commit`` or ``flush`` has written when it returns survives, also when the process is killed right after it.
    """

    def __init__(self, path: Path, database: Database, held: Lock | None, publisher: Publisher | None) -> None:
        super().__init__(path, database)
        self._waiting: list[Mapping[str, list[str]]] = []  # the rows of one candidate each: an interrupt leaves no half
        self._held = held
        self._publisher = publisher
        self._owner = os.getpid()
        self._calls: ModelCallStore | None = None

    @classmethod
    def create_or_open(cls, path: str | os.PathLike[str]) -> Self:
        """Open an archive for writing; create it if it does not exist. One writer at a time; other processes read its snapshot meanwhile.

        Raises:
            ArchiveBusyError: another process writes it, or does not stop reading it.
            ArchiveVersionError: it was made by a newer personaevo.
            ArchiveError: it is not an archive, is damaged, or cannot be made. The file is then unchanged.
        """
        place = Path(path).resolve()
        database, held = for_writing(place)
        publisher = Publisher(database)
        archive = cls(place, database, held, publisher)
        try:
            archive._index = build_index(archive._database)
            publisher.publish_at_once()
        except BaseException:
            archive.close()
            raise
        return archive

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Open an archive for reading; while it is being written, that is the last published snapshot.

        Never changes the file. An archive that was not being written when it was opened cannot be written while it is open: close it soon.

        Raises:
            ArchiveBusyError: it is being written and no snapshot appears within two seconds.
            ArchiveVersionError: it was made by a newer personaevo.
            ArchiveError: it does not exist, is not an archive or is damaged.
        """
        place = Path(path).resolve()
        database, held = for_reading(place)
        return cls(place, database, held, None)

    @classmethod
    def remove_if_empty(cls, path: str | os.PathLike[str]) -> None:
        """Remove an archive without runs, model calls, refinement and calibrations; one that cannot be read stays."""
        with suppress(ArchiveError):
            with cls.read(path) as archive:
                tables = ("runs", "model_calls", "refinement", "calibrations")
                empty = all(archive._database.is_empty(table) for table in tables)
            if empty:
                remove_file(Path(path).resolve())

    def close(self) -> None:
        """Write what waits, close the file and release its lock. Does nothing the second time, or in a forked child."""
        if self._owner != os.getpid():
            return
        try:
            self.flush()
        finally:
            self._release()

    def _release(self) -> None:
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

    @property
    def _database(self) -> Database:
        self.flush()
        return self._file

    def begin_run(self, settings: Mapping[str, Any], cells: Sequence[Mapping[str, Any]], scoring: Scoring | None = None) -> Run:
        """Add a run. ``settings`` and ``cells`` must have a JSON form; each cell needs ``cell``, ``name`` and ``mass``. ``scoring`` is how
        the run is scored.

        Raises:
            ArchiveError: they have no JSON form, or the archive is open for reading.
        """
        self._writable()
        try:
            texts = [as_json(dict(settings)), as_json([dict(cell) for cell in cells])]
        except (TypeError, ValueError) as error:
            raise ArchiveError(f"settings and cells of a run must be plain JSON values: {error}") from error
        scoring = scoring or Scoring({}, ())
        run_id = 1 + int(self._database.execute("SELECT coalesce(max(run), 0) FROM runs")[0][0])
        with self._database.transaction():
            self._database.execute("INSERT INTO runs (run, settings, cells, begun) VALUES (?, ?, ?, ?)", [run_id, *texts, utc_now()])
            for table, rows in scoring_rows(run_id, scoring).items():
                self._database.insert(table, rows)
        assert self._index is not None
        self._index.begin(run_id, floors_of(scoring.rules))
        self._publish_if_due()
        return self.run(run_id)

    def commit(self, run_id: int, commit: Commit) -> None:
        """Append one candidate with its evaluation and episodes, and the run's digest so far: ``add`` and ``flush``.

        Raises:
            ArchiveError: the run is unknown, the candidate's number is taken, the commit breaks the contract of its
                records, or it cannot be written. Nothing of it is stored then.
        """
        self.add(run_id, commit)
        self.flush()

    def add(self, run_id: int, commit: Commit) -> None:
        """Add a commit that is written together with others in one transaction: at the next ``flush``, or once 64 wait. (Alone it takes
        10 ms, among sixteen 1 ms.) Reads through this object see it at once.

        Raises:
            ArchiveError: as ``commit``; if writing fails, none of the waiting commits are stored.
        """
        self._writable()
        assert self._index is not None
        numbers = self._index.numbers.get(run_id)
        if numbers is None:
            raise ArchiveError(f"archive {self.path} has no run {run_id}: it has {[run.id for run in self.runs()]}")
        if commit.candidate.number in numbers:
            raise ArchiveError(f"candidate {commit.candidate.number} of run {run_id} was committed before: a candidate is committed once")
        rows, added = rows_of(run_id, commit)
        total = (self._index.digests.get(run_id, 0) + added) % MODULUS
        rows, source = self._completed(run_id, commit, rows, total)
        texts = {table: self._file.texts(table, some) for table, some in rows.items()}
        done = False
        try:
            self._waiting.append(texts)
            self._index.note(run_id, rows, source, total)
            done = True
        finally:
            if not done:  # interrupted: only the file tells what is stored
                self._reload_index()
        if len(self._waiting) >= _MOST_WAITING:
            self.flush()

    def _completed(self, run_id: int, commit: Commit, rows: Rows, total: int) -> tuple[Rows, str]:
        """The rows of a commit with those of programs and cell owners, its place and its digest; and the source of its program."""
        index = self._index
        assert index is not None
        row: Row = rows["candidates"][0]
        key, source = row["program"], row.pop("source")
        stored = index.programs.text(key)
        row["variant"] = None if stored is None or stored == text_md5(source) else source
        row |= {"seq": index.seq + 1, "digest": digest_text(total), "written": utc_now().isoformat(" ")}
        held = index.cells[run_id].taken(run_id, row["number"], commit.evaluation)
        return {"programs": [{"id": key, "source": source}] if stored is None else [], **rows, "holders": held}, source

    def flush(self) -> None:
        """Write the waiting commits in one transaction. Raises ArchiveError if that cannot be done; none of them are stored then."""
        if not self._waiting:
            return
        done = False
        try:
            with self._file.transaction():
                for table in self._waiting[0]:
                    self._file.insert_texts(table, [text for one in self._waiting for text in one[table]])
            self._waiting = []
            done = True
        finally:
            if not done:  # failed or interrupted, perhaps just after the rows were safe: only the file tells what is stored
                self._reload_index()
        self._publish_if_due()

    def write_table(self, run_id: int, table: FinalTable, finals: Sequence[Evaluation] = ()) -> None:
        """Store the final table of a run and the finals that chose its best program; a later table replaces it.

        Raises:
            ArchiveError: the run is unknown, or a value is not a finite number.
        """
        self._writable()
        self.run(run_id)
        latest = self._database.execute("SELECT coalesce(max(version), 0) FROM final_tables WHERE run = ?", [run_id])
        version = 1 + int(latest[0][0])
        with self._database.transaction():
            self._database.insert("final_tables", table_rows(run_id, version, table.rows))
            self._database.insert("comparisons", comparison_rows(run_id, version, table.comparisons))
            self._database.insert("finals", finals_rows(run_id, version, finals))
        self._publish_if_due()

    def publish_snapshot(self) -> None:
        """Publish the present state for readers now; ``commit`` does so by itself, using at most 2 % of the time.

        Raises:
            ArchiveError: it cannot be written; the last snapshot stays.
        """
        self._writable().publish()

    def calls(self) -> ModelCallStore:
        """Return the store of model answers of this archive; always the same object.

        Raises:
            ArchiveError: they cannot be read, or the archive was made before answers were stored.
        """
        if self._calls is None:
            if self._database.schema < _MODEL_CALLS_SCHEMA:
                raise ArchiveError(f"archive {self.path} was made before model answers were stored: it cannot be replayed")
            self._database.check("model_calls", streamed=True)
            self._calls = ModelCallStore(self._database)
        return self._calls

    def add_calibration(self, one: StoredCalibration) -> None:
        """Store a calibration; the latest of each model, wording and prompt counts.

        Raises:
            ArchiveError: a number is not finite, a value has no JSON form, or the archive is open for reading.
        """
        self._writable()
        add_calibration(self._database, one)
        self._publish_if_due()

    def refinements(self) -> Refinements:
        """Return the refined profiles of real people in this archive, for reading and adding."""
        return Refinements(self._database, self._writable, self._publish_if_due)

    def query(self, sql: str, parameters: Sequence[object] = (), limit: int | None = None) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run a read-only query of the user; return column names and at most ``limit`` rows (tables and views: ``archive/migrations``).

        Raises:
            ArchiveError: it is not one valid query that only reads, or the archive is open for writing.
        """
        if self._publisher is not None:
            raise ArchiveError(f"archive {self.path} is open for writing: open it with Archive.read to query it")
        return self._database.table(sql, parameters, limit)

    def frame(self, what: str = "episodes", kind: FrameKind = "pandas") -> Any:
        """Return a table, view or SELECT as a data frame: "pandas" or "arrow", where that is installed.

        Raises:
            ConfigError: there is no such table, view or kind, or the library is not installed.
            ArchiveError: see ``query``.
        """
        return frame(self.query, what, kind)

    def _writable(self) -> Publisher:
        if self._publisher is None:
            raise ArchiveError(f"archive {self.path} is open for reading: open it with Archive.create_or_open to write")
        if self._owner != os.getpid():  # DuckDB would take the rows and lose them
            raise ArchiveError(f"archive {self.path} was opened by process {self._owner}: only that process may write it")
        return self._publisher

    def _reload_index(self) -> None:
        """Drop the waiting commits and read again what is stored."""
        self._waiting = []
        with suppress(ArchiveError):
            self._index = build_index(self._database)

    def _publish_if_due(self) -> None:
        publisher = self._writable()
        if publisher.due():
            with suppress(ArchiveError):  # what was committed is safe; readers keep the last snapshot
                publisher.publish()
