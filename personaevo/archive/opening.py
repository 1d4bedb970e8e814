"""Opening archives: who may, which file, and what a crash left behind."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from personaevo.archive import lock
from personaevo.archive.catalog import migrations
from personaevo.archive.database import Database, remove_file
from personaevo.archive.snapshot import draft_file, snapshot_file
from personaevo.errors import ArchiveBusyError, ArchiveError

_PATIENCE = 2.0  # seconds that a reader waits for a writer that is just opening or closing
_PAUSE = 0.02
_OPTIONS = "?"


def for_writing(path: Path) -> tuple[Database, lock.Lock]:
    """Open an archive for writing, or make it; one of an older schema is migrated.

    Raises:
        ArchiveBusyError: somebody else has it open.
        ArchiveVersionError: it was made by a newer personaevo.
        ArchiveError: it is not an archive, is damaged, lost commits or cannot be made, or its path has a "?". In all these cases the file
            stays as it was.
    """
    if _OPTIONS in str(path):
        raise ArchiveError(f"archive {path}: DuckDB takes what follows a '{_OPTIONS}' in a path for options; give a path without one")
    held = lock.exclusive(path)
    try:
        for rest in (draft_file(path), _new_file(path)):
            remove_file(rest)  # of a writer that was killed: the lock says that nobody uses it
        if not path.exists():
            _create(path)
        else:
            _inspect(path)
        database = Database.attach(path, readonly=False, beside=[draft_file(path)])
        try:
            database.migrate()
        except BaseException:
            database.close()
            raise
    except BaseException:
        held.release()
        raise
    return database, held


def for_reading(path: Path, beside: Sequence[Path] = ()) -> tuple[Database, lock.Lock | None]:
    """Open an archive for reading, or, while it is being written, its snapshot. Never changes either. The files ``beside`` it may be
    written to.

    A snapshot that a killed writer left is not used: the lock died with the writer, and the file itself is newer.
    An archive of an older schema is read through a migrated copy in memory.

    Raises:
        ArchiveBusyError: it is being written and no snapshot appears.
        ArchiveVersionError: it was made by a newer personaevo.
        ArchiveError: it does not exist, is not an archive or is damaged.
    """
    begun = time.monotonic()
    while True:
        if not path.is_file():
            raise ArchiveError(f"archive {path} does not exist: expected a file that personaevo search wrote")
        try:
            return _read_once(path, beside)
        except (BlockingIOError, FileNotFoundError, ArchiveBusyError):
            if time.monotonic() - begun > _PATIENCE:
                raise ArchiveBusyError(
                    f"archive {path} is being written and there is no snapshot {snapshot_file(path).name} to "
                    "read: try again in a moment"
                ) from None
        time.sleep(_PAUSE)


def _read_once(path: Path, beside: Sequence[Path]) -> tuple[Database, lock.Lock | None]:
    try:
        held = lock.shared(path)
    except BlockingIOError:
        return _readable(snapshot_file(path), beside), None
    try:
        return _readable(path, beside), held
    except BaseException:
        if held is not None:
            held.release()
        raise


def _readable(file: Path, beside: Sequence[Path]) -> Database:
    try:
        database = Database.attach(file, readonly=True, beside=beside)
    except ArchiveError as error:
        if not file.exists():  # a snapshot goes when its writer ends
            raise FileNotFoundError(file) from error
        raise
    try:
        if database.schema < len(migrations()):
            database.move_to_memory()
            database.migrate()
    except BaseException:
        database.close()
        raise
    return database


@contextmanager
def closing(database: Database, held: lock.Lock | None) -> Iterator[None]:
    """Closes what ``for_writing`` or ``for_reading`` opened when the block ends."""
    try:
        yield
    finally:
        database.close()
        if held is not None:
            held.release()


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Where to write a new archive that shall be at ``path``: it gets that name when the block ends well, and is removed if not.

    Raises:
        ArchiveError: something is at ``path``, or it cannot be made.
    """
    held = lock.exclusive(path)
    draft = _new_file(path)
    try:
        remove_file(draft)
        if path.exists():
            raise ArchiveError(f"{path} exists: give the name of a new file")
        yield draft
        os.rename(draft, path)
    except OSError as error:
        raise ArchiveError(f"cannot make archive {path}: {error.strerror}") from error
    finally:
        remove_file(draft)
        held.release()


def _create(path: Path) -> None:
    """Make it under another name first: a file of the right name is complete."""
    log = path.with_name(path.name + ".wal")
    if log.exists():
        raise ArchiveError(
            f"{path} does not exist, but its write-ahead log {log} does: move the log away, or put the archive "
            "back beside it"
        )
    Database.create(_new_file(path))
    try:
        os.rename(_new_file(path), path)
    except OSError as error:
        remove_file(_new_file(path))
        raise ArchiveError(f"cannot make archive {path}: {error.strerror}") from error
    remove_file(snapshot_file(path))


def _inspect(path: Path) -> None:
    """Refuse what must not be written to, without changing a byte."""
    database = Database.attach(path, readonly=True)
    try:
        commits = _commits(database)
    finally:
        database.close()
    if _commits_of_snapshot(path) > commits:
        # DuckDB takes some damage to a log for its end and drops what follows.
        raise ArchiveError(
            f"archive {path} holds {commits} commits, but its snapshot {snapshot_file(path)} holds more: commits "
            "were lost from the file or its log. Put the snapshot in its place and move the log away, or delete the "
            "snapshot to go on without them"
        )


def _commits_of_snapshot(path: Path) -> int:
    snapshot = snapshot_file(path)
    if not snapshot.exists():
        return 0
    try:
        database = Database.attach(snapshot, readonly=True)
    except ArchiveBusyError:
        raise
    except ArchiveError:
        return 0  # of no use to anybody; it will be replaced
    try:
        return _commits(database)
    finally:
        database.close()


def _commits(database: Database) -> int:
    return int(database.execute("SELECT count(*) FROM candidates")[0][0])


def _new_file(path: Path) -> Path:
    return path.with_name(path.name + ".new")
