"""What the tests of the search share: a small configuration, evaluations made by hand, and a look at the processes left behind."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from personaevo.config import SearchConfig
from personaevo.evolve import loop as loop_module
from personaevo.evolve import search as search_module
from personaevo.evolve.parts import DEFAULT_PARTS, Parts
from personaevo.evolve.prepare import EvaluationSetup, prepare, try_program
from personaevo.evolve.ranking import Scored
from personaevo.evolve.rollout import Rollout, roll_out
from personaevo.evolve.table import final_table
from personaevo.judge.objectives import harmonic, steering
from personaevo.records import CellScore, Episode, Estimate, Evaluation, FinalTable, Program
from personaevo.workers import Workers
from tests.once import FEW_PEOPLE, key_of

SMALL: Mapping[str, Any] = {
    "candidates": 12, "task_count": 3, "personas": 3, "test_tasks": 3, "test_personas": 3, "finalists": 3, "lag": 3, "jobs": 1, "seed": 5,
    "control_dialogues": 20, "people_draws": 2, "human": str(FEW_PEOPLE),
}  # fmt: skip
_SET_CHILD_SUBREAPER = 36
_PATIENCE = 10.0


def small(path: Path, **changes: Any) -> SearchConfig:
    """A search of a second or two, written to ``path``."""
    return SearchConfig(**{**SMALL, "archive": path, **changes})


@contextmanager
def prepared_once() -> Iterator[None]:
    """While inside, searches that are measured on the same share what is prepared for them and what is played, and searches of equal jobs
    that end in the same program share its final table: most of the time of a small search. That equal tables are made again tests of the
    table see to, and that equal dialogues are played again those that put the real ``roll_out`` back."""
    benches: dict[str, EvaluationSetup] = {}
    played: dict[str, tuple[Episode, ...]] = {}
    tables: dict[tuple[int, int, str], FinalTable] = {}

    def shared(config: SearchConfig, workers: Workers, *, tried: bool = True, parts: Parts = DEFAULT_PARTS) -> EvaluationSetup:
        same = {"candidates": 1, "operators": {}, "selection": "evolve", "lag": 1, "finalists": 1}
        assert parts == DEFAULT_PARTS
        key = repr(config.recorded() | same)
        if key not in benches:
            benches[key] = prepare(config, workers)
        if not tried:
            try_program(benches[key].seed_program, benches[key].train_plan, config.sandbox, None)
        return benches[key]

    def table(bench: EvaluationSetup, workers: Workers, best: Program) -> FinalTable:
        key = (id(bench), workers.jobs, best.id)
        if key not in tables:
            tables[key] = final_table(bench, workers, best)
        return tables[key]

    def recalled(work: Rollout) -> tuple[Episode, ...]:
        key = key_of(work.source, work.plan, work.domain, work.losses, work.tier)
        assert work.players is None and work.personas is None
        if key not in played:
            played[key] = roll_out(work)
        return played[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop_module, "roll_out", recalled)
        patch.setattr(search_module, "prepare", shared)
        patch.setattr(loop_module, "final_table", table)
        yield


def scored(name: str, *shares: float, cells: Mapping[int, float] | None = None, se: float = 0.0, keeps: float = 1.0) -> Scored:
    """A program with these shares of the objectives that steer (the last one for those that are not given; .5 for all without any);
    ``cells`` maps a cell to the score there, ``keeps`` is its task preservation."""
    given = list(shares) or [0.5]
    values = dict(zip(steering(), given + given[-1:] * (len(steering()) - len(given)), strict=True))
    values["score"] = float(harmonic({name: np.array([value]) for name, value in values.items()})[0])
    objectives = {key: Estimate(value, se, value) for key, value in (values | {"task_preservation": keeps}).items()}
    places = tuple(CellScore(cell, 0.1, score, 0.0) for cell, score in (cells or {}).items())
    return Scored(name, Evaluation(name, "train", 12, 12, objectives, places))


def descendants() -> set[int]:
    """All living processes below this one."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    parents[int(entry.name)] = int(parent)
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


@contextmanager
def family() -> Iterator[Callable[[], set[int]]]:
    """While inside, orphans of processes started here become this process's own children (Linux: PR_SET_CHILD_SUBREAPER), so that
    nobody can hide from ``left()``: the processes, started inside, that live on although nothing should keep them."""
    prctl, before = ctypes.CDLL(None).prctl, descendants()
    assert prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0

    def left() -> set[int]:
        end = time.monotonic() + _PATIENCE
        while (found := descendants() - before) and time.monotonic() < end:
            time.sleep(0.05)
        return found

    try:
        yield left
    finally:
        prctl(_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        for pid in descendants() - before:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
