"""What a child uses, seen from outside: its processor time, and whether it sleeps. The kernel counts, and no program can change that."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

_CPU_CLOCK = 2  # of a process, all its threads: linux/posix-timers.h


class Child:
    """The child that a fork server has; there is one at a time."""

    def __init__(self, server: int) -> None:
        self._server = server
        self._pid = 0

    def seconds(self) -> float:
        """Processor time since it was forked; 0 where that cannot be known."""
        with suppress(OSError, ValueError, IndexError):
            return time.clock_gettime(~self._found() << 3 | _CPU_CLOCK)
        return 0.0

    def sleeps(self) -> bool:
        """Whether it waits for something at this moment, and would not run if all processors were free."""
        with suppress(OSError, ValueError, IndexError):
            return Path(f"/proc/{self._found()}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"S"
        return False

    def _found(self) -> int:
        if not self._pid:
            self._pid = int(Path(f"/proc/{self._server}/task/{self._server}/children").read_bytes().split()[0])
        return self._pid
