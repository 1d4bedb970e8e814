"""One DuckDB connection with an archive attached, the schema's migrations, and DuckDB's errors in other words."""

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
from personaevo.archive import bounds, catalog
from personaevo.archive.bytewise import copy_bytes
from personaevo.archive.rows import Row, row_as_json
from personaevo.errors import ArchiveBusyError, ArchiveError

# Readable by DuckDB 1.4 and later.
_NEW = "STORAGE_VERSION 'v1.4.0', BLOCK_SIZE 32768"  # an eighth of the usual: a small archive is mostly the ends of its columns' blocks
# No extensions. One thread: a commit is small (two threads are slower), and workers need the other cores. Texts take a fifth less space,
# and no more time, than with what DuckDB would choose.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "force_compression": "zstd",
    "memory_limit": "2GB",
    "threads": 1,
}
_OWN_FILES = ("", ".wal", ".wal.checkpoint", ".wal.recovery")  # that DuckDB makes of a database
_FILE_HEADER = 3 * 4096  # bytes before the first block


class Database:
    """A connection with the archive attached under the name ``archive``. Not for several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: duckdb.DuckDBPyConnection | None = duckdb.connect(config=_CONFIG)
        self._inserts: dict[str, str] = {}
        self._descriptor: int | None = None  # of the file; closed last, as closing it drops DuckDB's lock
        self.schema = 0  # the version of the file's schema
        # What is packaged was checked when it was made, and is trusted like the code beside it: the checks are half of opening an archive.
        self._trusted = path in content.archives().values()
        self._checked: set[str] = set()

    @classmethod
    def attach(cls, path: Path, *, readonly: bool, beside: Sequence[Path] = ()) -> Database:
        """Open an existing archive file; read-only leaves every byte as it is.

        From then on the connection reaches no other file but those ``beside`` it (to copy to), and its settings are locked.

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
            database.schema = catalog.version(database.execute) if database._trusted else catalog.check(database.execute, path)
            database.execute("USE archive")
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def create(cls, path: Path) -> None:
        """Make an empty archive of the present schema at ``path``; nothing is left there if that fails."""
        database = cls(path)
        try:
            database.execute(f"ATTACH {_quoted(path)} AS archive ({_NEW})")
            database.execute("USE archive")
            database.migrate()
            database.execute("CHECKPOINT")  # closing would do it, but without telling of a full disk
            database.close()
        except BaseException:
            database.close()
            remove_file(path)
            raise

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a statement."""
        with _told(self.path):
            return self._open().execute(sql, list(parameters)).fetchall()

    def stream(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[Row]:
        """The rows of a query as dicts, read piece by piece over a cursor of its own."""
        names: list[str] = []
        for some in self.pieces(sql, 500, parameters, names):
            yield from (dict(zip(names, row, strict=True)) for row in some)

    def pieces(
        self, sql: str, count: int, parameters: Sequence[object] = (), names: list[str] | None = None
    ) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of a query, so many at once, read piece by piece over a cursor of its own; its columns are added to ``names``."""
        with _told(self.path):
            cursor = self._open().cursor()
        try:
            with _told(self.path):
                cursor.execute("USE archive")
                cursor.execute(sql, list(parameters))
                if names is not None:
                    names += [column[0] for column in cursor.description or ()]
            while True:
                with _told(self.path):
                    some = cursor.fetchmany(count)
                if not some:
                    return
                yield some
        finally:
            cursor.close()

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """All rows of a query as dicts by column name."""
        return list(self.stream(sql, parameters))

    def columns(self, sql: str, parameters: Sequence[object] = ()) -> dict[str, NDArray[Any]]:
        """The columns of a query by name, none of them with a NULL: a hundredth of the time of rows."""
        with _told(self.path):
            return dict(self._open().execute(sql, list(parameters)).fetchnumpy())

    def table(self, sql: str, parameters: Sequence[object] = (), limit: int | None = None) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and rows, at most ``limit``, of any one query that only reads; names may repeat."""
        with _told(self.path):
            statements = self._open().extract_statements(sql)
            if [one.type for one in statements] != [duckdb.StatementType.SELECT]:
                raise ArchiveError(f"archive {self.path}: expected one query that only reads, such as SELECT … FROM elites")
            done = self._open().execute(statements[0], list(parameters))
            return [column[0] for column in done.description or ()], done.fetchall() if limit is None else done.fetchmany(limit)

    def side(self) -> Callable[[str, Sequence[object]], list[tuple[Any, ...]]]:
        """What asks over a connection of its own, which may be used beside this one, by one thread at a time."""
        with _told(self.path):
            cursor = self._open().cursor()
            cursor.execute("USE archive")

        def ask(sql: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
            with _told(self.path):
                return cursor.execute(sql, list(parameters)).fetchall()

        return ask

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Append rows; their keys are columns, missing ones become NULL.

        Raises:
            ArchiveError: they cannot be written, or hold a number that is not finite.
        """
        self.insert_texts(table, self.texts(table, rows))

    def texts(self, table: str, rows: Sequence[Row]) -> list[str]:
        """Rows as ``insert_texts`` takes them.

        Raises:
            ArchiveError: one holds a number that is not finite.
        """
        try:
            return [row_as_json(row) for row in rows]
        except ValueError:
            raise ArchiveError(
                f"archive {self.path}: a number for its table '{table}' is not finite; a failure must be stored "
                "as a state, not as NaN"
            ) from None

    def insert_texts(self, table: str, rows: Sequence[str]) -> None:
        """Append rows in JSON.

        They travel as one list of texts: 5 ms for 256 dialogues; as the text of one list 9, and of several hundred rows six times as long.

        Raises:
            ArchiveError: they cannot be written.
        """
        if rows:
            self.execute(self._inserts.get(table) or self._insert_statement(table), [list(rows)])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, also when interrupted."""
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
        """Look at the values of rows (or of some of their ``columns``) that are about to be read, all at once or ``streamed``; once, as
        nobody else writes meanwhile.

        Raises:
            ArchiveError: one is not what a search writes, or there are too many.
        """
        key = repr((table, where, parameters, streamed, columns))
        if not self._trusted and key not in self._checked and not self.is_empty(table):
            found = self.execute(bounds.query(table, where, columns), parameters)[0]
            bounds.check(found, table, self.path, streamed=streamed, columns=columns)
            self._checked.add(key)

    def is_empty(self, table: str) -> bool:
        """Whether a table has no rows."""
        return not self.execute(f"SELECT 1 FROM {table} LIMIT 1")

    def migrate(self) -> None:
        """Bring the schema up to the present, each step in one transaction."""
        for number in range(self.schema + 1, len(catalog.migrations()) + 1):
            with self.transaction():
                catalog.migrate(self.execute, number)
            self.schema = number

    def copy_to(self, target: Path) -> None:
        """Write a complete copy of the present state to a new file; nothing is left there if that fails.

        All is in the archive's own file after a checkpoint, and stays so until the next statement: the bytes are copied, which takes a
        hundredth of the time of the rows.
        """
        self.execute("CHECKPOINT archive")
        if self._descriptor is None:
            self._descriptor = os.open(self.path, os.O_RDONLY)
        try:
            copy_bytes(self._descriptor, target)
        except OSError as error:
            remove_file(target)
            raise _explained(target, os.strerror(error.errno or 0)) from error

    def write_table(self, name: str, target: Path) -> int:
        """Write a table or view to a file, in the format that its name ends with (``parquet`` or ``csv``); how many rows it has."""
        seed = " REPLACE (CAST(seed AS UBIGINT) AS seed)" if name == "episodes" else ""  # Parquet has no integers of 128 bits
        kind = target.suffix.removeprefix(".")
        options = f"FORMAT {kind}, USE_TMP_FILE false{', HEADER' if kind == 'csv' else ''}"
        return int(self.execute(f"COPY (SELECT *{seed} FROM {name}) TO {_quoted(target)} ({options})")[0][0])

    @contextmanager
    def another(self, target: Path) -> Iterator[None]:
        """While inside, the database at ``target`` (a new one, if there is none) is attached as ``copied``; what was written is then safe
        in it. It is removed if that fails."""
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
        """Go on with a private copy in memory and let go of the file."""
        self.execute("ATTACH ':memory:' AS copied")
        self.execute("COPY FROM DATABASE archive TO copied")
        self.execute("USE copied")
        self.execute("DETACH archive")
        self.execute("ATTACH ':memory:' AS archive")
        self.execute("COPY FROM DATABASE copied TO archive")
        self.execute("USE archive")
        self.execute("DETACH copied")

    def close(self) -> None:
        """Close; a second call does nothing."""
        connection, self._connection = self._connection, None
        try:
            if connection is not None:
                with _told(self.path):
                    connection.close()
        finally:
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is not None:
                os.close(descriptor)

    def _open(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            raise ArchiveError(f"archive {self.path} is closed: open it again to use it")
        return self._connection

    def _insert_statement(self, table: str) -> str:
        columns = self.execute(
            "SELECT column_name, data_type FROM duckdb_columns() "
            "WHERE database_name = 'archive' AND schema_name = 'main' AND table_name = ? ORDER BY column_index",
            [table],
        )
        shape = ", ".join(f'"{name}" {kind}' for name, kind in columns)
        names = ", ".join(f'r."{name}"' for name, _ in columns)
        rows = f"SELECT CAST(CAST(text AS JSON) AS STRUCT({shape})) AS r FROM (SELECT unnest(CAST(? AS VARCHAR[])) AS text)"
        self._inserts[table] = f"INSERT INTO {table} SELECT {names} FROM ({rows})"
        return self._inserts[table]


def remove_file(path: Path) -> None:
    """Remove a database file and its write-ahead log, if they exist."""
    for file in (path, path.with_name(path.name + ".wal")):
        with suppress(OSError):
            file.unlink()


def _check_length(database: Database) -> None:
    """DuckDB reads lazily and opens a file that was cut short; writing to it would then hide the loss.

    Free blocks may lie beyond the end, used ones cannot (checked over 140 files, half of them of killed writers).
    """
    sql = "SELECT used_blocks * block_size FROM pragma_database_size() WHERE database_name = 'archive'"
    expected = _FILE_HEADER + int(database.execute(sql)[0][0])
    length = database.path.stat().st_size
    if length < expected:
        raise _explained(database.path, f"Corrupt: cut short to {length} bytes, at least {expected} expected")


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except duckdb.ProgrammingError as error:  # a query's fault, whatever words occur in it
        raise ArchiveError(f"archive {path}: {_short(str(error))}") from error
    except duckdb.Error as error:
        raise _explained(path, str(error)) from error
    except RuntimeError as error:  # what DuckDB makes of whatever a signal handler raises
        if "interrupted" in str(error):
            raise KeyboardInterrupt from error
        raise


def _explained(path: Path, text: str) -> ArchiveError:
    short, nameless = _short(text), text.replace(str(path), "FILE")
    for pattern, kind, message in _EXPLANATIONS:
        found = re.search(pattern, nameless)
        if found:
            values: Mapping[str, str] = {"path": str(path), "short": short} | found.groupdict()
            return kind(message.format_map(values))
    return ArchiveError(f"archive {path}: {short}")


def _short(text: str) -> str:
    return text.splitlines()[0].split(". See also")[0][:300] if text else "DuckDB gave no reason"


_EXPLANATIONS: tuple[tuple[str, type[ArchiveError], str], ...] = (
    (
        r"Could not set lock on file|already attached by database",
        ArchiveBusyError,
        "archive {path} is open elsewhere: close it there, then try again ({short})",
    ),
    (
        r"Corrupt WAL file: entry at byte position (?P<byte>\d+)",
        ArchiveError,
        "archive {path}: its write-ahead log {path}.wal is damaged at byte {byte}. Nothing was changed: "
        "keep a copy of both files, then either cut the log before the damage (truncate -s {byte} '{path}.wal'), "
        "which keeps every commit up to there, or move it away, which keeps those up to its beginning",
    ),
    (
        r"WAL",
        ArchiveError,
        "archive {path}: its write-ahead log {path}.wal is damaged or belongs to another file. Nothing was "
        "changed: put the right log back, or move it away, which keeps the commits up to its beginning ({short})",
    ),
    (
        r"not a valid DuckDB database file|Corrupt|Could not read (enough|all) bytes|Could not read from file"
        r"|Serialization",
        ArchiveError,
        "{path} is not an archive, or is damaged: expected a DuckDB file that personaevo search wrote; "
        "restore a copy or give another file ({short})",
    ),
    (
        r"No space left on device",
        ArchiveError,
        "archive {path}: the disk is full. What was committed is kept: free some space, then resume",
    ),
    (
        r"Permission denied|Read-only file system",
        ArchiveError,
        "archive {path} cannot be opened: no permission ({short})",
    ),
)
