"""A refinement from behaviors to a report."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from personaevo import definitions
from personaevo.archive import Archive, ModelCallStore, Refinements
from personaevo.config import REFINE_ROLES, make_config
from personaevo.errors import ConfigError, InputError
from personaevo.models import Account, Budget, MemoryStore, Models, Spent, parse, read_prices
from personaevo.refine import measures
from personaevo.refine.behavior import Behavior
from personaevo.refine.controls import outcome
from personaevo.refine.implicit import begun
from personaevo.refine.peers import Key, peer_outcomes
from personaevo.refine.people import Cohort, Observe, refine_all, refinement_tasks
from personaevo.refine.person import Engine, RefinementTask, case_of
from personaevo.refine.profile import Profile
from personaevo.refine.reading import read
from personaevo.refine.result import Outcome, PersonResult, Settings
from personaevo.refine.starts import Start, start_of
from personaevo.refine.summary import Summary, summarize

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
    """The results, and of each person the outcomes of other people's profiles."""

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
    """Storage of results and model answers: the archive, else answers in memory."""
    if path is None:
        yield None, MemoryStore()
        return
    with Archive.create_or_open(path) as archive:
        yield archive.refinements(), archive.calls()


def _models_of(models: Mapping[str, str], calls: ModelCallStore | MemoryStore, budget: Budget | None, prices: Path | None) -> Models:
    before = {role: Spent(*sums) for role, sums in calls.sums(_CALLS_RUN).items()} if isinstance(calls, ModelCallStore) else {}
    return Models({role: parse(text) for role, text in models.items()}, calls, prices=read_prices(prices), budget=budget, before=before)
