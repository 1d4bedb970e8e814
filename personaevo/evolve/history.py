"""What the mutator may be told of earlier candidates, indexed as they come: a prompt takes the same time to make after ten candidates and
after a million."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import islice

from personaevo.evolve.ranking import Scored
from personaevo.judge.objectives import SCORE
from personaevo.records import Commit

ATTEMPTS = 5  # told of a parent


@dataclass
class History:
    """Of the candidates that were taken in: ``evaluated`` by program id (the last one), those that may be ``repairable``, and for each
    operator how many of its proposals were ``usable`` and how many there were."""

    evaluated: dict[str, Commit] = field(default_factory=dict)
    repairable: list[Commit] = field(default_factory=list)
    usable: dict[str, tuple[int, int]] = field(default_factory=dict)
    _children: dict[str, list[Commit]] = field(default_factory=dict)
    _told: deque[Commit] = field(default_factory=deque)
    _taken: int = 0

    def tell(self, commit: Commit) -> None:
        """The next commit; it is taken in when its time has come."""
        self._told.append(Commit(commit.candidate, commit.evaluation))

    def take(self, count: int) -> None:
        """Takes in the first ``count`` commits, as far as they were not. ``count`` must not shrink."""
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
        """The last children of a parent that scored no better than it, the latest first, a line each."""
        score = parent.evaluation.objectives[SCORE].value
        told = (_told(one, score) for one in reversed(self._children.get(parent.program_id, [])))
        return tuple(islice((one for one in told if one), ATTEMPTS))


def _told(child: Commit, score: float) -> str:
    """What came of a child; "" if it is better."""
    operator, evaluation = child.candidate.operator, child.evaluation
    if evaluation is None or child.candidate.state == "failed":
        return f"{operator}: failed, {child.candidate.reason}"
    if evaluation.objectives[SCORE].value > score:
        return ""
    worst = ", ".join(f"{remark.feature} {remark.wanted}" for remark in evaluation.remarks[:3])
    return f"{operator}: score {evaluation.objectives[SCORE].value:.2f}; people then show: {worst}"
