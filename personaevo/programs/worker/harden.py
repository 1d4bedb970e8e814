"""The walls that a child puts up around itself before it sees the program. What they let through is the parent's business
(``programs/walls.py``), which sends it as data; a wall that cannot be put up is an OSError."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import resource
import signal
from collections.abc import Iterator
from typing import Any

CHANNEL = 3
MAP_FIXED = 0x10
NOBODY = 65534
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_TSC, PR_SET_NO_NEW_PRIVS = 1, 22, 26, 38
SECCOMP_MODE_FILTER, PR_TSC_SIGSEGV = 2, 2
LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF = 444, 446  # the same on all architectures


class Filter(ctypes.Structure):
    """``struct sock_fprog``: number of instructions, and where they are."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


class Walls:
    """Prepared once, in the server; put up in every child."""

    def __init__(self, limits: dict[str, Any]) -> None:
        self.limits = limits
        self.names = frozenset(limits["walls"])
        self.rlimits = [(kind, within(kind, soft, hard)) for kind, soft, hard in self.wanted()]
        self.root = "user" in self.names and leave_groups()
        libc = ctypes.CDLL(None, use_errno=True)
        self.prctl, self.syscall, self.mmap = libc.prctl, libc.syscall, libc.mmap
        self.clock = list(clock_pages()) if "clock" in self.names else []
        if "landlock" in self.names:  # a ruleset without a rule allows nothing of what it handles
            handled = bytes.fromhex(limits["landlock"])
            self.ruleset = self.checked("Landlock", self.syscall(LANDLOCK_CREATE_RULESET, handled, len(handled), 0))
        if "seccomp" in self.names:
            code = bytes.fromhex(limits["seccomp"])
            self.code = ctypes.create_string_buffer(code, len(code))
            self.filter = ctypes.byref(Filter(len(code) // 8, ctypes.addressof(self.code)))

    def put_up(self, server: int) -> None:
        """In the child: all walls, the outermost last. What the child still has open is the channel and three times nothing."""
        os.setsid()
        if self.root:
            os.setresuid(NOBODY, NOBODY, NOBODY)
        if "limits" in self.names:
            self.lower_limits()
        self.checked("no_new_privs", self.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        self.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # after the change of user, which clears it
        if os.getppid() != server:  # it died before its death could be signaled to us
            os._exit(1)
        if "landlock" in self.names:
            self.checked("Landlock", self.syscall(LANDLOCK_RESTRICT_SELF, self.ruleset, 0))
        os.closerange(CHANNEL + 1, 64)
        if "clock" in self.names:
            self.stop_clocks()
        if "seccomp" in self.names:
            self.checked("seccomp", self.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, self.filter, 0, 0))

    def stop_clocks(self) -> None:
        """The pages that the time is read from are replaced by empty ones, which send whoever asks to the system call (coarse clocks stand
        at 0); the processor's counter may not be read. A kernel may have sealed the pages: then only the second run notices clocks."""
        for page in self.clock:
            self.mmap(*page, mmap.PROT_READ, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_FIXED, -1, 0)
        self.prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0)

    def lower_limits(self) -> None:
        for kind, soft_and_hard in self.rlimits:
            resource.setrlimit(kind, soft_and_hard)

    def wanted(self) -> Iterator[tuple[int, int, int]]:
        cpu, memory = self.limits["cpu_seconds"], self.limits["memory_bytes"]
        yield resource.RLIMIT_CPU, cpu, cpu + 1
        yield resource.RLIMIT_AS, memory, memory
        yield resource.RLIMIT_FSIZE, 0, 0
        yield resource.RLIMIT_NPROC, 0, 0  # no new process or thread
        yield resource.RLIMIT_NOFILE, CHANNEL + 1, CHANNEL + 1  # no new file or socket

    def checked(self, what: str, result: int) -> int:
        if result < 0:
            error = ctypes.get_errno()
            raise OSError(error, f"{what}: {os.strerror(error)}")
        return result


def clock_pages() -> Iterator[tuple[ctypes.c_void_p, ctypes.c_size_t]]:
    """Addresses and sizes of where the kernel lets processes read the time without a call (vvar)."""
    with open("/proc/self/maps", encoding="utf-8") as file:
        for line in file:
            if "[vvar" in line:
                begin, end = (int(address, 16) for address in line.split()[0].split("-"))
                yield ctypes.c_void_p(begin), ctypes.c_size_t(end - begin)


def within(kind: int, soft: int, hard: int) -> tuple[int, int]:
    """The host may run under limits of its own, which are not raised."""
    most = resource.getrlimit(kind)[1]
    return (soft, hard) if most == resource.RLIM_INFINITY else (min(soft, most), min(hard, most))


def leave_groups() -> bool:
    """In the server: whether its children are to change user too, as the limit on processes does not bind root. Without the right to do
    so (a container may withhold it) root stays."""
    if os.geteuid() != 0:
        return False
    with contextlib.suppress(OSError):
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        return True
    return False
