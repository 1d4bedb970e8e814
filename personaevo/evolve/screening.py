"""Screening: where a model plays users, programs evolve on a stand-in, and only the best of each generation is played by the model.

The stand-in is the embedded engine, asked for what this model shows when it is asked (its calibration; without one it plays what it is
asked). Its scores choose parents and candidates and are told as such; they never stand for a candidate's score. (A model in place of a
costly fitness, with some individuals evaluated in truth: Jin 2011, "Surrogate-assisted evolutionary computation".)
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any

from personaevo.config import SearchConfig
from personaevo.evolve.cast import Cast
from personaevo.evolve.prepare import Bench
from personaevo.evolve.ranking import Scored, holds_floors, standing
from personaevo.evolve.rollout import roll_out
from personaevo.evolve.select import Population
from personaevo.records import Evaluation, Persona, PlanItem, Program, Task
from personaevo.simulate.episodes import User
from personaevo.simulate.users import embedded_user


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
class Bred:
    """A program that the stand-in played, and the programs played by the model that it comes from."""

    program: Program
    parents: tuple[str, ...]


class StandIn:
    """Plays programs with the embedded engine in place of the run's model, and keeps those that may be parents. ``bench.response``
    says which dials a persona shows when the model is asked for its dials."""

    def __init__(self, bench: Bench) -> None:
        self._bench, self._response = bench, bench.response
        self.population = Population(lambda ids: [Scored(key, self.evaluations[key]) for key in ids])
        self.known: dict[str, Bred] = {}
        self._played: set[str] = set()
        self.chosen: set[float] = set()  # where candidates stand: whoever stands exactly there plays alike, and is no news
        self.evaluations: dict[str, Evaluation] = {}
        self.play(bench.seed_program, ())
        self.chose(bench.seed_program.id)

    def play(self, program: Program, parents: Sequence[str]) -> float:
        """Where a new program stands by the run's judge (see ``ranking.standing``), were its personas played by the stand-in."""
        self.known[program.id] = Bred(program, self._ancestors(parents))
        episodes = roll_out(self._bench.rollout(program.source, self._bench.screen_plan, cast=self._cast()))
        evaluation = self._bench.train.score(program.id, episodes)[0]
        if evaluation.completed and holds_floors(evaluation, self._bench.floors):
            self.population.add(Scored(program.id, evaluation))
        self.evaluations[program.id] = evaluation
        return standing(evaluation)

    def chose(self, program_id: str) -> None:
        """Marks a program as a candidate: programs that are bred from it later name it as their parent."""
        self._played.add(program_id)
        self.chosen.add(standing(self.evaluations[program_id]))

    def _ancestors(self, parents: Sequence[str]) -> tuple[str, ...]:
        """The nearest programs among parents and their ancestors that are candidates."""
        found = [(one,) if one in self._played else self.known[one].parents for one in parents]
        return tuple(dict.fromkeys(one for some in found for one in some))

    def _cast(self) -> Cast:
        assert self._bench.cast is not None
        return Cast(self._make_user, None, None, _Inline(), self._bench.cast.boxes)

    def _make_user(self, task: Task, persona: Persona | None, item: PlanItem, domain: Any) -> User:
        dials = dict(persona.dials) if persona is not None else {}
        return embedded_user(task, self._response(dials) if self._response else dials, domain, item.seed)
