"""Rolling a program out: run it in the sandbox, play the planned episodes, measure them. This is what worker processes do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from personaevo import definitions, injection
from personaevo.evolve.plan import Plan
from personaevo.evolve.workers import Workers
from personaevo.measure.losses import apply_losses
from personaevo.programs import Call, Sandbox
from personaevo.programs.personas import DialTable
from personaevo.records import Episode, Persona, PlanItem, RunResult, Tier
from personaevo.simulate.episodes import run_episode


@dataclass(frozen=True)
class Rollout:
    """One piece of work: a program's source (None is the persona-free simulator), what to play, the domain (a name or an
    absolute path: see ``definitions.domain``), what the text is to lose, and the sandbox tier."""

    source: str | None
    plan: Plan
    domain: str
    losses: tuple[str, ...]
    tier: Tier


def dial_table() -> DialTable:
    """The dials that programs may set, as the sandbox checks them."""
    dials = definitions.dials().values()
    return DialTable({dial.name: (dial.low, dial.high) for dial in dials}, {dial.name: dial.say for dial in dials})


@cache
def _sandbox(tier: Tier) -> Sandbox:
    """This process's sandbox, started when first needed; it ends with the process."""
    return Sandbox(dial_table(), tier=tier).__enter__()


def roll_out(work: Rollout) -> tuple[Episode, ...]:
    """All planned episodes, in the plan's order. What the program breaks is a failed episode with the reason; nothing is raised for it."""
    results = _generate(work)
    domain = definitions.domain(work.domain)
    tasks = {task.id: task for task in work.plan.tasks}
    episodes = []
    for item in work.plan.items:
        result = results.get(item.task_id)
        if result is not None and not result.ok:
            episodes.append(_failed(item, result))
        else:
            persona: Persona | None = result.personas[item.slot] if result is not None else None
            episodes.append(_refused(run_episode(tasks[item.task_id], persona, item, domain)))
    return _measured(episodes, work.losses)


def _generate(work: Rollout) -> dict[str, RunResult]:
    if work.source is None:
        return {}
    calls = [Call(task, work.plan.personas, work.plan.generate_seed(task.id)) for task in work.plan.tasks]
    results = _sandbox(work.tier).run_many(work.source, calls)
    return {task.id: result for task, result in zip(work.plan.tasks, results, strict=True)}


def _failed(item: PlanItem, result: RunResult) -> Episode:
    return Episode(item=item, state="failed", reason=result.reason, fault=result.fault or "program")


def _refused(episode: Episode) -> Episode:
    """The episode, failed if its user speaks to the judge or to a model instead of the agent: that must not pay."""
    for number, (role, text) in enumerate(episode.turns, start=1):
        flag = injection.find(text) if role == "user" else None
        if flag is not None:
            reason = f"turn {number}, by the user, is not said to the agent: '{flag.excerpt}' (pattern '{flag.pattern}': {flag.why})"
            return replace(episode, state="failed", reason=reason, fault="program")
    return episode


def worth_another_try(episodes: Sequence[Episode]) -> bool:
    """Whether the machine, rather than the program, may have spoiled some of them."""
    return any(one.fault == "infrastructure" or (one.reason or "").startswith("time limit") for one in episodes)


def play(workers: Workers, works: Sequence[Rollout]) -> list[tuple[Episode, ...]]:
    """The episodes of each roll-out; where the machine may have spoiled some, all are played once more, alone.

    Raises:
        WorkerError: workers were lost twice.
    """
    played = workers.map(roll_out, works)
    return [workers.map(roll_out, [work])[0] if worth_another_try(one) else one for work, one in zip(works, played, strict=True)]


def spoiled(plan: Plan, reason: str) -> tuple[Episode, ...]:
    """All planned episodes, failed by the infrastructure."""
    return tuple(Episode(item=item, state="failed", reason=reason, fault="infrastructure") for item in plan.items)


def _measured(episodes: Sequence[Episode], losses: tuple[str, ...]) -> tuple[Episode, ...]:
    """The completed episodes with their fingerprints, after the text lost what the reference's text lost."""
    done = [index for index, one in enumerate(episodes) if one.state == "completed"]
    texts = [[apply_losses(text, losses) for role, text in episodes[index].turns if role == "user"] for index in done]
    values = definitions.features().measure(texts).values
    measured = list(episodes)
    for row, index in enumerate(done):
        measured[index] = replace(measured[index], fingerprint=tuple(map(float, values[row])))
    return tuple(measured)
