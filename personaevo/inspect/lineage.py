"""The lineage of a program: its ancestors back to the seed program, the gain of each step, and its descendants."""

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
    """One program of a lineage: how it was made, its score in the search (None if it has none) and its gain over its first parent.

    Both were scored on the same plan, so ``gain_se`` is that of the paired difference (``difference_se``). Without stored replicates it
    treats the scores as independent, which makes it rather too wide. ``noise`` tells that the gain's 95 % interval (Student, tasks - 1
    degrees of freedom) contains 0. All three are None where a score is missing.
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
        """Return the step as plain values."""
        return asdict(self) | {"parents": list(self.parents)}


@dataclass(frozen=True)
class Lineage:
    """All programs of a run by id, oldest first, each with its first proposal, or with its evaluation if that came later."""

    run: Run
    commits: Mapping[str, Commit]

    @classmethod
    def of(cls, archive: Archive, run_id: int) -> Lineage:
        """Read the programs of a run."""
        known: dict[str, Commit] = {}
        for commit in archive.commits(run_id):
            first = known.get(commit.candidate.program.id)
            if first is None or (first.evaluation is None and commit.evaluation is not None):
                known[commit.candidate.program.id] = commit
        ordered = sorted(known.items(), key=lambda entry: entry[1].candidate.number)
        return cls(archive.run(run_id), dict(ordered))

    def trunk(self, program_id: str) -> list[Step]:
        """Return the line of first parents of a program: the seed program first, the program itself last.

        Other parents of a step are listed in its ``parents``.

        Raises:
            ArchiveError: the run has no such program.
        """
        found = [self.step(program_id)]
        seen = {program_id}
        while found[-1].parents and found[-1].parents[0] in self.commits and found[-1].parents[0] not in seen:
            seen.add(found[-1].parents[0])
            found.append(self.step(found[-1].parents[0]))
        return found[::-1]

    def ancestors(self, program_id: str) -> set[str]:
        """Return the ids of all its ancestors, over every parent."""
        return _reached(program_id, {key: commit.candidate.parents for key, commit in self.commits.items()})

    def below(self, program_id: str) -> list[Step]:
        """Return the program and all its descendants, by candidate number.

        Raises:
            ArchiveError: the run has no such program.
        """
        children: dict[str, list[str]] = {}
        for key, commit in self.commits.items():
            for parent in commit.candidate.parents:
                children.setdefault(parent, []).append(key)
        first = self.step(program_id)
        wanted = _reached(program_id, children)
        return [first, *(self.step(key) for key in self.commits if key in wanted)]

    def step(self, program_id: str) -> Step:
        """Return one program as a step; raises as ``commit``."""
        made = self.commit(program_id).candidate
        score, before = self.score(program_id), self.score(made.parents[0]) if made.parents else None
        gain = gain_se = noise = None
        if score is not None and before is not None:
            error = difference_se(before, score)
            gain, gain_se = score.value - before.value, hypot(score.se, before.se) if error is None else error
            noise = abs(gain) <= student_factor(tasks_of(self.run) - 1) * gain_se
        return Step(program_id, made.number, made.operator, made.parents, made.state, score, gain, gain_se, noise)

    def commit(self, program_id: str) -> Commit:
        """Return the commit of a program.

        Raises:
            ArchiveError: the run has no such program.
        """
        if program_id not in self.commits:
            problem = f"run {self.run.id} proposed no program '{program_id}'"
            raise ArchiveError(f"{problem}: give a program of this run, or the run of this program with --run N")
        return self.commits[program_id]

    def score(self, program_id: str) -> Estimate | None:
        """Return its score in the search, None if it has none."""
        commit = self.commits.get(program_id)
        return commit.evaluation.objectives.get(SCORE) if commit is not None and commit.evaluation is not None else None


def tasks_of(run: Run) -> int:
    """Return the number of tasks on which each candidate of a run was scored: the units of its standard errors."""
    return int(run.settings.get("task_count", 2))


def _reached(start: str, edges: Mapping[str, Iterable[str]]) -> set[str]:
    """All nodes that can be reached from ``start``, without ``start`` itself; tolerates cycles, which a damaged file may hold."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        fresh = [key for key in edges.get(waiting.pop(), ()) if key not in found and key != start]
        found.update(fresh)
        waiting += fresh
    return found
