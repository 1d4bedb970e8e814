"""How human-like are personas played by a real model? Text, direction and calibration against persona-free users of the same model.

    python -m benchmarks.played_by_a_model --model user=local:FILE.gguf --keep FOLDER [--domain service] [--personas 20] [--rows …]
        [--wording draft] [--calibration FILE] [--data FOLDER] [--seed 1] [--json]

Rows: persona-free users, the average person, packaged personas given as text, the same directed, the same directed through the model's
calibration (``personaevo calibrate``). All talk to the embedded agent about the same held-out tasks, two personas per task, each persona in
two dialogues. The judge is trained on held-out people against this model's persona-free users only. Answers are stored in ``--keep``: an
interrupted benchmark resumes without repeated calls. ``--data`` has people's texts, for the share of 4-grams that dialogues share.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.build_references import DATA, SOURCES
from personaevo import definitions, reference
from personaevo.archive import Archive
from personaevo.calibration import load_calibration
from personaevo.chat import ChatModel
from personaevo.config import SearchConfig
from personaevo.evolve import controls
from personaevo.evolve.prepare import load_people, load_tasks, with_agreement
from personaevo.evolve.ranking import FREE
from personaevo.evolve.rollout import Plan, make_plan
from personaevo.evolve.table import people_sample, played_sample
from personaevo.judge.discriminator import Negatives, train
from personaevo.judge.objectives import SCORE
from personaevo.judge.scorer import Scorer
from personaevo.judge.uncertainty import People, TableSetting, interval, joined, point, tell_apart, world
from personaevo.measure import dynamics
from personaevo.measure.cells import tessellate
from personaevo.measure.energy import Space
from personaevo.measure.fingerprint import apply_losses
from personaevo.models import Budget, CallSettings, Models, parse
from personaevo.readers import read_dialogues
from personaevo.records import Episode, Floats, Persona, PlanItem, Wording
from personaevo.reference import Reference
from personaevo.sampler import PersonaSampler
from personaevo.simulate.curves import Calibration
from personaevo.simulate.episodes import MakeUser, measured, run_episode
from personaevo.simulate.model_voice import model_user
from personaevo.workers import Workers

ROWS = (FREE, "average_person", "text", "directed", "calibrated")
AVERAGE, TEXT, DIRECTED, CALIBRATED = ROWS[1:]
GAIN, HUMAN, KEPT, AS_AGENT, ENDS, SHARED = 0.30, 0.8, 0.95, 0.02, 0.90, 2.0  # targets
_WORLDS = 20
_LEAST_SPREAD = 0.05  # lower bound of a behavior's spread, so that gaps stay bounded
_EACH = 2  # personas per task: the minimum for measuring consistency
_OTHERS = 1_000  # between the seeds of two personas of one task


@dataclass(frozen=True)
class Setup:
    """The set-up: the domain, the plan, people's two halves, and the personas of each row by place (None is persona-free)."""

    domain: str
    plan: Plan
    steering: Reference
    kept: Reference
    personas: Mapping[tuple[str, int], Persona]
    average: Mapping[tuple[str, int], Persona]


def main() -> None:
    """Play the requested rows, print a table, and the targets met."""
    options = _options()
    config = SearchConfig(domain=options.domain, seed=options.seed)
    stage = _stage(config, options.personas)
    rows = _played(stage, options)
    with Workers(2) as workers:
        found = _judged(config, stage, rows, workers)
    found |= _plainly(stage, rows, options)
    print(json.dumps(found, indent=1)) if options.json else _show(found)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, metavar="user=MODEL")
    parser.add_argument("--keep", type=Path, required=True)
    parser.add_argument("--domain", default="service")
    parser.add_argument("--personas", type=int, default=20)
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--wording", choices=["draft", "direction"], default="draft")
    parser.add_argument("--calibration", type=Path)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _stage(config: SearchConfig, count: int) -> Setup:
    people, _ = with_agreement(load_people(config))
    steered, kept = reference.split(people, config.seed)
    tasks = load_tasks(config)["test"]
    plan = make_plan(tasks, at_most=count // _EACH, personas=_EACH, seed=config.seed, purpose="played by a model")
    with PersonaSampler(config.domain) as sampler:
        personas = {
            (task.id, slot): sampler.sample(task, n=1, seed=config.seed + number + _OTHERS * slot)[0]
            for number, task in enumerate(plan.tasks) for slot in range(plan.personas)
        }  # fmt: skip
    average = controls.personas(AVERAGE, steered.values, plan)
    return Setup(config.domain, plan, steered, kept, personas, average)


# -- playing -------------------------------------------------------------------------------------------------------------------


def _played(stage: Setup, options: argparse.Namespace) -> dict[str, tuple[Episode, ...]]:
    """Each row's dialogues, from stored answers where available."""
    options.keep.mkdir(parents=True, exist_ok=True)
    role, _, name = options.model.partition("=")
    rows = [row for row in options.rows.split(",") if row != CALIBRATED or options.calibration]
    with Archive.create_or_open(options.keep / f"{stage.domain}.duckdb") as archive:
        calls = archive.calls()
        with Models({role: parse(name)}, calls, budget=Budget(None, None, None), conduct=CallSettings(seconds=600.0)) as models:
            model = models.role(role)
            assert model is not None
            found = {}
            for row in rows:
                began = time.monotonic()
                play = partial(_dialogue, stage, row, _maker(row, model, options))
                with ThreadPoolExecutor(models.at_once(role)) as pool:
                    waiting = [pool.submit(play, item) for item in stage.plan.items]
                    for number, one in enumerate(waiting):
                        one.result()
                        calls.flush(1)
                        if number % 10 == 9:
                            seconds = (time.monotonic() - began) / (number + 1)
                            print(f"{row}: {number + 1} of {len(waiting)} dialogues, {seconds:.1f} s each", file=sys.stderr, flush=True)
                found[row] = measured([one.result() for one in waiting], stage.kept.losses)
        calls.flush(1)
    return found


def _maker(row: str, model: ChatModel, options: argparse.Namespace) -> MakeUser:
    wording: Wording = "text" if row in (FREE, TEXT) else options.wording
    if row != CALIBRATED:
        return model_user(model, wording)
    return model_user(model, wording, calibration=_calibration(options))


def _calibration(options: argparse.Namespace) -> Calibration:
    _, _, name = options.model.partition("=")
    return load_calibration(options.calibration, str(parse(name)), options.wording)


def _dialogue(stage: Setup, row: str, make_user: MakeUser, item: PlanItem) -> Episode:
    place = item.task_id, item.slot
    persona = None if row == FREE else stage.average[place] if row == AVERAGE else stage.personas[place]
    task = next(task for task in stage.plan.tasks if task.id == item.task_id)
    return run_episode(task, persona, item, definitions.domain(stage.domain), make_user=make_user)


# -- judging -------------------------------------------------------------------------------------------------------------------


def _judged(config: SearchConfig, stage: Setup, rows: Mapping[str, Sequence[Episode]], workers: Workers) -> dict[str, Any]:
    """Scores as shares of people's with intervals, P(human), the auditor, and directed less text, paired."""
    setting = _setting(config, stage, rows[FREE])
    shares, _ = point(setting, rows, len(stage.plan.items))
    draws = joined(workers.map(partial(world, setting, rows, len(stage.plan.items)), range(_WORLDS)))
    calls = len(stage.plan.tasks)
    found: dict[str, Any] = {}
    for row in rows:
        ends = {name: [float(shares[row][name][0]), *interval(float(shares[row][name][0]), draws[row][name], calls)] for name in draws[row]}
        found[row] = {"shares": ends, "p_human": _mean_p(setting, rows[row]), "auditor": _audit(stage, rows[row])}
    found["people"] = {"p_human": float(setting.scorer.judge.people_p.mean())}
    for row in (DIRECTED, CALIBRATED):
        if {row, TEXT} <= set(rows):
            value = float(shares[row][SCORE][0] - shares[TEXT][SCORE][0])
            found[f"{row} - text"] = [value, *interval(value, draws[row][SCORE] - draws[TEXT][SCORE], calls)]
    return found


def _setting(config: SearchConfig, stage: Setup, free: Sequence[Episode]) -> TableSetting:
    """The setting of a search's final table, but with this model's persona-free users as the judge's only negatives."""
    done = [one for one in free if one.state == "completed"]
    found = {FREE: Negatives(np.array([one.fingerprint for one in done]), tuple(one.item.task_id for one in done))}
    kept = stage.kept
    others, row = (People(part.values, part.people) for part in reference.split(stage.steering, config.seed + 1))
    cells = tessellate(stage.steering.values, config.cells, config.seed).with_masses(kept.values)
    scorer = Scorer(
        split="test", judge=train(kept.values, kept.people, found, config.seed), cells=cells, space=Space.of(kept.values),
        people=kept.values, free=found[FREE].values, others=others.values, agreement=kept.agreement, names=kept.names, seed=config.seed,
    )  # fmt: skip
    return TableSetting(scorer, People(kept.values, kept.people), others, row, found, config.cells)


def _mean_p(setting: TableSetting, episodes: Sequence[Episode]) -> float:
    judged = setting.scorer.judged(episodes)
    return float(np.mean([one.p_human or 0.0 for one in judged]))


def _audit(stage: Setup, episodes: Sequence[Episode]) -> list[float]:
    kept, row = people_sample(stage.kept), played_sample(episodes, stage.kept.losses, typing=stage.kept.typing is not None)
    n = min(len(kept.owners), len(row.owners))
    return list(tell_apart(kept.at_most(n, stage.plan.seed), row.at_most(n, stage.plan.seed), stage.plan.seed))


# -- counts --------------------------------------------------------------------------------------------------------------------


def _plainly(stage: Setup, rows: Mapping[str, Sequence[Episode]], options: argparse.Namespace) -> dict[str, Any]:
    """Per row: task preservation, ends, words per turn, agent-like turns, broken plans, shared 4-grams, and the five worst behaviors."""
    names = definitions.features().names
    scale = np.maximum(stage.kept.values.std(axis=0), _LEAST_SPREAD)
    found: dict[str, Any] = {}
    for row, episodes in rows.items():
        done = [one for one in episodes if one.state == "completed"]
        values = np.array([one.fingerprint for one in done])
        gaps = (values.mean(axis=0) - stage.kept.values.mean(axis=0)) / scale
        worst = np.argsort(-np.abs(gaps))[:5]
        turns = sum(role == "user" for one in done for role, _ in one.turns)
        found[f"{row} plainly"] = {
            "dialogues": len(done), "failed": Counter(one.reason for one in episodes if one.state == "failed"),
            "preservation": float(np.mean([one.preservation for one in done])),
            "ends": float(np.mean([one.outcome != "turn_limit" for one in done])),
            "words": float(values[:, names.index("words_per_turn")].mean()),
            "as_agent": float(values[:, names.index("identity_confusion_rate")].mean()),
            "broken": sum(len(one.broke) for one in done) / turns, "turns": turns / len(done),
            "points": Counter(point for one in done for _, points in one.broke for point in points),
            "shared_4grams": _shared([_said(one, stage) for one in done], [f"{one.item.task_id} {one.item.slot}" for one in done]),
            "worst": [[names[at], round(float(gaps[at]), 2)] for at in worst],
        }  # fmt: skip
    people, n = _people_texts(stage, options), len(stage.plan.items)
    if people:
        starts = range(0, len(people) - n, n)
        found["people plainly"] = {"shared_4grams": float(np.mean([_shared(people[at : at + n], None) for at in starts]))}
    return found


def _said(episode: Episode, stage: Setup) -> list[str]:
    return [apply_losses(text, stage.kept.losses) for role, text in episode.turns if role == "user"]


def _people_texts(stage: Setup, options: argparse.Namespace) -> list[list[str]]:
    file = next((options.data / source.file for source in SOURCES if source.name == stage.domain), None)
    if file is None or not file.exists():
        return []
    texts = [one.user_texts() for one in read_dialogues(file)]
    return [[apply_losses(text, stage.kept.losses) for text in some] for some in texts if any(text.strip() for text in some)]


def _shared(texts: Sequence[Sequence[str]], owners: Sequence[str] | None) -> float:
    """Share of runs of four words that dialogues of other personas have too."""
    found: Floats = dynamics.measure(texts, definitions.features(), owners, others=len(texts) - 2)
    return float(found[:, dynamics.NAMES.index("shared_runs")].mean())


# -- showing -------------------------------------------------------------------------------------------------------------------


def _show(found: Mapping[str, Any]) -> None:
    for name, one in found.items():
        print(f"{name}: {json.dumps(one)}")
    shown = [row for row in (DIRECTED, CALIBRATED) if row in found]
    people = found["people"]["p_human"]
    for row in shown:
        plain, judged = found[f"{row} plainly"], found[row]
        gain = found.get(f"{row} - text", [0.0, 0.0, 0.0])
        print(f"== {row}: {_held(gain[0] >= GAIN and gain[1] > 0)} score above text by {gain[0]:+.2f} [{gain[1]:+.2f}, {gain[2]:+.2f}]")
        print(f"== {row}: {_held(judged['p_human'] >= HUMAN * people)} P(human) {judged['p_human']:.2f} of people's {people:.2f}")
        print(f"== {row}: {_held(plain['preservation'] >= KEPT)} task preservation {plain['preservation']:.3f}")
        print(f"== {row}: {_held(plain['as_agent'] <= AS_AGENT)} speaks as the agent in {plain['as_agent']:.3f} of turns")
        print(f"== {row}: {_held(plain['ends'] >= ENDS)} dialogues that end by themselves {plain['ends']:.2f}")


def _held(holds: bool) -> str:
    return "holds" if holds else "MISSED"


if __name__ == "__main__":
    main()
