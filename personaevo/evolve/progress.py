"""Where a search stands, for whoever watches it: after every commit and, where dialogues cost calls, about once a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from personaevo.config import SearchConfig
from personaevo.evolve.company import Company
from personaevo.evolve.estimate import Dialogues, dialogues
from personaevo.evolve.plan import DIALOGUES
from personaevo.evolve.ranking import Scored
from personaevo.evolve.rollout import Rollout, roll_out
from personaevo.models import Spent

_TIMED = 2  # dialogues at the same time: one persona-free, one of a persona


@dataclass(frozen=True, slots=True)
class Outlook:
    """Dialogues of a search with models: those planned, those played so far, and about how many seconds all of them take (None where
    answers are known already)."""

    planned: Dialogues
    seconds: float | None
    played: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the search stands. ``expected`` is the best program's score as it is expected on fresh dialogues: the best of many is best by
    luck too. ``spent`` is what models did and cost, ``outlook`` how many dialogues they played; None if there are none. Before the first
    commit (``done`` is 0) only ``outlook`` tells anything."""

    done: int
    planned: int
    best: Scored | None
    expected: float | None
    cells_held: int
    cells_total: int
    episodes: int
    seconds: float
    spent: Spent | None = None
    outlook: Outlook | None = None


class Watch:
    """Calls back; knows what was told last."""

    def __init__(self, config: SearchConfig, callbacks: Sequence[Callable[[Progress], None]]) -> None:
        self._callbacks = tuple(callbacks)
        self._last = Progress(0, config.candidates, None, None, 0, config.cells, 0, 0.0)

    def planned(self, outlook: Outlook) -> None:
        """What will be played."""
        self._tell(replace(self._last, outlook=outlook))

    def played(self, number: int, spent: Spent) -> None:
        """So many dialogues are played by now, and that is what models did."""
        now = self._outlook(number)
        if now != self._last.outlook:
            self._tell(replace(self._last, outlook=now, spent=spent))

    def committed(self, progress: Progress, played: int) -> None:
        """Tells that a candidate was committed, when ``played`` dialogues had been played."""
        self._tell(replace(progress, outlook=self._outlook(played)))

    def _outlook(self, played: int) -> Outlook | None:
        known = self._last.outlook
        return None if known is None else replace(known, played=max(0, min(played, known.planned.all)))

    def _tell(self, progress: Progress) -> None:
        self._last = progress
        for callback in self._callbacks:
            callback(progress)


def outlook(config: SearchConfig, company: Company, kinds: Sequence[Rollout]) -> Outlook:
    """What will be played, and how long that takes: the first dialogue of each of the ``kinds`` that the judge is trained against
    (persona-free first) is played. Their answers are kept, so the search itself does not ask for them again.

    Raises:
        ModelError, BudgetError: the model cannot be asked.
    """
    planned = dialogues(config)
    if config.replay is not None or config.resume or company.cast.outside is not None:
        return Outlook(planned, None)
    first = [replace(work, plan=replace(work.plan, items=work.plan.items[:1])) for work in kinds[:_TIMED]]
    free, directed = company.crew.map(_timed, first)
    company.cast.played.add(-len(first))  # they come once more, known then
    of_free = planned.controls // len(kinds) + config.test_tasks * config.test_personas * DIALOGUES
    return Outlook(planned, (of_free * free + (planned.all - of_free) * directed) / company.players)


def _timed(work: Rollout) -> float:
    began = time.monotonic()
    roll_out(work)
    return time.monotonic() - began
