"""Who has an archive open: a lock on a side file, as DuckDB's own is lost when its process opens or copies the file.

The writer holds ``FILE.lock`` exclusively, readers of the file itself share it; the kernel releases it when the
process dies. Whoever closes last removes the side file, so after locking one must check that the locked file is still
the one of that name.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from personaevo.errors import ArchiveBusyError, ArchiveError

_PATIENCE_READERS = 2.0  # seconds that a writer waits for readers to close: they usually only look something up
_PATIENCE_WRITER = 0.2  # ... and for a writer: only long enough not to be fooled by one that is just closing
_PAUSE = 0.02


class Lock:
    """A held lock; ``release`` (or the end of the process) gives it up. Forked children must not release it."""

    def __init__(self, side: Path, descriptor: int) -> None:
        self._side = side
        self._descriptor: int | None = descriptor
        self._owner = os.getpid()

    def release(self) -> None:
        """Give the lock up and remove the side file if nobody else uses it. A second call does nothing."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        if self._owner == os.getpid():
            with suppress(OSError):  # others still read, or the folder is read-only: then the side file stays
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_named(descriptor, self._side):
                    self._side.unlink()
        os.close(descriptor)


def side_file(archive: Path) -> Path:
    """The lock file of an archive."""
    return archive.with_name(archive.name + ".lock")


def exclusive(archive: Path) -> Lock:
    """Lock an archive for writing, waiting a moment for readers.

    Raises:
        ArchiveBusyError: another process (or another Archive in this one) writes it, or readers do not close it.
        ArchiveError: the side file cannot be made.
    """
    begun = time.monotonic()
    while True:
        descriptor = _open_for_writing(archive)
        if _locked(descriptor, side_file(archive), fcntl.LOCK_EX):
            _sign(descriptor)
            return Lock(side_file(archive), descriptor)
        only_readers = _locked(descriptor, side_file(archive), fcntl.LOCK_SH)
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        if time.monotonic() - begun > (_PATIENCE_READERS if only_readers else _PATIENCE_WRITER):
            raise _busy(archive, only_readers, holder)
        time.sleep(_PAUSE)


def shared(archive: Path) -> Lock | None:
    """Lock an archive against writers while reading the file itself; None where no side file can be made.

    Where a reader cannot make one, no writer of its kind can either; DuckDB's own lock still guards against the others.

    Raises:
        BlockingIOError: a writer has it.
    """
    side = side_file(archive)
    while True:
        descriptor = _open_for_reading(side)
        if descriptor is None:
            return None
        if _locked(descriptor, side, fcntl.LOCK_SH):
            return Lock(side, descriptor)
        gone = not _is_named(descriptor, side)
        os.close(descriptor)
        if not gone:
            raise BlockingIOError(f"{archive} is being written")


def _open_for_writing(archive: Path) -> int:
    try:
        return os.open(side_file(archive), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise ArchiveError(
            f"cannot write in {archive.parent}: {error.strerror}; an archive needs an existing folder that can be "
            "written to"
        ) from error


def _open_for_reading(side: Path) -> int | None:
    for flags in (os.O_RDWR | os.O_CREAT, os.O_RDONLY):
        with suppress(OSError):
            return os.open(side, flags | os.O_CLOEXEC, 0o666)
    return None


def _locked(descriptor: int, side: Path, kind: int) -> bool:
    """Take a lock without waiting; False if another has it, or if the side file was removed: it guards nothing."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return _is_named(descriptor, side)


def _is_named(descriptor: int, side: Path) -> bool:
    try:
        named = os.stat(side)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), named)


def _sign(descriptor: int) -> None:
    with suppress(OSError):  # the name is a courtesy: on a full disk the lock holds without it
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def _busy(archive: Path, only_readers: bool, holder: str) -> ArchiveBusyError:
    if only_readers:
        return ArchiveBusyError(f"archive {archive} is being read by another process: close it there, then try again")
    return ArchiveBusyError(
        f"archive {archive} is being written by process {holder or 'unknown'}: "
        "one search at a time may write it; wait for it to end or give another --archive file"
    )
