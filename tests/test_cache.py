"""The cache of starts: equal to what is made anew, never of other code, and no harm if it is broken, foreign or full."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from personaevo import cache
from personaevo.config import SearchConfig
from personaevo.evolve import controls as start_module
from personaevo.evolve import table as table_module
from personaevo.evolve.prepare import EvaluationSetup, prepare
from personaevo.evolve.rollout import Rollout, play, roll_out
from personaevo.evolve.table import final_table
from personaevo.programs.source import make_program
from personaevo.records import Episode
from personaevo.workers import Workers

PROGRAM = """AXES = [{'name': 'a', 'dials': {'words_per_turn': [4.0, 4.0]}}]
def generate(task, n, rng, model=None):
    return [{'description': 'x', 'behaviors': {'a': 1.0}} for _ in range(n)]
"""
TINY = {"task_count": 2, "personas": 1, "test_tasks": 2, "test_personas": 1, "control_dialogues": 10}
MOST = cache._MOST  # of a user's, before the tests of a run keep more


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cache, "_MOST", MOST)
    return tmp_path / "personaevo" / "starts"


def prepared(**settings: object) -> EvaluationSetup:
    with Workers(1) as workers:
        return prepare(SearchConfig(**{**TINY, **settings}), workers)


def figures(bench: EvaluationSetup) -> object:
    """What the scorers say, to the last bit."""
    episodes = roll_out(bench.rollout(bench.seed_program.source, bench.train_plan))
    judges = [(one.judge.people_p.tolist(), one.cells.masses.tolist()) for one in (bench.train, bench.test)]
    return judges, bench.score("p", episodes), bench.test.score("p", episodes), bench.scoring(), bench.setting.row.values.tolist()


def test_a_kept_start_is_the_one_that_was_made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = figures(prepared())
    assert cache.size()[0] == len(list(folder.iterdir())) == 1
    monkeypatch.setattr(start_module, "play", None)  # nothing is played again
    assert figures(prepared()) == made
    assert figures(prepared(candidates=7, lag=9, people_draws=3)) == made  # what does not matter for it


def test_what_matters_has_a_start_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[start_module.PreparedScorers] = []
    start = start_module.ScorerBuilder.start

    def once(making: start_module.ScorerBuilder, sizes: Mapping[str, Sequence[int]]) -> start_module.PreparedScorers:
        """Which one it is does not matter: how many are kept does."""
        found.append(found[0] if found else start(making, sizes))
        return found[0]

    monkeypatch.setattr(start_module.ScorerBuilder, "start", once)
    prepared()
    others: list[dict[str, object]] = [
        {"seed": 1}, {"cells": 8}, {"control_dialogues": 21}, {"test_personas": 2}, {"domain": "camping"},
    ]  # fmt: skip
    for count, other in enumerate(others, 2):
        prepared(**other)
        assert cache.size()[0] == len(found) == count


def test_other_code_is_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = cache.key_of("a", 1)
    assert before == cache.key_of("a", 1) != cache.key_of("a", 2)
    monkeypatch.setattr(cache, "_made_by", lambda: "another version")
    assert cache.key_of("a", 1) != before


def test_what_cannot_be_used_is_not_there(folder: Path) -> None:
    assert cache.load("k") is None
    cache.store("k", [1, 2])
    assert cache.load("k") == [1, 2]
    file = folder / "k.pickle"
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_bytes(file.read_bytes()[:-3])
    assert cache.load("k") is None
    cache.store("k", [1, 2])
    file.chmod(0o666)  # anybody may have changed it
    assert cache.load("k") is None
    cache.store("k", [3])
    folder.chmod(0o777)
    assert cache.load("k") is None


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    cache.store("k", 1)
    assert cache.load("k") is None
    assert cache.size() == (0, 0)


def test_the_oldest_make_room(folder: Path) -> None:
    for number in range(30):
        cache.store(f"k{number}", number)
        os.utime(folder / f"k{number}.pickle", (number, number))
    kept = {file.stem for file in folder.iterdir()}
    assert len(kept) == 24
    assert "k29" in kept
    assert "k0" not in kept
    shutil.rmtree(folder)
    assert cache.load("k29") is None


def test_large_entries_make_room_by_their_size(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_BYTES", 2_000)
    monkeypatch.setattr(cache, "_ALL_BYTES", 3_500)
    for number in range(5):
        cache.store(f"k{number}", b"x" * 1_000)
        os.utime(folder / f"k{number}.pickle", (number, number))
    assert {file.stem for file in folder.iterdir()} == {"k2", "k3", "k4"}
    cache.store("large", b"x" * 3_000)  # it would never be read
    assert cache.load("large") is None
    assert not (folder / "large.pickle").exists()


def test_rows_that_searches_share_are_made_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the row of another program they are to the last bit what they were, and other draws or another seed program have their own."""
    bench = prepared(people_draws=2)
    program = make_program(PROGRAM)
    with Workers(1) as workers:
        made = final_table(bench, workers, program)
        assert cache.size()[0] == 2
        with monkeypatch.context() as patch:
            def of_the_program(workers: Workers, works: list[Rollout]) -> list[tuple[Episode, ...]]:
                assert [work.source for work in works] == [program.source]  # none of the shared rows is played again
                return play(workers, works)

            patch.setattr(table_module, "play", of_the_program)
            assert final_table(bench, workers, program) == made
        for other in (prepared(people_draws=3), replace(bench, seed_program=program)):
            final_table(other, workers, program)
    assert cache.size()[0] == 4
