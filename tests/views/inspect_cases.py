"""Made-up searches to look into."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from personaevo.archive import Archive
from personaevo.judge.objectives import SCORING
from personaevo.records import (
    Candidate,
    CellScore,
    Commit,
    Episode,
    Estimate,
    Evaluation,
    Level,
    Persona,
    PlanItem,
    Program,
    Remark,
    Scoring,
)

CELLS = [{"cell": 0, "name": "terse, pushes back", "mass": 0.25}, {"cell": 1, "name": "wordy", "mass": 0.6},
         {"cell": 2, "name": "average", "mass": 0.15}]  # fmt: skip
SETTINGS = {"domain": "nowhere", "task_count": 4, "personas": 2, "scoring": str(SCORING), "negatives": '{"persona_free": 60, "robots": 7}'}
SCORED_BY = Scoring(
    {"human_likeness": ("steers", "more", None, 1), "task_preservation": ("holds", "more", 0.9, 1)},
    (("train", 8, "human_likeness", Level(0.0, 0.75)), ("test", 40, "human_likeness", Level(0.125, 0.7))),
)


def program(name: str) -> Program:
    return Program(name, f"# {name}\nAXES = []\n\n\ndef generate(task, n, rng, model=None):\n    return []\n")


def episodes(shift: float = 0.0, tasks: int = 4, slots: int = 2, features: int = 3) -> tuple[Episode, ...]:
    """One dialogue for each task and slot; the last one failed."""
    made = []
    for task in range(tasks):
        for slot in range(slots):
            item = PlanItem(f"task{task}", slot, 10 * task + slot)
            persona = Persona(id=f"p{slot}", description="somebody", policy="Be brief.")
            values = tuple(shift + task + 0.5 * slot + feature for feature in range(features))
            p_human = min(1.0, 0.1 * task + 0.05 * slot + shift)
            said = (("user", f"hello {task}"), ("assistant", "good day"))
            made.append(Episode(item, "completed", said, "completed", values, 1.0, p_human, (task + slot) % 2, persona))  # type: ignore[arg-type]
    last = made[-1]
    return (*made[:-1], Episode(last.item, "failed", persona=last.persona, reason="raised ValueError", fault="program"))


def evaluated(
    number: int, name: str, parents: Sequence[str], score: float, *, se: float = 0.02, cells: Sequence[CellScore] = (), shift: float = 0.0,
    replicates: Sequence[float] = (),
) -> Commit:  # fmt: skip
    """A candidate with a score and its dialogues; ``replicates`` are scores without each call, in standard errors from the score."""
    without = tuple(score + se * step for step in replicates)
    objectives = {"score": Estimate(score, se, score / 2, without), "task_preservation": Estimate(1.0, 0.0, 1.0)}
    remarks = (
        Remark("pushback_rate", "less"), Remark("opening_words", "wider"), Remark("short_rate", "apart"),
        Remark("words_per_turn", "steadier"), Remark("words_per_turn~short_rate", "opposed"),
        Remark("pushback_rate~emotion_rate", "together"), Remark("emotion_rate", "steadier"),
    )  # fmt: skip
    evaluation = Evaluation(name, "train", 8, 7, objectives, tuple(cells), remarks)
    operator = "change_number+cross" if parents else "seed"
    return Commit(Candidate(number, program(name), tuple(parents), operator, "evaluated"), evaluation, episodes(shift))


def failed(number: int, name: str, parents: Sequence[str]) -> Commit:
    return Commit(Candidate(number, program(name), tuple(parents), "cross", "failed", "it loops", "program"))


def duplicate(number: int, name: str, parents: Sequence[str]) -> Commit:
    return Commit(Candidate(number, program(name), tuple(parents), "couple", "duplicate"))


def a_family() -> list[Commit]:
    """seed → one → two, and three from both two and other; six from the failed five."""
    return [
        evaluated(0, "seed", [], 0.30, cells=[CellScore(0, 0.5, 0.4, 0.1)]),
        evaluated(1, "one", ["seed"], 0.50),
        evaluated(2, "two", ["one"], 0.51, shift=0.2),
        evaluated(3, "other", ["seed"], 0.20),
        evaluated(4, "three", ["two", "other"], 0.80, cells=[CellScore(0, 0.2, 0.9, 0.05), CellScore(1, 0.1, 0.2, 0.01)], shift=0.4),
        failed(5, "five", ["one"]),
        evaluated(6, "six", ["five"], 0.40),
        duplicate(7, "two", ["six"]),
    ]


def write(path: Path, commits: Sequence[Commit], cells: Sequence[dict[str, object]] = CELLS) -> Path:
    """An archive with one run."""
    with Archive.create_or_open(path) as archive:
        run = archive.begin_run(SETTINGS, cells, SCORED_BY)
        for commit in commits:
            archive.commit(run.id, commit)
    return path
