"""Programs that misbehave: failed candidates with a reason; the search goes on, and failing never pays."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from evolve_cases import prepared_once, small
from hypothesis import given, settings
from hypothesis import strategies as st

from personaevo import content
from personaevo.archive import Archive
from personaevo.errors import ConfigError, ProgramError
from personaevo.evolve import loop as loop_module
from personaevo.evolve import rollout as rollout_module
from personaevo.evolve.prepare import EvaluationSetup, prepare
from personaevo.evolve.recombine import Parents, breed
from personaevo.evolve.rollout import roll_out
from personaevo.evolve.search import search
from personaevo.programs import Sandbox
from personaevo.programs.personas import dial_table
from personaevo.records import Episode
from personaevo.workers import Workers

SEED = (content.root("seeds") / "program.py").read_text(encoding="utf-8")
_HEAD = "import enum\nAXES = [{'name': 'a', 'dials': {'words_per_turn': [2.0, 20.0]}}]\ndef generate(task, n, rng, model=None):\n"
# What a program does, and how the reason for its failure begins or what it contains.
BAD: Mapping[str, tuple[str, str]] = {
    "raises": ("    raise ValueError('no')", "ValueError: no"),
    "loops": ("    while True: pass", "time limit"),
    "one too few": ("    return [{'description': 'x'}] * (n - 1)", "exactly n = 3"),
    "NaN dials": ("    return [{'description': 'x', 'dials': {'words_per_turn': float('nan')}}] * n", "is nan"),
    "wrong type": ("    return {'description': 'x'}", "expected a list"),
    "100 MB": ("    return [{'description': 'x' * 10**8}] * n", "limit"),
    "chance": ("    return [{'description': str(id(object()))} for _ in range(n)]", "not deterministic"),
    "memory": ("    return [bytearray(2**40)]", "memory limit"),
    "ends itself": ("    enum.sys.modules['os']._exit(0)", ""),
    "no generate": ("    pass\ndel generate", "generate"),
}


def bad(kind: str) -> str:
    return f"{_HEAD}{BAD[kind][0]}\n"


@pytest.fixture(scope="module", autouse=True)
def impatient() -> Iterator[None]:
    """A sandbox that waits for half a second only."""
    with prepared_once(), pytest.MonkeyPatch.context() as patch, Sandbox(dial_table(), wall_seconds=0.5) as box:
        patch.setattr(rollout_module, "_sandbox", lambda tier: box)
        yield


def test_bad_programs_fail_and_the_search_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = [bad(kind) for kind in BAD]

    def misbehaving(parents: Parents, weights: Mapping[str, float], rng: random.Random, table: Any) -> tuple[str, str]:
        return (waiting.pop(0), "misbehave") if waiting else breed(parents, weights, rng, table)

    monkeypatch.setattr(loop_module, "breed", misbehaving)
    result = search(small(tmp_path / "a.duckdb", candidates=len(BAD) + 3))
    with Archive.read(result.archive) as archive:
        commits = archive.commits(1)
        episodes = {number: archive.episodes(1, number) for number in range(len(commits))}
        archive.verify_digest()
    for kind, commit in zip(BAD, commits[1:], strict=False):
        candidate = commit.candidate
        assert (candidate.state, candidate.fault) == ("failed", "program"), kind
        assert BAD[kind][1] in (candidate.reason or "")
        assert candidate.reason
        assert commit.evaluation is not None
        assert (commit.evaluation.completed, commit.evaluation.planned) == (0, 18)
        assert len(episodes[candidate.number]) == 18
        assert all(one.state == "failed" and one.reason and one.p_human is None for one in episodes[candidate.number])
    assert {commit.candidate.state for commit in commits[len(BAD) + 1 :]} <= {"evaluated", "duplicate"}
    assert result.best.id not in {commit.candidate.program.id for commit in commits[1 : len(BAD) + 1]}


def test_a_seed_program_that_fails_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(bad("one too few"), encoding="utf-8")
    with pytest.raises(ProgramError, match=r"the seed program fails on every task: generate returned 2 personas; exactly n = 3"):
        search(small(tmp_path / "a.duckdb", program=tmp_path / "bad.py"))
    assert not (tmp_path / "a.duckdb").exists()


def test_a_seed_program_that_fails_on_some_tasks_is_recorded(tmp_path: Path) -> None:
    """What it breaks counts as the worst."""
    head = "def generate(task, n, rng, model=None):\n"
    fails = SEED.replace(head, f"{head}    assert rng.random() < 0.7\n")
    assert fails != SEED
    (tmp_path / "bad.py").write_text(fails, encoding="utf-8")
    result = search(small(tmp_path / "a.duckdb", candidates=1, program=tmp_path / "bad.py", task_count=6, seed=1))
    measure = next(row for row in result.table if row.row == "seed_program").measures["score"]
    assert 0 < measure.completed < measure.planned


def test_seed_programs_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("AXES = [", encoding="utf-8")
    with pytest.raises(ProgramError, match=r"bad\.py: the program is not valid Python"):
        search(small(tmp_path / "a.duckdb", program=tmp_path / "bad.py"))
    with pytest.raises(ConfigError, match=r"none\.py cannot be read"):
        search(small(tmp_path / "a.duckdb", program=tmp_path / "none.py"))
    assert not (tmp_path / "a.duckdb").exists()


def test_children_that_are_no_programs_are_not_proposed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child may grow beyond the size allowed; its parent is then proposed again, and nothing is run."""
    monkeypatch.setattr(loop_module, "breed", lambda *_: ("#" * 70_000, "grow"))
    result = search(small(tmp_path / "a.duckdb", candidates=3))
    with Archive.read(result.archive) as archive:
        assert [commit.candidate.state for commit in archive.commits(1)] == ["evaluated", "duplicate", "duplicate"]


@pytest.fixture(scope="module")
def bench() -> EvaluationSetup:
    with Workers(1) as workers:
        return prepare(small(Path("unused.duckdb"), task_count=6), workers)


@pytest.fixture(scope="module")
def played(bench: EvaluationSetup) -> tuple[Episode, ...]:
    return roll_out(bench.rollout(SEED, bench.train_plan))


@given(crashes=st.lists(st.booleans(), min_size=6, max_size=6))
@settings(max_examples=60)
def test_failing_never_pays(bench: EvaluationSetup, played: tuple[Episode, ...], crashes: list[bool]) -> None:
    """A program that crashes on some tasks, of whatever choice, scores no better for it, neither overall nor in any cell. (Of consistency
    alone it holds on average: see tests/judge/test_objectives.py.)"""
    crashed = {task.id for task, crash in zip(bench.train_plan.tasks, crashes, strict=True) if crash}
    episodes = [
        replace(one, state="failed", reason="no", fault="program", fingerprint=(), preservation=0.0)
        if one.item.task_id in crashed else one
        for one in played
    ]  # fmt: skip
    whole, _ = bench.train.score("a", played)
    broken, _ = bench.train.score("b", episodes)
    assert broken.planned == whole.planned == len(played)
    for name in ("human_likeness", "coverage", "score", "task_preservation", "overlap"):
        assert broken.objectives[name].value <= whole.objectives[name].value + 1e-12
    before = {cell.cell: cell.score for cell in whole.cells}
    assert all(cell.score <= before[cell.cell] + 1e-12 for cell in broken.cells)


def test_knowing_the_seeds_of_the_search_does_not_win_it(bench: EvaluationSetup) -> None:
    """A program that behaves well only where it recognizes the generator has the search's score there, and loses it in the finals."""
    known = [random.Random(bench.train_plan.generate_seed(task.id)).random() for task in bench.train_plan.tasks]
    body = "def generate(task, n, rng, model=None):\n"
    assert body in SEED
    cheat = SEED.replace(body, "def _generate(task, n, rng, model=None):\n") + (
        f"\nKNOWN = {known}\n\n{body}    state = rng.getstate()\n    seen = rng.random() in KNOWN\n    rng.setstate(state)\n"
        "    return _generate(task, n, rng, model) if seen else [{'description': 'anyone'} for _ in range(n)]\n"
    )
    scores = {}
    for name, source in {"honest": SEED, "cheat": cheat}.items():
        for plan in (bench.train_plan, bench.final_plan):
            evaluation, _ = bench.score(name, roll_out(bench.rollout(source, plan)))
            assert evaluation.completed == evaluation.planned
            scores[name, plan is bench.final_plan] = evaluation.objectives["score"].value
    assert scores["cheat", False] == scores["honest", False]
    assert scores["cheat", True] < 0.5 * scores["honest", True]
