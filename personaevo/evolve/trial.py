"""The trial of a source that a model wrote: read, run, and played if it runs. This is what worker processes do, so it imports little."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from personaevo.errors import ProgramError
from personaevo.evolve.rollout import Rollout, generate, play_out
from personaevo.programs import rules
from personaevo.programs.shingles import shingles_of
from personaevo.programs.source import checked
from personaevo.records import Episode, Program, RunResult

TRIED = 2  # tasks that a proposal must run on


@dataclass(frozen=True, slots=True)
class Proposal:
    """What came of a brief: a program, or why there is none."""

    program: Program | None
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Examined:
    """A source that was read and tried: the program or why it is none, its shingles, and its episodes if they were played at once."""

    proposal: Proposal
    shingles: frozenset[int] = frozenset()
    episodes: tuple[Episode, ...] | None = None


def read(source: str) -> Proposal:
    """The program of a source, or why it is none, or which rules it breaks."""
    return _read(source)[0]


def _read(source: str) -> tuple[Proposal, ast.Module | None]:
    """With the program's normalized tree."""
    try:
        program, findings, normal = checked(source, rules.check)
    except ProgramError as error:
        return Proposal(None, str(error)), None
    if findings:
        return Proposal(None, "; ".join(f"line {finding.line}: {finding.message}" for finding in findings[:3])), None
    return Proposal(program), normal


def examined(work: Rollout, check: Callable[[Program], str]) -> Examined:
    """Reads the source of a piece of work; ``check`` says what else is wrong with it ("" is nothing)."""
    assert work.source is not None
    proposal, normal = _read(work.source)
    if proposal.program is None or normal is None:
        return Examined(proposal)
    problem = check(proposal.program)
    return Examined(Proposal(None, problem)) if problem else Examined(proposal, shingles_of(normal, proposal.program.id))


def tried(work: Rollout) -> Examined:
    """Reads the source of a piece of work, runs it and, if it runs on the first tasks, plays it. What worker processes do."""
    results: dict[str, RunResult] = {}

    def check(_: Program) -> str:
        results.update(generate(work))
        return wrong([results[task.id] for task in work.plan.tasks[:TRIED]])

    found = examined(work, check)
    return found if found.proposal.program is None else replace(found, episodes=play_out(work, results))


def wrong(results: Sequence[RunResult]) -> str:
    """Why the first program that failed did; "" if none did."""
    return next((result.reason or "it fails" for result in results if not result.ok), "")
