"""Evaluation plans, roll-outs of programs on them, and trials of sources that a model wrote. Worker processes run this code.

A plan is one seeded list of (task, slot, episode seed), the same for every candidate (common random numbers).
"""

from __future__ import annotations

import gc
import hashlib
import os
import platform
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from types import CodeType
from typing import Any

from personaevo import definitions
from personaevo.definitions import Domain
from personaevo.errors import ProgramError, ReplyError, SandboxError, WorkerError
from personaevo.evolve.players import DialogueQueue, PlannedDialogue, Players
from personaevo.executors import Shared
from personaevo.models import made_for
from personaevo.programs import Call, Sandbox, isolation, rules
from personaevo.programs.personas import dial_table
from personaevo.programs.shingles import shingles_of
from personaevo.programs.source import Checked, checked
from personaevo.records import Episode, Persona, PlanItem, Program, RunResult, Task, Tier
from personaevo.simulate.episodes import measured, refused, run_episode
from personaevo.simulate.turns import seed_of
from personaevo.workers import WorkerPool

DIALOGUES = 2  # dialogues of each persona on its task, for measuring consistency


@dataclass(frozen=True)
class Plan(Shared):
    """Episodes to play: ``items`` are ordered slot by slot over all tasks, so that a prefix covers the tasks evenly; the dialogues of one
    persona are adjacent.

    ``personas`` is the argument n of every ``generate`` call, also for a prefix of the plan.
    """

    seed: int
    purpose: str
    tasks: tuple[Task, ...]
    personas: int
    items: tuple[PlanItem, ...]

    def generate_seed(self, task_id: str) -> int:
        """Seed of the ``generate`` call for a task."""
        return seed_of(self.seed, self.purpose, task_id, "generate")

    @property
    def slots(self) -> list[tuple[str, int]]:
        """Task and slot of every persona, in the order of the items."""
        return list(dict.fromkeys((item.task_id, item.slot) for item in self.items))


def make_plan(
    tasks: Sequence[Task], *, at_most: int, personas: int, seed: int, purpose: str, dialogues: int = DIALOGUES
) -> Plan:
    """A plan over at most ``at_most`` tasks, with ``personas`` personas per task and ``dialogues`` dialogues per persona. Tasks are drawn
    by seed, evenly over their groups."""
    chosen = _drawn(tasks, at_most, seed, purpose)
    items = []
    for slot in range(personas):
        for task in chosen:
            for repeat in range(dialogues):
                episode_seed = seed_of(seed, purpose, task.id, slot, "episode", *([repeat] if repeat else []))
                items.append(PlanItem(task.id, slot, episode_seed))
    return Plan(seed, purpose, tuple(chosen), personas, tuple(items))


def _drawn(tasks: Sequence[Task], at_most: int, seed: int, purpose: str) -> list[Task]:
    """Draw tasks by seed in an order that alternates between groups."""
    order = sorted(tasks, key=lambda task: seed_of(seed, purpose, task.id, "order"))
    seen: dict[str, int] = {}
    rank = {}
    for task in order:
        rank[task.id] = seen[task.group] = seen.get(task.group, -1) + 1
    return sorted(order, key=lambda task: rank[task.id])[:at_most]


@cache
def _measures() -> str:
    """Digest of this process's features and dials. They are not sent to workers, which must have equal ones."""
    return hashlib.blake2b(repr([definitions.features(), definitions.dials()]).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class Rollout:
    """A work item: one program on one plan. Plan and domain are sent to each worker once, by content, so workers need no files.

    Attributes:
        source: source of the program; None for the persona-free simulator.
        domain: a name or an absolute path (see ``definitions.domain``).
        losses: case and punctuation to remove from the text.
        players: players, with models.
        candidate: number of the candidate, for the accounting of model calls.
        personas: personas by task and slot in place of a program's (controls).
        measures: digest of the features and dials that the worker must have.
    """

    source: str | None
    plan: Plan
    domain: str
    losses: tuple[str, ...]
    tier: Tier
    players: Players | None = None
    candidate: int | None = None
    personas: Mapping[tuple[str, int], Persona] | None = None
    measures: str = field(default_factory=_measures)

    @cached_property
    def ground(self) -> Domain:
        """The domain itself."""
        return definitions.domain(self.domain)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "ground": self.ground}

    def of(self, source: str | None, plan: Plan, personas: Mapping[tuple[str, int], Persona] | None = None) -> Rollout:
        """A copy with another program, plan and personas."""
        return replace(self, source=source, plan=plan, personas=personas, candidate=None)


_PIECE = 50  # dialogues per work item; they take about 0.1 s
_here = threading.local()  # an executor may have threads: each has a sandbox of its own


def _sandbox(tier: Tier) -> Sandbox:
    """This thread's sandbox, started at the first call; it lives as long as the process.

    Raises:
        SandboxError: this worker does not support the tier; the message lists the tiers that it supports.
    """
    sandboxes: dict[Tier, Sandbox] = _here.__dict__.setdefault("sandboxes", {})
    if tier not in sandboxes:
        try:
            sandboxes[tier] = Sandbox(dial_table(), tier=tier).__enter__()
        except SandboxError as error:
            others = " and ".join(one for one in isolation.TIERS if one != tier and _starts(one)) or "none"
            raise SandboxError(f"{_worker()} has no {tier} tier, only {others}: {error}") from None
    return sandboxes[tier]


def _worker() -> str:
    return f"the worker on {platform.node()} (process {os.getpid()})"


def _starts(tier: str) -> bool:
    """Whether a sandbox tier works on this machine."""
    try:
        with Sandbox(tier=tier):  # type: ignore[arg-type]
            return True
    except SandboxError:
        return False


def warmed(tier: Tier) -> None:
    """Start this thread's sandbox when a worker process starts, so that the first program does not wait for it."""
    _sandbox(tier)
    gc.freeze()  # modules stay as long as the process: no collection need look at them


def roll_out(work: Rollout) -> tuple[Episode, ...]:
    """Play all planned episodes, in the plan's order. Errors of the program give failed episodes with a reason and raise nothing."""
    with made_for(work.candidate):
        results = generate(work)
    return play_out(work, results)


def play_out(work: Rollout, results: Mapping[str, RunResult]) -> tuple[Episode, ...]:
    """Play all planned episodes with the program's results by task."""
    wanted = [_wanted(work, item, results.get(item.task_id)) for item in work.plan.items]
    if work.players is not None and work.players.outside is not None:
        episodes = _played_outside(work.players, work.players.outside, wanted)
    else:
        jobs = [partial(_played, work, one) for one in wanted]
        episodes = [job() for job in jobs] if work.players is None else work.players.all(jobs)
    return measured(episodes, work.losses)


def _wanted(work: Rollout, item: PlanItem, result: RunResult | None) -> PlannedDialogue | Episode:
    """The dialogue of a plan item, or a failed episode if the program gave no persona for it; ``result`` is the program's result for the
    task, None for the persona-free simulator."""
    if result is not None and not result.ok:
        return Episode(item=item, state="failed", reason=result.reason, fault=result.fault or "program")
    if result is not None:
        persona = result.personas[item.slot]
    else:
        persona = work.personas[item.task_id, item.slot] if work.personas is not None else None
    if result is not None and persona is None:
        return Episode(item=item, state="failed", reason=f"the program gave no persona for slot {item.slot}", fault="program")
    task = next(task for task in work.plan.tasks if task.id == item.task_id)
    return PlannedDialogue(task, persona, item, work.ground)


def _played(work: Rollout, wanted: PlannedDialogue | Episode) -> Episode:
    """Play one dialogue."""
    if isinstance(wanted, Episode):
        return wanted
    given = wanted.task, wanted.persona, wanted.item, wanted.domain
    if work.players is None:
        return refused(run_episode(*given))
    with made_for(work.candidate):
        players = work.players
        try:
            return refused(run_episode(*given, make_user=players.make_user, make_agent=players.make_agent))
        except ReplyError as error:  # a refusal, say: a second call would give the same
            return Episode(item=wanted.item, state="failed", persona=wanted.persona, reason=str(error), fault="program")


def _played_outside(players: Players, outside: DialogueQueue, wanted: Sequence[PlannedDialogue | Episode]) -> list[Episode]:
    """Request all dialogues from the external player at once."""
    asked = [one for one in wanted if isinstance(one, PlannedDialogue)]
    told = iter(outside.play(asked))
    players.played.add(len(asked))
    return [one if isinstance(one, Episode) else refused(next(told)) for one in wanted]


def generate(work: Rollout, code: CodeType | None = None) -> dict[str, RunResult]:
    """Run the program, whose ``code`` may be known, on each task of the plan; empty for the persona-free simulator.

    Raises:
        WorkerError: this process has other features or dials than the sender.
    """
    if work.measures != _measures():
        raise WorkerError(f"{_worker()} measures other features and dials than this search: install the same personaevo on every worker")
    if work.source is None:
        return {}
    calls = [Call(task, work.plan.personas, work.plan.generate_seed(task.id)) for task in work.plan.tasks]
    if work.players is None:
        results = _sandbox(work.tier).run_many(work.source, calls, code=code)
    else:
        with work.players.sandboxes.one() as sandbox:
            results = sandbox.run_many(work.source, calls, work.players.generator, code=code)
    return {task.id: result for task, result in zip(work.plan.tasks, results, strict=True)}


def worth_another_try(episodes: Sequence[Episode]) -> bool:
    """Whether some episodes may have failed because of the machine rather than the program."""
    return any(one.fault == "infrastructure" or (one.reason or "").startswith("time limit") for one in episodes)


def play(workers: WorkerPool, works: Sequence[Rollout]) -> list[tuple[Episode, ...]]:
    """Play roll-outs and return the episodes of each. Large ones are split and played in parallel; a part that may have failed because of
    the machine is played once more, alone.

    Raises:
        WorkerError: workers were lost twice.
    """
    pieces = [_pieces(work) for work in works]
    flat = [piece for some in pieces for piece in some]
    played = workers.map(roll_out, flat)
    held = iter([workers.map(roll_out, [piece])[0] if worth_another_try(one) else one for piece, one in zip(flat, played, strict=True)])
    found = []
    for work, some in zip(works, pieces, strict=True):
        by_item = {episode.item: episode for _ in some for episode in next(held)}
        found.append(tuple(by_item[item] for item in work.plan.items))
    return found


def _pieces(work: Rollout) -> list[Rollout]:
    """Split a roll-out into parts of about ``_PIECE`` dialogues. Tasks are not split, since a program makes all personas of a task at
    once."""
    tasks = work.plan.tasks
    count = min(len(tasks), max(1, round(len(work.plan.items) / _PIECE)))
    if work.players is not None or count == 1:
        return [work]
    found = []
    for start in range(count):
        own = tasks[start::count]
        names = {task.id for task in own}
        items = tuple(item for item in work.plan.items if item.task_id in names)
        found.append(replace(work, plan=replace(work.plan, tasks=own, items=items)))
    return found


def spoiled(plan: Plan, reason: str) -> tuple[Episode, ...]:
    """All planned episodes as failures of the infrastructure."""
    return tuple(Episode(item=item, state="failed", reason=reason, fault="infrastructure") for item in plan.items)


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


def _read(source: str) -> tuple[ModelProposal, Checked[list[rules.Finding]] | None]:
    """Parse a source, and return the result of the parse unless the program is refused."""
    try:
        found = checked(source, rules.check)
    except ProgramError as error:
        return ModelProposal(None, str(error)), None
    if found.findings:
        return ModelProposal(None, "; ".join(f"line {finding.line}: {finding.message}" for finding in found.findings[:3])), None
    return ModelProposal(found.program), found


def examined(work: Rollout, check: Callable[[Program], str]) -> Examined:
    """Parse the source of a work item; ``check`` returns any further problem ("" if there is none)."""
    return _examined(work, lambda found: check(found.program))


def _examined(work: Rollout, check: Callable[[Checked[list[rules.Finding]]], str]) -> Examined:
    assert work.source is not None
    proposal, found = _read(work.source)
    if found is None:
        return Examined(proposal)
    problem = check(found)
    return Examined(ModelProposal(None, problem)) if problem else Examined(proposal, shingles_of(found.normal, found.program.id))


def tried(work: Rollout) -> Examined:
    """Parse and run the source of a work item and, if it runs on the first tasks, play it. Runs in worker processes."""
    results: dict[str, RunResult] = {}

    def check(found: Checked[list[rules.Finding]]) -> str:
        results.update(generate(work, found.code))
        return wrong([results[task.id] for task in work.plan.tasks[:TRIED]])

    found = _examined(work, check)
    return found if found.proposal.program is None else replace(found, episodes=play_out(work, results))


def wrong(results: Sequence[RunResult]) -> str:
    """The reason of the first failed run; "" if all succeeded."""
    return next((result.reason or "it fails" for result in results if not result.ok), "")
