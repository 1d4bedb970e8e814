"""A refinement from behaviors to report: what the command line and ``personaevo.refine_profile`` call."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from pydantic import ValidationError

from personaevo import definitions
from personaevo.archive import Archive, Calls, Refinements
from personaevo.config import REFINE_ROLES, make_config
from personaevo.errors import ConfigError, InputError
from personaevo.models import Account, Budget, Kept, Models, Spent, parse, read_prices
from personaevo.refine import controls, implicit, measures, reading, starts
from personaevo.refine.behavior import Behavior
from personaevo.refine.peers import others
from personaevo.refine.people import Crowd, Observe, begun, refine_all, works
from personaevo.refine.person import Engine, Start, StartWord, Work, case_of
from personaevo.refine.profile import Profile
from personaevo.refine.result import Outcome, PersonResult, Settings
from personaevo.refine.summary import Summary, summarize

_FILE = re.compile(r"\S+\.(?:json|md|txt)|[./~]\S*/\S+")  # what no text is
_CALLS_RUN = 1  # where answers for a refinement are kept in an archive: it has no run of a search


@dataclass(frozen=True)
class Refinement:
    """What a refinement came to: ``results`` by person and role, the ``summary`` over them, what models did and cost, and how long it
    took."""

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
    """Refines the profile of each person against what they did.

    Args:
        behaviors: the people; each is refined on every side on which there are two dialogues or more.
        start: a profile, or "shrinkage" (what statistics expect of the person after their items), "population" (the average of the others),
            "attributes" (the person's own), "nothing".
        others_known: people who are not refined, but known to be others.
        unread: people whose behavior could not be read, with the reason: they are among the results as failed ones (not in the archive).
        domain: whose tasks and wording the embedded player uses, a name or a folder.
        archive: a DuckDB file that keeps everything; ``resume`` goes on with what it holds.
        jobs: worker processes where no model is asked (None: one per processor); results do not depend on it.
        models: "user", "analyst", "refiner" to a model, such as {"user": "openai:gpt-4o-mini"}; the others are embedded.
        observe: called with (people done, planned).

    Raises:
        ConfigError, InputError: an argument is not of the expected form, or a resumed refinement had other settings.
        ModelError, BudgetError: models cannot be asked (any more); who is done is in the archive.
        ArchiveError: see ``Archive``.
    """
    began = time.monotonic()
    settings, chosen = settings or Settings(), _models(models or {})
    crowd = Crowd(tuple(behaviors), start, tuple(others_known))
    place = make_config({"domain": domain}).domain_place
    definitions.domain(place)
    if not crowd.behaviors:
        raise InputError("expected at least one person to refine, got none")
    if resume and archive is None:
        raise ConfigError("resume: expected the archive that holds what was done so far, got none")
    if resume and not Path(archive or "").exists():
        raise ConfigError(f"resume: archive {archive} does not exist; leave it out to begin a refinement")
    _check_start(start, settings)
    _check_measures(settings, chosen)
    with ExitStack() as stack:
        if archive is not None and not resume:
            stack.callback(Archive.remove_if_empty, archive)  # a refinement that came to nothing leaves nothing
        store, calls = stack.enter_context(_kept(archive))
        with _asked(chosen, calls, budget, prices) as players:
            engine = Engine(place, user=players.role("user"), analyst=players.role("analyst"), refiner=players.role("refiner"))
            if store is not None:  # only now: a model without a key must not leave a refinement begun
                recorded = {role: str(parse(text)) for role, text in chosen.items()}
                begun(store, {**settings.model_dump(mode="json"), **crowd.recorded(), "domain": domain, "models": recorded}, resume=resume)
                stack.callback(store.withdraw)  # nobody done, nothing begun: the next one may have other settings
            found = works(crowd, engine, settings)
            flush = calls.flush if isinstance(calls, Calls) else lambda _: None
            try:
                results = refine_all(engine, settings, found, store, jobs, observe, lambda: flush(_CALLS_RUN))
                other = others(results, found, _play_other(engine, settings) if engine.user is not None else None)
            finally:
                flush(_CALLS_RUN)
        results += [PersonResult(person=name, state="failed", reason=why) for name, why in (unread or {}).items()]
        summary = summarize(results, other)
    path = None if archive is None else Path(archive)
    return Refinement(settings, tuple(results), summary, players.ledger.accounts(), time.monotonic() - began, path)


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
    """Refines one profile against one person's behavior.

    Args:
        profile: a profile, the file of one (see ``starts.read``), a text, or "shrinkage", "population", "attributes", "nothing".
        behavior: records, or a file of them (see ``reading.read``).
        others_known: other people's behavior, for means and deviations; without, the people of the domain's reference (user's side only).
        settings: a mapping will do, such as {"rounds": 2, "samples": 10} (see ``result.Settings``).

    The other arguments, and errors, are those of ``refine_people``. A person with dialogues on both sides gives the result of that with
    more of them.
    """
    kinds = (str, os.PathLike, Profile, Behavior)
    if not all(isinstance(one, kinds) for one in (profile, behavior)):
        given_types = f"{type(profile).__name__} and {type(behavior).__name__}"
        raise ConfigError(f"refine_profile: expected a profile (or text, or file) and a behavior (or file), got {given_types}")
    given = behavior if isinstance(behavior, Behavior) else reading.read(Path(behavior))
    done = refine_people(
        [given], start=start_of(profile), others_known=others_known, settings=_settings(settings), domain=domain, models=models,
        budget=budget,
    )  # fmt: skip
    one = max(done.results, key=lambda result: sum(getattr(item, "role", "") == result.role for item in given.items))
    if one.state == "failed":
        raise InputError(f"person '{one.person}': {one.reason}")
    return one


def start_of(given: Profile | str | os.PathLike[str]) -> Start:
    """A start from what a caller may write: a profile, one of the words (``StartWord``), the name of a file, or a text."""
    if isinstance(given, Profile):
        return given
    text = os.fspath(given)
    for word in get_args(StartWord):
        if text == word:
            return cast(StartWord, word)
    if isinstance(given, os.PathLike) or _FILE.fullmatch(text):
        return starts.read(text)
    if not text.strip():
        raise ConfigError('the profile to start from: expected words, got none; give "nothing" to start from nothing')
    return starts.from_text(text)


def _settings(given: Settings | Mapping[str, Any] | None) -> Settings:
    if given is None or isinstance(given, Settings):
        return Settings() if given is None else given
    try:
        return Settings.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"setting '{'.'.join(map(str, first['loc']))}' of a refinement: {first['msg'].lower()}") from None


# --- inside


def _models(given: Mapping[str, str]) -> dict[str, str]:
    for role in given:
        if role not in REFINE_ROLES:
            raise ConfigError(f"models: no role {role!r:.40} here; roles of a refinement are {', '.join(REFINE_ROLES)}")
    return {role: text for role, text in sorted(given.items()) if text != "embedded"}


def _check_start(start: Start, settings: Settings) -> None:
    """Raises ConfigError: the profile that everybody is to start from is not usable."""
    if isinstance(start, Profile) and (start.claims or start.dials):
        problems = start.problems(settings.budget)
        if problems:
            raise ConfigError(f"the profile to start from: {problems[0]}")


def _check_measures(settings: Settings, models: Mapping[str, str]) -> None:
    """Raises ConfigError: an optional measure cannot be taken here. Better now than when everybody has been played."""
    if settings.measures and "user" not in models:
        raise ConfigError("measures: cosine and bert_score compare answer by answer, which only a model as user gives (--model user=…)")
    for name in settings.measures:
        why = measures.missing(name)
        if why:
            raise ConfigError(f"measure {name}: {why}")


@contextmanager
def _kept(path: str | os.PathLike[str] | None) -> Iterator[tuple[Refinements | None, Calls | Kept]]:
    """Where results and answers of models are kept: in the archive, else answers for this time only."""
    if path is None:
        yield None, Kept()
        return
    with Archive.create_or_open(path) as archive:
        yield archive.refinements(), archive.calls()


def _asked(models: Mapping[str, str], calls: Calls | Kept, budget: Budget | None, prices: Path | None) -> Models:
    before = {role: Spent(*sums) for role, sums in calls.sums(_CALLS_RUN).items()} if isinstance(calls, Calls) else {}
    return Models({role: parse(text) for role, text in models.items()}, calls, prices=read_prices(prices), budget=budget, before=before)


def _play_other(engine: Engine, settings: Settings) -> Callable[[Work, PersonResult], Outcome]:
    def play(work: Work, other: PersonResult) -> Outcome:
        case, _ = case_of(engine, settings, work)
        assert other.profile is not None  # only those that are done
        return controls.outcome(case, other.profile, case.judged)

    return play


def open_folder(folder: Path) -> Path:
    """The folder that profiles are to be written to, made if it is not there.

    Raises:
        InputError: it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: expected a folder to write profiles to: {error.strerror or error}; give another") from None
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder}: expected a folder that can be written to; give another")
    return folder


def write_profiles(results: Sequence[PersonResult], folder: Path, domain: str = "") -> list[Path]:
    """Writes the refined profile of each person (and side) to ``PERSON.ROLE.json``; the files. ``domain`` is where they were refined.

    Signs that a file's name should not have become "_"; where two people would then have one file, a hash of the name tells them apart.

    Raises:
        InputError: a file cannot be written.
    """
    open_folder(folder)
    done = [one for one in results if one.profile is not None]
    plain = {one.key: "".join(char if char.isalnum() or char in "-_" else "_" for char in one.person)[:100] for one in done}
    people: dict[str, set[str]] = {}
    for one in done:
        people.setdefault(plain[one.key].casefold(), set()).add(one.person)
    written = []
    for one in done:
        name = plain[one.key]
        if len(people[name.casefold()]) > 1:
            name += f"-{hashlib.blake2b(one.person.encode('utf-8', 'replace'), digest_size=4).hexdigest()}"
        written.append(folder / f"{'.'.join(filter(None, (name, one.role)))}.json")
        implicit.write(written[-1], implicit.ImplicitProfile.of(one, domain))
    return written
