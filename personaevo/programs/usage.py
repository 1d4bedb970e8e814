"""The parent's end of the conversation with one child: its processor usage, sending requests and reading frames, its access to a model.

The child's processor time and sleep come from the kernel's counters, which no program can change.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

_CPU_CLOCK = 2  # clock of a process, all its threads: linux/posix-timers.h


class Child:
    """The current child of a fork server, which has one at a time."""

    def __init__(self, server: int) -> None:
        self._server = server
        self._pid = 0

    def seconds(self) -> float:
        """Processor time since it was forked; 0 if unknown."""
        with suppress(OSError, ValueError, IndexError):
            return time.clock_gettime(~self._child_pid() << 3 | _CPU_CLOCK)
        return 0.0

    def sleeps(self) -> bool:
        """Whether it sleeps now, so that it would not run even on a free processor."""
        with suppress(OSError, ValueError, IndexError):
            return Path(f"/proc/{self._child_pid()}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"S"
        return False

    def _child_pid(self) -> int:
        if not self._pid:
            self._pid = int(Path(f"/proc/{self._server}/task/{self._server}/children").read_bytes().split()[0])
        return self._pid
