"""The digest depends on content only."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from archive_cases import CELLS, SETTINGS, a_commit, a_failure
from hypothesis import given, settings
from hypothesis import strategies as st

from personaevo.archive import Archive
from personaevo.archive.rows import digits, row_sum, rows_of
from personaevo.records import Commit, Estimate

FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def added(commit: Commit, run_id: int = 1) -> int:
    return rows_of(run_id, commit)[1]


def stored(folder: Path, commits: list[Commit], **more: Any) -> str:
    folder.mkdir()
    with Archive.create_or_open(folder / "a.duckdb") as archive:
        run = archive.begin_run(SETTINGS | more, CELLS)
        for commit in commits:
            archive.commit(run.id, commit)
        assert archive.digest(run.id) == archive.verify_digest()
        return archive.digest(run.id)


@settings(max_examples=30)
@given(st.permutations(range(8)))
def test_order_of_rows_does_not_count(order: list[int]) -> None:
    commit = a_commit(3)
    assert added(replace(commit, episodes=tuple(commit.episodes[i] for i in order))) == added(commit)
    rows = rows_of(1, commit)[0]["episodes"]
    assert row_sum("episodes", [rows[i] for i in order]) == row_sum("episodes", rows)


@settings(max_examples=200)
@given(FLOATS)
def test_nine_digits_and_one_zero(value: float) -> None:
    text = digits(value)
    assert text is not None
    assert digits(float(text)) == text
    assert digits(-0.0) == digits(0.0)
    assert digits(None) is None


def test_order_of_commits_and_settings_do_not_count(tmp_path: Path) -> None:
    commits = [a_commit(0), a_commit(1), a_failure(2), a_commit(3)]
    first = stored(tmp_path / "0", commits)
    for i in range(1, 4):
        random.Random(i).shuffle(commits)
        assert stored(tmp_path / str(i), commits, seed=i) == first
    assert stored(tmp_path / "less", commits[1:]) != first


def test_content_counts_and_circumstances_do_not() -> None:
    commit = a_commit(6)
    episode, failed = commit.episodes[0], commit.episodes[6]
    assert episode.persona and commit.evaluation

    def with_first(**changes: Any) -> Commit:
        return replace(commit, episodes=(replace(episode, **changes), *commit.episodes[1:]))

    same = [
        replace(commit, episodes=(*commit.episodes[:6], replace(failed, reason="after 9 s"), commit.episodes[7])),
        with_first(preservation=0.75 + 1e-12),
    ]
    other = [
        with_first(preservation=0.7500001),
        with_first(turns=()),
        with_first(p_human=None),
        with_first(persona=episode.persona.model_copy(update={"policy": ""})),
        replace(commit, candidate=replace(commit.candidate, number=7)),
        replace(commit, candidate=replace(commit.candidate, parents=("x",))),
        replace(commit, evaluation=replace(commit.evaluation, objectives={"score": Estimate(0.5, 0.0, 0.5)})),
    ]
    assert {added(x) for x in same} == {added(commit)} == {added(commit, run_id=2)}
    assert len({added(commit), *(added(x) for x in other)}) == len(other) + 1
