"""Ancestors, descendants, and what is said of gains."""

from __future__ import annotations

from collections.abc import Iterator
from math import hypot

import pytest
from inspect_cases import a_family, evaluated, write

from personaevo.archive import Archive
from personaevo.errors import ArchiveError
from personaevo.measure.stats import student_factor
from personaevo.records import Run
from personaevo.views import layout
from personaevo.views.lineage import Lineage, descendants_view, trunk_view


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    with Archive.read(write(tmp_path_factory.mktemp("lineage") / "lineage.duckdb", a_family())) as opened:
        yield opened


def long_line(length: int) -> Lineage:
    """Each program bred from the one before."""
    names = [f"p{number}" for number in range(length)]
    made = [evaluated(number, name, names[number - 1 : number], 0.5) for number, name in enumerate(names)]
    return Lineage(Run(1, {"task_count": 4}), {commit.candidate.program.id: commit for commit in made})


def test_the_trunk_goes_by_first_parents(archive: Archive) -> None:
    found = Lineage.of(archive, 1).trunk("three")
    assert [(step.program_id, step.number, step.parents) for step in found] == [
        ("seed", 0, ()), ("one", 1, ("seed",)), ("two", 2, ("one",)), ("three", 4, ("two", "other")),
    ]  # fmt: skip
    assert [step.operator for step in found] == ["seed", *["change_number+cross"] * 3]
    assert Lineage.of(archive, 1).ancestors("three") == {"seed", "one", "two", "other"}


def test_gains_and_noise(archive: Archive) -> None:
    seed, one, two, three = Lineage.of(archive, 1).trunk("three")
    assert (seed.gain, seed.gain_se, seed.noise) == (None, None, None)
    assert [step.gain for step in (one, two, three)] == pytest.approx([0.20, 0.01, 0.29])
    assert one.gain_se == pytest.approx(hypot(0.02, 0.02))
    assert [step.noise for step in (one, two, three)] == [False, True, False]
    edge = student_factor(3) * hypot(0.02, 0.02)  # four tasks
    lineage = Lineage(Run(1, {"task_count": 4}), {c.candidate.program.id: c for c in (
        evaluated(0, "a", [], 0.3), evaluated(1, "below", ["a"], 0.3 + 0.99 * edge), evaluated(2, "above", ["a"], 0.3 + 1.01 * edge)
    )})  # fmt: skip
    assert (lineage.step("below").noise, lineage.step("above").noise) == (True, False)


def test_a_step_over_a_program_without_a_score(archive: Archive) -> None:
    five, six = Lineage.of(archive, 1).trunk("six")[-2:]
    assert (five.state, five.score, five.gain, six.gain, six.noise) == ("failed", None, None, None, None)
    assert six.score is not None


def test_a_program_proposed_again_is_where_it_was_evaluated(archive: Archive) -> None:
    two = Lineage.of(archive, 1).trunk("two")[-1]
    assert (two.number, two.state, two.parents) == (2, "evaluated", ("one",))


def test_descendants_come_by_number(archive: Archive) -> None:
    assert [step.program_id for step in Lineage.of(archive, 1).below("one")] == ["one", "two", "three", "five", "six"]
    assert [step.program_id for step in Lineage.of(archive, 1).below("other")] == ["other", "three"]
    assert [step.program_id for step in Lineage.of(archive, 1).below("three")] == ["three"]


def test_unknown_programs_and_runs(archive: Archive) -> None:
    with pytest.raises(ArchiveError, match="run 1 proposed no program 'nobody'"):
        Lineage.of(archive, 1).trunk("nobody")
    with pytest.raises(ArchiveError, match="has no run 2"):
        Lineage.of(archive, 2).below("one")


def test_a_circle_of_parents_ends() -> None:
    commits = [evaluated(0, "a", ["b"], 0.5), evaluated(1, "b", ["a"], 0.5), evaluated(2, "self", ["self", "gone"], 0.5)]
    lineage = Lineage(Run(1, {}), {commit.candidate.program.id: commit for commit in commits})
    assert [step.program_id for step in lineage.trunk("a")] == ["b", "a"]
    assert [step.program_id for step in lineage.below("a")] == ["a", "b"]
    assert [step.program_id for step in lineage.trunk("self")] == ["self"]
    for program in ("a", "self"):
        assert program in layout.as_text(descendants_view(lineage, program), 80) + layout.as_text(trunk_view(lineage, program), 80)


def test_the_tree_names_other_parents_and_leaves_out_failures(archive: Archive) -> None:
    lineage = Lineage.of(archive, 1)
    trunk = layout.as_text(trunk_view(lineage, "three"), 100)
    assert "3 steps from the seed program, 4 ancestors in all" in trunk
    assert "3 + other another parent" in " ".join(trunk.split())
    below = layout.as_text(descendants_view(lineage, "seed"), 100).splitlines()
    drawn = [line[31:].rsplit("  ", 1)[0] for line in below[3:10]]
    assert drawn == ["seed", "├ one", "│ ├ two", "│ │ └ three", "│ └ five", "│   └ six", "└ other"]  # five failed, but six came of it
    assert "1 without a score" in below[-1]


def test_long_lines_of_descent_fit() -> None:
    lineage = long_line(3000)
    assert len(lineage.trunk("p2999")) == 3000
    drawn = layout.as_text(descendants_view(lineage, "p0"), 60)
    assert max(map(len, drawn.splitlines())) <= 60
    assert "2,991 are more than 8 levels down" in " ".join(drawn.split())
    assert all(f"p{number} " in drawn for number in range(9))


def test_gains_are_paired_where_the_archive_tells() -> None:
    """What both programs share on a plan is no error of their difference."""
    steps = -1.0, 0.0, 0.25, 0.75
    before, after = evaluated(0, "a", [], 0.3, replicates=steps), evaluated(1, "b", ["a"], 0.31, replicates=steps)
    other = evaluated(2, "c", ["a"], 0.31, replicates=steps[::-1])
    lineage = Lineage(Run(1, {"task_count": 4}), {c.candidate.program.id: c for c in (before, after, other)})
    same, opposed = lineage.step("b"), lineage.step("c")
    assert same.gain_se == pytest.approx(0.0, abs=1e-12)
    assert not same.noise
    assert (opposed.gain_se or 0.0) > 0.02
    assert opposed.noise
