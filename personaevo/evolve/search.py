"""Running a search: what is prepared, in which order, and what comes out."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path

from personaevo.archive import Archive
from personaevo.config import SearchConfig
from personaevo.errors import PeopleWarning, ProfilesWarning
from personaevo.evolve.begin import begin, check_place, free_name
from personaevo.evolve.calibrated import settled
from personaevo.evolve.company import Company, wanted
from personaevo.evolve.loop import SearchLoop
from personaevo.evolve.parts import Parts, made
from personaevo.evolve.parts import settled as parts_settled
from personaevo.evolve.prepare import prepare
from personaevo.evolve.progress import Progress, Watch, outlook
from personaevo.evolve.recombine import Operator, check_weights
from personaevo.evolve.result import SearchResult
from personaevo.evolve.rollout import warmed
from personaevo.evolve.select import Selection
from personaevo.judge.discriminator import Judge
from personaevo.judge.objectives import using
from personaevo.judge.objectives.base import Objective
from personaevo.measure.cells import Descriptors
from personaevo.programs.sandbox import require
from personaevo.records import ChatModel
from personaevo.simulate.own_users import AgentSimulator, UserSimulator
from personaevo.simulate.partners import AgentFunction
from personaevo.workers import Workers


def search(
    config: SearchConfig, *, users: UserSimulator | None = None, agent: AgentSimulator | AgentFunction | None = None,
    judge: Judge | None = None, objectives: Sequence[Objective] = (),
    operators: Mapping[str, Operator | tuple[Operator, float]] | None = None, selection: Selection | None = None,
    models: Mapping[str, ChatModel] | None = None, descriptors: Descriptors | None = None,
    executor: Executor | None = None, callbacks: Sequence[Callable[[Progress], None]] = (),
    observe: Callable[[Progress], None] | None = None,
) -> SearchResult:  # fmt: skip
    """Runs or resumes a search and returns what it found; the archive holds everything.

    Every argument but ``config`` is a part of one's own in place of ours, an object with one or two methods (see the protocols). What its
    ``id`` says is recorded with the run: a search is resumed, and verified, with the same parts. Whatever goes wrong in users, agents and
    models costs a dialogue.

    Args:
        users: plays the users.
        agent: plays the agents: an object, or a function of the messages that is shared by all dialogues.
        judge: takes the place of the forest behind human likeness.
        objectives: more objectives; one that steers is part of the score.
        operators: more operators by name, each alone (with the weight 1) or with its weight.
        selection: chooses parents.
        models: chat models by role ("mutator", "user", …), as objects.
        descriptors: what cells are made of.
        executor: any of ``concurrent.futures``, a Dask client's ``get_executor()``, …; it takes the place of the worker processes and is
            not ended. Its workers need this version of personaevo. Results do not depend on it.
        callbacks: called with the progress after every commit, and about once a second where dialogues cost calls.
        observe: one more callback, as it was called before there were several.

    Raises:
        PersonaevoError: an input, a setting, the archive, a part or the sandbox tier cannot be used. What was committed before stays.
    """
    parts = made(users, agent, judge, objectives, operators, selection, models, descriptors)
    heard = (*callbacks, *(() if observe is None else (observe,)))
    return run(config, parts, heard, executor)


def run(
    config: SearchConfig, parts: Parts, callbacks: Sequence[Callable[[Progress], None]], executor: Executor | None
) -> SearchResult:
    """``search`` with its parts put together."""
    with using(parts.objectives):
        return _searched(settled(parts_settled(config, parts)), parts, callbacks, executor)


def _searched(
    config: SearchConfig, parts: Parts, callbacks: Sequence[Callable[[Progress], None]], executor: Executor | None
) -> SearchResult:
    started = time.monotonic()
    check_weights(config.operators, parts.operator_table)
    path = config.archive or free_name(config.domain)
    check_place(path, resume=config.resume)
    require(config.sandbox)
    with ExitStack() as stack:
        watch = Watch(config, callbacks)
        company = _company(config, path, stack, watch, parts)
        workers = company.crew if company and company.plays else stack.enter_context(Workers(config.jobs, executor))
        if isinstance(workers, Workers):
            workers.warm_up(warmed, config.sandbox)
        archive = company.archive if company else None
        if archive is None and config.resume:
            archive = stack.enter_context(Archive.create_or_open(path))
        if company is None or not company.plays:
            bench = prepare(config, workers, tried=config.resume, parts=parts)
        else:
            told = lambda kinds: watch.planned(outlook(config, company, kinds))  # noqa: E731
            bench = prepare(config, workers, company.cast, told, tried=config.resume, parts=parts)
        if bench.assumed:
            warnings.warn(bench.assumed, PeopleWarning, stacklevel=2)
        for note in bench.notes:
            warnings.warn(note, ProfilesWarning, stacklevel=2)
        if archive is None:  # only now: a mistake in the settings or the seed program must not leave an empty archive
            archive = stack.enter_context(Archive.create_or_open(path))
        run = begin(archive, config, bench)
        loop = SearchLoop(config, bench, workers, archive, run.id, watch, started, company, parts)
        loop.resume()
        loop.loop()
        return loop.result(path, archive, loop.table())


def _company(config: SearchConfig, path: Path, stack: ExitStack, watch: Watch, parts: Parts) -> Company | None:
    """With models, those and the archive that keeps their answers; it is open before the first is asked, and removed if there was none."""
    if not wanted(config, parts):
        return None
    if not config.resume:
        stack.callback(Archive.remove_if_empty, path)  # a search that came to nothing leaves nothing
    return stack.enter_context(Company(config, stack.enter_context(Archive.create_or_open(path)), watch.played, parts))
