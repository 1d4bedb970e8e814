"""The tiers: what the kernel tier's filter says to every system call, and a machine that has not what it needs."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from personaevo.errors import SandboxError, WeakSandboxWarning
from personaevo.programs import Sandbox, isolation
from personaevo.programs.sandbox import require

ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050001, 0x80000000
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
OTHER_ARCH = 0x40000003  # 32-bit x86
MMAP, MPROTECT = {"x86_64": 9, "aarch64": 222}, {"x86_64": 10, "aarch64": 226}
# asm/unistd_64.h and asm-generic/unistd.h
ALLOWED = {
    "x86_64": {0, 1, 11, 12, 15, 20, 25, 28, 60, 202, 219, 231},
    "aarch64": {63, 64, 66, 93, 94, 98, 128, 139, 214, 215, 216, 233},
}


def decide(machine: str, number: int, arguments: tuple[int, ...] = (), arch: int | None = None) -> int:
    """What the filter returns: an interpreter of the few classic BPF instructions that it uses."""
    data = struct.pack("=IIQ6Q", number, ARCH[machine] if arch is None else arch, 0, *(arguments + (0,) * 6)[:6])
    code = list(struct.iter_unpack("=HBBI", isolation.seccomp_filter(machine)))
    value = place = 0
    tests = {0x15: lambda a, b: a == b, 0x35: lambda a, b: a >= b, 0x45: lambda a, b: bool(a & b)}
    while True:
        kind, true, false, operand = code[place]
        place += 1
        if kind == 0x06:
            return int(operand)
        if kind == 0x20:
            (value,) = struct.unpack_from("=I", data, operand)
        else:
            place += true if tests[kind](value, operand) else false


@pytest.mark.parametrize("machine", ARCH)
def test_filter_lets_through_what_is_listed_and_nothing_else(machine: str) -> None:
    allowed = {number for number in range(1200) if decide(machine, number) == ALLOW}
    assert allowed == ALLOWED[machine] | {MPROTECT[machine]}
    others = set(range(1200)) - allowed
    assert {decide(machine, number) for number in others} == {REFUSE}
    assert {decide(machine, number, arch=OTHER_ARCH) for number in range(1200)} == {KILL}


@pytest.mark.parametrize("machine", ARCH)
def test_memory_may_be_had_but_not_executed(machine: str) -> None:
    read_write, execute, anonymous, private = 3, 4, 0x20, 2
    assert decide(machine, MMAP[machine], (0, 4096, read_write, private | anonymous)) == ALLOW
    assert decide(machine, MMAP[machine], (0, 4096, read_write | execute, private | anonymous)) == REFUSE
    assert decide(machine, MMAP[machine], (0, 4096, read_write, private)) == REFUSE
    assert decide(machine, MPROTECT[machine], (0, 4096, read_write)) == ALLOW
    assert decide(machine, MPROTECT[machine], (0, 4096, execute)) == REFUSE


def test_filter_kills_the_other_ways_to_number_calls() -> None:
    assert decide("x86_64", 0x40000000) == decide("x86_64", 0xFFFFFFFF) == KILL
    assert decide("aarch64", 0x40000000) == REFUSE


RIGHTS = [(1, [2**13 - 1]), (2, [2**14 - 1]), (3, [2**15 - 1]), (4, [2**15 - 1, 3]), (7, [2**16 - 1, 3, 3])]


@pytest.mark.parametrize(("abi", "fields"), RIGHTS)
def test_landlock_handles_all_that_a_version_can(abi: int, fields: list[int]) -> None:
    assert isolation.landlock_ruleset(abi) == struct.pack(f"={len(fields)}Q", *fields)


def test_filter_of_this_machine_is_accepted_by_its_kernel() -> None:
    assert isolation.missing() == []
    assert platform.machine() in ARCH
    with Sandbox(tier="kernel") as box:
        assert len(box.server_pids()) == 2


def test_unknown_tier_is_refused() -> None:
    with pytest.raises(SandboxError, match=r"sandbox: expected one of kernel, .*weak, got 'none'"):
        Sandbox(tier="none")  # type: ignore[arg-type]


def test_weak_tier_warns_every_time() -> None:
    for _ in range(2):
        with pytest.warns(WeakSandboxWarning, match="whose author you trust"):
            require("weak")


# --- a kernel that lacks something, imitated by a filter around the whole command ------------------------------------

LACKING = {
    "Landlock": (444, None, 38),  # landlock_create_ruleset: ENOSYS
    "seccomp": ({"x86_64": 157, "aarch64": 167}[platform.machine()], 22, 22),  # prctl(PR_SET_SECCOMP): EINVAL
}


def lacking(number: int, first: int | None, error: int) -> None:
    """In a child, before exec: make a system call (with this first argument) fail."""
    checks = [(0x20, 0, 0, 0), (0x15, 0, 3 if first is None else 5, number)]
    if first is not None:
        checks += [(0x20, 0, 0, 16), (0x15, 0, 3, first)]
    code = [*checks, (0x06, 0, 0, 0x00050000 | error), (0x06, 0, 0, ALLOW), (0x06, 0, 0, ALLOW), (0x06, 0, 0, ALLOW)]
    packed = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in code))

    class Filter(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))

    prctl = ctypes.CDLL(None).prctl
    prctl(38, 1, 0, 0, 0)
    if prctl(22, 2, ctypes.byref(Filter(len(code), ctypes.addressof(packed))), 0, 0) != 0:
        os._exit(99)


def command(folder: Path, what: str, *words: str) -> subprocess.CompletedProcess[str]:
    root = str(Path(isolation.__file__).parents[2])
    return subprocess.run(
        [sys.executable, "-m", "personaevo", *words], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": root}, preexec_fn=lambda: lacking(*LACKING[what]),
    )  # fmt: skip


@pytest.mark.parametrize("what", LACKING)
def test_search_refuses_on_a_machine_without_the_tier(tmp_path: Path, what: str) -> None:
    done = command(tmp_path, what, "search", "--candidates", "2", "--archive", "a.duckdb")
    assert done.returncode == 1
    assert re.fullmatch(f"Error: this machine cannot run .* it lacks {what} .*personaevo\\[wasm\\].*--sandbox weak.*\n", done.stderr)
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_doctor_says_what_is_missing(tmp_path: Path) -> None:
    done = command(tmp_path, "Landlock", "doctor")
    assert done.returncode == 1
    assert "sandbox (none)" in done.stdout
    assert re.search(r"FAILED +Landlock +missing: Landlock \(Linux 5.13", done.stdout)
    assert "--sandbox weak" in done.stderr


@pytest.mark.slow
def test_weak_search_runs_there_and_warns(tmp_path: Path) -> None:
    words = ("--candidates", "1", "--task-count", "2", "--jobs", "1", "--archive", "a.duckdb", "--sandbox", "weak")
    done = command(tmp_path, "Landlock", "search", *words)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("Warning: the weak sandbox only limits")
    again = command(tmp_path, "Landlock", "sample", "a.duckdb", "-n", "1", "--sandbox", "weak")
    assert again.returncode == 0, again.stderr
    assert "Warning: the weak sandbox" in again.stderr
