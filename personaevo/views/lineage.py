"""Finding programs, comparing their scores, and their lineage: ancestors, descendants and the gain of each step."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import hypot
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from personaevo.archive import Archive
from personaevo.errors import ArchiveError
from personaevo.evolve.ranking import BEST
from personaevo.judge.objectives import SCORE, ordered
from personaevo.measure.agreement import jackknife_se
from personaevo.measure.stats import student_factor
from personaevo.records import Commit, Episode, Estimate, Evaluation, Run
from personaevo.views import layout
from personaevo.views.tables import scoring_warning


@dataclass(frozen=True, slots=True)
class Shift:
    """The stored values of one objective for two programs, and the paired 95 % interval of ``after - before`` (None without one)."""

    objective: str
    before: float
    after: float
    low: float | None
    high: float | None


def paired(before: Sequence[Episode], after: Sequence[Episode]) -> bool:
    """Tell whether both played the same plan: equal tasks, slots and seeds."""
    plans = [sorted((one.item.task_id, one.item.slot, one.item.seed) for one in episodes) for episodes in (before, after)]
    return len(before) > 0 and plans[0] == plans[1]


def shifts(before: Evaluation, after: Evaluation, *, same_plan: bool) -> tuple[Shift, ...]:
    """Return the objectives that both have, in the order of tables. Programs that played the same plan get intervals: ``difference_se``
    times Student's factor for calls - 1 degrees of freedom."""
    found = []
    for name in ordered([name for name in after.objectives if name in before.objectives]):
        old, new = before.objectives[name], after.objectives[name]
        error = difference_se(old, new) if same_plan else None
        half = None if error is None else student_factor(len(new.replicates) - 1) * error
        change = new.value - old.value
        found.append(Shift(name, old.value, new.value, *((None, None) if half is None else (change - half, change + half))))
    return tuple(found)


def difference_se(before: Estimate, after: Estimate) -> float | None:
    """Return the standard error of the difference of two programs' values on the same plan: delete-one jackknife over ``generate`` calls.

    None where the replicates were not stored (by the first scoring), or for a single call.
    """
    if len(before.replicates) != len(after.replicates) or len(after.replicates) < 2:
        return None
    return jackknife_se(np.subtract(after.replicates, before.replicates))


_CELL = re.compile(r"cell:(\d{1,9})")


def best_id(archive: Archive, run_id: int | None = None) -> str:
    """Return the best program of a run (by default the latest): that of its final table, else the best so far by the lower bound of its
    ranking (``evolve.ranking``, the archive's view ``best``).

    Raises:
        ArchiveError: there is none yet.
    """
    run = archive.run(run_id)
    named = [row.program_id for row in archive.final_table(run.id).rows if row.row == BEST and row.program_id]
    if named:
        return named[0]
    found = archive.query("SELECT c.program FROM best JOIN candidates AS c USING (run, number) WHERE run = ?", [run.id])[1]
    if found:
        return str(found[0][0])
    evaluated = any(commit.evaluation is not None for commit in archive.commits(run.id))
    why = "no program that meets the floors of its objectives" if evaluated else "no evaluated program"
    raise ArchiveError(f"archive {archive.path} has {why} yet: let its search continue")


def find(archive: Archive, wanted: str | None, run_id: int | None = None) -> tuple[Run, str]:
    """Return a program's id and a run that proposed it: the given run, else the latest.

    Raises:
        ArchiveError: there is no such program, cell or run, or no elite in the cell yet.
    """
    if wanted is None:
        return archive.run(run_id), best_id(archive, run_id)
    cell = _CELL.fullmatch(wanted)
    if cell:
        run = archive.run(run_id)
        return run, _elite_of(archive, int(cell[1]), run)
    found = archive.program(wanted)
    return archive.run(found["run"] if run_id is None else run_id), str(found["id"])


def _elite_of(archive: Archive, cell: int, run: Run) -> str:
    known = sorted(int(one["cell"]) for one in run.cells)
    if cell not in known:
        have = f"it has {known[0]} to {known[-1]}" if known else "it has none"
        raise ArchiveError(f"run {run.id} has no cell {cell}: {have}, as `archive elites` shows them")
    found = next((elite.program_id for elite in archive.elites(run.id) if elite.cell == cell), None)
    if found is None:
        raise ArchiveError(f"cell {cell} of run {run.id} is empty: no program reaches it yet; `archive elites` shows the filled cells")
    return found


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


_DEEPEST = 8  # levels of a tree that are shown: more do not fit
_NOTE = "scores are those of the search, ± standard error; gain over the first parent; ~ within noise (its 95 % interval contains 0)"


def trunk_view(lineage: Lineage, program_id: str) -> RenderableType:
    """Show the line from the seed program to a program, step by step; the other parents of a step are listed below it."""
    found = lineage.trunk(program_id)
    made = layout.table("no.", "program", "made by", "score", "gain", "", words=("made by",), gap=1)
    made.columns[1].justify = "left"
    for step in found:
        score = _score(step.score) if step.score else layout.text(step.state, layout.BAD)
        made.add_row(layout.text(step.number), layout.short_id(step.program_id), layout.operator(step.operator), score, *_gain(step))
        for parent in step.parents[1:]:
            known = lineage.commits.get(parent)
            number = layout.text("-" if known is None else known.candidate.number, layout.FAINT)
            who = Text("+ ", style=layout.FAINT).append_text(layout.short_id(parent))
            made.add_row(number, who, Text("another parent", style=layout.FAINT), _score(lineage.score(parent)))
    ancestors = layout.count(len(lineage.ancestors(program_id)), "ancestor")
    title = f"run {lineage.run.id}: {layout.count(len(found) - 1, 'step')} from the seed program, {ancestors} in all"
    notes = [words for words in (_NOTE, scoring_warning(lineage.run)) if words]
    return layout.page([layout.text(title, layout.HEADING), made, layout.note("\n".join(notes))])


def descendants_view(lineage: Lineage, program_id: str) -> RenderableType:
    """Show the tree below a program. A child of several parents is shown under the first of them that is in the tree; programs without a
    score are only counted, unless they have descendants."""
    found = lineage.below(program_id)
    children = _children(found)
    rows = [_branch(step, guides) for step, guides in _walk(found[0], children)]
    unscored = sum(step.score is None for step in found[1:])
    title = f"run {lineage.run.id}: {layout.count(len(found) - 1, 'program')} descended from {program_id[: layout.SHORT_ID]}"
    hidden = len(found) - len(rows)
    notes = [words for words in (_NOTE, scoring_warning(lineage.run)) if words]
    if unscored:
        notes.append(f"{unscored:,} without a score (failed)")
    if hidden > unscored:
        notes.append(f"{hidden - unscored:,} are more than {_DEEPEST} levels down: ask for the descendants of one of those shown")
    head = layout.one_row(Text(f"{'no.':>5} {'score':>6} {'gain':>15}   program", style=layout.HEADING))
    return layout.page([layout.text(title, layout.HEADING), Group(head, *rows), layout.note("\n".join(notes))])


def _branch(step: Step, guides: str) -> Text:
    """One row of a tree: figures first, so that they are aligned at any depth."""
    gain, mark = _gain(step)
    gain.align("right", 15)
    score = f"{step.score.value:.3f}" if step.score else "-"
    row = Text(f"{step.number:5} {score:>6} ").append_text(gain).append(f" {mark.plain:1} ").append(guides, style=layout.FAINT)
    return layout.one_row(row.append_text(layout.short_id(step.program_id)).append("  ").append_text(layout.operator(step.operator)))


def _gain(step: Step) -> tuple[Text, Text]:
    """The gain, colored where it is significant, and the mark of one that is within noise."""
    if step.gain is None or step.gain_se is None:
        return Text(""), Text("")
    style = "" if step.noise else layout.verdict(step.gain, step.gain)
    return layout.text(f"{step.gain:+.3f} ± {step.gain_se:.3f}", style), Text("~" if step.noise else "")


def _score(score: Estimate | None) -> Text:
    return Text("-") if score is None else layout.text(f"{score.value:.3f} ± {score.se:.3f}")


def _children(found: Sequence[Step]) -> Mapping[str, Sequence[Step]]:
    """Each program's children in the tree, by candidate number: those with a score or with children of their own."""
    inside = {step.program_id for step in found}
    edges = [(next(parent for parent in step.parents if parent in inside), step) for step in found[1:]]
    parents = {parent for parent, _ in edges}
    children: dict[str, list[Step]] = {}
    for parent, step in edges:
        if step.score is not None or step.program_id in parents:
            children.setdefault(parent, []).append(step)
    return children


def _walk(root: Step, children: Mapping[str, Sequence[Step]]) -> Iterator[tuple[Step, str]]:
    """Traverse depth first; each step comes with the guide lines before it. No recursion, since lineages may be long."""
    yield root, ""
    waiting = [(step, "", index == 0) for index, step in enumerate(reversed(children.get(root.program_id, ())))]
    while waiting:
        step, outer, last = waiting.pop()
        yield step, outer + ("└ " if last else "├ ")
        if len(outer) // 2 + 1 < _DEEPEST:
            inner = outer + ("  " if last else "│ ")
            waiting += [(child, inner, index == 0) for index, child in enumerate(reversed(children.get(step.program_id, ())))]
