"""Running a search: ``search`` with its preparation and archive, and ``Search``, the ask-and-tell interface."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path

from personaevo.archive import Archive
from personaevo.chat import ChatModel
from personaevo.config import SearchConfig
from personaevo.crew import WorkerPool
from personaevo.errors import PeopleWarning, ProfilesWarning
from personaevo.evolve.begin import begin, check_place, free_name
from personaevo.evolve.calibrated import with_wording
from personaevo.evolve.company import ModelRuntime, wanted
from personaevo.evolve.loop import SearchLoop
from personaevo.evolve.parts import Parts, make_parts, settled
from personaevo.evolve.prepare import EvaluationSetup, prepare
from personaevo.evolve.progress import Progress, ProgressReporter, outlook
from personaevo.evolve.recombine import Operator, check_weights
from personaevo.evolve.result import SearchResult
from personaevo.evolve.rollout import warmed
from personaevo.evolve.select import Selection
from personaevo.judge.discriminator import Judge
from personaevo.judge.objectives import using
from personaevo.judge.objectives.base import Objective
from personaevo.measure.cells import Descriptors
from personaevo.programs.sandbox import require
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
    """Run or resume a search and return its result; the archive holds everything.

    Every argument except ``config`` replaces a built-in part with an object that has one or two methods (see the protocols). Its ``id`` is
    recorded with the run; resuming and verifying require the same parts. An error in users, agents or models only fails the dialogue.

    Args:
        users: simulator of users.
        agent: simulator of agents: an object, or a function of the messages that all dialogues share.
        judge: judge in place of the forest of the human-likeness objective.
        objectives: additional objectives; those that steer become part of the score.
        operators: additional operators by name, alone (with weight 1) or as pairs with a weight.
        selection: parent selection.
        models: chat models by role ("mutator", "user", …), as objects.
        descriptors: behavior descriptors of the cells.
        executor: an executor of ``concurrent.futures``, a Dask client's ``get_executor()``, …, in place of the worker processes; it is not
            shut down. Its workers need this version of personaevo. Results do not depend on it.
        callbacks: called with the progress after every commit and, if dialogues cost calls, about once a second.
        observe: one more callback, kept for compatibility.

    Raises:
        PersonaevoError: an input, a setting, the archive, a part or the sandbox tier cannot be used. Committed candidates are kept.
    """
    parts = make_parts(users, agent, judge, objectives, operators, selection, models, descriptors)
    heard = (*callbacks, *(() if observe is None else (observe,)))
    return run(config, parts, heard, executor)


def run(
    config: SearchConfig, parts: Parts, callbacks: Sequence[Callable[[Progress], None]], executor: Executor | None
) -> SearchResult:
    """Run ``search`` with its parts as one object."""
    started = time.monotonic()
    with using(parts.objectives), ExitStack() as stack:
        config = with_wording(settled(config, parts))
        check_weights(config.operators, parts.operator_table)
        path = config.archive or free_name(config.domain)
        check_place(path, resume=config.resume)
        require(config.sandbox)
        watch = ProgressReporter(config, callbacks)
        runtime = _runtime(config, path, stack, watch, parts)
        workers = runtime.crew if runtime and runtime.plays else stack.enter_context(Workers(config.jobs, executor))
        if isinstance(workers, Workers):
            workers.warm_up(warmed, config.sandbox)
        archive = runtime.archive if runtime else None
        if archive is None and config.resume:
            archive = stack.enter_context(Archive.create_or_open(path))
        setup = _setup(config, runtime, workers, watch, parts)
        if archive is None:  # only now: a mistake in the settings or the seed program must not leave an empty archive
            archive = stack.enter_context(Archive.create_or_open(path))
        run = begin(archive, config, setup)
        loop = SearchLoop(config, setup, workers, archive, run.id, watch, started, runtime, parts)
        loop.resume()
        loop.loop()
        return loop.result(path, archive, loop.table())


def _runtime(config: SearchConfig, path: Path, stack: ExitStack, watch: ProgressReporter, parts: Parts) -> ModelRuntime | None:
    """The models, if there are any, with the archive that stores their answers. It is opened before the first call, and removed if it
    stays empty."""
    if not wanted(config, parts):
        return None
    if not config.resume:
        stack.callback(Archive.remove_if_empty, path)
    return stack.enter_context(ModelRuntime(config, stack.enter_context(Archive.create_or_open(path)), watch.played, parts))


def _setup(config: SearchConfig, runtime: ModelRuntime | None, workers: WorkerPool, watch: ProgressReporter, parts: Parts) -> EvaluationSetup:
    """Prepare the search, and warn about assumptions."""
    if runtime is None or not runtime.plays:
        setup = prepare(config, workers, tried=config.resume, parts=parts)
    else:
        on_negatives = lambda kinds: watch.planned(outlook(config, runtime, kinds))  # noqa: E731
        setup = prepare(config, workers, runtime.players, on_negatives, tried=config.resume, parts=parts)
    if setup.assumed:
        warnings.warn(setup.assumed, PeopleWarning, stacklevel=2)
    for note in setup.notes:
        warnings.warn(note, ProfilesWarning, stacklevel=2)
    return setup
