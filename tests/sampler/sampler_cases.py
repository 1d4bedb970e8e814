"""Made-up archives with stored personas for the sampler's tests and its benchmark."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from personaevo.archive import Archive
from personaevo.definitions import features
from personaevo.programs import make_program
from personaevo.records import (
    Candidate,
    CellScore,
    Commit,
    Episode,
    Estimate,
    Evaluation,
    FinalTable,
    Measure,
    Persona,
    PlanItem,
    Scoring,
    TableRow,
)

FEATURES = features().names
CELLS = [{"cell": cell, "name": name, "mass": mass} for cell, (name, mass) in enumerate([("terse", 0.5), ("polite", 0.3), ("angry", 0.2)])]
TASKS = ("service-airline-01", "task two")
SOURCE = """AXES = [{{"name": "grim", "dials": {{"words_per_turn": [2.0, 20.0], "patience_turns": [2.0, 12.0]}}}}]
NUMBER = {number}

def generate(task, n, rng, model=None):
    return [{{"description": "number " + str(NUMBER), "behaviors": {{"grim": rng.random()}}}} for _ in range(n)]
"""


def an_episode(rng: random.Random, task: str, slot: int, cell: int) -> Episode:
    """One that completed; every fifth user gave up, every seventh is no person to the judge."""
    persona = Persona(
        id=f"p{slot}", description=f"someone {rng.random():.9f}", behaviors={"grim": rng.random(), "words_per_turn": 0.5},
        dials={"words_per_turn": 9.0, "patience_turns": float(slot % 8)} if slot % 2 else {"words_per_turn": 9.0}, policy="Be brief.",
    )  # fmt: skip
    values = tuple(round(rng.uniform(0, 1), 3) for _ in FEATURES)
    gave_up = slot % 5 == 0
    return Episode(
        PlanItem(task, slot, rng.getrandbits(63)), "completed", (("user", "hello"),), "gave_up" if gave_up else "completed",
        values, 2 / 3 if gave_up else 1.0, 0.2 if slot % 7 == 0 else 0.9, cell, persona,
    )  # fmt: skip


def a_commit(number: int, slots: int, *, cells: Sequence[int] = (0, 1, 2), best_in: int | None = None, preservation: float = 1.0) -> Commit:
    """An evaluated candidate with ``slots`` personas for each task, dealt to ``cells`` in turn; the elite of ``best_in``."""
    rng = random.Random(f"{number} {slots}")
    program = make_program(SOURCE.format(number=number))
    episodes = tuple(an_episode(rng, task, slot, cells[slot % len(cells)]) for slot in range(slots) for task in TASKS)
    names = ("human_likeness", "coverage", "score")
    objectives = {**{name: Estimate(0.5, 0.1, 0.5) for name in names}, "task_preservation": Estimate(preservation, 0.0, preservation)}
    scores = tuple(CellScore(cell, 0.3, 0.9 if cell == best_in else 0.1 / (number + 1), 0.01) for cell in range(len(CELLS)))
    evaluation = Evaluation(program.id, "train", len(episodes), len(episodes), objectives, scores)
    return Commit(Candidate(number, program, (), "seed", "evaluated"), evaluation, episodes)


def write(path: Path, commits: Sequence[Commit], best: int | None = None, **settings: object) -> Path:
    """An archive with one run of these commits, whose best program is that of commit number ``best``."""
    with Archive.create_or_open(path) as archive:
        rules = Scoring({"task_preservation": ("holds", "more", 0.9, 1)}, ())
        run = archive.begin_run({"domain": "service", "preservation_floor": 0.9, "personas": 5, **settings}, CELLS, rules)
        for commit in commits:
            archive.commit(run.id, commit)
        if best is not None:
            measures = {"score": Measure(0.5, 0.4, 0.6, 0.5, 10, 10)}
            archive.write_table(run.id, FinalTable((TableRow("evolved", commits[best].candidate.program.id, measures),)))
    return path


def three_elites(path: Path) -> Path:
    """Candidates 0, 1, 2 are the elites of the cells 0, 1, 2; 3 is the best program, 4 is nothing, 5 misses the floor."""
    commits = [a_commit(number, 20, best_in=number if number < 3 else None) for number in range(5)]
    return write(path, [*commits, a_commit(5, 20, best_in=0, preservation=0.5)], best=3)
