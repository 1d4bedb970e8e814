"""Scores of adversarial programs against the evolved program: constants, copies and scrambled text must not reach a high score.

    python -m benchmarks.attacks_on_fitness [--domains service,charity,camping] [--seed 1] [--candidates N] [--archive FILE] [--jobs 2]

Attacks are persona programs, or changes of the text of dialogues where no program can make them. Each is played on the final table's plan
and scored against held-out people. An attack below half of the evolved program's score counts as detected by the score; the AUC shows
whether the auditor detects it. Three attacks are tuned for consistency on the train tasks and steering people; they are compared with the
evolved program by paired intervals, like rows of the final table. Rows made from people (their rows as dials, sixteen of them,
independent columns, a Gaussian with their covariance) are references for what the engine can reach, not attacks: a program sees no people.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from pprint import pformat

import numpy as np

from personaevo import definitions
from personaevo.archive import Archive
from personaevo.chat import Role
from personaevo.config import SearchConfig
from personaevo.evolve import controls
from personaevo.evolve.prepare import EvaluationSetup, prepare
from personaevo.evolve.rollout import Plan, make_plan, play
from personaevo.evolve.search import search
from personaevo.evolve.table import audit_of
from personaevo.judge.objectives import SCORE, steering
from personaevo.judge.uncertainty import interval, joined, point, world
from personaevo.measure.stats import paired_difference
from personaevo.programs.source import make_program
from personaevo.records import Episode, Floats, Persona, Program
from personaevo.simulate.episodes import measured
from personaevo.workers import Workers

Turns = tuple[tuple[Role, str], ...]
_PAIRS, _TASKS = 10, 20
_TUNED = (0.1, 0.2, 0.3, 0.45, 0.65, 0.9)  # sizes of persistent noise that are tried
_TEMPLATE = '''"""Attack: {title}."""

AXES = [{{"name": "none", "definition": "nothing", "low": "", "high": "", "dials": {{}}}}]
MEANS = {means}
RANGES = {ranges}


def person(rng):
{body}


def generate(task, n, rng, model=None):
    made = []
    for index in range(n):
        dials = {{name: min(max(value, RANGES[name][0]), RANGES[name][1]) for name, value in person(rng).items()}}
        made.append({{"id": f"p{{index}}", "description": "somebody", "dials": dials}})
    return made
'''


# --- attacks that are programs


def bodies() -> dict[str, str]:
    """The body of ``person(rng)`` of each attack that uses no single person; MEANS are people's means."""
    return {
        "average person": "    return dict(MEANS)",
        "one constant": '    return {"words_per_turn": MEANS["words_per_turn"]}',
        "two constants": '    return {"words_per_turn": MEANS["words_per_turn"], "uncertainty_rate": MEANS["uncertainty_rate"]}',
        "two-word turns": '    return {"words_per_turn": 2.0, "short_rate": 1.0}',
        "a level drawn anew in each dialogue": '    return {**MEANS, "mood_swing": 0.6}',
        "axes at their ends": "    return {name: rng.choice(RANGES[name]) for name in MEANS}",
        "template loop": '    return {**MEANS, "repetition_rate": 0.6, "verbosity_cv": 0.0}',
        "twenty slips per hundred words": '    return {**MEANS, "slips_per_100_words": 20.0}',
        "leaving early": '    return {**MEANS, "patience_turns": 2.0}',
    }


def tuned(size: float) -> dict[str, str]:
    """Attacks that persistent noise of this size makes consistent."""
    return {
        "average person, one persistent dial": (
            f'    return {{**MEANS, "words_per_turn": MEANS["words_per_turn"] * 2.718 ** rng.gauss(0.0, {2 * size})}}'
        ),
        "average person, persistent noise on all dials": (
            f"    return {{name: value * 2.718 ** rng.gauss(0.0, {size}) for name, value in MEANS.items()}}"
        ),
    }


def program(title: str, body: str, people: Floats) -> Program:
    """An attack as a program."""
    dials = definitions.dials()
    means = controls.dials_of(people.mean(axis=0))
    ranges = {name: (dial.low, dial.high) for name, dial in dials.items()}
    return make_program(_TEMPLATE.format(title=title, means=pformat(means), ranges=pformat(ranges), body=body))


# --- attacks on the text of dialogues


def gibberish(turns: Turns, rng: random.Random) -> Turns:
    """Replace every word that is in no lexicon by random letters."""
    known = {word for feature in definitions.features().features for phrase in feature.lexicon for word in phrase.split()}

    def mangled(word: str) -> str:
        bare = word.strip(".,?!").lower()
        if bare in known or any(map(str.isdigit, word)):
            return word
        return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in word)

    return _of_user(turns, lambda text: " ".join(map(mangled, text.split())))


def salad(turns: Turns, rng: random.Random) -> Turns:
    """Shuffle the words of each turn."""
    return _of_user(turns, lambda text: " ".join(rng.sample(text.split(), len(text.split()))))


def _of_user(turns: Turns, change: Callable[[str], str]) -> Turns:
    return tuple((role, change(text) if role == "user" else text) for role, text in turns)


TEXTS: Mapping[str, Callable[[Turns, random.Random], Turns]] = {"gibberish with lexicon words": gibberish, "word salad": salad}


def mixed(episodes: Sequence[Episode], rng: random.Random) -> list[Episode]:
    """Draw each dialogue's user turns from those of other dialogues, position by position."""
    at: dict[int, list[str]] = {}
    for one in episodes:
        for place, text in enumerate(text for role, text in one.turns if role == "user"):
            at.setdefault(place, []).append(text)
    found = []
    for one in episodes:
        said = (rng.choice(at[place]) for place in range(len(one.turns)))
        found.append(replace(one, turns=tuple((role, next(said) if role == "user" else text) for role, text in one.turns)))
    return found


# --- references made from people


def _gaussian(people: Floats, n: int, rng: np.random.Generator) -> Floats:
    return rng.multivariate_normal(people.mean(axis=0), np.cov(people.T), size=n)


def _sixteen(people: Floats, n: int, rng: np.random.Generator) -> Floats:
    return people[np.resize(rng.permutation(len(people))[:16], n)]


REFERENCES: Mapping[str, controls.Made] = {
    "copied people": controls.copied_people, "sixteen copied people": _sixteen, "independent marginals": controls.independent,
    "Gaussian with people's covariance": _gaussian, "people's deviations x 2": controls.caricatures,
}  # fmt: skip


def _personas(make: controls.Made, people: Floats, plan: Plan, seed: int) -> dict[tuple[str, int], Persona]:
    rows = make(people, len(plan.slots), np.random.default_rng(seed))
    return {
        place: Persona(id=f"r{index}", description="somebody", dials=controls.dials_of(row))
        for index, (place, row) in enumerate(zip(plan.slots, rows, strict=True))
    }


# --- the table


@dataclass(frozen=True)
class Row:
    """One row: its title, kind and dialogues."""

    title: str
    kind: str
    episodes: tuple[Episode, ...]


def rows_of(bench: EvaluationSetup, workers: Workers, best: Program) -> list[Row]:
    """All rows of a domain."""
    people, plan = bench.steering.values, bench.test_plan
    programs = {title: program(title, body, people) for title, body in bodies().items()} | _tuned(bench, workers)
    made = {title: _personas(make, people, plan, 1) for title, make in REFERENCES.items()}
    works = [bench.rollout(best.source, plan), *(bench.rollout(one.source, plan) for one in programs.values()),
             *(bench.rollout(None, plan, personas=one) for one in made.values())]  # fmt: skip
    evolved, *others = play(workers, works)
    found = [Row("evolved", "evolved", evolved)]
    kinds = dict.fromkeys(programs, "program") | dict.fromkeys(made, "reference") | {"people's deviations x 2": "tuned"}
    kinds |= dict.fromkeys(tuned(0.1), "tuned")
    found += [Row(title, kinds[title], episodes) for title, episodes in zip([*programs, *made], others, strict=True)]
    rng = random.Random(1)
    for title, change in TEXTS.items():
        found.append(Row(title, "text", measured([replace(one, turns=change(one.turns, rng)) for one in evolved], bench.losses)))
    found.append(Row("turns of different dialogues mixed", "text", measured(mixed(evolved, rng), bench.losses)))
    return found


def _tuned(bench: EvaluationSetup, workers: Workers) -> dict[str, Program]:
    """The attacks tuned for consistency: of each the size with the best search score."""
    found = {}
    for title in tuned(0.1):
        tried = [program(title, tuned(size)[title], bench.steering.values) for size in _TUNED]
        played = play(workers, [bench.rollout(one.source, bench.train_plan) for one in tried])
        scores = [bench.score(one.id, episodes)[0].objectives[SCORE].value for one, episodes in zip(tried, played, strict=True)]
        found[title] = tried[int(np.argmax(scores))]
    return found


def report(domain: str, bench: EvaluationSetup, workers: Workers, best: Program) -> None:
    """Print the table of a domain."""
    rows = rows_of(bench, workers, best)
    evolved = bench.test.score("evolved", rows[0].episodes)[0].objectives[SCORE].value
    print(f"== {domain}: evolved {evolved:.3f}; seen: below half of it. AUC: the auditor's, .5 is people")
    print(f"{'':46}{'score':>7}" + "".join(f"{name:>16}" for name in steering()) + f"{'AUC':>7}")
    for row in rows:
        evaluation = bench.test.score(row.title, row.episodes)[0]
        auc = audit_of(bench, row.episodes)[0]
        values = [evaluation.objectives[name].value for name in (SCORE, *steering())]
        seen = "" if row.kind in ("evolved", "reference", "tuned") else "   seen" if values[0] < evolved / 2 else "   NOT SEEN by the score"
        print(f"{row.title:46}{values[0]:7.3f}" + "".join(f"{value:16.3f}" for value in values[1:]) + f"{auc:7.3f}{seen}", flush=True)
    _compare(bench, workers, {row.title: row.episodes for row in rows if row.kind in ("evolved", "tuned", "reference")})


def _compare(bench: EvaluationSetup, workers: Workers, rows: Mapping[str, Sequence[Episode]]) -> None:
    """Paired differences of the evolved program to every tuned attack and reference."""
    shares, _ = point(bench.setting, rows, len(bench.test_plan.items))
    draws = joined(workers.map(partial(world, bench.setting, rows, len(bench.test_plan.items)), range(bench.people_draws)))
    for title in rows:
        if title != "evolved":
            value = float(shares["evolved"][SCORE][0] - shares[title][SCORE][0])
            low, high = interval(value, draws["evolved"][SCORE] - draws[title][SCORE], len(bench.test_plan.tasks))
            print(f"   evolved - {title:48}{value:+.3f} [{low:+.3f}, {high:+.3f}]{'' if low > 0 else '   NOT above'}", flush=True)


def correlations_seen(bench: EvaluationSetup, workers: Workers) -> None:
    """Does coverage distinguish copied people from independent marginals?

    300 dialogues of 300 personas each, ten pairs; one dialogue per persona, so that consistency has no effect.
    """
    gaps = []
    for draw in range(_PAIRS):
        plan = make_plan(bench.test_plan.tasks, at_most=_TASKS, personas=300 // _TASKS, seed=draw, purpose="correlations", dialogues=1)
        made = [controls.personas(name, bench.steering.values, plan) for name in ("copied_people", "independent")]
        works = [bench.rollout(None, plan, personas=one) for one in made]
        copied, independent = (bench.test.score("", episodes)[0].objectives["coverage"].value for episodes in play(workers, works))
        gaps.append(copied - independent)
    mean, low, high = paired_difference(gaps, [0.0] * len(gaps))
    print(f"   coverage of copied people - independent marginals, 300 dialogues: {mean:+.3f} [{low:+.3f}, {high:+.3f}]", flush=True)


def evolved_program(config: SearchConfig, archive: Path | None) -> Program:
    """The best program of an archive, or of a new search."""
    if archive is None:
        with tempfile.TemporaryDirectory() as folder:
            return search(config.model_copy(update={"archive": Path(folder) / "a.duckdb"})).best
    with Archive.read(archive) as found:
        key = next(row.program_id for row in found.final_table(found.run().id).rows if row.row == "evolved" and row.program_id)
        return Program(key, found.sources([key])[key])


def main() -> None:
    """Print a table for each domain."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", default="service,charity,camping")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--candidates", type=int, default=SearchConfig().candidates)
    parser.add_argument("--archive", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    for domain in options.domains.split(","):
        config = SearchConfig(domain=domain, seed=options.seed, candidates=options.candidates, jobs=options.jobs)
        best = evolved_program(config, options.archive)
        with Workers(options.jobs) as workers:
            bench = prepare(config, workers)
            report(domain, bench, workers, best)
            correlations_seen(bench, workers)


if __name__ == "__main__":
    main()
