"""Refinement of many people, in parallel and resumable: what the command line and ``personaevo.refine_profile`` call.

The failure of one person does not affect the others.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from personaevo.archive import Refinements
from personaevo.chat import Role
from personaevo.crew import ThreadPool, WorkerPool
from personaevo.errors import BudgetError, WorkerError
from personaevo.refine import features
from personaevo.refine.behavior import Behavior, DialogueItem
from personaevo.refine.common import PlayerBias, estimate_bias
from personaevo.refine.implicit import stored, to_row
from personaevo.refine.person import Engine, RefinementTask, attempt, reference_population
from personaevo.refine.population import Corpus, Population
from personaevo.refine.profile import Profile
from personaevo.refine.result import PersonResult, Settings
from personaevo.refine.scoring import kind_of
from personaevo.refine.split import split
from personaevo.refine.starts import Start
from personaevo.workers import LOST_TWICE, LostError, Workers

_POLL_SECONDS = 1.0
_MODEL_PEOPLE = 4  # people refined at a time with models; each has several concurrent requests
ROLES: tuple[Role, ...] = ("user", "assistant")

Observe = Callable[[int, int], None]


@dataclass(frozen=True)
class Cohort:
    """The people to refine (``behaviors``), further people for comparison (``others``), and the initial profile (``start``)."""

    behaviors: tuple[Behavior, ...]
    start: Start = "shrinkage"
    others: tuple[Behavior, ...] = ()

    def fingerprint(self) -> dict[str, Any]:
        """Values that identify the cohort, for an archive."""
        mark = hashlib.blake2b(digest_size=16)
        for behavior in (*self.behaviors, *self.others):
            mark.update(behavior.model_dump_json().encode("utf-8", "backslashreplace"))
        start = self.start.id if isinstance(self.start, Profile) else self.start
        return {"people": len(self.behaviors), "behavior": mark.hexdigest(), "start": start, "features": features.version()}


def refinement_tasks(cohort: Cohort, engine: Engine, settings: Settings | None = None) -> list[RefinementTask]:
    """One task for each person and each side with at least two dialogues, else the side with more of them.

    The population of a person is the rest of the cohort; if that is too small and the person is the user, the people of the domain's
    reference. The seed of the settings decides which items are held out.
    """
    settings = settings or Settings()
    own = {behavior.person for behavior in cohort.behaviors}
    known = (*cohort.behaviors, *(other for other in cohort.others if other.person not in own))
    sides = [(behavior, role) for behavior in known for role in _roles(behavior) if role is not None]
    held: dict[tuple[str, str], frozenset[str]] = {}
    for behavior, role in sides:
        held[behavior.person, role] = frozenset(item.id for item in split(behavior, settings.seed, role=role, dev=False).test)
    corpus = Corpus(known, engine.losses, held)
    return with_bias(tasks_among(cohort, corpus, reference_population(engine)), corpus, engine, settings)


def with_bias(tasks: Sequence[RefinementTask], corpus: Corpus, engine: Engine, settings: Settings) -> list[RefinementTask]:
    """The tasks with the player's bias, estimated on the half of the people without the person.

    Only for measured updates on whole dialogues, with enough other people.
    """
    if engine.user is not None or engine.refiner is not None or settings.paper:
        return list(tasks)
    player, known = engine.embedded(), dict[tuple[str, int], PlayerBias | None]()
    made = []
    for task in tasks:
        half = corpus.other_half(task.behavior.person, task.role) if task.role is not None else None
        if half is None:
            made.append(task)
            continue
        key = task.role or "", int(half.people[0]) % 2
        if key not in known:
            known[key] = estimate_bias(player, half, settings.samples, settings.seed)
        made.append(replace(task, bias=known[key]))
    return made


def tasks_among(cohort: Cohort, corpus: Corpus, fallback: Population | None) -> list[RefinementTask]:
    """The tasks with their populations from ``corpus``, or ``fallback`` where these are too small."""
    found = []
    for behavior in cohort.behaviors:
        background = corpus.background(behavior.person)
        for role in _roles(behavior):
            population = corpus.others(behavior.person, role) if role else None
            if population is None and role == "user":
                population = fallback
            found.append(RefinementTask(behavior, role, cohort.start, population, background))
    return found


def _roles(behavior: Behavior) -> list[Role | None]:
    counts = Counter(item.role for item in behavior.items if isinstance(item, DialogueItem))
    if kind_of(behavior.items) != "dialogue":
        return [None]
    larger: Role = "assistant" if counts["assistant"] > counts["user"] else "user"
    return [role for role in ROLES if counts[role] > 1] or [larger]


# --- running


def refine_all(
    engine: Engine, settings: Settings, tasks: Sequence[RefinementTask], store: Refinements | None, jobs: int | None,
    observe: Observe | None = None, meanwhile: Callable[[], None] = lambda: None,
) -> list[PersonResult]:  # fmt: skip
    """Refine all tasks; results are ordered by person and role. Results in ``store`` are reused, new ones are added one by one.

    An error of one person (other than of the machine or the budget) gives a failed result. ``jobs`` processes work in parallel, threads
    if a model is used (None: one per processor); results do not depend on it. ``meanwhile`` is called about once a second.

    Raises:
        BudgetError: the budget of model calls is used up; finished people are stored.
        ModelSetupError, ModelUnavailableError: a model cannot be called, or stopped answering.
        ArchiveError: see ``Refinements``.
    """
    results = {one.key: one for one in stored(store)} if store is not None else {}
    waiting = [task for task in tasks if task.key not in results]
    done, planned = len(tasks) - len(waiting), len(tasks)
    if observe is not None:
        observe(done, planned)
    by_model = any(model is not None for model in (engine.user, engine.analyst, engine.refiner))
    with ThreadPool(_MODEL_PEOPLE, 1, meanwhile) if by_model else Workers(jobs) as crew:
        for one in _as_done(crew, partial(attempt, engine, settings), waiting, meanwhile):
            if one.stop == "budget":
                raise BudgetError(one.notes[-1])
            if store is not None:
                store.add(to_row(one))
            results[one.key] = one
            done += 1
            if observe is not None:
                observe(done, planned)
    return [results[key] for key in sorted(task.key for task in tasks)]


def _as_done(
    crew: WorkerPool, refine: Callable[[RefinementTask], PersonResult], waiting: Sequence[RefinementTask], meanwhile: Callable[[], None]
) -> Iterator[PersonResult]:
    """Results as they are finished.

    Few tasks are submitted at a time, as with one job submitting runs the task. A task of a lost worker is submitted once more.

    Raises:
        WorkerError: a worker was lost again.
    """
    left, lost = deque(waiting), set[tuple[str, str]]()
    under_way: dict[Future[PersonResult], RefinementTask] = {}
    most = crew.jobs + (crew.jobs > 1) if isinstance(crew, Workers) else _MODEL_PEOPLE  # one more than workers, so that none is idle
    while left or under_way:
        while left and len(under_way) < most:
            task = left.popleft()
            under_way[crew.submit(refine, task)] = task
        ready = wait(under_way, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED).done
        meanwhile()
        for future in ready:
            task = under_way.pop(future)
            try:
                yield crew.result(future)
            except LostError:
                if task.key in lost:
                    raise WorkerError(LOST_TWICE) from None
                lost.add(task.key)
                left.append(task)
