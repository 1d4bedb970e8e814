"""Isolation that a child applies to itself before it receives the program. What is allowed is decided by the parent
(``programs/walls.py``) and sent as data. A mechanism that cannot be applied raises OSError."""

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
    """``struct sock_fprog``: number of instructions, and their address."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


class Isolation:
    """The mechanisms of the server's tier: prepared once, in the server; applied in every child."""

    def __init__(self, limits: dict[str, Any]) -> None:
        self.limits = limits
        self.names = frozenset(limits["walls"])
        self.rlimits = list(self.resource_limits())
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

    def apply(self, server: int) -> None:
        """Isolate the calling child, strictest mechanism last. The child keeps open only the channel and three times /dev/null."""
        os.setsid()
        if self.root:
            os.setresuid(NOBODY, NOBODY, NOBODY)
        if "limits" in self.names:
            for kind, soft_and_hard in self.rlimits:
                resource.setrlimit(kind, soft_and_hard)
        self.checked("no_new_privs", self.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        self.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # after the change of user, which clears it
        if os.getppid() != server:  # the server died before the signal was set
            os._exit(1)
        if "landlock" in self.names:
            self.checked("Landlock", self.syscall(LANDLOCK_RESTRICT_SELF, self.ruleset, 0))
        os.closerange(CHANNEL + 1, 64)
        if "clock" in self.names:
            self.stop_clocks()
        if "seccomp" in self.names:
            self.checked("seccomp", self.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, self.filter, 0, 0))

    def stop_clocks(self) -> None:
        """Replace the pages from which the time is read by empty ones, so that reading a clock needs a system call (coarse clocks read 0),
        and forbid reading the processor's counter. A kernel may have sealed the pages: then only the second run detects clocks."""
        for page in self.clock:
            self.mmap(*page, mmap.PROT_READ, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_FIXED, -1, 0)
        self.prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0)

    def resource_limits(self) -> Iterator[tuple[int, tuple[int, int]]]:
        """Each limit with its soft and hard value. A lower limit that the host runs under is not raised."""
        cpu, memory = self.limits["cpu_seconds"], self.limits["memory_bytes"]
        wanted = {
            resource.RLIMIT_CPU: (cpu, cpu + 1),
            resource.RLIMIT_AS: (memory, memory),
            resource.RLIMIT_FSIZE: (0, 0),
            resource.RLIMIT_NPROC: (0, 0),  # no new process or thread
            resource.RLIMIT_NOFILE: (CHANNEL + 1, CHANNEL + 1),  # no new file or socket
        }
        for kind, (soft, hard) in wanted.items():
            most = resource.getrlimit(kind)[1]
            yield kind, (soft, hard) if most == resource.RLIM_INFINITY else (min(soft, most), min(hard, most))

    def checked(self, what: str, result: int) -> int:
        if result < 0:
            error = ctypes.get_errno()
            raise OSError(error, f"{what}: {os.strerror(error)}")
        return result


def clock_pages() -> Iterator[tuple[ctypes.c_void_p, ctypes.c_size_t]]:
    """Addresses and sizes of the pages from which processes read the time without a system call (vvar)."""
    with open("/proc/self/maps", encoding="utf-8") as file:
        for line in file:
            if "[vvar" in line:
                begin, end = (int(address, 16) for address in line.split()[0].split("-"))
                yield ctypes.c_void_p(begin), ctypes.c_size_t(end - begin)


def leave_groups() -> bool:
    """Drop root's groups in the server; True if its children must change user too, because the limit on processes does not apply to root.
    Without the right to do so (a container may withhold it) the user stays root."""
    if os.geteuid() != 0:
        return False
    with contextlib.suppress(OSError):
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        return True
    return False
