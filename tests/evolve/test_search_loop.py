"""The search as a whole, in this process: the same seed gives the same archive, however it is run, interrupted or resumed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from evolve_cases import prepared_once, scored, small

import personaevo as pe
from personaevo.archive import Archive
from personaevo.errors import ArchiveError, ConfigError
from personaevo.evolve import loop as loop_module
from personaevo.evolve import state as state_module
from personaevo.evolve.progress import Progress, SearchResult
from personaevo.evolve.ranking import Scored
from personaevo.evolve.rollout import Rollout, roll_out
from personaevo.evolve.search import search
from personaevo.evolve.state import State
from personaevo.judge.objectives import SCORING
from personaevo.records import Candidate, Commit, Episode, Program

DIALOGUES = 18  # of three personas on each of three tasks, two each


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with prepared_once():
        yield


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    """A search that nothing disturbed."""
    return search(small(tmp_path_factory.mktemp("undisturbed") / "a.duckdb"))


def commits_of(path: Path) -> list[Commit]:
    with Archive.read(path) as archive:
        return archive.commits(archive.run().id)


def interrupted(config: pe.SearchConfig, after: int) -> None:
    """A search that is interrupted when ``after`` candidates are committed."""

    def observe(progress: Progress) -> None:
        if progress.done == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(config, observe=observe)


def test_result_and_archive_agree(undisturbed: SearchResult) -> None:
    commits = commits_of(undisturbed.archive)
    assert [commit.candidate.number for commit in commits] == list(range(12)) == list(range(undisturbed.candidates))
    states = Counter(commit.candidate.state for commit in commits)
    assert undisturbed.episodes == DIALOGUES * (states["evaluated"] + 3)  # three finalists
    assert states["evaluated"] + states["duplicate"] == 12
    assert undisturbed.best.id in {commit.candidate.program.id for commit in commits}
    with Archive.read(undisturbed.archive) as archive:
        assert archive.digest(1) == undisturbed.digest
        assert archive.verify_digest() == archive.summary()["digest"]
        table = archive.final_table(1)
        assert (table.rows, table.comparisons) == (undisturbed.table, undisturbed.comparisons)
        scoring = archive.scoring(1)
        assert {one.kind for one in scoring.controls} == {
            "persona_free", "average_person", "caricatures", "independent", "programs",
        }  # fmt: skip


def test_two_workers_give_the_same(undisturbed: SearchResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "roll_out", roll_out)  # everything is played
    result = search(small(tmp_path / "a.duckdb", jobs=2))
    assert result.digest == undisturbed.digest
    assert result.table == undisturbed.table


def test_another_seed_gives_other_programs(undisturbed: SearchResult, tmp_path: Path) -> None:
    other = search(small(tmp_path / "a.duckdb", seed=6, candidates=4))
    ours, theirs = ({commit.candidate.program.id for commit in commits_of(path)} for path in (undisturbed.archive, other.archive))
    assert len(ours & theirs) == 1  # the seed program
    assert other.digest != undisturbed.digest


def test_children_come_from_what_was_known(undisturbed: SearchResult) -> None:
    commits = commits_of(undisturbed.archive)
    first = {}
    for commit in commits:
        first.setdefault(commit.candidate.program.id, commit.candidate.number)
    assert commits[0].candidate.operator == "seed"
    for commit in commits[1:]:
        assert commit.candidate.parents
        for parent in commit.candidate.parents:
            assert first[parent] <= max(0, commit.candidate.number - 3)


def test_comments_gain_nothing(tmp_path: Path) -> None:
    """An operator that only edits comments: nothing is evaluated beyond the seed program, and no gain is reported."""
    result = search(small(tmp_path / "a.duckdb", operators={"reformat": 1.0}))
    commits = commits_of(result.archive)
    assert [commit.candidate.state for commit in commits] == ["evaluated"] + ["duplicate"] * 11
    assert {commit.candidate.program.id for commit in commits} == {result.best.id}
    assert all(commit.evaluation is None and commit.candidate.reason for commit in commits[1:])
    assert result.episodes == DIALOGUES
    rows = {row.row: row for row in result.table}
    assert rows["evolved"].program_id == rows["seed_program"].program_id
    assert rows["evolved"].measures == rows["seed_program"].measures


@pytest.mark.parametrize("after", [1, 5, 12])
def test_interrupted_and_resumed(undisturbed: SearchResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    if after == 5:
        monkeypatch.setattr(loop_module, "roll_out", roll_out)  # everything is played again
    config = small(tmp_path / "a.duckdb")
    interrupted(config, after)
    assert len(commits_of(tmp_path / "a.duckdb")) == after
    result = search(config.model_copy(update={"resume": True}))
    assert result.digest == undisturbed.digest
    assert result.table == undisturbed.table
    assert result.best == undisturbed.best


@pytest.mark.parametrize("selection", ["evolve", "random"])
def test_resumed_from_columns_with_little_in_memory(
    undisturbed: SearchResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, selection: Literal["evolve", "random"]
) -> None:
    """As a search of many thousands is: it chooses as one that has read and held everything."""
    whole = undisturbed if selection == "evolve" else search(small(tmp_path / "whole.duckdb", selection=selection))
    monkeypatch.setattr(state_module, "_READ_AT_ONCE", 3)
    monkeypatch.setattr(state_module, "_SOURCES", 1)
    monkeypatch.setattr(state_module, "_EVALUATIONS", 1)
    config = small(tmp_path / "a.duckdb", selection=selection)
    for after in (7, 10):  # the second time it is interrupted after it was resumed
        interrupted(config, after)
        config = config.model_copy(update={"resume": True})
    assert search(config).digest == whole.digest


def test_resumed_with_more_candidates(undisturbed: SearchResult, tmp_path: Path) -> None:
    search(small(tmp_path / "a.duckdb", candidates=5))
    result = search(small(tmp_path / "a.duckdb", resume=True))
    assert result.digest == undisturbed.digest
    assert result.table == undisturbed.table
    fewer = search(small(tmp_path / "a.duckdb", resume=True, candidates=2))  # nothing to do: what is there is told again
    assert (fewer.digest, fewer.table) == (undisturbed.digest, undisturbed.table)


@pytest.mark.parametrize("changes", [{"seed": 6}, {"lag": 4}, {"operators": {"cross": 1.0}}, {"selection": "random"}])
def test_resumed_with_other_settings(undisturbed: SearchResult, changes: dict[str, Any]) -> None:
    before = undisturbed.archive.read_bytes()
    name = next(iter(changes))
    with pytest.raises(ArchiveError, match=f"was made with {name} = ") as caught:
        search(small(undisturbed.archive, resume=True, **changes))
    assert "\n" not in str(caught.value)
    assert undisturbed.archive.read_bytes() == before


def test_places_are_checked_first(undisturbed: SearchResult, tmp_path: Path) -> None:
    for config, words in (
        (small(undisturbed.archive), "exists: add --resume"),
        (small(tmp_path / "none.duckdb", resume=True), "nothing to resume"),
        (small(tmp_path / "no" / "folder.duckdb"), "give another --archive"),
    ):
        with pytest.raises(ArchiveError, match=words) as caught:
            search(config)
        assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="operators"):
        search(small(tmp_path / "a.duckdb", operators={"wish": 1.0}))
    assert not list(tmp_path.iterdir())


class _Slow:
    """A roll-out in which one program is stopped by the clock the first ``times`` times it is played."""

    def __init__(self, victim: str, times: int) -> None:
        self.victim, self.times, self.played, self.roll_out = victim, times, 0, loop_module.roll_out

    def __call__(self, work: Rollout) -> tuple[Episode, ...]:
        episodes = self.roll_out(work)
        if work.source != self.victim:
            return episodes
        self.played += 1
        if self.played > self.times:
            return episodes
        return tuple(Episode(item=one.item, state="failed", reason="time limit of 5 s", fault="program") for one in episodes)


def test_a_program_stopped_by_the_clock_gets_a_second_try(
    undisturbed: SearchResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = commits_of(undisturbed.archive)[4].candidate.program.source
    slow = _Slow(victim, 1)
    monkeypatch.setattr(loop_module, "roll_out", slow)
    assert search(small(tmp_path / "a.duckdb")).digest == undisturbed.digest
    assert slow.played == 2


def test_a_program_stopped_twice_is_recorded_and_not_played_again(
    undisturbed: SearchResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = commits_of(undisturbed.archive)[4].candidate.program.source
    digests = []
    for name in ("whole", "parts"):
        config, slow = small(tmp_path / f"{name}.duckdb"), _Slow(victim, 99)
        monkeypatch.setattr(loop_module, "roll_out", slow)
        if name == "parts":
            interrupted(config, 6)
            assert slow.played == 2
            config = config.model_copy(update={"resume": True})
        digests.append(search(config).digest)
        assert slow.played == 2
        stopped = commits_of(tmp_path / f"{name}.duckdb")[4].candidate
        assert (stopped.state, stopped.fault, stopped.reason) == ("failed", "program", "time limit of 5 s")
    assert digests[0] == digests[1] != undisturbed.digest


def test_random_search_is_blind(tmp_path: Path) -> None:
    result = search(small(tmp_path / "a.duckdb", selection="random", candidates=8))
    operators = {name for commit in commits_of(result.archive)[1:] for name in commit.candidate.operator.split("+")}
    assert "follow_remarks" not in operators


def test_settings_are_kept_but_not_where_and_how_fast(undisturbed: SearchResult) -> None:
    with Archive.read(undisturbed.archive) as archive:
        kept = archive.run().settings
    assert {"seed", "lag", "operators", "tasks_digest", "people_digest", "seed_program", "scoring", "scoring_digest"} <= kept.keys()
    assert kept["scoring"] == str(SCORING)
    assert kept.keys().isdisjoint({"jobs", "archive", "resume", "candidates"})


def test_progress_counts_up(tmp_path: Path) -> None:
    seen: list[Progress] = []
    search(small(tmp_path / "a.duckdb", candidates=4), observe=seen.append)
    assert [progress.done for progress in seen] == [1, 2, 3, 4]
    assert all(progress.planned == 4 and 0 <= progress.cells_held <= progress.cells_total for progress in seen)
    assert seen[-1].best is not None
    assert [progress.episodes for progress in seen] == sorted(progress.episodes for progress in seen)


def test_the_search_knows_who_may_be_a_parent() -> None:
    """Evaluated, above the floors, and known by then: asked for with growing numbers, it is what a look at all commits gives."""
    state = State({"task_preservation": 0.9}, 4, lambda _: {}, lambda _: [])
    commits = [
        _told(0, scored("a", 0.4)), _told(1, scored("b", 0.9, keeps=0.5)), _told(2, None, "duplicate"), _told(3, scored("c", 0.6)),
        _told(4, scored("d", 0.0), "failed"), _told(5, scored("e", 0.5)),
    ]  # fmt: skip
    for commit in commits:
        state.tell(commit)
    assert [one.program_id for one in state.held.members] == ["a", "c", "e"]
    assert state.held.best is not None
    assert state.held.best.program_id == "c"
    known = [[one.program_id for one in state.parents(up_to).members] for up_to in (-3, 0, 2, 3, 4, 9)]
    assert known == [[], ["a"], ["a"], ["a", "c"], ["a", "c"], ["a", "c", "e"]]
    assert state.episodes == 12 * 5
    assert set(state.asked) == {"a", "b", "c", "d", "e", "2"}


def _told(number: int, one: Scored | None, state: Literal["evaluated", "failed", "duplicate"] = "evaluated") -> Commit:
    program = Program(one.program_id if one else str(number), "")
    return Commit(Candidate(number, program, (), "seed", state), one.evaluation if one else None)
