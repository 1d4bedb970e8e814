"""Snapshots: complete copies of an archive that is being written, for readers in other processes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from personaevo.archive.database import Database, remove_file
from personaevo.archive.files import Lock, lock_exclusive, lock_shared
from personaevo.archive.schema import migrations
from personaevo.errors import ArchiveBusyError, ArchiveError

_SHARE = 0.01  # of the writer's time: half of the allowed 2 %, because the cost of a snapshot is known only afterwards
_COPIED_AT_ONCE = 256 << 20  # bytes; takes about half a second on a file system without reflinks
_MIN_INTERVAL = 10.0  # seconds between two snapshots: each writes the log into the file


def snapshot_file(archive: Path) -> Path:
    """The file that readers use while ``archive`` is being written."""
    return archive.with_name(archive.name + ".snapshot")


def draft_file(archive: Path) -> Path:
    """An unfinished snapshot; one that a killed writer left may be removed."""
    return archive.with_name(archive.name + ".snapshot.draft")


class Publisher:
    """Publishes snapshots of one open archive by atomic rename: readers see the old one or the new one.

    Their total time stays within a fixed share of the writer's time.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._target = snapshot_file(database.path)
        self._draft = draft_file(database.path)
        self._begun = time.monotonic()
        self._spent = 0.0
        self._published = self._begun
        self._last = 0.0

    def due(self) -> bool:
        """Tell whether another snapshot, taking as long as the last one, keeps the time spent on snapshots within its share."""
        now = time.monotonic()
        return now - self._published >= _MIN_INTERVAL and self._spent + self._last <= _SHARE * (now - self._begun)

    def publish_at_once(self) -> None:
        """``publish`` when a writer opens the archive. A large archive is copied only when ``due``, so that resuming need not wait.

        Raises:
            ArchiveError: see ``publish``.
        """
        self.remove()  # one that a killed writer left is older than the file
        if self._database.path.stat().st_size <= _COPIED_AT_ONCE:
            self.publish()

    def publish(self) -> None:
        """Replace the snapshot by the present state.

        Raises:
            ArchiveError: it cannot be written; the old snapshot stays.
        """
        begun = time.monotonic()
        try:
            remove_file(self._draft)
            self._database.copy_to(self._draft)
            os.replace(self._draft, self._target)
        except OSError as error:
            remove_file(self._draft)
            raise ArchiveError(f"cannot publish {self._target}: {error.strerror}") from error
        finally:
            self._published = time.monotonic()
            self._last = self._published - begun
            self._spent += self._last

    def remove(self) -> None:
        """Remove the snapshot: the archive itself can be read again."""
        with suppress(OSError):
            self._target.unlink()


_READER_TIMEOUT = 2.0  # seconds that a reader waits for a writer that is just opening or closing
_RETRY_INTERVAL = 0.02  # seconds


def for_writing(path: Path) -> tuple[Database, Lock]:
    """Open an archive for writing and migrate it to the current schema; create it if it does not exist.

    Raises:
        ArchiveBusyError: another process has it open.
        ArchiveVersionError: it was made by a newer personaevo.
        ArchiveError: it is not an archive, is damaged, lost commits or cannot be made, or its path has a "?". In all these cases the file
            is unchanged.
    """
    if "?" in str(path):
        raise ArchiveError(f"archive {path}: DuckDB takes what follows a '?' in a path for options; give a path without one")
    held = lock_exclusive(path)
    try:
        for rest in (draft_file(path), _new_file(path)):
            remove_file(rest)  # left by a killed writer: while the lock is held no other process uses it
        if not path.exists():
            _create(path)
        else:
            _check_commits(path)
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


def for_reading(path: Path, beside: Sequence[Path] = ()) -> tuple[Database, Lock | None]:
    """Open an archive for reading, or, while it is being written, its snapshot. Never changes either. The connection may write to the
    files in ``beside``.

    A snapshot that a killed writer left is not used: the lock ended with the writer, and the file itself is newer.
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
            if time.monotonic() - begun > _READER_TIMEOUT:
                raise ArchiveBusyError(
                    f"archive {path} is being written and there is no snapshot {snapshot_file(path).name} to read: try again in a moment"
                ) from None
        time.sleep(_RETRY_INTERVAL)


def _read_once(path: Path, beside: Sequence[Path]) -> tuple[Database, Lock | None]:
    try:
        held = lock_shared(path)
    except BlockingIOError:
        return _attach_for_reading(snapshot_file(path), beside), None
    try:
        return _attach_for_reading(path, beside), held
    except BaseException:
        if held is not None:
            held.release()
        raise


def _attach_for_reading(file: Path, beside: Sequence[Path]) -> Database:
    """Attach a file; one of an older schema is copied to memory and migrated there."""
    try:
        database = Database.attach(file, readonly=True, beside=beside)
    except ArchiveError as error:
        if not file.exists():  # a snapshot is removed when its writer ends
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
def closing(database: Database, held: Lock | None) -> Iterator[None]:
    """Close at the end of the block what ``for_writing`` or ``for_reading`` opened."""
    try:
        yield
    finally:
        database.close()
        if held is not None:
            held.release()


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a draft file for a new archive; it is renamed to ``path`` when the block succeeds, and removed if not.

    Raises:
        ArchiveError: ``path`` exists, or cannot be made.
    """
    held = lock_exclusive(path)
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
    """Create an empty archive under another name and rename it: a file with the final name is complete."""
    log = path.with_name(path.name + ".wal")
    if log.exists():
        problem = f"{path} does not exist, but its write-ahead log {log} does"
        raise ArchiveError(f"{problem}: move the log away, or put the archive back in its place")
    draft = _new_file(path)
    Database.create(draft)
    try:
        os.rename(draft, path)
    except OSError as error:
        remove_file(draft)
        raise ArchiveError(f"cannot make archive {path}: {error.strerror}") from error
    remove_file(snapshot_file(path))


def _check_commits(path: Path) -> None:
    """Refuse an archive that is damaged or holds fewer commits than its snapshot; changes no file.

    DuckDB takes some damage to a log for its end, and drops the commits after it.
    """
    commits, snapshot = _count_commits(path), snapshot_file(path)
    published = 0
    if snapshot.exists():
        try:
            published = _count_commits(snapshot)
        except ArchiveBusyError:
            raise
        except ArchiveError:
            published = 0  # a damaged snapshot will be replaced
    if published > commits:
        raise ArchiveError(
            f"archive {path} holds {commits} commits, but its snapshot {snapshot} holds more: commits "
            "were lost from the file or its log. Put the snapshot in its place and move the log away, or delete the "
            "snapshot to go on without them"
        )


def _count_commits(file: Path) -> int:
    database = Database.attach(file, readonly=True)
    try:
        return int(database.execute("SELECT count(*) FROM candidates")[0][0])
    finally:
        database.close()


def _new_file(path: Path) -> Path:
    return path.with_name(path.name + ".new")
