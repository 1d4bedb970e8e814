"""Where a program comes from: its ancestors from the seed program on, with what each step gained, and what was bred from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import hypot
from typing import Any

from personaevo.archive import Archive
from personaevo.errors import ArchiveError
from personaevo.inspect.compare import difference_se
from personaevo.judge.objectives import SCORE
from personaevo.measure.stats import student_factor
from personaevo.records import Commit, Estimate, Run


@dataclass(frozen=True, slots=True)
class Step:
    """One program on the way: how it was made, its score in the search (None if it has none) and its gain over its first parent.

    ``gain_se`` is that of the paired difference: both were scored on the same plan (``compare.difference_se``); where the archive does not
    hold what that needs, it treats the scores as independent and is rather too wide. ``noise`` tells that the gain's 95 % interval
    (Student, tasks - 1 degrees of freedom) holds 0. All three are None where a score is missing.
    """

    program_id: str
    number: int
    operator: str
    parents: tuple[str, ...]
    state: str
    score: Estimate | None
    gain: float | None
    gain_se: float | None
    noise: bool | None

    def as_object(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self) | {"parents": list(self.parents)}


def steps(archive: Archive, run_id: int, program_id: str) -> list[Step]:
    """The trunk of a program's tree in a run: the seed program first, each step's first parent before it, the program itself last.

    Other parents of a step are named in its ``parents``; their own steps are found by their ids.

    Raises:
        ArchiveError: the run has no such program.
    """
    family = Family.of(archive, run_id)
    return family.trunk(program_id)


def descendants(archive: Archive, run_id: int, program_id: str) -> list[Step]:
    """The program and all that was bred from it, by candidate number.

    Raises:
        ArchiveError: the run has no such program.
    """
    family = Family.of(archive, run_id)
    return family.below(program_id)


@dataclass(frozen=True)
class Family:
    """All programs of a run by their ids, oldest first: each as it was first proposed, or as it was evaluated if that came later."""

    run: Run
    commits: Mapping[str, Commit]

    @classmethod
    def of(cls, archive: Archive, run_id: int) -> Family:
        """The programs of a run, from one reading of the archive."""
        known: dict[str, Commit] = {}
        for commit in archive.commits(run_id):
            kept = known.get(commit.candidate.program.id)
            if kept is None or (kept.evaluation is None and commit.evaluation is not None):
                known[commit.candidate.program.id] = commit
        ordered = sorted(known.items(), key=lambda entry: entry[1].candidate.number)
        return cls(archive.run(run_id), dict(ordered))

    def trunk(self, program_id: str) -> list[Step]:
        """See ``steps``."""
        found = [self.step(program_id)]
        seen = {program_id}
        while found[-1].parents and found[-1].parents[0] in self.commits and found[-1].parents[0] not in seen:
            seen.add(found[-1].parents[0])
            found.append(self.step(found[-1].parents[0]))
        return found[::-1]

    def ancestors(self, program_id: str) -> set[str]:
        """The ids of all that it descends from, by any parent."""
        return _reached(program_id, {key: commit.candidate.parents for key, commit in self.commits.items()})

    def below(self, program_id: str) -> list[Step]:
        """See ``descendants``."""
        children: dict[str, list[str]] = {}
        for key, commit in self.commits.items():
            for parent in commit.candidate.parents:
                children.setdefault(parent, []).append(key)
        first = self.step(program_id)
        wanted = _reached(program_id, children)
        return [first, *(self.step(key) for key in self.commits if key in wanted)]

    def step(self, program_id: str) -> Step:
        """One program; raises as ``commit``."""
        made = self.commit(program_id).candidate
        score, before = self.score(program_id), self.score(made.parents[0]) if made.parents else None
        gain = gain_se = noise = None
        if score is not None and before is not None:
            error = difference_se(before, score)
            gain, gain_se = score.value - before.value, hypot(score.se, before.se) if error is None else error
            noise = abs(gain) <= student_factor(tasks_of(self.run) - 1) * gain_se
        return Step(program_id, made.number, made.operator, made.parents, made.state, score, gain, gain_se, noise)

    def commit(self, program_id: str) -> Commit:
        """What the archive has of a program.

        Raises:
            ArchiveError: the run has no such program.
        """
        if program_id not in self.commits:
            raise ArchiveError(f"run {self.run.id} proposed no program '{program_id}': give one of its own, or its run with --run N")
        return self.commits[program_id]

    def score(self, program_id: str) -> Estimate | None:
        """Its score in the search, None if it has none."""
        commit = self.commits.get(program_id)
        return commit.evaluation.objectives.get(SCORE) if commit is not None and commit.evaluation is not None else None


def tasks_of(run: Run) -> int:
    """On how many tasks each candidate of a run was scored: the units of its standard errors."""
    return int(run.settings.get("task_count", 2))


def _reached(start: str, edges: Mapping[str, Iterable[str]]) -> set[str]:
    """All that can be reached from ``start``, which itself is left out, over cycles too (a damaged file may hold one)."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        fresh = [key for key in edges.get(waiting.pop(), ()) if key not in found and key != start]
        found.update(fresh)
        waiting += fresh
    return found
