"""Made-up commits for the archive's tests and its benchmark."""

from __future__ import annotations

import random
from collections.abc import Sequence

from personaevo.chat import Role
from personaevo.records import (
    Candidate,
    CellScore,
    Commit,
    Comparison,
    Control,
    Episode,
    Estimate,
    Evaluation,
    FinalTable,
    Level,
    Measure,
    Persona,
    PlanItem,
    Program,
    Scoring,
    TableRow,
)

WORDS = ["the", "order", "refund", "please", "my", "name", "is", "bob", "i", "want", "it", "now", "why", "no", "yes"]
CELLS = [{"cell": c, "name": f"mode {c}", "mass": 0.25} for c in range(4)]
SETTINGS = {"domain": "service", "seed": 7, "nested": {"a": [1, None, 0.5]}}


def an_episode(rng: random.Random, number: int, slot: int, turns: int = 4, features: int = 5) -> Episode:
    """One episode; every seventh fails."""
    item = PlanItem(f"task {slot % 3}", slot, rng.getrandbits(64))
    persona = Persona(
        id=f"p{slot}",
        description=" ".join(rng.choices(WORDS, k=20)),
        behaviors={"terse": rng.random(), "skeptical": rng.random()},
        dials={"words_per_turn": rng.uniform(1, 30), "patience": 4.0},
        policy=" ".join(rng.choices(WORDS, k=40)),
    )
    roles: tuple[Role, Role] = ("user", "assistant")
    said = tuple((roles[i % 2], " ".join(rng.choices(WORDS, k=12))) for i in range(turns))
    if slot % 7 == 6:
        return Episode(item, "failed", said, persona=persona, reason=f"raised after {number} s", fault="program")
    return Episode(
        item,
        "completed",
        said,
        outcome="solved",
        fingerprint=tuple(rng.uniform(-1, 1) for _ in range(features)),
        preservation=0.75,
        p_human=rng.random(),
        cell=slot % 4,
        persona=persona,
    )


def a_commit(number: int, seed: int = 0, episodes: int = 8, turns: int = 4, features: int = 5) -> Commit:
    """A candidate that was evaluated; equal arguments give equal commits."""
    rng = random.Random(f"{seed} {number}")
    program = Program(f"{rng.getrandbits(64):016x}", f"def generate(): return {number}\n" + "# filler\n" * 100)
    objectives = {
        name: Estimate(rng.random(), 0.01, rng.random(), (rng.random(), rng.random()))
        for name in ("human_likeness", "coverage", "task_preservation", "score")
    }
    cells = tuple(CellScore(c, rng.random(), rng.random(), rng.random() / 10) for c in range(4))
    evaluation = Evaluation(program.id, "train", episodes, episodes - episodes // 7, objectives, cells)
    candidate = Candidate(
        number, program, () if number == 0 else ("parent",), "seed" if number == 0 else "tune", "evaluated"
    )
    return Commit(
        candidate, evaluation, tuple(an_episode(rng, number, slot, turns, features) for slot in range(episodes))
    )


def scored(number: int, scores: Sequence[tuple[float, float]]) -> Commit:
    """A candidate with given (score, se) in the first cells and no episodes."""
    program = Program(f"program{number}", f"x = {number}")
    cells = tuple(CellScore(c, 0.5, score, se) for c, (score, se) in enumerate(scores))
    evaluation = Evaluation(program.id, "train", 10, 10, {"score": Estimate(0.5, 0.1, 0.4)}, cells)
    return Commit(Candidate(number, program, (), "tune", "evaluated"), evaluation)


def a_failure(number: int) -> Commit:
    """A candidate that failed."""
    program = Program(f"broken{number}", "def generate(: pass")
    return Commit(Candidate(number, program, ("seed",), "rewrite", "failed", "not valid Python: line 1", "program"))


def a_table(best: str = "abc") -> FinalTable:
    """A final table."""
    rows = (
        TableRow("humans", None, {"score": Measure(1.0, 0.9, 1.1, 0.8, 50, 50)}),
        TableRow(
            "evolved",
            best,
            {"score": Measure(0.5, 0.4, 0.6, 0.4, 49, 50), "coverage": Measure(0.1, 0.0, 0.2, 0.1, 50, 50)},
        ),
    )
    return FinalTable(rows, (Comparison("evolved", "humans", "score", -0.5, -0.6, -0.4),))


def a_scoring(floor: float = 0.9, name: str = "coverage") -> Scoring:
    """What a run was scored by."""
    rules: dict[str, tuple[str, str, float | None, int]] = {
        "human_likeness": ("steers", "more", None, 1), name: ("steers", "less", None, 2), "task_preservation": ("holds", "more", floor, 1),
    }  # fmt: skip
    levels = (("train", 8, name, Level(4.5, 0.25)), ("test", 50, name, Level(0.1 + 0.2, 1 / 3)))
    controls = Control("train", "persona_free", "task 1", (0.5, -1.0)), Control("test", "independent", "task 2", (0.25,))
    return Scoring(rules, levels, controls)
