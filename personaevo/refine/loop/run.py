"""Refinement of many people, in parallel and resumable: what the command line and ``personaevo.refine_profile`` call.

The failure of one person does not affect the others.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from personaevo import definitions
from personaevo.archive import Archive, ModelCallStore, Refinements
from personaevo.chat import Role
from personaevo.config import REFINE_ROLES, make_config
from personaevo.errors import BudgetError, ConfigError, InputError, WorkerError
from personaevo.models import Account, Budget, MemoryStore, Models, Spent, parse, read_prices
from personaevo.refine import features, measures
from personaevo.refine.items.behavior import Behavior, DialogueItem, split
from personaevo.refine.items.reading import read
from personaevo.refine.loop.initial_profile import Start, start_of
from personaevo.refine.loop.person import Engine, Key, RefinementTask, attempt, case_of, outcome, peer_outcomes, reference_population
from personaevo.refine.loop.refined_profiles import begun, stored, to_row
from personaevo.refine.loop.rounds import PlayerBias, estimate_bias
from personaevo.refine.loop.scoring import kind_of
from personaevo.refine.loop.summary import Summary, summarize
from personaevo.refine.profile import Profile
from personaevo.refine.records import Outcome, PersonResult, Settings
from personaevo.refine.roles.population import Corpus, Population
from personaevo.workers import LOST_TWICE, LostError, ThreadPool, WorkerPool, Workers

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
    with ThreadPool(_MODEL_PEOPLE, 1, meanwhile) if by_model else Workers(jobs) as pool:
        for one in _as_done(pool, partial(attempt, engine, settings), waiting, meanwhile):
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
    pool: WorkerPool, refine: Callable[[RefinementTask], PersonResult], waiting: Sequence[RefinementTask], meanwhile: Callable[[], None]
) -> Iterator[PersonResult]:
    """Results as they are finished.

    Few tasks are submitted at a time, as with one job submitting runs the task. A task of a lost worker is submitted once more.

    Raises:
        WorkerError: a worker was lost again.
    """
    left, lost = deque(waiting), set[tuple[str, str]]()
    under_way: dict[Future[PersonResult], RefinementTask] = {}
    most = pool.jobs + (pool.jobs > 1) if isinstance(pool, Workers) else _MODEL_PEOPLE  # one more than workers, so that none is idle
    while left or under_way:
        while left and len(under_way) < most:
            task = left.popleft()
            under_way[pool.submit(refine, task)] = task
        ready = wait(under_way, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED).done
        meanwhile()
        for future in ready:
            task = under_way.pop(future)
            try:
                yield pool.result(future)
            except LostError:
                if task.key in lost:
                    raise WorkerError(LOST_TWICE) from None
                lost.add(task.key)
                left.append(task)


_CALLS_RUN = 1  # run number of a refinement's calls in an archive, which has no run of a search


@dataclass(frozen=True)
class Refinement:
    """A finished refinement: ``results`` by person and role, their ``summary``, usage and cost of models, and the duration."""

    settings: Settings
    results: tuple[PersonResult, ...]
    summary: Summary
    spending: Mapping[str, Account]
    seconds: float
    archive: Path | None = None


def refine_people(
    behaviors: Iterable[Behavior],
    *,
    start: Start = "shrinkage",
    others_known: Iterable[Behavior] = (),
    unread: Mapping[str, str] | None = None,
    settings: Settings | None = None,
    domain: str = "charity",
    archive: str | os.PathLike[str] | None = None,
    resume: bool = False,
    jobs: int | None = 1,
    models: Mapping[str, str] | None = None,
    budget: Budget | None = None,
    prices: Path | None = None,
    observe: Observe | None = None,
) -> Refinement:
    """Refine the profile of each person against their behavior.

    Args:
        behaviors: the people; each is refined on every side with at least two dialogues.
        start: the initial profile, or "shrinkage" (posterior expectation given the person's items), "population" (the mean of the others),
            "attributes" (the person's own), "nothing".
        others_known: further people for comparison, who are not refined.
        unread: people whose behavior could not be read, with the reason; they are failed results (not in the archive).
        domain: tasks and wording of the embedded player, a name or a folder.
        archive: a DuckDB file for all results; ``resume`` continues the refinement in it.
        jobs: worker processes without a model (None: one per processor); results do not depend on it.
        models: a model for "user", "analyst", "refiner", such as {"user": "openai:gpt-4o-mini"}; other roles are embedded.
        observe: called with (people done, planned).

    Raises:
        ConfigError, InputError: an argument is invalid, or a resumed refinement had other settings.
        ModelError, BudgetError: models cannot be called (any more); finished people are in the archive.
        ArchiveError: see ``Archive``.
    """
    began = time.monotonic()
    settings, chosen = settings or Settings(), _models(models or {})
    cohort = Cohort(tuple(behaviors), start, tuple(others_known))
    place = make_config({"domain": domain}).domain_place
    definitions.domain(place)
    _check(cohort, settings, chosen, archive, resume=resume)
    with ExitStack() as stack:
        if archive is not None and not resume:
            stack.callback(Archive.remove_if_empty, archive)
        store, calls = stack.enter_context(_storage(archive))
        with _models_of(chosen, calls, budget, prices) as players:
            engine = Engine(place, user=players.role("user"), analyst=players.role("analyst"), refiner=players.role("refiner"))
            if store is not None:  # after the models are set up, so that a missing key leaves no refinement in the archive
                recorded = {role: str(parse(text)) for role, text in chosen.items()}
                identity = {**settings.model_dump(mode="json"), **cohort.fingerprint(), "domain": domain, "models": recorded}
                begun(store, identity, resume=resume)
                stack.callback(store.withdraw)  # without a result, the next refinement may have other settings
            results, other = _results(engine, settings, cohort, store, calls, jobs, observe)
        results += [PersonResult(person=name, state="failed", reason=why) for name, why in (unread or {}).items()]
        summary = summarize(results, other)
    path = None if archive is None else Path(archive)
    return Refinement(settings, tuple(results), summary, players.ledger.accounts(), time.monotonic() - began, path)


def _results(
    engine: Engine, settings: Settings, cohort: Cohort, store: Refinements | None, calls: ModelCallStore | MemoryStore, jobs: int | None,
    observe: Observe | None,
) -> tuple[list[PersonResult], dict[Key, dict[str, Outcome]]]:  # fmt: skip
    """Refinement results, and for each person the scores of other people's profiles on their dialogues."""

    def flush() -> None:
        if isinstance(calls, ModelCallStore):
            calls.flush(_CALLS_RUN)

    def play(task: RefinementTask, other: PersonResult) -> Outcome:
        case, _ = case_of(engine, settings, task)
        assert other.profile is not None  # only finished results
        return outcome(case, other.profile, case.judged)

    tasks = refinement_tasks(cohort, engine, settings)
    try:
        results = refine_all(engine, settings, tasks, store, jobs, observe, flush)
        return results, peer_outcomes(results, tasks, play if engine.user is not None else None)
    finally:
        flush()


def refine_profile(
    profile: Profile | str,
    behavior: Behavior | str | os.PathLike[str],
    *,
    others_known: Iterable[Behavior] = (),
    settings: Settings | Mapping[str, Any] | None = None,
    domain: str = "charity",
    models: Mapping[str, str] | None = None,
    budget: Budget | None = None,
) -> PersonResult:
    """Refine one profile against one person's behavior.

    Args:
        profile: a profile, a profile's file (see ``read_profile``), a text, or "shrinkage", "population", "attributes", "nothing".
        behavior: records, or a file of them (see ``read``).
        others_known: other people's behavior, for means and deviations; by default the people of the domain's reference (user's side only).
        settings: settings or a mapping, such as {"rounds": 2, "samples": 10} (see ``Settings``).

    The other arguments, and errors, are those of ``refine_people``. For a person with dialogues on both sides, the result of the side with
    more of them is returned.
    """
    if not all(isinstance(one, (str, os.PathLike, Profile, Behavior)) for one in (profile, behavior)):
        given_types = f"{type(profile).__name__} and {type(behavior).__name__}"
        raise ConfigError(f"refine_profile: expected a profile (or text, or file) and a behavior (or file), got {given_types}")
    given = behavior if isinstance(behavior, Behavior) else read(Path(behavior))
    done = refine_people(
        [given], start=start_of(profile), others_known=others_known, settings=_settings(settings), domain=domain, models=models,
        budget=budget,
    )  # fmt: skip
    one = max(done.results, key=lambda result: sum(getattr(item, "role", "") == result.role for item in given.items))
    if one.state == "failed":
        raise InputError(f"person '{one.person}': {one.reason}")
    return one


def _settings(given: Settings | Mapping[str, Any] | None) -> Settings:
    if given is None or isinstance(given, Settings):
        return Settings() if given is None else given
    try:
        return Settings.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"setting '{'.'.join(map(str, first['loc']))}' of a refinement: {first['msg'].lower()}") from None


# --- checks and storage


def _models(given: Mapping[str, str]) -> dict[str, str]:
    for role in given:
        if role not in REFINE_ROLES:
            raise ConfigError(f"models: no role {role!r:.40} here; roles of a refinement are {', '.join(REFINE_ROLES)}")
    return {role: text for role, text in sorted(given.items()) if text != "embedded"}


def _check(
    cohort: Cohort, settings: Settings, models: Mapping[str, str], archive: str | os.PathLike[str] | None, *, resume: bool
) -> None:
    """Check the arguments of ``refine_people`` before any role-play.

    Raises:
        InputError: there are no people.
        ConfigError: there is no archive to resume, the initial profile cannot be used, or an optional measure is not available.
    """
    if not cohort.behaviors:
        raise InputError("expected at least one person to refine, got none")
    if resume and archive is None:
        raise ConfigError("resume: expected the archive of the refinement to resume, got none")
    if resume and not Path(archive or "").exists():
        raise ConfigError(f"resume: archive {archive} does not exist; leave out resume to begin a refinement")
    start = cohort.start
    problems = start.problems(settings.budget) if isinstance(start, Profile) and (start.claims or start.dials) else []
    if problems:
        raise ConfigError(f"the profile to start from: {problems[0]}")
    if settings.measures and "user" not in models:
        raise ConfigError("measures: cosine and bert_score compare answer by answer, which needs a model as user (--model user=…)")
    for name in settings.measures:
        why = measures.missing(name)
        if why:
            raise ConfigError(f"measure {name}: {why}")


@contextmanager
def _storage(path: str | os.PathLike[str] | None) -> Iterator[tuple[Refinements | None, ModelCallStore | MemoryStore]]:
    """Where results and model answers are stored: the archive if there is one; otherwise answers stay in memory."""
    if path is None:
        yield None, MemoryStore()
        return
    with Archive.create_or_open(path) as archive:
        yield archive.refinements(), archive.calls()


def _models_of(models: Mapping[str, str], calls: ModelCallStore | MemoryStore, budget: Budget | None, prices: Path | None) -> Models:
    before = {role: Spent(*sums) for role, sums in calls.sums(_CALLS_RUN).items()} if isinstance(calls, ModelCallStore) else {}
    return Models({role: parse(text) for role, text in models.items()}, calls, prices=read_prices(prices), budget=budget, before=before)
