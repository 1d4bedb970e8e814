"""Progress, forecasts and results of a search. Progress is reported after every commit and, with models, about once a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from personaevo.config import SearchConfig
from personaevo.evolve.company import ModelRuntime
from personaevo.evolve.estimate import Dialogues, dialogues
from personaevo.evolve.plan import DIALOGUES
from personaevo.evolve.ranking import Scored
from personaevo.evolve.rollout import Rollout, roll_out
from personaevo.models import Spent

_TIMED = 2  # dialogues that are timed: one persona-free, one with a persona


@dataclass(frozen=True, slots=True)
class Forecast:
    """Forecast of a search with models: planned dialogues, the estimated seconds for all of them (None if answers are already known), and
    the dialogues played so far."""

    planned: Dialogues
    seconds: float | None
    played: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a search.

    Attributes:
        done: candidates so far.
        planned: candidates in all.
        expected: expected score of the best program on fresh dialogues, corrected for the bias of selecting the best of many.
        spent: calls, tokens and costs of models; None without models.
        outlook: dialogues played and planned with models; None without models. Before the first commit, all else is empty.
    """

    done: int
    planned: int
    best: Scored | None
    expected: float | None
    cells_held: int
    cells_total: int
    episodes: int
    seconds: float
    spent: Spent | None = None
    outlook: Forecast | None = None


class ProgressReporter:
    """Calls the callbacks with the progress, and remembers the last one."""

    def __init__(self, config: SearchConfig, callbacks: Sequence[Callable[[Progress], None]]) -> None:
        self._callbacks = tuple(callbacks)
        self._last = Progress(0, config.candidates, None, None, 0, config.cells, 0, 0.0)

    def planned(self, outlook: Forecast) -> None:
        """Report the forecast."""
        self._tell(replace(self._last, outlook=outlook))

    def played(self, number: int, spent: Spent) -> None:
        """Report the number of dialogues played and the models' usage, if the number changed."""
        now = self._outlook(number)
        if now != self._last.outlook:
            self._tell(replace(self._last, outlook=now, spent=spent))

    def committed(self, progress: Progress, played: int) -> None:
        """Report a committed candidate, at ``played`` dialogues."""
        self._tell(replace(progress, outlook=self._outlook(played)))

    def _outlook(self, played: int) -> Forecast | None:
        known = self._last.outlook
        return None if known is None else replace(known, played=max(0, min(played, known.planned.all)))

    def _tell(self, progress: Progress) -> None:
        self._last = progress
        for callback in self._callbacks:
            callback(progress)


def outlook(config: SearchConfig, runtime: ModelRuntime, kinds: Sequence[Rollout]) -> Forecast:
    """Forecast the dialogues and the time of a search. It plays the first dialogue of each of the ``kinds`` of training data of the judge
    (persona-free first); their answers are cached, so the search does not pay for them again.

    Raises:
        ModelError, BudgetError: the model cannot be called.
    """
    planned = dialogues(config)
    if config.replay is not None or config.resume or runtime.players.outside is not None:
        return Forecast(planned, None)
    first = [replace(work, plan=replace(work.plan, items=work.plan.items[:1])) for work in kinds[:_TIMED]]
    free, directed = runtime.crew.map(_timed, first)
    runtime.players.played.add(-len(first))  # the search plays them again, from the cache
    of_free = planned.controls // len(kinds) + config.test_tasks * config.test_personas * DIALOGUES
    return Forecast(planned, (of_free * free + (planned.all - of_free) * directed) / runtime.concurrency)


def _timed(work: Rollout) -> float:
    began = time.monotonic()
    roll_out(work)
    return time.monotonic() - began
