"""The isolation mechanisms of each sandbox tier, as data for the process that applies them (``worker/harden.py``), and the fork servers.

Landlock (Linux 5.13) denies files, and with newer kernels TCP, and signals and abstract sockets beyond the child. It does not cover UDP,
Unix sockets and much else: the seccomp filter does, an allow-list of the system calls of an interpreter that computes and uses one socket.
Neither needs privileges or packages. The clock, which is read without a system call, is stopped.
"""

from __future__ import annotations

import ctypes
import platform
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

ALL = ("user", "limits", "landlock", "clock", "seccomp")
# In the wasm tier, WebAssembly (``wasm.py``) isolates the program; its process has these in addition.
TIERS: dict[str, tuple[str, ...]] = {"kernel": ALL, "wasm": ("user", "limits"), "weak": ("user", "limits")}

# --- Landlock: linux/landlock.h ------------------------------------------------------------------------------------

_ABI_VERSION_FLAG, _CREATE_RULESET = 1, 444
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}  # from this ABI version on, this many kinds of file access can be handled
_NET_RIGHTS, _NET_ABI = 0b11, 4  # bind and connect TCP
_SCOPES, _SCOPE_ABI = 0b11, 6  # abstract Unix sockets, signals


def landlock_abi() -> int:
    """The kernel's Landlock ABI version; 0 if Landlock is missing or disabled."""
    return max(0, int(ctypes.CDLL(None).syscall(_CREATE_RULESET, None, 0, _ABI_VERSION_FLAG)))


def landlock_ruleset(abi: int) -> bytes:
    """``struct landlock_ruleset_attr`` that handles, and so denies, every access right of this version."""
    rights = max(count for since, count in _FILE_RIGHTS.items() if since <= abi)
    fields = [(1 << rights) - 1]
    if abi >= _NET_ABI:
        fields.append(_NET_RIGHTS)
    if abi >= _SCOPE_ABI:
        fields.append(_SCOPES)
    return struct.pack(f"={len(fields)}Q", *fields)


# --- seccomp: linux/seccomp.h, linux/bpf_common.h -------------------------------------------------------------------

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_ARCHITECTURES = tuple(_AUDIT_ARCH)
_X32 = 0x40000000
# Numbers on x86-64 and aarch64. No file, socket, process, thread, signal, clock or entropy.
_SYSCALLS = {
    "read": (0, 63), "write": (1, 64), "writev": (20, 66),
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "mremap": (25, 216), "brk": (12, 214), "madvise": (28, 233),
    "futex": (202, 98), "rt_sigreturn": (15, 139), "restart_syscall": (219, 128), "exit": (60, 93), "exit_group": (231, 94),
}  # fmt: skip
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_PROT_EXEC, _MAP_ANONYMOUS = 0x4, 0x20
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050001  # refuse with EPERM, which programs see as an exception

Instruction = tuple[int, int, str, str]  # code, operand, label if true, label if false; "" is the next instruction


def seccomp_filter(machine: str) -> bytes:
    """The filter for an architecture (``platform.machine()``), as an array of ``struct sock_filter``."""
    column = _ARCHITECTURES.index(machine)
    numbers = {name: both[column] for name, both in _SYSCALLS.items()}
    code: list[tuple[str, Instruction]] = [
        ("", (_LOAD, _ARCH, "", "")),
        ("", (_EQUAL, _AUDIT_ARCH[machine], "", "kill")),
        ("", (_LOAD, _NUMBER, "", "")),
        *([("", (_AT_LEAST, _X32, "kill", ""))] if machine == "x86_64" else []),
        ("", (_EQUAL, numbers.pop("mmap"), "mapping", "")),
        ("", (_EQUAL, numbers.pop("mprotect"), "protection", "")),
        *(("", (_EQUAL, number, "allow", "")) for number in numbers.values()),
        ("refuse", (_RETURN, _REFUSE, "", "")),
        ("mapping", (_LOAD, _ARGUMENTS + 8 * 3, "", "")),
        ("", (_ANY_BIT, _MAP_ANONYMOUS, "", "refuse_too")),
        ("protection", (_LOAD, _ARGUMENTS + 8 * 2, "", "")),
        ("", (_ANY_BIT, _PROT_EXEC, "refuse_too", "")),
        ("allow", (_RETURN, _ALLOW, "", "")),
        ("refuse_too", (_RETURN, _REFUSE, "", "")),  # jumps go forward only
        ("kill", (_RETURN, _KILL, "", "")),
    ]
    return b"".join(_assembled(code))


def _assembled(code: Sequence[tuple[str, Instruction]]) -> Iterator[bytes]:
    places = {label: place for place, (label, _) in enumerate(code) if label}
    for place, (_, (kind, operand, true, false)) in enumerate(code):
        jumps = [places[label] - place - 1 if label else 0 for label in (true, false)]
        yield struct.pack("=HBBI", kind, *jumps, operand)


# --- requirements ------------------------------------------------------------------------------------------


def missing() -> list[str]:
    """Requirements of the kernel tier that this machine does not meet."""
    lacks = []
    if platform.system() != "Linux":
        return [f"Linux (this is {platform.system() or 'unknown'})"]
    if platform.machine() not in _AUDIT_ARCH or struct.calcsize("P") != 8:
        lacks.append(f"a 64-bit x86-64 or aarch64 Python (this is {platform.machine()}, {8 * struct.calcsize('P')} bits)")
    if not landlock_abi():
        lacks.append(f"Landlock (Linux 5.13 with 'landlock' among its security modules; this is {platform.release()})")
    if not has_seccomp():
        lacks.append("seccomp filters (a kernel with CONFIG_SECCOMP_FILTER, and a container that permits them)")
    return lacks


def has_seccomp() -> bool:
    """Whether this process could set a filter. Tests with an address that cannot be read, so that none is set."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    set_seccomp, filter_mode, efault = 22, 2, 14
    return prctl(set_seccomp, filter_mode, None, 0, 0) == -1 and ctypes.get_errno() == efault


def plan(tier: str) -> Mapping[str, Any]:
    """The tier's part of a server's settings: the names of its mechanisms ("walls"), and their data."""
    names = TIERS[tier]
    data: dict[str, Any] = {"walls": names, "server": "serve", "packages": []}
    if "landlock" in names:
        data["landlock"] = landlock_ruleset(landlock_abi()).hex()
    if "seccomp" in names:
        data["seccomp"] = seccomp_filter(platform.machine()).hex()
    return data
