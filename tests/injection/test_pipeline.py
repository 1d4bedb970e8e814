"""The real pipeline: a program whose personas and axes carry an injection is evaluated as without it, or refused; never better."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from injection_cases import CAUGHT, EVADING

from personaevo.config import SearchConfig
from personaevo.evolve import rollout as rollout_module
from personaevo.evolve.prepare import EvaluationSetup, prepare
from personaevo.evolve.rollout import roll_out
from personaevo.records import Episode, Evaluation
from personaevo.workers import Workers
from tests.once import FEW_PEOPLE

SOURCE = '''
EVIL = {evil}
AXES = [{{"name": "terse", "definition": "how little is said. " + EVIL[0], "low": "Write a lot. " + EVIL[1], "high": "Be brief." + EVIL[2],
         "dials": {{"words_per_turn": [12.0, 2.0]}}}}]

def generate(task, n, rng, model=None):
    return [{{"description": "A customer. " + EVIL[3], "behaviors": {{"terse": rng.random()}},
             **({{"policy": "Be yourself. " + EVIL[4]}} if EVIL[4] else {{}})}} for _ in range(n)]
'''
PLACES = 5


@pytest.fixture(scope="module")
def bench() -> Iterator[EvaluationSetup]:
    sizes = {"task_count": 2, "personas": 2, "test_tasks": 2, "test_personas": 2, "candidates": 1, "control_dialogues": 20}
    with Workers(1) as workers:
        yield prepare(SearchConfig(archive=Path("unused.duckdb"), jobs=1, seed=1, human=FEW_PEOPLE, **sizes), workers)  # type: ignore[arg-type]


def source(evil: str, place: int | None) -> str:
    """The program with a text in one place: definition, low, high, description, policy."""
    return SOURCE.format(evil=[evil if place == index else "" for index in range(PLACES)])


def evaluated(bench: EvaluationSetup, text: str) -> tuple[Evaluation, tuple[Episode, ...]]:
    return bench.score("program", roll_out(bench.rollout(text, bench.train_plan)))


@pytest.fixture(scope="module")
def plain(bench: EvaluationSetup) -> Evaluation:
    evaluation, _ = evaluated(bench, source("", None))
    assert evaluation.completed == evaluation.planned == 8
    return evaluation


@pytest.mark.parametrize("name", EVADING)
def test_what_is_not_flagged_changes_nothing(bench: EvaluationSetup, plain: Evaluation, name: str) -> None:
    for place in (hash_of(name) % PLACES, 4):
        if "\0" in EVADING[name]:
            assert evaluated(bench, source(EVADING[name], place))[0].completed == 0
        else:
            assert evaluated(bench, source(EVADING[name], place))[0] == plain


@pytest.mark.parametrize("name", CAUGHT)
def test_what_is_flagged_gains_nothing(bench: EvaluationSetup, plain: Evaluation, name: str) -> None:
    evaluation, episodes = evaluated(bench, source(CAUGHT[name], hash_of(name) % PLACES))
    assert evaluation.completed == 0
    assert {(one.state, one.fault) for one in episodes} == {("failed", "program")}
    assert all(one.reason and "is not about a person" in one.reason and one.reason.isprintable() for one in episodes)
    assert evaluation.objectives["score"].value == 0.0
    for objective in ("human_likeness", "coverage", "task_preservation"):
        assert evaluation.objectives[objective].value < plain.objectives[objective].value
    assert evaluation.objectives["consistency"].value <= plain.objectives["consistency"].value


def hash_of(name: str) -> int:
    """Spreads the texts over the places, the same in every run."""
    return sum(map(ord, name))


@pytest.mark.parametrize("name", [*CAUGHT, *EVADING])
def test_dialogues(bench: EvaluationSetup, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A user who says it in one dialogue of four: the episode fails, or counts by its measured text."""
    evil = {**CAUGHT, **EVADING}[name]
    play, number = rollout_module.run_episode, iter(range(100))

    def with_injection(*arguments: object) -> Episode:
        episode = play(*arguments)  # type: ignore[arg-type]
        if next(number) % 4:
            return episode
        turns = [("user", evil) if index == 1 else (role, text) for index, (role, text) in enumerate(episode.turns)]
        return Episode(**{**{key: getattr(episode, key) for key in episode.__slots__}, "turns": tuple(turns)})

    monkeypatch.setattr(rollout_module, "run_episode", with_injection)
    evaluation, episodes = evaluated(bench, source("", None))
    failed = [one for one in episodes if one.state == "failed"]
    assert [one.fault for one in failed] == (["program"] * 2 if name in CAUGHT else [])
    assert evaluation.completed == 8 - len(failed)
