"""Surrogate-assisted search: if a model plays users, programs evolve on a surrogate, and the model plays only the best of each generation.

The surrogate is the embedded engine, with dials transformed by the model's calibration if there is one. Its scores select parents and
candidates and are reported as such; a candidate's own score always comes from the model (Jin 2011, "Surrogate-assisted evolutionary
computation").
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any

from personaevo.config import SearchConfig
from personaevo.evolve.cast import Players
from personaevo.evolve.prepare import EvaluationSetup
from personaevo.evolve.ranking import Scored, holds_floors, standing
from personaevo.evolve.rollout import roll_out
from personaevo.evolve.select import Population
from personaevo.records import Evaluation, Persona, PlanItem, Program, Task
from personaevo.simulate.episodes import User
from personaevo.simulate.users import embedded_user


def screens(config: SearchConfig) -> bool:
    """Whether proposals are screened: a model plays users with directed dials, and no model writes or expands programs."""
    played = config.models.get("user", "embedded") != "embedded" and config.wording != "text"
    return played and config.screen > 1 and not {"mutator", "generator"} & set(config.models)


class _Inline(Executor):
    """An executor that runs each task at once in the caller's thread."""

    def submit(self, function: Any, /, *args: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(function(*args, **named))
        except Exception as error:  # noqa: BLE001 - raised again by Future.result
            done.set_exception(error)
        return done


@dataclass(frozen=True)
class ScreenedProgram:
    """A program that the surrogate played, and its nearest ancestors that the model played."""

    program: Program
    parents: tuple[str, ...]


class Surrogate:
    """The embedded engine as a surrogate of the run's model, with the population of programs that it played. ``setup.response`` maps
    requested dials to those that the model shows."""

    def __init__(self, setup: EvaluationSetup) -> None:
        self._setup, self._response = setup, setup.response
        self.population = Population(lambda ids: [Scored(key, self.evaluations[key]) for key in ids])
        self.known: dict[str, ScreenedProgram] = {}
        self._played: set[str] = set()
        self.chosen: set[float] = set()  # standings of candidates: an equal standing means equal dialogues, so nothing new
        self.evaluations: dict[str, Evaluation] = {}
        self.play(setup.seed_program, ())
        self.chose(setup.seed_program.id)

    def play(self, program: Program, parents: Sequence[str]) -> float:
        """Play a new program on the surrogate, and return its standing by the run's judge (``ranking.standing``)."""
        ancestors = [(one,) if one in self._played else self.known[one].parents for one in parents]
        self.known[program.id] = ScreenedProgram(program, tuple(dict.fromkeys(one for some in ancestors for one in some)))
        assert self._setup.players is not None
        players = Players(self._make_user, None, None, _Inline(), self._setup.players.sandboxes)
        episodes = roll_out(self._setup.rollout(program.source, self._setup.screen_plan, players=players))
        evaluation = self._setup.train.score(program.id, episodes)[0]
        if evaluation.completed and holds_floors(evaluation, self._setup.floors):
            self.population.add(Scored(program.id, evaluation))
        self.evaluations[program.id] = evaluation
        return standing(evaluation)

    def chose(self, program_id: str) -> None:
        """Mark a program as a candidate; its later descendants record it as their parent."""
        self._played.add(program_id)
        self.chosen.add(standing(self.evaluations[program_id]))

    def _make_user(self, task: Task, persona: Persona | None, item: PlanItem, domain: Any) -> User:
        dials = dict(persona.dials) if persona is not None else {}
        return embedded_user(task, self._response(dials) if self._response else dials, domain, item.seed)
