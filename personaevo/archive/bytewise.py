"""Copying an open file."""

from __future__ import annotations

import errno
import os
from pathlib import Path

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
