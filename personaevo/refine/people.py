"""Many people: in parallel, resumable, and one that fails does not lose the others."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from pydantic import ValidationError

from personaevo import definitions, reference
from personaevo.archive import Refined, Refinements
from personaevo.crew import Crew
from personaevo.errors import ArchiveError, BudgetError, ConfigError, ModelSetupError, ModelUnavailableError, PersonaevoError, WorkerError
from personaevo.records import Role
from personaevo.refine import common, features
from personaevo.refine.behavior import Behavior, DialogueItem
from personaevo.refine.person import Engine, Start, Work, refine_person
from personaevo.refine.population import MIN_DIALOGUES, People, Population, of_reference
from personaevo.refine.profile import Profile
from personaevo.refine.result import PersonResult, Settings
from personaevo.refine.scoring import kind_of
from personaevo.refine.split import split
from personaevo.workers import LOST_TWICE, LostError, Workers

_LOOK_SECONDS = 1.0
_MODEL_PEOPLE = 4  # at a time, where models play: each has several questions under way
ROLES: tuple[Role, ...] = ("user", "assistant")

Observe = Callable[[int, int], None]


@dataclass(frozen=True)
class Crowd:
    """Everybody who is refined (``behaviors``), among everybody who is known (``others`` besides), from ``start``."""

    behaviors: tuple[Behavior, ...]
    start: Start = "shrinkage"
    others: tuple[Behavior, ...] = ()

    def recorded(self) -> dict[str, Any]:
        """What tells it from another one, as plain values."""
        mark = hashlib.blake2b(digest_size=16)
        for behavior in (*self.behaviors, *self.others):
            mark.update(behavior.model_dump_json().encode("utf-8", "backslashreplace"))
        start = self.start.id if isinstance(self.start, Profile) else self.start
        return {"people": len(self.behaviors), "behavior": mark.hexdigest(), "start": start, "features": features.version()}


def works(crowd: Crowd, engine: Engine, settings: Settings | None = None) -> list[Work]:
    """The people to refine: each on every side on which there are two dialogues or more, else on the side with more of them.

    Others are the rest of the crowd; where these are too few and the person is the user, the people of the domain's reference. The settings
    tell what of each is held out.
    """
    own = {behavior.person for behavior in crowd.behaviors}
    known = (*crowd.behaviors, *(other for other in crowd.others if other.person not in own))
    people = People(known, engine.losses, _held(known, (settings or Settings()).seed))
    return in_common(among(crowd, people, _reference(engine)), people, engine, settings or Settings())


def in_common(found: Sequence[Work], people: People, engine: Engine, settings: Settings) -> list[Work]:
    """The same, each with what was found with the half of the people that the person is not in (``common``), where measured updates are
    made on whole dialogues of their own and there are enough others."""
    if engine.user is not None or engine.refiner is not None or settings.paper:
        return list(found)
    player, known = engine.embedded(), dict[tuple[str, int], common.Common | None]()
    made = []
    for work in found:
        half = people.other_half(work.behavior.person, work.role) if work.role is not None else None
        if half is None:
            made.append(work)
            continue
        key = work.role or "", int(half.people[0]) % 2
        if key not in known:
            known[key] = common.found(player, half, settings.samples, settings.seed)
        made.append(replace(work, common=known[key]))
    return made


def among(crowd: Crowd, people: People, fallback: Population | None) -> list[Work]:
    """The people to refine among ``people``, or where these are too few among those of the ``fallback``."""
    found = []
    for behavior in crowd.behaviors:
        background = people.background(behavior.person)
        for role in _roles(behavior):
            population = people.others(behavior.person, role) if role else None
            if population is None and role == "user":
                population = fallback
            found.append(Work(behavior, role, crowd.start, population, background))
    return found


def _held(behaviors: Sequence[Behavior], seed: int) -> dict[tuple[str, str], frozenset[str]]:
    """The ids of what is held out of each person's dialogues, by person and side."""
    pairs = [(behavior, role) for behavior in behaviors for role in _roles(behavior) if role is not None]
    parts = ((behavior.person, role, split(behavior, seed, role=role, dev=False)) for behavior, role in pairs)
    return {(person, role): frozenset(item.id for item in one.test) for person, role, one in parts}


def _roles(behavior: Behavior) -> list[Role | None]:
    counts = Counter(item.role for item in behavior.items if isinstance(item, DialogueItem))
    if kind_of(behavior.items) != "dialogue":
        return [None]
    larger: Role = "assistant" if counts["assistant"] > counts["user"] else "user"
    return [role for role in ROLES if counts[role] > 1] or [larger]


def _reference(engine: Engine) -> Population | None:
    path = definitions.domain_files(engine.domain).reference
    if not path.exists():
        return None
    known = reference.load(path)
    if len(known) < MIN_DIALOGUES:
        return None
    habits = np.full((len(known), len(definitions.typing().names)), np.nan)
    if known.typing is not None:
        habits[:, [definitions.typing().names.index(name) for name in known.typing_names]] = known.typing
    return of_reference(np.hstack([known.values, habits]), np.unique(known.people, return_inverse=True)[1])


# --- running


def refine_all(
    engine: Engine, settings: Settings, found: Sequence[Work], store: Refinements | None, jobs: int | None, observe: Observe | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> list[PersonResult]:  # fmt: skip
    """The results of all, by person and role; those that ``store`` has are taken from there, the others are put there one by one.

    An error of one person (other than of the machine or the budget) is that person's result. ``jobs`` processes work at a time, threads
    where a model is asked (None: one per processor); results do not depend on it. ``meanwhile`` is called about once a second.

    Raises:
        BudgetError: models may not be asked any more; those who are done are stored.
        ModelSetupError, ModelUnavailableError: a model cannot be asked at all, or does not answer any more.
        ArchiveError: see ``Refinements``.
    """
    results = {one.key: one for one in stored(store)} if store is not None else {}
    waiting = [work for work in found if work.key not in results]
    done, planned = len(found) - len(waiting), len(found)
    if observe is not None:
        observe(done, planned)
    with _crew(engine, jobs, meanwhile) as crew:
        for one in _as_done(crew, partial(attempt, engine, settings), waiting, meanwhile):
            if one.stop == "budget":
                raise BudgetError(one.notes[-1])
            if store is not None:
                store.add(_row(one))
            results[one.key] = one
            done += 1
            if observe is not None:
                observe(done, planned)
    return [results[key] for key in sorted(work.key for work in found)]


def _crew(engine: Engine, jobs: int | None, meanwhile: Callable[[], None]) -> Workers | Crew:
    """Threads where a model is asked, else processes."""
    asked = any(model is not None for model in (engine.user, engine.analyst, engine.refiner))
    return Crew(_MODEL_PEOPLE, 1, meanwhile) if asked else Workers(jobs)


def _as_done(
    crew: Workers | Crew, refine: Callable[[Work], PersonResult], waiting: Sequence[Work], meanwhile: Callable[[], None]
) -> Iterator[PersonResult]:
    """The results as they come. Few are under way at a time: with one job, submitting is doing. What a lost worker spoiled is done once
    more.

    Raises:
        WorkerError: workers were lost again.
    """
    left, lost = deque(waiting), set[tuple[str, str]]()
    under_way: dict[Future[PersonResult], Work] = {}
    most = _MODEL_PEOPLE if isinstance(crew, Crew) else crew.jobs + (crew.jobs > 1)  # one more than work: nobody waits for the next
    while left or under_way:
        while left and len(under_way) < most:
            work = left.popleft()
            under_way[crew.submit(refine, work)] = work
        ready = wait(under_way, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED).done
        meanwhile()
        for future in ready:
            work = under_way.pop(future)
            try:
                yield crew.result(future)
            except LostError:
                if work.key in lost:
                    raise WorkerError(LOST_TWICE) from None
                lost.add(work.key)
                left.append(work)


def attempt(engine: Engine, settings: Settings, work: Work) -> PersonResult:
    """The person's result; what goes wrong with this person alone is a failed one. A server that does not answer is nobody's fault."""
    try:
        return refine_person(engine, settings, work)
    except (BudgetError, ModelSetupError, ModelUnavailableError):
        raise
    except PersonaevoError as error:
        person, role = work.key
        return PersonResult(person=person, role=role, state="failed", reason=str(error))


# --- the archive


def begun(store: Refinements, settings: dict[str, Any], *, resume: bool) -> None:
    """Begins a refinement, or goes on with one whose settings are the same.

    Raises:
        ConfigError: there is one already and it is not to be resumed, or its settings were others.
    """
    known = store.settings()
    if known is None:
        store.begin(settings)
    elif not resume:
        raise ConfigError("the archive holds a refinement already: go on with it by --resume, or give another --archive")
    else:
        known = {**Settings().model_dump(mode="json"), **known}  # what was not there yet when it began had its default
        other = next((name for name in sorted({*known, *settings}) if known.get(name) != settings.get(name)), None)
        if other is not None:
            was, given = known.get(other), settings.get(other)
            raise ConfigError(f"--resume: '{other}' was {was!r:.80} and is {given!r:.80}; a resumed refinement goes on as it was")


def stored(store: Refinements) -> list[PersonResult]:
    """The results that are kept.

    Raises:
        ArchiveError: one is not what a refinement writes, or was changed since.
    """
    return [result(row) for row in store.people()]


def result(row: Refined) -> PersonResult:
    """The result of one person as it is kept.

    Raises:
        ArchiveError: it is not what a refinement writes, was changed since, or returns another profile than the one that was scored.
    """
    try:
        one = PersonResult.model_validate(row.record)
    except (ValidationError, PersonaevoError):
        raise ArchiveError(f"the refinement of {row.person!r:.80} in the archive is not what one writes; restore a copy") from None
    if replace(_row(one), record=row.record) != row:
        raise ArchiveError(f"the refinement of {row.person!r:.80} in the archive was changed since it was written; restore a copy")
    if one.history and not one.history.current.profile == one.profile == one.outcomes["refined"].profile:
        raise ArchiveError(f"the refined profile of {row.person!r:.80} in the archive is not the one that was scored; restore a copy")
    return one


def _row(one: PersonResult) -> Refined:
    profile = one.profile.id if one.profile is not None else None
    return Refined(one.person, one.role, one.state, profile, one.model_dump(mode="json"), one.digest)
