"""Test the sandbox's guarantees on this machine, with programs that try to break them."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from personaevo.errors import SandboxError
from personaevo.programs import walls
from personaevo.programs.attempts import NONE, OPERATIONS, SELF_TEST
from personaevo.programs.sandbox import Sandbox
from personaevo.records import Tier


@dataclass(frozen=True, slots=True)
class Check:
    """The test of one property of the sandbox on this machine."""

    name: str
    ok: bool
    detail: str


_PROBE = """
import enum
os = enum.sys.modules["os"]
AXES = []
def probe():
    {body}
def generate(task, n, rng, model=None):
    return [{{"description": str(probe())}}]
"""
# name, code of the program, and what the reason or description begins with if the test passes
_PROBES = (
    ("runs honest programs", 'return "fine"', "fine"),
    ("environment is empty", "return len(os.environ)", "0"),
    ("memory is limited", "return bytearray(2**30)", "memory limit"),
    ("time is limited", "while True: pass", "processor time limit"),
    ("output is limited", 'return "x" * 10**7', "output limit"),
    ("chance is noticed", "return id(object())", "not deterministic"),
)
_KERNEL_PROBES = (
    ("sleep is limited", 'for lock in (enum.sys.modules["_thread"].allocate_lock(),) * 2: lock.acquire()', "sleep limit"),
    ("clocks stand still", 'return enum.sys.modules["time"].clock_gettime(5)', "0.0"),
)


def self_test(tier: Tier = "kernel") -> list[Check]:
    """Test the guarantees of a tier on this machine, in about two seconds; requirements that the machine lacks come first."""
    checks = list(_requirements()) if tier == "kernel" else []
    if not all(check.ok for check in checks):
        return checks
    try:
        with Sandbox(tier=tier, wall_seconds=5.0, memory_mb=256, output_mb=1) as sandbox:
            checks += _refused_operations(sandbox) if tier == "kernel" else []
            checks += _probed(sandbox, (*_PROBES, *_KERNEL_PROBES) if tier == "kernel" else _PROBES)
    except SandboxError as error:
        checks.append(Check("starts", False, str(error)))
    return checks


def _requirements() -> Iterator[Check]:
    lacks = walls.missing()
    if lacks:
        yield from (Check(lack.partition(" (")[0], False, f"missing: {lack}") for lack in lacks)
        return
    yield Check("Landlock", True, f"version {walls.landlock_abi()}")
    yield Check("seccomp", True, f"filter for {platform.machine()}")


def _refused_operations(sandbox: Sandbox) -> Iterator[Check]:
    result = sandbox.run(SELF_TEST, {}, 1, 0)
    done = result.made[0].description if result.ok else result.reason or ""
    for name in OPERATIONS:
        held = result.ok and (done == NONE or name not in done.split(", "))
        yield Check(f"no program {name}", held, "not permitted" if held else done)


def _probed(sandbox: Sandbox, probes: Iterable[tuple[str, str, str]]) -> Iterator[Check]:
    for name, body, expected in probes:
        result = sandbox.run(_PROBE.format(body=body), {}, 1, 0)
        seen = result.made[0].description if result.ok else result.reason or ""
        yield Check(name, seen.startswith(expected), seen)
