"""The endurance benchmark, short: nothing is left over, and every failure says why. And its checks can fail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import endurance
from benchmarks.endurance import Resources, RunLog, kind_of, live, problems
from personaevo.programs import isolation
from personaevo.records import RunResult, Tier


@pytest.mark.parametrize("tier", ["kernel", pytest.param("weak", marks=pytest.mark.slow)])
def test_a_short_life(tier: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    if tier == "kernel" and isolation.missing():
        pytest.skip(f"this machine lacks {isolation.missing()}")
    monkeypatch.setattr(endurance, "EVERY", 5)  # all hostile programs once
    life = live(100, tier)
    assert problems(life) == []
    assert {name for name, _ in life.failures} == set(endurance.HOSTILE)
    assert sum(life.failures.values()) == 100 // 5


HELD = Resources(processes=3, host_files=8, server_files=12, host_mb=45.0, servers_mb=15.0, temporary=0, semaphores=0)


CHANGES = {"processes": 4, "host_files": 9, "server_files": 13, "host_mb": 50.1, "servers_mb": 20.1, "temporary": 1, "semaphores": 1}


@pytest.mark.parametrize("change", [{name: value} for name, value in CHANGES.items()], ids=str)
def test_what_is_left_over_is_a_problem(change: dict[str, int]) -> None:
    assert problems(RunLog([HELD, HELD, HELD, HELD])) == []
    assert len(problems(RunLog([HELD, HELD, replace(HELD, **change), HELD]))) == 1  # type: ignore[arg-type]


def test_what_is_not_as_expected_is_a_problem() -> None:
    life = RunLog([HELD, HELD, HELD, HELD])
    life.note("loops", RunResult(ok=False, reason="time limit of 1 s", fault="program"))
    assert problems(life) == []
    life.note("loops", RunResult(ok=True))
    life.note("loops", RunResult(ok=False, reason="memory limit of 3 MB"))
    life.note("honest 1", RunResult(ok=False, reason=""))
    assert len(problems(life)) == 3
    assert kind_of("no known reason") == "without a reason"
