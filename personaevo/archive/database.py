"""One DuckDB connection with an archive attached, schema migrations, and the translation of DuckDB's errors."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
from numpy.typing import NDArray

from personaevo import content
from personaevo.archive.files import copy_bytes
from personaevo.archive.rows import Row, row_as_json
from personaevo.archive.schema import apply_migration, check_objects, check_values, migrations, schema_version, value_query
from personaevo.errors import ArchiveBusyError, ArchiveError

# Readable by DuckDB 1.4 and later.
_NEW = "STORAGE_VERSION 'v1.4.0', BLOCK_SIZE 32768"  # an eighth of the default: in a small archive most blocks are nearly empty
# No extensions. One thread: a commit is small (two threads are slower), and workers need the other cores. With zstd, texts take a fifth
# less space than with DuckDB's choice, and no more time.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "force_compression": "zstd",
    "memory_limit": "2GB",
    "threads": 1,
}
_OWN_FILES = ("", ".wal", ".wal.checkpoint", ".wal.recovery")  # the files that DuckDB makes for a database
_FILE_HEADER = 3 * 4096  # bytes before the first block


class Database:
    """A connection with the archive attached under the name ``archive``. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: duckdb.DuckDBPyConnection | None = duckdb.connect(config=_CONFIG)
        self._inserts: dict[str, str] = {}
        self._descriptor: int | None = None  # of the file; closed last, as closing it drops DuckDB's lock
        self.schema = 0  # the version of the file's schema
        # Packaged archives were checked when they were made, and are trusted like the code: the checks take half the time of opening one.
        self._trusted = path in content.archives().values()
        self._checked: set[str] = set()

    @classmethod
    def attach(cls, path: Path, *, readonly: bool, beside: Sequence[Path] = ()) -> Database:
        """Open an existing archive file; read-only leaves every byte unchanged.

        From then on the connection can access no other file except those in ``beside`` (to copy to), and its settings are locked.

        Raises:
            ArchiveError: the file is damaged, not an archive that personaevo wrote, or cannot be opened.
            ArchiveVersionError: it was made by a newer personaevo.
            ArchiveBusyError: another process has it open.
        """
        database = cls(path)
        try:
            database.execute(f"SET temp_directory = {_quoted(path.with_name(path.name + '.tmp'))}")
            ours = [*beside] if readonly else [path, *beside]
            files = ", ".join(_quoted(file.with_name(file.name + end)) for file in ours for end in _OWN_FILES)
            database.execute(f"SET allowed_paths = [{files}]")
            database.execute(f"ATTACH {_quoted(path)} AS archive (TYPE duckdb{', READ_ONLY' if readonly else ''})")
            database.execute("SET enable_external_access = false")
            database.execute("SET lock_configuration = true")
            _check_length(database)
            database.schema = schema_version(database.execute) if database._trusted else check_objects(database.execute, path)
            database.execute("USE archive")
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def create(cls, path: Path) -> None:
        """Make an empty archive of the current schema at ``path``; nothing is left there if that fails."""
        database = cls(path)
        try:
            database.execute(f"ATTACH {_quoted(path)} AS archive ({_NEW})")
            database.execute("USE archive")
            database.migrate()
            database.execute("CHECKPOINT")  # closing would do it too, but would not report a full disk
            database.close()
        except BaseException:
            database.close()
            remove_file(path)
            raise

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return all its rows."""
        with _translated_errors(self.path):
            return self._open().execute(sql, list(parameters)).fetchall()

    def stream(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[Row]:
        """Yield the rows of a query as dicts, read in batches over a cursor of its own."""
        names: list[str] = []
        for some in self.pieces(sql, 500, parameters, names):
            yield from (dict(zip(names, row, strict=True)) for row in some)

    def pieces(
        self, sql: str, count: int, parameters: Sequence[object] = (), names: list[str] | None = None
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the rows of a query in batches of ``count`` over a cursor of its own; its column names are appended to ``names``."""
        with _translated_errors(self.path):
            cursor = self._open().cursor()
        try:
            with _translated_errors(self.path):
                cursor.execute("USE archive")
                cursor.execute(sql, list(parameters))
                if names is not None:
                    names += [column[0] for column in cursor.description or ()]
            while True:
                with _translated_errors(self.path):
                    some = cursor.fetchmany(count)
                if not some:
                    return
                yield some
        finally:
            cursor.close()

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return all rows of a query as dicts by column name."""
        return list(self.stream(sql, parameters))

    def columns(self, sql: str, parameters: Sequence[object] = ()) -> dict[str, NDArray[Any]]:
        """Return the columns of a query as arrays by name, masked where NULL; a hundred times as fast as rows."""
        with _translated_errors(self.path):
            return dict(self._open().execute(sql, list(parameters)).fetchnumpy())

    def table(self, sql: str, parameters: Sequence[object] = (), limit: int | None = None) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return column names and at most ``limit`` rows of any single read-only query; names may repeat."""
        with _translated_errors(self.path):
            statements = self._open().extract_statements(sql)
            if [one.type for one in statements] != [duckdb.StatementType.SELECT]:
                raise ArchiveError(f"archive {self.path}: expected one query that only reads, such as SELECT … FROM elites")
            done = self._open().execute(statements[0], list(parameters))
            return [column[0] for column in done.description or ()], done.fetchall() if limit is None else done.fetchmany(limit)

    def side(self) -> Callable[[str, Sequence[object]], list[tuple[Any, ...]]]:
        """Return a query function over a connection of its own, for concurrent use with this one, by one thread at a time."""
        with _translated_errors(self.path):
            cursor = self._open().cursor()
            cursor.execute("USE archive")

        def ask(sql: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
            with _translated_errors(self.path):
                return cursor.execute(sql, list(parameters)).fetchall()

        return ask

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Append rows; their keys are columns, and missing columns become NULL.

        Raises:
            ArchiveError: they cannot be written, or hold a number that is not finite.
        """
        self.insert_texts(table, self.texts(table, rows))

    def texts(self, table: str, rows: Sequence[Row]) -> list[str]:
        """Write rows as the JSON texts that ``insert_texts`` takes.

        Raises:
            ArchiveError: one holds a number that is not finite.
        """
        try:
            return [row_as_json(row) for row in rows]
        except ValueError:
            problem = f"a number for its table '{table}' is not finite; a failure must be stored as a state, not as NaN"
            raise ArchiveError(f"archive {self.path}: {problem}") from None

    def insert_texts(self, table: str, rows: Sequence[str]) -> None:
        """Append rows given as JSON texts.

        They are passed as one list of texts: 256 dialogues take 5 ms, as one JSON list they take 9 ms, and several hundred rows six times
        as long.

        Raises:
            ArchiveError: they cannot be written.
        """
        if not rows:
            return
        if table not in self._inserts:
            columns = self.execute(
                "SELECT column_name, data_type FROM duckdb_columns() "
                "WHERE database_name = 'archive' AND schema_name = 'main' AND table_name = ? ORDER BY column_index",
                [table],
            )
            shape = ", ".join(f'"{name}" {kind}' for name, kind in columns)
            names = ", ".join(f'r."{name}"' for name, _ in columns)
            parsed = f"SELECT CAST(CAST(text AS JSON) AS STRUCT({shape})) AS r FROM (SELECT unnest(CAST(? AS VARCHAR[])) AS text)"
            self._inserts[table] = f"INSERT INTO {table} SELECT {names} FROM ({parsed})"
        self.execute(self._inserts[table], [list(rows)])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all of the block or nothing, also when interrupted."""
        self.execute("BEGIN TRANSACTION")
        done = False
        try:
            yield
            self.execute("COMMIT")
            done = True
        finally:
            if not done and self._connection is not None:
                with suppress(duckdb.Error):  # a failed COMMIT has rolled back already
                    self._connection.execute("ROLLBACK")

    def check(
        self, table: str, where: str = "true", parameters: Sequence[object] = (), *, streamed: bool = False, columns: Sequence[str] = ()
    ) -> None:
        """Validate the values of rows (or of some of their ``columns``) that are about to be read, at once or ``streamed``. Each set of
        rows is checked once, as no other process writes meanwhile.

        Raises:
            ArchiveError: a value is not one that a search writes, or there are too many rows.
        """
        key = repr((table, where, parameters, streamed, columns))
        if not self._trusted and key not in self._checked and not self.is_empty(table):
            found = self.execute(value_query(table, where, columns), parameters)[0]
            check_values(found, table, self.path, streamed=streamed, columns=columns)
            self._checked.add(key)

    def is_empty(self, table: str) -> bool:
        """Tell whether a table has no rows."""
        return not self.execute(f"SELECT 1 FROM {table} LIMIT 1")

    def migrate(self) -> None:
        """Apply the missing migrations, each in one transaction."""
        for number in range(self.schema + 1, len(migrations()) + 1):
            with self.transaction():
                apply_migration(self.execute, number)
            self.schema = number

    def copy_to(self, target: Path) -> None:
        """Write a complete copy of the present state to a new file; nothing is left there if that fails.

        After a checkpoint the archive's own file holds everything until the next statement, so its bytes are copied: a hundred times as
        fast as copying rows.
        """
        self.execute("CHECKPOINT archive")
        if self._descriptor is None:
            self._descriptor = os.open(self.path, os.O_RDONLY)
        try:
            copy_bytes(self._descriptor, target)
        except OSError as error:
            remove_file(target)
            raise _archive_error(target, os.strerror(error.errno or 0)) from error

    def write_table(self, name: str, target: Path) -> int:
        """Write a table or view to a file in the format of its suffix (``parquet`` or ``csv``), and return its number of rows."""
        seed = " REPLACE (CAST(seed AS UBIGINT) AS seed)" if name == "episodes" else ""  # Parquet has no integers of 128 bits
        kind = target.suffix.removeprefix(".")
        options = f"FORMAT {kind}, USE_TMP_FILE false{', HEADER' if kind == 'csv' else ''}"
        return int(self.execute(f"COPY (SELECT *{seed} FROM {name}) TO {_quoted(target)} ({options})")[0][0])

    @contextmanager
    def attached(self, target: Path) -> Iterator[None]:
        """Attach the database at ``target`` (a new one, if there is none) as ``copied`` for the block, and make it durable at the end. It
        is removed if the block fails."""
        done = False
        try:
            self.execute(f"ATTACH {_quoted(target)} AS copied ({_NEW})")
            yield
            self.execute("CHECKPOINT copied")
            done = True
        finally:
            with suppress(ArchiveError):
                self.execute("DETACH DATABASE IF EXISTS copied")
            if not done:
                remove_file(target)

    def move_to_memory(self) -> None:
        """Replace the attached file by a private copy in memory."""
        self.execute("ATTACH ':memory:' AS copied")
        self.execute("COPY FROM DATABASE archive TO copied")
        self.execute("USE copied")
        self.execute("DETACH archive")
        self.execute("ATTACH ':memory:' AS archive")
        self.execute("COPY FROM DATABASE copied TO archive")
        self.execute("USE archive")
        self.execute("DETACH copied")

    def close(self) -> None:
        """Close the connection; a second call does nothing."""
        connection, self._connection = self._connection, None
        try:
            if connection is not None:
                with _translated_errors(self.path):
                    connection.close()
        finally:
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is not None:
                os.close(descriptor)

    def _open(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            raise ArchiveError(f"archive {self.path} is closed: open it again to use it")
        return self._connection


def remove_file(path: Path) -> None:
    """Remove a database file and its write-ahead log, if they exist."""
    for file in (path, path.with_name(path.name + ".wal")):
        with suppress(OSError):
            file.unlink()


def _check_length(database: Database) -> None:
    """Refuse a file that was cut short: DuckDB reads lazily and would open it, and writing to it would hide the loss.

    Free blocks may be beyond the end of the file, used ones cannot (checked on 140 files, half of them from killed writers).
    """
    sql = "SELECT used_blocks * block_size FROM pragma_database_size() WHERE database_name = 'archive'"
    expected = _FILE_HEADER + int(database.execute(sql)[0][0])
    length = database.path.stat().st_size
    if length < expected:
        raise _archive_error(database.path, f"Corrupt: cut short to {length} bytes, at least {expected} expected")


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


@contextmanager
def _translated_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except duckdb.ProgrammingError as error:  # the query is wrong: words in it must not match a pattern
        raise ArchiveError(f"archive {path}: {_short(str(error))}") from error
    except duckdb.Error as error:
        raise _archive_error(path, str(error)) from error
    except RuntimeError as error:  # DuckDB turns any exception of a signal handler into this
        if "interrupted" in str(error):
            raise KeyboardInterrupt from error
        raise


def _archive_error(path: Path, text: str) -> ArchiveError:
    short, nameless = _short(text), text.replace(str(path), "FILE")
    for pattern, message in _EXPLANATIONS:
        found = re.search(pattern, nameless)
        if found:
            values: Mapping[str, str] = {"path": str(path), "short": short} | found.groupdict()
            return (ArchiveBusyError if pattern == _BUSY else ArchiveError)(message.format_map(values))
    return ArchiveError(f"archive {path}: {short}")


def _short(text: str) -> str:
    return text.splitlines()[0].split(". See also")[0][:300] if text else "DuckDB gave no reason"


_BUSY = "Could not set lock on file|already attached by database"
_EXPLANATIONS = (
    (_BUSY, "archive {path} is open elsewhere: close it there, then try again ({short})"),
    (
        r"Corrupt WAL file: entry at byte position (?P<byte>\d+)",
        "archive {path}: its write-ahead log {path}.wal is damaged at byte {byte}. Nothing was changed: "
        "keep a copy of both files, then either cut the log before the damage (truncate -s {byte} '{path}.wal'), "
        "which keeps every commit up to there, or move it away, which keeps those up to its beginning",
    ),
    (
        "WAL",
        "archive {path}: its write-ahead log {path}.wal is damaged or belongs to another file. Nothing was "
        "changed: put the right log back, or move it away, which keeps the commits up to its beginning ({short})",
    ),
    (
        "not a valid DuckDB database file|Corrupt|Could not read (enough|all) bytes|Could not read from file|Serialization",
        "{path} is not an archive, or is damaged: expected a DuckDB file that personaevo search wrote; "
        "restore a copy or give another file ({short})",
    ),
    ("No space left on device", "archive {path}: the disk is full. What was committed is kept: free some space, then resume"),
    ("Permission denied|Read-only file system", "archive {path} cannot be opened: no permission ({short})"),
)
