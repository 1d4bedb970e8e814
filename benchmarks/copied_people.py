"""How closely the embedded engine follows the dials: ``python -m benchmarks.copied_people [--domains …] [--seeds 1,2] [--jobs 2]``.

Plays the control "copied people" (``evolve.controls``), held out; no search is needed. Per domain: the score and each objective with its
95 % interval, also for the same rows without shrinkage and for the average person; the requested and shown values of each behavior against
people; and whether personas remain distinct: the share of variance between them for each behavior, and how often a dialogue is closer to
its own persona's other dialogue than to one of another persona on the same task (chance: .5; people's figure where people have several
dialogues). Odd-even agreement and the number of turns are compared with people's intervals.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from personaevo import definitions, reference
from personaevo.config import SearchConfig
from personaevo.evolve import controls
from personaevo.evolve.prepare import EvaluationSetup, prepare
from personaevo.evolve.rollout import play
from personaevo.judge.objectives import SCORE, steering
from personaevo.judge.uncertainty import interval, joined, point, world
from personaevo.measure import agreement
from personaevo.measure.fingerprint import apply_losses
from personaevo.measure.stats import paired_difference
from personaevo.records import Episode, Floats, Persona
from personaevo.reference import Reference
from personaevo.workers import Workers

LEAST_EACH, LEAST_MEAN = 0.65, 0.80
DOMAINS_OWN = "copied, domain's agreement"  # shrunk by the agreement that the domain stores, not by that of other corpora
_WIDE = 1.96
_WORLDS = 10  # draws of people: half of a final table's, to finish within three minutes
Personas = dict[tuple[str, int], Persona]
Played = Mapping[str, Sequence[Episode]]


def main() -> None:
    """Print the tables of each domain, and which targets are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", default="service,charity,camping")
    parser.add_argument("--seeds", default="1,2")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    means = []
    with Workers(options.jobs) as workers:
        for domain in options.domains.split(","):
            found = []
            for seed in map(int, options.seeds.split(",")):
                bench = prepare(SearchConfig(domain=domain, seed=seed, jobs=options.jobs), workers)
                played, asked = _played(bench, workers)
                found.append((bench, played, asked))
                print(f"{domain} {seed}: {_scores(bench, workers, played)}", flush=True)
            means.append(_report(domain, found))
    print(f"== all: {_held(np.mean(means) >= LEAST_MEAN)}copied people {np.mean(means):.3f} on average, at least {LEAST_MEAN:.2f}")


def _played(bench: EvaluationSetup, workers: Workers) -> tuple[Played, Personas]:
    """The rows, and the personas of the copied people."""
    people, plan = bench.steering.values, bench.test_plan
    known = bench.test.agreement
    made = {
        "copied people": controls.personas("copied_people", people, plan),
        DOMAINS_OWN: controls.personas("copied_people", people, plan, known.value if known else None),
        "rows as they are": controls.personas("copied_people", people, plan, 1.0),
        "average person": controls.personas("average_person", people, plan),
    }
    works = [bench.rollout(None, plan, personas=one) for one in made.values()]
    persona_free = bench.rollout(None, plan)
    return dict(zip([*made, "persona-free"], play(workers, [*works, persona_free]), strict=True)), made["copied people"]


# --- scores


def _scores(bench: EvaluationSetup, workers: Workers, played: Played) -> str:
    """Score and objectives with intervals, row by row."""
    n, calls = len(bench.test_plan.items), len(bench.test_plan.tasks)
    shares, _ = point(bench.setting, played, n)
    draws = joined(workers.map(partial(world, bench.setting, played, n), range(_WORLDS)))
    lines = []
    for row in played:
        values = []
        for name in (SCORE, *steering()):
            value = float(shares[row][name][0])
            low, high = interval(value, draws[row][name], calls)
            values.append(f"{name} {value:.2f} [{low:.2f}, {high:.2f}]")
        lines.append(f"   {row:27} " + "  ".join(values))
    return "\n" + "\n".join(lines)


# --- the report of a domain


def _report(domain: str, found: Sequence[tuple[EvaluationSetup, Played, Personas]]) -> float:
    """Print means over the seeds and the other tables; return the mean score of copied people."""
    means: dict[str, dict[str, float]] = {}
    for row in found[0][1]:
        values = [bench.test.score(row, played[row])[0].objectives for bench, played, _ in found]
        means[row] = {name: float(np.mean([one[name].value for one in values])) for name in (SCORE, *steering())}
        print(f"== {domain}, mean: {row:27} " + "  ".join(f"{name} {value:.3f}" for name, value in means[row].items()))
    _behaviors(found)
    for row in ("copied people", DOMAINS_OWN, "average person", "persona-free"):
        _turns_and_halves(row, found)
    _same_person(found)
    score = means["copied people"][SCORE]
    print(f"   {_held(score >= LEAST_EACH)}copied people {score:.3f}, at least {LEAST_EACH:.2f}", flush=True)
    return score


def _behaviors(found: Sequence[tuple[EvaluationSetup, Played, Personas]]) -> None:
    """Requested and shown values, mean and standard deviation, slope of shown on requested, and the share of variance between personas."""
    names = definitions.features().names
    told = [asked[one.item.task_id, one.item.slot].dials for _, played, asked in found for one in played["copied people"]]
    asked = np.array([[dials[name] for name in names] for dials in told])
    shown = np.vstack([_values(played["copied people"]) for _, played, _ in found])
    people = np.vstack([bench.kept.values for bench, _, _ in found])
    between = _agreements(found, "copied people")
    print(f"   {'':25}{'people':>16}{'asked':>16}{'shown':>16}{'slope':>8}{'between':>9}")
    for index, name in enumerate(names):
        pairs = "".join(f"{part[:, index].mean():9.3f} ±{part[:, index].std():5.3f}" for part in (people, asked, shown))
        variance = asked[:, index].var()
        slope = np.cov(asked[:, index], shown[:, index], bias=True)[0, 1] / variance if variance > 0 else 0.0
        print(f"   {name:25}{pairs}{slope:8.2f}{between[index]:9.2f}")
    known = found[0][0].test.agreement
    said = f"people's {known.value:.2f} ({known.low:.2f} to {known.high:.2f})" if known else "people's is not known"
    average = _agreements(found, "average person")[found[0][0].test.varying].mean()
    mean = between[found[0][0].test.varying].mean()
    print(f"   variance between personas, mean of the behaviors that vary: {mean:.2f}; average person {average:.2f}; {said}")


def _values(episodes: Sequence[Episode]) -> Floats:
    return np.array([one.fingerprint for one in episodes])


def _agreements(found: Sequence[tuple[EvaluationSetup, Played, Personas]], row: str) -> Floats:
    """Intraclass correlation over the two dialogues of each persona, by behavior, within tasks; ``[d]``."""
    values = np.concatenate([_values(played[row]).reshape(-1, 2, len(bench.test.names)) for bench, played, _ in found])
    tasks = [f"{number} {one.item.task_id}" for number, (_, played, _) in enumerate(found) for one in played[row][::2]]
    by_feature: Floats = agreement.intraclass(values, tasks).by_feature
    return by_feature


def _turns_and_halves(row: str, found: Sequence[tuple[EvaluationSetup, Played, Personas]]) -> None:
    """Number of user turns and odd-even agreement, against people's intervals."""
    bench = found[0][0]
    episodes = [(f"{number} {one.item.task_id}", one) for number, (_, played, _) in enumerate(found) for one in played[row]]
    texts = [[apply_losses(text, bench.losses) for role, text in one.turns if role == "user"] for _, one in episodes]
    owners = [f"{task} {one.item.slot}" for task, one in episodes]
    kinds = {task.id: task.group for bench, _, _ in found for task in bench.test_plan.tasks}
    groups = [kinds[one.item.task_id] for _, one in episodes]  # as people's, by kind of task
    turns = np.array([len(one) for one in texts], dtype=float)
    people = bench.kept.dynamics[:, bench.kept.dynamics_names.index("user_turns")]
    low, high = _mean_interval(people)
    spread = f"standard deviation {turns.std():.2f} (people's {people.std():.2f})"
    print(f"   {_held(low <= turns.mean() <= high)}{row}: turns {turns.mean():.2f}, people's [{low:.2f}, {high:.2f}]; {spread}")
    halved = agreement.odd_even_of(texts, owners, groups, definitions.features())
    mean, se = people_odd_even(bench.kept)
    ours, theirs = f"{halved.mean:.3f} ± {_WIDE * halved.se:.3f}", f"[{mean - _WIDE * se:.3f}, {mean + _WIDE * se:.3f}]"
    print(f"   {_held(abs(halved.mean - mean) <= _WIDE * se)}{row}: odd-even agreement {ours}, people's {theirs}")


def _mean_interval(values: Floats) -> tuple[float, float]:
    """95 % interval of a mean."""
    half = _WIDE * float(values.std(ddof=1)) / len(values) ** 0.5
    return float(values.mean()) - half, float(values.mean()) + half


def people_odd_even(people: Reference) -> tuple[float, float]:
    """Odd-even agreement of people and its standard error.

    If consistency was estimated from it, both follow from value and lower end: ``value = mean · ratio``, ``low = mean · r - 1.96 ·
    hypot(se · r, mean · se_r)`` with the smaller ratio r (``agreement.estimated``). Else it is that of charity, from its retest agreement
    and ratio.
    """
    ratios, known = reference.installed_ratios(), people.agreement
    if known is None or known.kind != "odd_even":
        return ratios.charity.retest / ratios.charity.ratio, ratios.charity.retest_se / ratios.charity.ratio
    mean, smaller = known.value / ratios.charity.ratio, min((ratios.charity, ratios.support), key=lambda one: one.ratio)
    error = (mean * smaller.ratio - known.low) / _WIDE
    return mean, float(np.sqrt(max(error**2 - (mean * smaller.ratio_se) ** 2, 0.0))) / smaller.ratio


def _same_person(found: Sequence[tuple[EvaluationSetup, Played, Personas]]) -> None:
    """How often a persona's other dialogue is closer than that of another persona on the same task."""
    for row in ("copied people", "average person"):
        shares = []
        for bench, played, _ in found:
            values = _values(played[row]) / np.maximum(bench.steering.values.std(axis=0), 1e-9)
            values = values[:, bench.test.varying].reshape(-1, 2, int(bench.test.varying.sum()))
            tasks = np.array([one.item.task_id for one in played[row][::2]])
            shares += [_nearer(values[tasks == task]) for task in np.unique(tasks)]
        mean, low, high = paired_difference(shares, [0.0] * len(shares))
        held = _held(low > 1 / 2) if row == "copied people" else "       "
        print(f"   {held}{row}: re-identified in {mean:.3f} [{low:.3f}, {high:.3f}] of pairs, chance .5")
    twice = found[0][0].kept
    pairs = _pairs_of(twice)
    if len(pairs) > 1:
        varying = found[0][0].test.varying
        values = pairs[:, :, varying] / np.maximum(twice.values.std(axis=0), 1e-9)[varying]
        print(f"          {len(pairs)} people with two dialogues: re-identified in {_nearer(values):.3f} of pairs")


def _pairs_of(people: Reference) -> Floats:
    """Two dialogues of everyone who has at least two, ``[p, 2, d]``."""
    at: dict[str, list[int]] = {}
    for row, who in enumerate(people.people):
        at.setdefault(who, []).append(row)
    return np.array([people.values[rows[:2]] for rows in at.values() if len(rows) > 1]).reshape(-1, 2, people.values.shape[1])


def _nearer(pairs: Floats) -> float:
    """Of ``pairs[p, 2, d]``: how often the own second dialogue is closer to the first than another's second; ties count half."""
    apart = np.abs(pairs[:, None, 0] - pairs[None, :, 1]).mean(axis=2)
    others = ~np.eye(len(pairs), dtype=bool)
    own = np.diag(apart)[:, None]
    return float((np.where(own < apart, 1.0, 0.0) + 0.5 * (own == apart))[others].mean())


def _held(holds: object) -> str:
    return "holds  " if holds else "FAILS  "


if __name__ == "__main__":
    main()
