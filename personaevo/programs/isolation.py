"""The isolation mechanisms of each sandbox tier, as data for the process that applies them (``worker/harden.py``), and the fork servers.

Landlock (Linux 5.13) denies files, and with newer kernels TCP, and signals and abstract sockets beyond the child. It does not cover UDP,
Unix sockets and much else: the seccomp filter does, an allow-list of the system calls of an interpreter that computes and uses one socket.
Neither needs privileges or packages. The clock, which is read without a system call, is stopped.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import platform
import socket
import struct
import subprocess
import sys
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from personaevo.errors import SandboxError
from personaevo.programs.rules import ALLOWED_IMPORTS

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


_IMPORTS = 'import enum\nos = enum.sys.modules["os"]\nsocket = enum.sys.modules["_socket"]\nthread = enum.sys.modules["_thread"]\n'
# name of an operation that must be refused -> code that attempts it
OPERATIONS = {
    "opens files": 'os.open("/", 0)',
    "changes files": 'os.unlink("/nowhere/personaevo")',
    "looks at files": 'os.stat("/")',
    "opens sockets": "socket.socket()",
    "opens Unix sockets": "socket.socketpair()",
    "starts processes": "os.fork() or os._exit(0)",
    "starts threads": "thread.start_new_thread(print, ())",
    "starts programs": 'os.execv("/bin/true", ["true"])',
    "sends signals": "os.kill(1, 0)",
    "draws entropy": "os.getrandom(8)",
}
NONE = "does nothing of this"  # the self-test's result where every attempt was refused
# Starting a thread is refused with RuntimeError, everything else with PermissionError.
SELF_TEST = (
    _IMPORTS
    + "AXES = []\ndef generate(task, n, rng, model=None):\n    done = []\n"
    + "".join(
        f"    try:\n        {deed}\n        done.append({name!r})\n"
        f"    except (PermissionError, RuntimeError): pass\n    except OSError: done.append({name!r})\n"
        for name, deed in OPERATIONS.items()
    )
    + f"    return [{{'description': ', '.join(done) or {NONE!r}}}]\n"
)


_FOLDER = Path(__file__).parent
# Isolated as with -I -S, spelled out because -I also ignores PYTHONHASHSEED. The package ``worker`` is imported from its folder, not
# through personaevo: the server loads only the standard library and the packages of its tier ("packages": their folders).
_BOOTSTRAP = "import sys; sys.path += sys.argv[1].split('\\n'); from worker import {server}; {server}.main()"
_ADDR_NO_RANDOMIZE, _ADDR_COMPAT_LAYOUT, _ASK = 0x0040000, 0x0200000, 0xFFFFFFFF  # linux/personality.h
_START_SECONDS = 60.0
_REPLY_SECONDS = 20.0


class ServerLostError(Exception):
    """The server died or cannot fork; internal to the sandbox, which starts another."""


class Server:
    """A running fork server.

    Its environment has two variables, cleared before any program runs: one sets ``hash_seed``, which fixes the order of sets, and one
    makes the linker resolve symbols at start, not in every child.
    """

    def __init__(self, limits: Mapping[str, Any], hash_seed: int) -> None:
        ours, theirs = socket.socketpair()
        config = json.dumps({**limits, "modules": ALLOWED_IMPORTS, "hash_seed": hash_seed})
        begin, folders = _BOOTSTRAP.format(server=limits["server"]), "\n".join([str(_FOLDER), *limits["packages"]])
        command = [sys.executable or "python3", "-P", "-s", "-S", "-c", begin, folders, config]
        try:
            with _fixed_addresses(hash_seed):
                self._process = subprocess.Popen(  # close_fds is the default; in its own session the server gets no Ctrl-C
                    command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/",
                    env={"PYTHONHASHSEED": str(hash_seed), "LD_BIND_NOW": "1"}, start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            ours.close()
            raise SandboxError(f"the sandbox's server cannot be started with {command[0]}: {error}") from error
        finally:
            theirs.close()
        self._owner = os.getpid()
        self._control = ours
        self.close = weakref.finalize(self, _close, ours, self._process, self._owner)

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    @property
    def usable(self) -> bool:
        """False once closed, and in a process forked from the owner, which must not share the server."""
        return bool(self.close.alive) and self._owner == os.getpid()

    def wait_ready(self) -> None:
        """Return when the server accepts orders. Raises SandboxError with its error output if it ended instead."""
        self._control.settimeout(_START_SECONDS)
        try:
            ready = self._control.recv(1) == b"!"
        except OSError:
            ready = False
        errors = self._process.stderr
        assert errors is not None
        if not ready:
            self._process.kill()
            text = errors.read().decode(errors="replace").strip().splitlines() or ["it wrote nothing"]
            self.close()
            raise SandboxError(
                f"the sandbox's server did not start: {text[-1]}; the sandbox needs Linux and a full standard library"
            )
        errors.close()
        self._control.settimeout(_REPLY_SECONDS)

    def fork(self) -> socket.socket:
        """Order a child and return the socket to it, which is closed if forking fails. Raises ServerLostError."""
        ours, theirs = socket.socketpair()
        try:
            socket.send_fds(self._control, [b"R"], [theirs.fileno()], socket.MSG_NOSIGNAL)
        except OSError as error:
            ours.close()
            raise ServerLostError(str(error)) from error
        finally:
            theirs.close()
        return ours

    def end(self) -> None:
        """Kill the child and all processes that it started. Raises ServerLostError."""
        self._order(b"K")

    def ending(self) -> int:
        """The wait status of a child that closed its socket; it gets a moment to end by itself. Raises ServerLostError."""
        self._order(b"W")
        data = b""
        while len(data) < 4:
            try:
                part = self._control.recv(4 - len(data))
            except OSError as error:
                raise ServerLostError(str(error)) from error
            if not part:
                raise ServerLostError("it ended")
            data += part
        return int(struct.unpack("<i", data)[0])

    def _order(self, order: bytes) -> None:
        try:
            self._control.send(order, socket.MSG_NOSIGNAL)
        except OSError as error:
            raise ServerLostError(str(error)) from error


@contextmanager
def _fixed_addresses(seed: int) -> Iterator[None]:
    """Processes that this thread starts inside have the same memory addresses every time, other ones for another seed (0 or 1), so that
    programs cannot use addresses as random numbers. A container may refuse the setting; then they are random."""
    personality = ctypes.CDLL(None).personality
    personality.argtypes = [ctypes.c_ulong]
    before = personality(_ASK) & _ASK
    personality(before | _ADDR_NO_RANDOMIZE | seed * _ADDR_COMPAT_LAYOUT)
    try:
        yield
    finally:
        personality(before)


def _close(control: socket.socket, process: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() != owner:  # a forked process does not own the server
        control.close()
        return
    with contextlib.suppress(OSError):  # it has ended already
        control.shutdown(socket.SHUT_RDWR)  # ends the server even if a forked process holds a copy of the socket
    control.close()
    try:
        process.wait(timeout=2.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stderr is not None:
        process.stderr.close()
