"""Does the judge of ``service`` detect people or only the kind of business? ``python -m benchmarks.judge_control [SEED]``.

For each kind of business, a judge trained without its people scores them and the persona-free simulator on its tasks. Also measured: the
share of the variance of people's out-of-fold P(human) that the kind of business explains (eta squared), which should be small.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from sklearn.metrics import roc_auc_score

from personaevo import definitions, readers, reference
from personaevo.evolve import controls
from personaevo.evolve.rollout import Rollout, make_plan, roll_out
from personaevo.judge.discriminator import Negatives, train
from personaevo.records import Floats
from personaevo.reference import Reference

DOMAIN, TASKS, PERSONAS = "service", 48, 10


def negatives(people: Reference, seed: int) -> tuple[dict[str, Negatives], dict[str, str]]:
    """The persona-free simulator and the average person on all tasks; and the group of each task."""
    tasks = readers.read_tasks(definitions.domain_files(DOMAIN).tasks)
    plan = make_plan(tasks, at_most=TASKS, personas=PERSONAS, seed=seed, purpose="judge control", dialogues=1)
    found = {}
    for kind, personas in (("persona_free", None), ("average_person", controls.personas("average_person", people.values, plan))):
        episodes = roll_out(Rollout(None, plan, DOMAIN, people.losses, "kernel", personas=personas))
        found[kind] = Negatives(np.array([one.fingerprint for one in episodes]), tuple(one.item.task_id for one in episodes))
    return found, {task.id: task.group for task in tasks}


def explained_variance(values: Floats, groups: Sequence[str]) -> float:
    """Eta squared: between-group over total sum of squares of ``values[n]``."""
    names = np.array(groups)
    between = sum(float((names == name).sum()) * (values[names == name].mean() - values.mean()) ** 2 for name in set(groups))
    return float(between / ((values - values.mean()) ** 2).sum())


def main() -> None:
    """Print the table."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    people = reference.packaged(DOMAIN)
    against, group_of = negatives(people, seed)
    groups = np.array(people.groups)
    print(f"{'business left out':20}{'AUC':>8}{'P(human) of people':>22}{'of the simulator':>20}")
    for group in sorted(set(people.groups) & set(group_of.values())):
        others = groups != group
        judge = train(people.values[others], [who for who, kept in zip(people.people, others, strict=True) if kept], against, seed)
        free = against["persona_free"]
        ours = judge.score(people.values[~others])
        theirs = judge.negatives_p["persona_free"][np.array([group_of[task] == group for task in free.tasks])]
        auc = roc_auc_score(np.arange(len(ours) + len(theirs)) < len(ours), np.r_[ours, theirs])
        print(f"{group:20}{auc:8.3f}{ours.mean():22.3f}{theirs.mean():20.3f}")
    judge = train(people.values, people.people, against, seed)
    print(f"all, out of fold: AUC {judge.auc:.3f}, Brier {judge.brier:.4f}")
    print(f"the business explains {explained_variance(judge.people_p, people.groups):.1%} of the variance of people's P(human)")


if __name__ == "__main__":
    main()
