"""Index of earlier candidates for the mutator's prompts. It is updated incrementally, so a prompt takes the same time to build after ten
candidates and after a million."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import islice

from personaevo.evolve.ranking import Scored
from personaevo.evolve.rewrite import ATTEMPTS
from personaevo.judge.objectives import SCORE
from personaevo.records import Commit


@dataclass
class History:
    """Index of candidates: ``evaluated`` by program id (the latest), failed programs that are ``repairable``, and for each operator the
    numbers of its usable proposals and of all (``usable``)."""

    evaluated: dict[str, Commit] = field(default_factory=dict)
    repairable: list[Commit] = field(default_factory=list)
    usable: dict[str, tuple[int, int]] = field(default_factory=dict)
    _children: dict[str, list[Commit]] = field(default_factory=dict)
    _told: deque[Commit] = field(default_factory=deque)
    _taken: int = 0

    def tell(self, commit: Commit) -> None:
        """Queue the next commit for ``take``."""
        self._told.append(Commit(commit.candidate, commit.evaluation))

    def take(self, count: int) -> None:
        """Index the first ``count`` commits, if they are not yet. ``count`` must not decrease."""
        while self._taken < count:
            self._take(self._told.popleft())
            self._taken += 1

    def _take(self, commit: Commit) -> None:
        candidate = commit.candidate
        used, tried = self.usable.get(candidate.operator, (0, 0))
        self.usable[candidate.operator] = used + (candidate.state == "evaluated"), tried + 1
        if candidate.state == "evaluated":
            self.evaluated[candidate.program.id] = commit
        elif candidate.state == "failed" and candidate.fault == "program" and commit.evaluation:
            self.repairable.append(commit)
        if candidate.state != "duplicate":
            for parent in candidate.parents:
                self._children.setdefault(parent, []).append(commit)

    def attempts(self, parent: Scored) -> tuple[str, ...]:
        """A line for each of the latest children of a parent that did not score better, the latest first."""
        score = parent.evaluation.objectives[SCORE].value
        told = (_told(one, score) for one in reversed(self._children.get(parent.program_id, [])))
        return tuple(islice((one for one in told if one), ATTEMPTS))


def _told(child: Commit, score: float) -> str:
    """The outcome of a child as a line; "" if it scored better."""
    operator, evaluation = child.candidate.operator, child.evaluation
    if evaluation is None or child.candidate.state == "failed":
        return f"{operator}: failed, {child.candidate.reason}"
    if evaluation.objectives[SCORE].value > score:
        return ""
    worst = ", ".join(f"{remark.feature} {remark.wanted}" for remark in evaluation.remarks[:3])
    return f"{operator}: score {evaluation.objectives[SCORE].value:.2f}; people then show: {worst}"
