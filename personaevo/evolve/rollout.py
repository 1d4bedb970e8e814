"""Rolling a program out: run it in the sandbox, play the planned episodes, measure them. This is what worker processes do."""

from __future__ import annotations

import hashlib
import os
import platform
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from typing import Any

from personaevo import definitions
from personaevo.crew import Crew
from personaevo.definitions import Domain
from personaevo.errors import ReplyError, SandboxError, WorkerError
from personaevo.evolve.cast import Cast
from personaevo.evolve.outside import Outside, Wanted
from personaevo.evolve.plan import Plan
from personaevo.models import made_for
from personaevo.programs import Call, Sandbox, walls
from personaevo.programs.dials import dial_table
from personaevo.records import Episode, Persona, PlanItem, RunResult, Tier
from personaevo.simulate.episodes import run_episode
from personaevo.simulate.measuring import measured, refused
from personaevo.workers import Workers


@cache
def _measures() -> str:
    """A digest of this process's features and dials. They are not sent to workers; a worker must have equal ones."""
    return hashlib.blake2b(repr([definitions.features(), definitions.dials()]).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class Rollout:
    """One piece of work: a program's source (None is the persona-free simulator), what to play, the domain (a name or an
    absolute path: see ``definitions.domain``), what the text is to lose, and the sandbox tier; with models, who plays, and for which
    candidate. ``personas`` by task and slot take the place of a program's (controls). Plan and domain travel to a worker once, by their
    content: it needs no file of the sender's. ``measures`` are the features and dials that it must have."""

    source: str | None
    plan: Plan
    domain: str
    losses: tuple[str, ...]
    tier: Tier
    cast: Cast | None = None
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
        """The same with another program, plan or personas."""
        return replace(self, source=source, plan=plan, personas=personas, candidate=None)


_PIECE = 50  # dialogues of a piece of work; 0.1 s or so
_here = threading.local()  # an executor may have threads: each has a sandbox of its own


def _sandbox(tier: Tier) -> Sandbox:
    """This thread's sandbox, tried before it is given work; it ends with the process.

    Raises:
        SandboxError: this worker cannot give the tier; the line says which it can.
    """
    boxes: dict[Tier, Sandbox] = _here.__dict__.setdefault("boxes", {})
    if tier not in boxes:
        try:
            boxes[tier] = Sandbox(dial_table(), tier=tier).__enter__()
        except SandboxError as error:
            raise SandboxError(f"{_worker()} has no {tier} tier, only {_tiers_but(tier)}: {error}") from None
    return boxes[tier]


def _worker() -> str:
    return f"the worker on {platform.node()} (process {os.getpid()})"


def _tiers_but(tier: Tier) -> str:
    """The other tiers, as far as they start here."""
    return " and ".join(one for one in walls.TIERS if one != tier and _starts(one)) or "none"


def _starts(tier: str) -> bool:
    try:
        with Sandbox(tier=tier):  # type: ignore[arg-type]
            return True
    except SandboxError:
        return False


def _check_measures(work: Rollout) -> None:
    """Raises WorkerError where another feature table than the sender's would measure the dialogues."""
    if work.measures != _measures():
        raise WorkerError(f"{_worker()} measures other features and dials than this search: install the same personaevo on every worker")


def warmed(tier: Tier) -> None:
    """Starts this thread's sandbox, so that the first program need not wait for it. What worker processes do first."""
    _sandbox(tier)


def roll_out(work: Rollout) -> tuple[Episode, ...]:
    """All planned episodes, in the plan's order. What the program breaks is a failed episode with the reason; nothing is raised for it."""
    with made_for(work.candidate):
        results = generate(work)
    return play_out(work, results)


def play_out(work: Rollout, results: Mapping[str, RunResult]) -> tuple[Episode, ...]:
    """All planned episodes, with what the program generated for each task."""
    wanted = [_wanted(work, item, results.get(item.task_id)) for item in work.plan.items]
    if work.cast is not None and work.cast.outside is not None:
        episodes = _played_outside(work.cast, work.cast.outside, wanted)
    else:
        jobs = [partial(_played, work, one) for one in wanted]
        episodes = [job() for job in jobs] if work.cast is None else work.cast.all(jobs)
    return measured(episodes, work.losses)


def _wanted(work: Rollout, item: PlanItem, result: RunResult | None) -> Wanted | Episode:
    """A dialogue to play, or the failed episode where the program gave nobody for it; ``result`` is what the program generated for its
    task, None for the persona-free simulator."""
    if result is not None and not result.ok:
        return _failed(item, result)
    persona = _persona(work, item, result)
    if result is not None and persona is None:
        return Episode(item=item, state="failed", reason=f"the program gave no persona for slot {item.slot}", fault="program")
    task = next(task for task in work.plan.tasks if task.id == item.task_id)
    return Wanted(task, persona, item, work.ground)


def _played(work: Rollout, wanted: Wanted | Episode) -> Episode:
    if isinstance(wanted, Episode):
        return wanted
    given = wanted.task, wanted.persona, wanted.item, wanted.domain
    if work.cast is None:
        return refused(run_episode(*given))
    with made_for(work.candidate):
        cast = work.cast
        try:
            return refused(run_episode(*given, make_user=cast.make_user, make_agent=cast.make_agent))
        except ReplyError as error:  # a refusal, say: asked again it would be the same
            return Episode(item=wanted.item, state="failed", persona=wanted.persona, reason=str(error), fault="program")


def _played_outside(cast: Cast, outside: Outside, wanted: Sequence[Wanted | Episode]) -> list[Episode]:
    """All of them at the same time."""
    asked = [one for one in wanted if isinstance(one, Wanted)]
    told = iter(outside.play(asked))
    cast.played.add(len(asked))
    return [one if isinstance(one, Episode) else refused(next(told)) for one in wanted]


def _persona(work: Rollout, item: PlanItem, result: RunResult | None) -> Persona | None:
    if result is not None:
        return result.personas[item.slot]
    return work.personas[item.task_id, item.slot] if work.personas is not None else None


def generate(work: Rollout) -> dict[str, RunResult]:
    """What the program generates for each task of the plan; nothing for the persona-free simulator.

    Raises:
        WorkerError: this process measures other features than the sender's.
    """
    _check_measures(work)
    if work.source is None:
        return {}
    calls = [Call(task, work.plan.personas, work.plan.generate_seed(task.id)) for task in work.plan.tasks]
    if work.cast is None:
        results = _sandbox(work.tier).run_many(work.source, calls)
    else:
        with work.cast.boxes.one() as box:
            results = box.run_many(work.source, calls, work.cast.generator)
    return {task.id: result for task, result in zip(work.plan.tasks, results, strict=True)}


def _failed(item: PlanItem, result: RunResult) -> Episode:
    return Episode(item=item, state="failed", reason=result.reason, fault=result.fault or "program")


def worth_another_try(episodes: Sequence[Episode]) -> bool:
    """Whether the machine, rather than the program, may have spoiled some of them."""
    return any(one.fault == "infrastructure" or (one.reason or "").startswith("time limit") for one in episodes)


def play(workers: Workers | Crew, works: Sequence[Rollout]) -> list[tuple[Episode, ...]]:
    """The episodes of each roll-out. Large ones are played in pieces, at the same time; a piece that the machine may have spoiled is played
    once more, alone.

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
    """The same dialogues in pieces of about ``_PIECE``. A task stays whole: a program makes its personas together."""
    tasks = work.plan.tasks
    count = min(len(tasks), max(1, round(len(work.plan.items) / _PIECE)))
    if work.cast is not None or count == 1:
        return [work]
    found = []
    for start in range(count):
        own = tasks[start::count]
        names = {task.id for task in own}
        items = tuple(item for item in work.plan.items if item.task_id in names)
        found.append(replace(work, plan=replace(work.plan, tasks=own, items=items)))
    return found


def spoiled(plan: Plan, reason: str) -> tuple[Episode, ...]:
    """All planned episodes, failed by the infrastructure."""
    return tuple(Episode(item=item, state="failed", reason=reason, fault="infrastructure") for item in plan.items)
