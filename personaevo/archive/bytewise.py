"""Copies of files, byte by byte."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_PIECE = 1 << 20  # bytes that are copied at once where the kernel does not do it
_CANNOT_COPY = (errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)


def copy_bytes(source: int, target: Path) -> None:
    """Write an open file's bytes to a new one; where the file system can, they are shared."""
    length, done = os.fstat(source).st_size, 0
    with target.open("wb") as out:
        while done < length:
            try:
                some = os.copy_file_range(source, out.fileno(), length - done, done, done)
            except OSError as error:
                if error.errno not in _CANNOT_COPY:
                    raise
                some = os.pwrite(out.fileno(), os.pread(source, _PIECE, done), done)
            done += some
