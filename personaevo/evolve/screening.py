"""Screening: where a model plays users, proposals are tried on a stand-in first, and only the best of each few is played by the model.

The stand-in is the embedded engine, asked for what this model shows when it is asked (its calibration; without one it plays what it is
asked). Its scores choose among proposals and are told as such; they never stand for a candidate's score.
"""

from __future__ import annotations

from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

from personaevo.config import SearchConfig
from personaevo.evolve.cast import Cast
from personaevo.evolve.plan import Plan, make_plan
from personaevo.evolve.prepare import Bench, Response
from personaevo.evolve.ranking import standing
from personaevo.evolve.rollout import roll_out
from personaevo.records import Persona, PlanItem, Program, Task
from personaevo.simulate.episodes import User
from personaevo.simulate.users import embedded_user

_PERSONAS = 5  # for each task: dialogues cost a millisecond here


def screens(config: SearchConfig) -> bool:
    """Whether proposals are screened: where a model plays users that a director steers, and writing or expanding them costs nothing."""
    played = config.models.get("user", "embedded") != "embedded" and config.wording != "text"
    return played and config.screen > 1 and not {"mutator", "generator"} & set(config.models)


class _Inline(Executor):
    """Runs what it is given at once, in the caller's thread."""

    def submit(self, function: Any, /, *args: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(function(*args, **named))
        except Exception as error:  # noqa: BLE001 - whoever waits for the result gets it
            done.set_exception(error)
        return done


@dataclass(frozen=True)
class StandIn:
    """Scores programs on the embedded engine as the stand-in of the run's model. ``response`` says which dials a persona shows when the
    model is asked for its dials."""

    bench: Bench
    seed: int
    response: Response | None = None
    _known: dict[str, float] = field(default_factory=dict)

    def standing(self, program: Program) -> float:
        """Where the program stands by the run's judge (see ``ranking.standing``), were its personas played by the stand-in."""
        if program.id not in self._known:
            episodes = roll_out(self.bench.rollout(program.source, self._plan(), cast=self._cast()))
            self._known[program.id] = standing(self.bench.train.score(program.id, episodes)[0])
        return self._known[program.id]

    def _plan(self) -> Plan:
        tasks = self.bench.train_plan.tasks
        return make_plan(tasks, at_most=len(tasks), personas=_PERSONAS, seed=self.seed, purpose="screen")

    def _cast(self) -> Cast:
        assert self.bench.cast is not None
        return Cast(self._make_user, None, None, _Inline(), self.bench.cast.boxes)

    def _make_user(self, task: Task, persona: Persona | None, item: PlanItem, domain: Any) -> User:
        dials = dict(persona.dials) if persona is not None else {}
        return embedded_user(task, self.response(dials) if self.response else dials, domain, item.seed)
