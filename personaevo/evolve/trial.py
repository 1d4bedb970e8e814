"""Trial of a source that a model wrote: parse it, run it, and play it if it runs."""

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

TRIED = 2  # tasks of the test run


@dataclass(frozen=True, slots=True)
class ModelProposal:
    """A program by a model, or the reason why it was refused."""

    program: Program | None
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Examined:
    """Result of the trial of a source: the program or the reason of its refusal, its shingles, and its episodes if they were played."""

    proposal: ModelProposal
    shingles: frozenset[int] = frozenset()
    episodes: tuple[Episode, ...] | None = None


def read(source: str) -> ModelProposal:
    """Parse a source: the program, or the reason of its refusal (syntax, or broken rules)."""
    return _read(source)[0]


def _read(source: str) -> tuple[ModelProposal, ast.Module | None]:
    """Parse a source, and return the program's normalized tree too."""
    try:
        program, findings, normal = checked(source, rules.check)
    except ProgramError as error:
        return ModelProposal(None, str(error)), None
    if findings:
        return ModelProposal(None, "; ".join(f"line {finding.line}: {finding.message}" for finding in findings[:3])), None
    return ModelProposal(program), normal


def examined(work: Rollout, check: Callable[[Program], str]) -> Examined:
    """Parse the source of a work item; ``check`` returns any further problem ("" if there is none)."""
    assert work.source is not None
    proposal, normal = _read(work.source)
    if proposal.program is None or normal is None:
        return Examined(proposal)
    problem = check(proposal.program)
    return Examined(ModelProposal(None, problem)) if problem else Examined(proposal, shingles_of(normal, proposal.program.id))


def tried(work: Rollout) -> Examined:
    """Parse and run the source of a work item and, if it runs on the first tasks, play it. Runs in worker processes."""
    results: dict[str, RunResult] = {}

    def check(_: Program) -> str:
        results.update(generate(work))
        return wrong([results[task.id] for task in work.plan.tasks[:TRIED]])

    found = examined(work, check)
    return found if found.proposal.program is None else replace(found, episodes=play_out(work, results))


def wrong(results: Sequence[RunResult]) -> str:
    """The reason of the first failed run; "" if all succeeded."""
    return next((result.reason or "it fails" for result in results if not result.ok), "")
