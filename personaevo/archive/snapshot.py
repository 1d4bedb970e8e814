"""Snapshots: complete copies of an archive that is being written, for readers in other processes."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from personaevo.archive.database import Database, remove_file
from personaevo.errors import ArchiveError

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
