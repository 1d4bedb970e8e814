"""Does the judge of ``service`` know people, or merely the kind of business? ``python -m benchmarks.judge_control``.

For each kind of business a judge that was trained without it tells its people from the simulator. And of the variance of people's
out-of-fold P(human), the share that the kind of business explains (eta squared) is measured: it should be small. Since P(human) of
people is mostly close to 1, the same is done for its log odds, where differences show that P(human) hides.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from personaevo import definitions, readers, reference
from personaevo.judge.discriminator import Discriminator, group_control, train
from personaevo.measure.losses import apply_losses
from personaevo.records import Floats, PlanItem
from personaevo.reference import Reference
from personaevo.simulate.episodes import run_episode, seed_of

EPISODES = 480


@dataclass(frozen=True)
class Control:
    """What the benchmark shows: per group AUC and mean P(human) by a judge that never saw the group, the whole judge, eta squared
    of P(human) and of its log odds."""

    groups: dict[str, dict[str, float]]
    judge: Discriminator
    explained: float
    explained_log_odds: float


def persona_free(domain: str, people: Reference, episodes: int, seed: int) -> tuple[Floats, list[str], list[str]]:
    """Fingerprints of persona-free dialogues after the text lost what people's text lost, with their tasks and groups."""
    tasks = readers.read_tasks(definitions.domain_files(domain).tasks)
    played = [tasks[index % len(tasks)] for index in range(episodes)]
    texts = []
    for index, task in enumerate(played):
        item = PlanItem(task.id, index, seed_of(seed, "control", index))
        turns = run_episode(task, None, item, definitions.domain(domain)).turns
        texts.append([apply_losses(text, people.losses) for role, text in turns if role == "user"])
    return definitions.features().measure(texts).values, [task.id for task in played], [task.group for task in played]


def explained_variance(values: Floats, groups: Sequence[str]) -> float:
    """Eta squared: between-group over total sum of squares of ``values[n]``."""
    names = np.array(groups)
    between = sum(float((names == name).sum()) * (values[names == name].mean() - values.mean()) ** 2 for name in set(groups))
    return float(between / ((values - values.mean()) ** 2).sum())


def control(domain: str = "service", episodes: int = EPISODES, seed: int = 0) -> Control:
    """Trains and measures."""
    people = reference.load(definitions.domain_files(domain).reference)
    simulated, tasks, groups = persona_free(domain, people, episodes, seed)
    judge = train(people.values, people.people, simulated, tasks, seed)
    found = group_control(people.values, people.groups, simulated, groups, seed)
    sure = np.clip(judge.people_p, 1e-6, 1 - 1e-6)
    log_odds = np.log(sure / (1 - sure))
    return Control(found, judge, explained_variance(judge.people_p, people.groups), explained_variance(log_odds, people.groups))


def main() -> None:
    """Prints the table."""
    found = control(seed=int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    print(f"{'business left out':20}{'AUC':>8}{'P(human) of people':>22}{'of the simulator':>20}")
    for group, row in found.groups.items():
        print(f"{group:20}{row['auc']:8.3f}{row['people']:22.3f}{row['simulated']:20.3f}")
    print(f"all, out of fold: AUC {found.judge.auc:.3f}, Brier {found.judge.brier:.4f}")
    print(f"the business explains {found.explained:.1%} of the variance of people's P(human)", end=", ")
    print(f"{found.explained_log_odds:.1%} of that of its log odds")


if __name__ == "__main__":
    main()
