"""In-memory state of a search: programs, possible parents and recent evaluations (the rest is read from the archive on demand), and the
surrogate that screens proposals."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any

import numpy as np

from personaevo.archive import STATES, Archive, Outcomes
from personaevo.config import SearchConfig
from personaevo.evolve.players import Players
from personaevo.evolve.prepare import EvaluationSetup
from personaevo.evolve.ranking import Scored, holds_floors, standing, which_hold
from personaevo.evolve.rollout import roll_out
from personaevo.evolve.select import POOL, Columns, Population
from personaevo.judge.objectives import steering
from personaevo.records import Commit, Evaluation, Persona, PlanItem, Program, Task
from personaevo.simulate.episodes import User, embedded_user

_SOURCES, _EVALUATIONS = 4_000, 2_000  # cached in memory; about 3 and 10 kB each
_READ_AT_ONCE = 5_000  # a resumed search reads at most so many candidates whole; of more, it reads columns


class Programs(Mapping[str, Program]):
    """Thread-safe mapping of programs by id, in the order of addition. All ids and the least recently used sources are in memory; other
    sources are loaded by ``read``."""

    def __init__(self, read: Callable[[Sequence[str]], Mapping[str, str]], recent: int = _SOURCES) -> None:
        self._read, self._most = read, recent
        self._ids: dict[str, None] = {}
        self._recent: OrderedDict[str, Program] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, key: object) -> bool:
        return key in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __getitem__(self, key: str) -> Program:
        with self._lock:
            found = self._recent.get(key)
            if found is None:
                if key not in self._ids:
                    raise KeyError(key)
                found = Program(key, self._read([key])[key])
            self._hold(found)
            return found

    def add(self, program: Program) -> None:
        """Add a program unless it is known."""
        with self._lock:
            if program.id not in self._ids:
                self._ids[program.id] = None
                self._hold(program)

    def index(self, ids: Iterable[str]) -> None:
        """Add programs whose sources are stored."""
        self._ids.update(dict.fromkeys(ids))

    def _hold(self, program: Program) -> None:
        self._recent[program.id] = program
        self._recent.move_to_end(program.id)
        if len(self._recent) > self._most:
            self._recent.popitem(last=False)


class State:
    """State of a search.

    Attributes:
        count: number of committed candidates.
        episodes: number of their planned episodes.
        asked: programs of all candidates, pending ones included.
        held: population of all committed candidates, for progress and finals.

    At least ``sources`` sources are kept in memory, since those of pending candidates are not stored yet and ``read`` is not thread-safe.
    ``find`` loads the evaluations of programs.
    """

    def __init__(
        self, floors: Mapping[str, float], sources: int, read: Callable[[Sequence[str]], Mapping[str, str]],
        find: Callable[[Sequence[str]], Iterable[Scored]], finalists: int = POOL,
    ) -> None:  # fmt: skip
        self.floors, self.count, self.episodes = floors, 0, 0
        self.asked = Programs(read, max(_SOURCES, sources))
        self.reasons: dict[bool, str] = {}  # reason of the first failure of the seed program (False) and of a proposal (True)
        self.played = self.bred = False  # whether any dialogue was completed; whether any proposal was evaluated
        self._find, self._scored = find, OrderedDict[str, Scored]()
        self.held, self._parents = (Population(self._found, max(POOL, finalists)) for _ in range(2))
        self._waiting: deque[Commit] = deque()  # committed, but not yet among the possible parents

    def tell(self, commit: Commit) -> None:
        """Add one commit."""
        candidate, evaluation = commit.candidate, commit.evaluation
        self.asked.add(candidate.program)
        self._waiting.append(Commit(candidate, evaluation))
        scored = self._may_be_parent(commit)
        if scored is not None:
            self._remember(scored)
            self.held.add(scored)
        proposed = candidate.number > 0
        if candidate.reason:
            self.reasons.setdefault(proposed, candidate.reason)
        self.played |= evaluation is not None and evaluation.completed > 0
        self.bred |= proposed and evaluation is not None
        self.count += 1
        self.episodes += evaluation.planned if evaluation is not None else 0

    def parents(self, up_to: int) -> Population:
        """Possible parents among candidates 0..up_to: evaluated programs that hold the floors. ``up_to`` must not decrease."""
        while self._waiting and self._waiting[0].candidate.number <= up_to:
            scored = self._may_be_parent(self._waiting.popleft())
            if scored is not None:
                self._parents.add(scored)
        return self._parents

    def resume(self, archive: Archive, run_id: int, lag: int, *, whole: bool) -> list[Commit]:
        """Add the commits of a run and return those that were read whole: of many candidates only the last ones, unless ``whole`` is
        set."""
        found = archive.outcomes(run_id, [*steering(), *self.floors])
        if len(found.numbers) > _READ_AT_ONCE and not whole:
            self._index(archive, run_id, found, len(found.numbers) - lag + 1)  # possible parents of the next candidate
        commits = archive.commits(run_id, found.numbers[self.count :].tolist() if self.count else None)
        for commit in commits:
            self.tell(commit)
        return commits

    def _index(self, archive: Archive, run_id: int, found: Outcomes, count: int) -> None:
        """Add the first ``count`` candidates from columns, without an object for each."""
        self.asked.index(found.programs[:count].tolist())
        self.count, self.episodes = count, int(found.planned[:count].sum())
        self.played, self.bred = bool(found.completed[:count].any()), bool(found.planned[1:count].any())
        may = which_hold(found.values, found.measured, self.floors)[:count] & (found.states[:count] == STATES.index("evaluated"))
        rows = np.flatnonzero(may)
        values = {name: column[rows] for name, column in found.values.items()}
        measured = {name: column[rows] for name, column in found.measured.items()}
        columns = Columns(found.programs[rows].tolist(), values, measured, found.errors[rows])
        owners = archive.holders(run_id, count - 1)
        self.held.index(columns, owners)
        self._parents.index(columns, owners)

    def _may_be_parent(self, commit: Commit) -> Scored | None:
        """The scored program of a commit if it is a possible parent."""
        if commit.candidate.state != "evaluated" or commit.evaluation is None or not holds_floors(commit.evaluation, self.floors):
            return None
        return Scored(commit.evaluation.program_id, commit.evaluation)

    def _found(self, ids: Sequence[str]) -> list[Scored]:
        """Committed programs with their evaluations."""
        known = {key: self._scored[key] for key in ids if key in self._scored}
        missing = [key for key in ids if key not in known]
        for scored in self._find(missing) if missing else ():
            known[scored.program_id] = scored
            self._remember(scored)
        return [known[key] for key in ids]

    def _remember(self, scored: Scored) -> None:
        self._scored[scored.program_id] = scored
        if len(self._scored) > _EVALUATIONS:
            self._scored.popitem(last=False)


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
