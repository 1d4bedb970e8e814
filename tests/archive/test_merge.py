"""Merging archives: runs in order, programs and answers once, equal runs once, and nothing of the sources changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import pytest
from archive_cases import CELLS, SETTINGS, a_commit, a_failure, a_scoring, a_table, scored

from personaevo.archive import Archive, RefinedPerson, compact, merge
from personaevo.archive.rows import MODULUS
from personaevo.chat import ModelCall, Reply, Usage
from personaevo.errors import ArchiveError, ArchiveVersionError
from personaevo.records import Candidate, Commit, Program

Make = Callable[..., Path]


def a_call(key: int, text: str) -> ModelCall:
    return ModelCall(f"{key:032x}", "user", "openai:x", 1, Reply(text, usage=Usage(3, 1), cost=0.5), 1.0)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """An archive with some runs, each a list of commits; ``calls`` belong to its last run."""

    def made(name: str, *runs: Sequence[Commit], calls: Sequence[ModelCall] = (), table: bool = False, seed: int = 7) -> Path:
        path = tmp_path / name
        with Archive.create_or_open(path) as archive:
            for commits in runs:
                run = archive.begin_run({**SETTINGS, "seed": seed}, CELLS, a_scoring(0.0, f"objective {len(archive.runs())} of {seed}"))
                for commit in commits:
                    archive.commit(run.id, commit)
                if table:
                    archive.write_table(run.id, a_table())
            for call in calls:
                archive.calls().put(call)
            archive.calls().flush(run.id)
        return path

    return made


def digests(*paths: Path) -> str:
    """The sum of the archives' digests."""
    total = 0
    for path in paths:
        with Archive.read(path) as archive:
            total += int(archive.summary()["digest"], 16)
    return f"{total % MODULUS:032x}"


def test_runs_follow_each_other(make: Make, tmp_path: Path) -> None:
    first = make("a", [a_commit(0, 1), a_commit(1, 1)], [a_commit(0, 2), a_failure(1)], table=True)
    second = make("b", [a_commit(0, 3)])
    before = [path.read_bytes() for path in (first, second)]
    runs = merge(tmp_path / "out", [second, first])
    assert [(run.file.name, run.run, run.number, run.taken) for run in runs] == [("b", 1, 1, True), ("a", 1, 2, True), ("a", 2, 3, True)]
    assert [path.read_bytes() for path in (first, second)] == before
    with Archive.read(tmp_path / "out") as merged, Archive.read(first) as source:
        assert merged.verify_digest() == digests(first, second)
        kinds = [[one.kind for one in opened.disagreements()] for opened in (merged, source)]
        assert kinds[0] == kinds[1]  # made-up commits have parents that are nowhere
        for run in (1, 2):
            assert merged.commits(run + 1) == source.commits(run)
            assert merged.episodes(run + 1, 0) == source.episodes(run, 0)
            assert merged.final_table(run + 1) == source.final_table(run)
            assert merged.scoring(run + 1) == source.scoring(run)
            assert f"objective {run - 1} of 7" in merged.scoring(run + 1).rules
            assert merged.digest(run + 1) == source.digest(run)
        assert merged.final_table(1).rows == ()
        assert merged.final_table(2) == a_table()
    with Archive.create_or_open(tmp_path / "out") as merged:  # and it can be written
        merged.commit(3, a_commit(2, 2))
        merged.verify_digest()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a", "b", "out"]


def test_a_program_is_kept_once_and_other_texts_of_it_with_their_candidates(make: Make, tmp_path: Path) -> None:
    def proposal(number: int, text: str) -> Commit:
        return Commit(Candidate(number, Program("same", text), (), "tune", "failed", "x", "program"))

    first = make("a", [proposal(0, "x = 1"), proposal(1, "x  =  1")])
    second = make("b", [proposal(0, "x  =  1"), proposal(1, "x = 1"), proposal(2, "x=1")])
    merge(tmp_path / "out", [first, second])
    with Archive.read(tmp_path / "out") as merged:
        merged.verify_digest()
        assert merged.query("SELECT id, source FROM programs")[1] == [("same", "x = 1")]
        assert [one.candidate.program.source for one in merged.commits(2)] == ["x  =  1", "x = 1", "x=1"]
        assert merged.query("SELECT variant FROM candidates WHERE run = 2 ORDER BY number")[1] == [("x  =  1",), (None,), ("x=1",)]


def test_equal_runs_are_kept_once_and_the_whole_one_is_taken(make: Make, tmp_path: Path) -> None:
    commits = [scored(0, [(0.5, 0.0)]), *(a_commit(number, 1) for number in range(1, 9))]
    calls = [a_call(1, "first")]
    whole = make("whole", commits, table=True, calls=[a_call(1, "second"), a_call(2, "third")])
    unfinished = make("unfinished", commits, calls=calls)
    other = make("other", commits, seed=8)
    longer = make("longer", [*commits, a_failure(9)])
    compact(whole, tmp_path / "pruned", elites=True)
    files = [unfinished, tmp_path / "pruned", whole, other, longer, whole]
    runs = merge(tmp_path / "out", files)
    assert [(run.number, run.taken) for run in runs] == [(1, False), (1, False), (1, True), (2, True), (3, True), (1, False)]
    with Archive.read(tmp_path / "out") as merged:
        assert merged.verify_digest() == digests(whole, other, longer)
        assert len(merged.final_table(1).rows) == 2
        assert merged.scoring(1) == a_scoring(0.0, "objective 0 of 7")
        assert merged.query("SELECT run, \"text\" FROM model_calls ORDER BY \"text\"")[1] == [(1, "first"), (1, "third")]
        assert merged.pruned(1) == frozenset()
        assert len(merged.query("FROM episodes WHERE run = 1")[1]) == 64


def test_pruned_runs_stay_pruned(make: Make, tmp_path: Path) -> None:
    path = make("a", [a_commit(number, 1) for number in range(6)])
    compact(path, tmp_path / "small", elites=True)
    merge(tmp_path / "out", [make("b", [a_commit(0, 5)]), tmp_path / "small"])
    with Archive.read(tmp_path / "out") as merged, Archive.read(tmp_path / "small") as small:
        merged.verify_digest()
        assert small.pruned(1)
        assert merged.pruned(2) == small.pruned(1)


def test_one_that_is_being_written_gives_its_snapshot(make: Make, tmp_path: Path) -> None:
    path = make("a", [a_commit(0)])
    with Archive.create_or_open(path) as archive:
        archive.publish_snapshot()
        merge(tmp_path / "out", [path])
    with Archive.read(tmp_path / "out") as merged:
        assert merged.verify_digest() == digests(path)


def refined(name: str, settings: dict[str, object], people: Sequence[tuple[str, str]], tmp_path: Path) -> Path:
    """An archive with a refinement of these people, each with the digest of what was found."""
    path = tmp_path / name
    with Archive.create_or_open(path) as archive:
        archive.refinements().begin(settings)
        for person, digest in people:
            archive.refinements().add(RefinedPerson(person, "user", "done", None, {"person": person}, digest * 32))
        archive.calls().put(a_call(int(settings["behavior"]), f"answer {name}"))  # type: ignore[call-overload]
        archive.calls().flush(1)
    return path


def test_refinements_in_parts_become_one(make: Make, tmp_path: Path) -> None:
    first = refined("one", {"rounds": 2, "people": 2, "behavior": 1}, [("ann", "a"), ("bob", "b")], tmp_path)
    second = refined("two", {"rounds": 2, "people": 2, "behavior": 2}, [("bob", "b"), ("eve", "e")], tmp_path)
    runs = merge(tmp_path / "out", [make("search", [a_commit(0)]), first, second])
    assert [run.number for run in runs] == [1]
    with Archive.read(tmp_path / "out") as merged:
        assert [(one.person, one.digest[0]) for one in merged.refinements().people()] == [("ann", "a"), ("bob", "b"), ("eve", "e")]
        assert merged.refinements().settings() == {"rounds": 2, "people": 2, "behavior": 1}
        assert merged.query("SELECT run, \"text\" FROM model_calls ORDER BY ALL")[1] == [(2, "answer one"), (2, "answer two")]
        assert {one.kind for one in merged.disagreements()} <= {"parent"}
    merge(tmp_path / "alone", [first])
    with Archive.read(tmp_path / "alone") as merged:
        assert len(merged.refinements().people()) == 2
        assert merged.disagreements() == []


def test_refinements_that_are_not_one_are_refused(tmp_path: Path) -> None:
    settings = {"rounds": 2, "people": 1, "behavior": 1}
    first = refined("one", settings, [("ann", "a")], tmp_path)
    others = refined("two", settings | {"rounds": 3}, [("bob", "b")], tmp_path), refined("three", settings, [("ann", "b")], tmp_path)
    for other, words in zip(others, ("'rounds' differs, 2 and 3: one archive", "hold person 'ann' refined differently"), strict=True):
        with pytest.raises(ArchiveError, match=words):
            merge(tmp_path / "out", [first, other])
        assert not (tmp_path / "out").exists()


def test_what_is_refused_leaves_nothing(make: Make, tmp_path: Path) -> None:
    path = make("a", [a_commit(0)])
    changed, newer, empty, out = make("changed", [a_commit(0)]), make("newer", [a_commit(0)]), make("empty", []), tmp_path / "out"
    with duckdb.connect(str(changed)) as connection:
        connection.execute("UPDATE episodes SET preservation = 0.9 WHERE slot = 2")
    with duckdb.connect(str(newer)) as connection:
        connection.execute("INSERT INTO migrations VALUES (99, 'later')")
    (tmp_path / "text").write_text("no archive", encoding="utf-8")
    with duckdb.connect(str(tmp_path / "none")) as connection:
        connection.execute("CREATE TABLE x (y INTEGER)")
    with Archive.create_or_open(tmp_path / "bare"):
        pass
    wrong = {changed: "was changed", newer: "upgrade", tmp_path / "text": "not an archive", tmp_path / "gone": "does not exist",
             tmp_path / "none": "not an archive", tmp_path / "bare": "holds no run yet"}  # fmt: skip
    before = sorted(file.name for file in tmp_path.iterdir())
    for file, words in wrong.items():
        with pytest.raises(ArchiveVersionError if file == newer else ArchiveError, match=words):
            merge(out, [path, file])
    with pytest.raises(ArchiveError, match="exists: give the name of a new file"):
        merge(path, [empty])
    with pytest.raises(ArchiveError, match="cannot write in"):
        merge(tmp_path / "nowhere" / "out", [path])
    assert sorted(file.name for file in tmp_path.iterdir()) == before
