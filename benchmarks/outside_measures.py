"""Results of measures that share no code with the score.

    python -m benchmarks.outside_measures --data FOLDER [--domains service,charity,camping] [--archives FOLDER] [--seed 1] [--jobs 2]

For the evolved program, the seed program, the average person, copied people and the persona-free simulator, 100 dialogues each on held-out
tasks (one dialogue per persona) against held-out people:

- PPol's own forest and Chamfer coverage, by the package ``ppol`` in an environment of its own (trained on people's texts against the
  persona-free simulator's; the corpora in ``--data`` are not part of the project);
- the two-sample AUC of a forest on the nineteen features, 100 against 100, cross-validated, averaged over several draws of people;
- the correlation of the population's correlation matrix with people's (entries above the diagonal).

``--archives`` has archives NAME-DOMAIN-SEED.duckdb of ``benchmarks.heldout --keep``; without it the packaged archives are used.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from benchmarks.attacks_on_fitness import evolved_program
from benchmarks.build_references import DATA, SOURCES
from personaevo import content
from personaevo.config import SearchConfig
from personaevo.evolve import controls
from personaevo.evolve.prepare import EvaluationSetup, prepare
from personaevo.evolve.rollout import Plan, play
from personaevo.measure.fingerprint import apply_losses
from personaevo.readers import read_dialogues
from personaevo.records import Episode, Floats
from personaevo.workers import Workers

PPOL = "ppol==0.1.1"
_DRAWS = 8
Dialogue = list[list[str]]


def main() -> None:
    """Print a table for each domain."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--domains", default="service,charity,camping")
    parser.add_argument("--archives", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--environment", type=Path, default=Path(tempfile.gettempdir()) / "personaevo-ppol")
    options = parser.parse_args()
    python = _environment(options.environment)
    for domain in options.domains.split(","):
        config = SearchConfig(domain=domain, seed=options.seed, jobs=options.jobs)
        kept = options.archives / f"evolved-{domain}-{options.seed}.duckdb" if options.archives else content.archives()[domain]
        with Workers(options.jobs) as workers:
            bench = prepare(config, workers)
            rows = played(bench, workers, evolved_program(config, kept).source)
        report(domain, bench, rows, outside(python, domain, rows, options.data, bench.losses))


def _environment(folder: Path) -> Path:
    """A Python with PPol, installed on first use."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", PPOL], check=True)
    return python


def played(bench: EvaluationSetup, workers: Workers, evolved: str) -> dict[str, tuple[Episode, ...]]:
    """The first dialogue of each persona."""
    whole = bench.test_plan
    plan = Plan(whole.seed, whole.purpose, whole.tasks, whole.personas, whole.items[::2])
    people = bench.steering.values
    works = {
        "evolved": bench.rollout(evolved, plan),
        "seed program": bench.rollout(bench.seed_program.source, plan),
        "average person": bench.rollout(None, plan, personas=controls.personas("average_person", people, whole)),
        "copied people": bench.rollout(None, plan, personas=controls.personas("copied_people", people, whole)),
        "persona-free": bench.rollout(None, plan),
    }
    return dict(zip(works, play(workers, list(works.values())), strict=True))


def outside(
    python: Path, domain: str, rows: Mapping[str, Sequence[Episode]], data: Path, losses: tuple[str, ...]
) -> Mapping[str, Mapping[str, float]]:
    """PPol's measures, on texts with the losses of people's texts applied."""

    def told(turns: Sequence[tuple[str, str]]) -> Dialogue:
        return [[role, apply_losses(text, losses)] for role, text in turns]

    source = next(one for one in SOURCES if one.name == domain)
    people = [[[turn.role, turn.content] for turn in one.turns] for one in read_dialogues(data / source.file)]
    texts = {name: [told(one.turns) for one in episodes] for name, episodes in rows.items()}
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump({"people": people, "simulator": texts["persona-free"], "rows": texts}, file)
        file.flush()
        script = Path(__file__).parent / "outside" / "ppol_measures.py"
        answer = subprocess.run([str(python), str(script), file.name], check=True, capture_output=True, text=True)
    return json.loads(answer.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def report(domain: str, bench: EvaluationSetup, rows: Mapping[str, Sequence[Episode]], found: Mapping[str, Mapping[str, float]]) -> None:
    """The table."""
    people = bench.kept.values
    print(f"== {domain}\n{'':18}{'PPol forest':>12}{'PPol Chamfer':>14}{'AUC (19 features)':>19}{'correlations':>14}")
    values = {name: np.array([one.fingerprint for one in episodes]) for name, episodes in rows.items()} | {"people": bench.steering.values}
    for name, row in values.items():
        size = min(100, len(row))
        auc = np.mean([_auc(people, row, size, draw) for draw in range(_DRAWS)])
        forest, chamfer = found[name]["human_likeness"], found[name]["chamfer"]
        print(f"{name:18}{forest:12.3f}{chamfer:14.3f}{auc:19.3f}{_alike(people, row):14.3f}", flush=True)


def _auc(people: Floats, row: Floats, size: int, draw: int) -> float:
    rng = np.random.default_rng(draw)
    values = np.vstack([people[rng.choice(len(people), size, replace=False)], row[rng.choice(len(row), size, replace=False)]])
    truth = np.arange(2 * size) < size
    forest = RandomForestClassifier(300, min_samples_leaf=2, random_state=draw)
    scores = cross_val_predict(forest, values, truth, cv=StratifiedKFold(5, shuffle=True, random_state=draw), method="predict_proba")
    return float(roc_auc_score(truth, scores[:, 1]))


def _alike(people: Floats, row: Floats) -> float:
    """Correlation of two correlation matrices, over features that vary in both."""
    kept = (people.std(axis=0) > 0) & (row.std(axis=0) > 0)
    place = np.triu_indices(int(kept.sum()), 1)
    ours, theirs = (np.asarray(np.corrcoef(part[:, kept], rowvar=False))[place] for part in (people, row))
    return float(np.corrcoef(ours, theirs)[0, 1])


if __name__ == "__main__":
    main()
