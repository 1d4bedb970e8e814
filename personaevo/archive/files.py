"""Locking of archives with a lock file: DuckDB's own lock is lost when its process opens or copies the file.

The writer holds ``FILE.lock`` exclusively, readers of the file itself share it; the kernel releases it when the
process dies. The last process to close removes the lock file, so after locking one must check that the locked file is
still the one of that name.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from personaevo.errors import ArchiveBusyError, ArchiveError

_WAIT_FOR_READERS = 2.0  # seconds that a writer waits for readers to close: most only look something up
_WAIT_FOR_WRITER = 0.2  # seconds that it waits for another writer, which may be just closing
_POLL_INTERVAL = 0.02  # seconds


class Lock:
    """A lock that is held until ``release`` or the end of the process. Forked children must not release it."""

    def __init__(self, side: Path, descriptor: int) -> None:
        self._side = side
        self._descriptor: int | None = descriptor
        self._owner = os.getpid()

    def release(self) -> None:
        """Release the lock, and remove the lock file if no other process uses it. A second call does nothing."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        if self._owner == os.getpid():
            with suppress(OSError):  # others still read, or the folder is read-only: then the lock file stays
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_named(descriptor, self._side):
                    self._side.unlink()
        os.close(descriptor)


def lock_exclusive(archive: Path) -> Lock:
    """Lock an archive for writing, waiting a moment for readers.

    Raises:
        ArchiveBusyError: another process (or another Archive in this one) writes it, or readers do not close it.
        ArchiveError: the lock file cannot be made.
    """
    side, begun = _lock_file(archive), time.monotonic()
    while True:
        try:
            descriptor = os.open(side, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            needed = "an archive needs an existing folder that can be written to"
            raise ArchiveError(f"cannot write in {archive.parent}: {error.strerror}; {needed}") from error
        if _try_lock(descriptor, side, fcntl.LOCK_EX):
            with suppress(OSError):  # the process id serves error lines only: on a full disk the lock holds without it
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            return Lock(side, descriptor)
        only_readers = _try_lock(descriptor, side, fcntl.LOCK_SH)
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        if time.monotonic() - begun > (_WAIT_FOR_READERS if only_readers else _WAIT_FOR_WRITER):
            raise _busy(archive, only_readers, holder)
        time.sleep(_POLL_INTERVAL)


def lock_shared(archive: Path) -> Lock | None:
    """Lock an archive against writers while reading the file itself; None where no lock file can be made.

    Where a reader cannot make one, a writer with the same rights cannot either; DuckDB's own lock still guards against the others.

    Raises:
        BlockingIOError: a writer has it.
    """
    side = _lock_file(archive)
    while True:
        descriptor = None
        for flags in (os.O_RDWR | os.O_CREAT, os.O_RDONLY):
            with suppress(OSError):
                descriptor = os.open(side, flags | os.O_CLOEXEC, 0o666)
                break
        if descriptor is None:
            return None
        if _try_lock(descriptor, side, fcntl.LOCK_SH):
            return Lock(side, descriptor)
        removed = not _is_named(descriptor, side)
        os.close(descriptor)
        if not removed:
            raise BlockingIOError(f"{archive} is being written")


def _lock_file(archive: Path) -> Path:
    return archive.with_name(archive.name + ".lock")


def _try_lock(descriptor: int, side: Path, kind: int) -> bool:
    """Take a lock without waiting; False if another process has it, or if the lock file was removed: it guards nothing."""
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


def _busy(archive: Path, only_readers: bool, holder: str) -> ArchiveBusyError:
    if only_readers:
        return ArchiveBusyError(f"archive {archive} is being read by another process: close it there, then try again")
    return ArchiveBusyError(
        f"archive {archive} is being written by process {holder or 'unknown'}: "
        "one search at a time may write it; wait for it to end or give another --archive file"
    )


_BUFFER = 1 << 20  # bytes per read where the kernel cannot copy by itself
_CANNOT_COPY = (errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)


def copy_bytes(source: int, target: Path) -> None:
    """Write an open file's bytes to a new file; a file system with reflinks shares the blocks."""
    length, done = os.fstat(source).st_size, 0
    with target.open("wb") as out:
        while done < length:
            try:
                some = os.copy_file_range(source, out.fileno(), length - done, done, done)
            except OSError as error:
                if error.errno not in _CANNOT_COPY:
                    raise
                some = os.pwrite(out.fileno(), os.pread(source, _BUFFER, done), done)
            done += some
