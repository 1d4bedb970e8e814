"""Processes that wait to be hurt, and how processes are doing."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import resource
import signal
from pathlib import Path

from tests.attacks.attack import MACHINE

LIBC = ctypes.CDLL(None, use_errno=True)
_SET_DEATH_SIGNAL, _SET_DUMPABLE = 1, 4
_IOPRIO_GET = {"x86_64": 252, "aarch64": 31}
_HURT = "TtZX"  # stopped, traced, dead


class Victim:
    """A forked process of ``user`` (None: the same) with a secret at ``address`` of its memory; it holds ``descriptor`` open. Nothing
    keeps another process of that user from reaching into it."""

    def __init__(self, user: int | None, secret: bytes, descriptor: int) -> None:
        self._memory = mmap.mmap(-1, 4096)
        self._memory[: len(secret)] = secret
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        ready, told = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self._wait_to_be_hurt(user, told, descriptor)
            finally:
                os._exit(1)
        os.close(told)
        assert os.read(ready, 1) == b"!", "the victim could not be set up"
        os.close(ready)

    def _wait_to_be_hurt(self, user: int | None, told: int, descriptor: int) -> None:
        os.setpgid(0, 0)
        if user is not None:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
        LIBC.prctl(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        LIBC.prctl(_SET_DUMPABLE, 1, 0, 0, 0)
        for number in (signal.SIGUSR1, signal.SIGIO, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.write(told, b"!")
        os.closerange(3, descriptor)
        os.closerange(descriptor + 1, 1024)
        while True:
            signal.pause()

    def condition(self) -> tuple[object, ...]:
        """What an attack could have changed."""
        return (*condition(self.pid), self._memory[:64])

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def condition(pid: int) -> tuple[object, ...]:
    """Whether a process goes on, and under what limits and priorities."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        about = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("TracerPid")]
        limits = [resource.prlimit(pid, kind) for kind in range(16)]
        score = Path(f"/proc/{pid}/oom_score_adj").read_text()
        disk = LIBC.syscall(_IOPRIO_GET[MACHINE], 1, pid)
        return (
            pid,
            fields[0] in _HURT,
            fields[16],
            about,
            limits,
            score,
            disk,
            os.sched_getscheduler(pid),
            sorted(os.sched_getaffinity(pid)),
        )
    except (OSError, ValueError):
        return pid, "gone"


def below(pid: int) -> set[int]:
    """All descendants of a process, zombies among them. Processes and threads may go away while they are looked for."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                for child in map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split()):
                    found |= {child} | below(child)
    return found
