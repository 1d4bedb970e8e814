"""Running a search: ``search`` with its preparation and archive, and ``Search``, the ask-and-tell interface."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from personaevo.archive import Archive
from personaevo.chat import ChatModel
from personaevo.config import SearchConfig
from personaevo.errors import ArchiveError, ConfigError, PeopleWarning, ProfilesWarning
from personaevo.evolve.loop import SearchLoop
from personaevo.evolve.parts import OWN_PARTS, ModelRuntime, Parts, make_parts, settled, wanted, with_wording
from personaevo.evolve.players import ClosedError, DialogueQueue, Request
from personaevo.evolve.prepare import EvaluationSetup, prepare
from personaevo.evolve.profiles import PROFILES_USED
from personaevo.evolve.progress import Progress, ProgressReporter, SearchResult, outlook
from personaevo.evolve.ranking import AUDITOR_SEES
from personaevo.evolve.recombine import Operator, check_weights
from personaevo.evolve.rollout import warmed
from personaevo.evolve.select import Selection
from personaevo.judge.discriminator import Judge
from personaevo.judge.objectives import SCORING, Objective, scoring_of, using
from personaevo.measure.cells import Descriptors
from personaevo.model_spec import same_model
from personaevo.programs.sandbox import require
from personaevo.records import Run
from personaevo.simulate.own_users import AgentSimulator, UserSimulator
from personaevo.simulate.partners import AgentFunction
from personaevo.workers import WorkerPool, Workers


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
        workers = runtime.pool if runtime and runtime.plays else stack.enter_context(Workers(config.jobs, executor))
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


def _setup(
    config: SearchConfig, runtime: ModelRuntime | None, workers: WorkerPool, watch: ProgressReporter, parts: Parts
) -> EvaluationSetup:
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


def check_place(path: Path, *, resume: bool) -> None:
    """Check the archive's path before the preparation, so that a mistake is reported at once."""
    if path.exists() and not resume:
        raise ArchiveError(f"archive {path} exists: add --resume to continue its search, or give another --archive")
    if resume and not path.exists():
        raise ArchiveError(f"archive {path} does not exist: nothing to resume; leave --resume out to begin a search")
    if resume:  # before opening it for writing, which would migrate an old archive
        runs: Sequence[Run] = ()
        with suppress(ArchiveError), Archive.read(path) as archive:
            runs = archive.runs()
        _check_scoring(path, runs)
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise ArchiveError(f"archive {path} cannot be created: {path.parent} is not a writable folder; give another --archive")


def _check_scoring(path: Path, runs: Sequence[Run]) -> None:
    """Raise ArchiveError if the last run has another version of the scoring."""
    made_by = scoring_of(runs[-1].settings) if runs else SCORING
    if made_by != SCORING:
        raise ArchiveError(
            f"archive {path} was scored by scoring {made_by}, this personaevo scores by {SCORING}: it can be shown and verified, "
            "but not resumed; begin another archive"
        )


def free_name(domain: str) -> Path:
    """The first unused name among ``service.duckdb``, ``service-2.duckdb``, … in the working folder."""
    names = (Path(f"{domain}.duckdb" if number == 1 else f"{domain}-{number}.duckdb") for number in range(1, 1_000_000))
    return next(name for name in names if not name.exists())


def begin(archive: Archive, config: SearchConfig, setup: EvaluationSetup) -> Run:
    """The run to resume, or a new one.

    Raises:
        ArchiveError: the archive's run has other settings, tasks, people or another seed program, or lacks required dialogues.
    """
    wanted = {"calibration_digest": None, OWN_PARTS: None} | config.recorded() | setup.inputs
    runs = archive.runs()
    if not runs:
        run = archive.begin_run(wanted, setup.cells(), setup.scoring())
        archive.publish_snapshot()
        return run
    settings = runs[-1].settings
    _check_scoring(archive.path, runs)
    _check_settings(archive, settings, wanted)
    if "mutator" in config.models and archive.pruned(runs[-1].id):
        raise ArchiveError(
            f"archive {archive.path} lacks dialogues that the mutator would be shown, left out by 'archive compact --elites': "
            "resume the archive as it was before, or begin another"
        )
    return runs[-1]


def _check_settings(archive: Archive, settings: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise ArchiveError at the first setting that differs from the recorded one."""
    name = next((name for name, value in wanted.items() if not _as_before(name, settings.get(name), value)), None)
    if name == OWN_PARTS:
        theirs, ours = ({} if one is None else one for one in (settings.get(name), wanted[name]))
        raise ArchiveError(
            f"archive {archive.path} was made with the parts {theirs or 'of personaevo alone'}, now they are {ours or 'none'}: "
            "resume with the same ones, or begin another archive"
        )
    if name is not None:
        raise ArchiveError(
            f"archive {archive.path} was made with {name} = {settings.get(name)!r}, now it is {wanted[name]!r}: "
            "resume with the same settings and files, or begin another archive"
        )


def _as_before(name: str, recorded: Any, wanted: Any) -> bool:
    """Whether a setting is compatible with the recorded one."""
    if name == "models" and isinstance(recorded, Mapping) and recorded.keys() == wanted.keys():
        return all(same_model(recorded[role], wanted[role]) for role in wanted)
    return bool(recorded == wanted) or name in (PROFILES_USED, AUDITOR_SEES)  # neither steers


class Search:
    """One search, as a context manager. Programs are bred, run and scored here; the caller plays the dialogues::

        with pe.Search(config, id="my simulator 1") as search:
            while batch := search.ask():
                search.tell({one.id: play(one.task, one.persona, one.seed) for one in batch})
            result = search.result()

    ``id`` names the player of the dialogues; it is recorded, and resuming (``config.resume``) requires the same. The other arguments are
    those of ``search``. ``tell`` may be called from any thread with any number of dialogues. Equal dialogues give an equal digest.

    Raises:
        ConfigError: a part cannot be used. Other errors of the search are raised by ``ask`` and ``result``.
    """

    def __init__(
        self, config: SearchConfig, *, id: str = "ask and tell", judge: Judge | None = None, objectives: Sequence[Objective] = (),
        operators: Mapping[str, Any] | None = None, selection: Any = None, models: Mapping[str, ChatModel] | None = None,
        descriptors: Descriptors | None = None, callbacks: Sequence[Callable[[Progress], None]] = (),
    ) -> None:  # fmt: skip
        if not id.strip():
            raise ConfigError("id: expected a name of what plays the dialogues, got none")
        self._outside = DialogueQueue(id)
        parts = replace(make_parts(None, None, judge, objectives, operators, selection, models, descriptors), outside=self._outside)
        self._config, self._parts, self._callbacks = config, parts, tuple(callbacks)
        self._thread = threading.Thread(target=self._run, name="search", daemon=True)
        self._found: SearchResult | None = None
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def ask(self, timeout: float | None = None) -> tuple[Request, ...]:
        """Wait for new dialogues to play and return them; empty when the search is over or after ``timeout`` seconds (see ``done``).

        The search may need the results of earlier dialogues to continue, so ``tell`` them before asking again, or from another thread.

        Raises:
            PersonaevoError: the search failed.
        """
        found = self._outside.ask(timeout)
        if not found and self._error is not None:
            raise self._error
        return found

    def tell(self, results: Mapping[int, Any]) -> None:
        """Report dialogues by the ids of their requests: each a ``Dialogue``, a list of turns (pairs, or dicts or objects with role and
        content), or an exception if it failed.

        Raises:
            ConfigError: an id is not pending. InputError: a value is no dialogue. In both cases nothing is accepted.
        """
        self._outside.tell(results)

    @property
    def done(self) -> bool:
        """Whether the search is over."""
        return not self._thread.is_alive()

    def result(self) -> SearchResult:
        """Wait for the end of the search and return its result.

        Raises:
            PersonaevoError: the search failed.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._found is not None, "it has ended"
        return self._found

    def close(self) -> None:
        """Stop a search that is not over. Committed candidates stay in the archive, and ``resume`` continues from them."""
        self._outside.close()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._found = run(self._config, self._parts, self._callbacks, None)
        except BaseException as error:  # noqa: BLE001 - raised again by ``ask`` and ``result``
            self._error = error
        finally:
            with suppress(ClosedError):
                self._outside.close()
