"""Run an agent with a population of users, to find the users with whom it fails; dialogues are stored in a file to resume from."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from personaevo import definitions, readers, reference
from personaevo.calibration import load_calibration, model_name
from personaevo.config import make_config
from personaevo.errors import ConfigError, InputError
from personaevo.evolve.rollout import Plan, make_plan
from personaevo.models import Budget, MemoryStore, Models, parse, read_prices
from personaevo.records import Episode, PlanItem, Task, Tier
from personaevo.reference import Reference
from personaevo.sampler import PersonaSampler, SampledPersona, Strategy
from personaevo.simulate.episodes import measured
from personaevo.simulate.model_voice import model_user
from personaevo.simulate.partners import DEFAULT_TIMEOUT, AgentFunction
from personaevo.simulate.turns import seed_of
from personaevo.stress.findings import conclude
from personaevo.stress.result import DialogueRunner, StressDialogue, StressResult, Success, agent_of, row_of


class DialogueFile:
    """A context manager over the file. With ``resume`` its dialogues are read; else it must not exist."""

    def __init__(self, path: Path, *, resume: bool) -> None:
        self.path = path
        self._rows = _read(path) if resume and path.exists() else {}
        if not resume and path.exists():
            raise InputError(f"{path} exists: continue with its dialogues (resume), or give another file")
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        try:
            rewrite(self.path, self._rows.values())  # without a line that was only partly written
            self._file = self.path.open("a", encoding="utf-8")
        except OSError as error:
            raise InputError(f"{self.path} cannot be written ({(error.strerror or 'no reason given').lower()})") from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._file is not None
        self._file.close()
        if not self._rows:
            with suppress(OSError):
                self.path.unlink()

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, talk: StressDialogue) -> None:
        """Append a dialogue."""
        assert self._file is not None
        if talk.id not in self._rows:
            self._rows[talk.id] = row = row_of(talk)
            self._file.write(f"{json.dumps(row, allow_nan=False)}\n")
            self._file.flush()

    def get(self, task: Task, persona: SampledPersona | None, item: PlanItem, losses: tuple[str, ...]) -> StressDialogue | None:
        """The stored dialogue of a planned item; None if it was not played yet.

        Raises:
            InputError: the stored dialogue of this id was played with other arguments, or is malformed.
        """
        empty = StressDialogue(task, persona, Episode(item, "failed"), "not played")
        row = self._rows.get(empty.id)
        if row is None:
            return None
        same = row_of(empty)
        if any(row.get(name) != same[name] for name in ("seed", "domain", "user_id", "persona")):
            raise InputError(f"{self.path}: dialogue {empty.id} was played with other arguments; resume with the same arguments")
        try:
            turns = tuple((one["role"], one["content"]) for one in row["turns"])
            preservation = row["preservation"]
            episode = Episode(
                item, "failed" if preservation is None else "completed", turns, row["outcome"], preservation=preservation or 0.0,
                persona=persona, reason=row["reason"], fault=row["fault"],
            )  # fmt: skip
            return StressDialogue(task, persona, measured([episode], losses)[0], row["ending"])
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{self.path}: dialogue {empty.id} was not written by 'stress'; give another file") from None


def rewrite(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Replace the file by these rows atomically. Raises OSError."""
    part = path.with_name(f"{path.name}.part")
    part.write_text("".join(f"{json.dumps(row, allow_nan=False)}\n" for row in rows), "utf-8")
    os.replace(part, path)


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """The rows by id, without an incomplete last line."""
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({(getattr(error, 'strerror', None) or 'it is not UTF-8').lower()})") from None
    found = {}
    for number, line in enumerate(lines[:-1], 1):
        try:
            row = json.loads(line)
            found[row["id"]] = row
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{path}, line {number}: not a dialogue written by 'stress'; give another file") from None
    return found


ROLES = ("user", "generator")


def stress_agent(
    agent: AgentFunction | str,
    tasks: Sequence[Task] | str | os.PathLike[str] | None,
    archive: str | os.PathLike[str],
    *,
    personas: int = 5,
    seed: int = 0,
    strategy: Strategy = "human",
    where: str | None = None,
    success: Success | None = None,
    control: bool = True,
    task_count: int | None = None,
    domain: str | None = None,
    models: Mapping[str, str] | None = None,
    budget: Budget | None = None,
    prices: Path | None = None,
    calibration: str | os.PathLike[str] | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    at_once: int = 1,
    sandbox: Tier = "kernel",
    keep: str | os.PathLike[str] | None = None,
    resume: bool = False,
    observe: Callable[[int, int], None] | None = None,
) -> StressResult:
    """Run an agent with users sampled from an archive, and report the users with whom it fails.

    Args:
        agent: a function of ``[{"role", "content"}, …]`` that returns its next turn, ``module:function``, or an HTTP chat endpoint.
        tasks: what the users want: records, a file (see ``read_tasks``), or None for the held-out tasks of the archive's search.
        archive: a file, or the name of a packaged archive.
        personas: users for each task, sampled by ``PersonaSampler.sample`` with ``strategy`` and ``where``.
        success: decides whether a completed dialogue is a success; None: the user leaves content, and all checks of task preservation pass.
            An agenda-based user is content when it is asked whether that was all, after it said what it wants.
        control: whether to play as many persona-free users with the same tasks and episode seeds.
        task_count: the most tasks to use, drawn by ``seed`` with their groups alternating.
        domain: the domain of the users' wording, a name or a folder; None is the archive's.
        models: role to model, such as {"user": "openai:gpt-4o-mini"}: it plays the users; "generator" is the model that programs may ask.
            Without it, users are the embedded engine, which needs no key. ``budget`` and ``prices`` apply to these models.
        calibration: an archive of ``personaevo calibrate`` with a calibration of the user's model, which its directors then apply; turns
            are worded as in the calibration.
        timeout: seconds for one answer of the agent.
        at_once: concurrent dialogues, in threads that share the agent. Results do not depend on it if the agent's answers do not.
        keep: a JSON-lines file to which each dialogue is written as it ends, in the form of ``StressResult.dialogues``.
        resume: continue with the dialogues in ``keep``, which were played with the same arguments.
        observe: called with (dialogues done, planned).

    An agent that raises, hangs or answers without text fails the dialogue, with a reason; its exceptions are not raised here. Dialogues
    whose user's model failed count as not played. Equal arguments and a deterministic agent give equal results.

    Behaviors are those that a persona showed *before*, if the sampler has measured it, else its dials; never those of the dialogue itself,
    as a failing agent makes users push back. Users in the upper third are compared with those in the lower third.

    Raises:
        InputError, ConfigError: an argument does not have the expected form, or ``keep`` exists (without ``resume``) or cannot be used.
        ArchiveError, ProgramError, SandboxError: see ``PersonaSampler``.
        ModelError, BudgetError: the users' model cannot be asked, or not any more.
    """
    _check_numbers(personas, at_once, task_count, timeout)
    name, make_agent, seconds = agent_of(agent, timeout)
    players = _players(models or {}, budget, prices)
    curves = None if calibration is None else load_calibration(calibration, model_name(models or {}))
    with players, PersonaSampler(archive, sandbox=sandbox, models=players) as sampler:
        place = _place(domain, sampler)
        wanted = _tasks(tasks, place, sampler.settings)
        plan = make_plan(wanted, at_most=task_count or len(wanted), personas=personas, seed=seed, purpose="stress", dialogues=1)
        people, notes = _people(place, sampler.settings)
        user = players.role("user")
        make_user = None if user is None else model_user(user, "draft" if curves is None else curves.wording, calibration=curves)
        runner = DialogueRunner(definitions.domain(place), make_user, make_agent, people.losses if people else (), success, seconds)
        jobs = _jobs(sampler, plan, strategy, where, control=control)
        with nullcontext() if keep is None else DialogueFile(Path(keep), resume=resume) as kept:
            talks = _played(runner, plan, jobs, at_once, kept, observe)
    settings = {
        "archive": os.fspath(archive), "domain": sampler.domain if domain is None else domain, "tasks": len(plan.tasks),
        "personas": personas, "strategy": strategy, "where": where, "seed": seed,
        "user": str(parse((models or {}).get("user", "embedded"))),
        "success": "own check" if success else "content, task kept", "calibration": None if curves is None else curves.digest,
    }  # fmt: skip
    result = conclude(name, settings, talks[: len(plan.items)], talks[len(plan.items) :], people, notes)
    if keep is not None:
        rewrite(Path(keep), result.dialogues())  # now with P(human), which needs all dialogues
    return result


def _check_numbers(personas: int, at_once: int, task_count: int | None, timeout: float) -> None:
    if personas < 1 or at_once < 1 or (task_count is not None and task_count < 1):
        raise ConfigError("personas, task_count and at_once: expected at least 1 of each")
    if not 0 < timeout < threading.TIMEOUT_MAX:
        raise ConfigError(f"timeout {timeout!r}: expected a positive number of seconds")


def _place(domain: str | None, sampler: PersonaSampler) -> str:
    """The domain's name or folder, for ``definitions.domain``."""
    if domain is not None:
        return make_config({"domain": domain}).domain_place
    if sampler.domain not in definitions.domain_names():
        advice = "give the folder it was searched in as the domain, such as --domain ./NAME"
        raise ConfigError(f"the archive's domain '{sampler.domain}' is not installed: {advice}")
    return sampler.domain


def _tasks(given: Sequence[Task] | str | os.PathLike[str] | None, place: str, settings: Mapping[str, Any]) -> list[Task]:
    """The tasks as records with unique ids; tasks without a domain get the archive's."""
    if given is None:
        file = settings.get("tasks") or definitions.domain_files(place).tasks
        found = readers.read_tasks(file)
        found = [task for task in found if task.split == "test"] or found
    else:
        found = readers.read_tasks(Path(given)) if isinstance(given, str | os.PathLike) else list(given)
    if not found or not all(isinstance(task, Task) for task in found):
        raise InputError("tasks: expected at least one Task, or a file of tasks")
    if len({task.id for task in found}) < len(found):
        raise InputError("tasks: expected an id of its own for each")
    return [task if task.domain else task.model_copy(update={"domain": str(settings.get("domain", ""))}) for task in found]


def _people(place: str, settings: Mapping[str, Any]) -> tuple[Reference | None, list[str]]:
    """The human reference of the archive's search; or a note if it is not available."""
    given, own = settings.get("human"), definitions.domain_files(place).reference
    if given is not None and Path(given).exists():
        return reference.read(given, domain=str(settings.get("domain", ""))), []
    if given is None and own.exists():
        return reference.load(own), []
    return None, ["no P(human): the human dialogues of the archive's search are not available"]


def _jobs(
    sampler: PersonaSampler, plan: Plan, strategy: Strategy, where: str | None, *, control: bool
) -> list[tuple[PlanItem, SampledPersona | None]]:
    """The planned dialogues with their personas, followed by the persona-free ones (None)."""
    drawn = {
        task.id: sampler.sample(task, plan.personas, seed=seed_of(plan.seed, "stress", task.id), strategy=strategy, where=where)
        for task in plan.tasks
    }
    return [(item, drawn[item.task_id][item.slot]) for item in plan.items] + [(item, None) for item in plan.items if control]


def _players(models: Mapping[str, str], budget: Budget | None, prices: Path | None) -> Models:
    """The models of the user and of the programs' generator."""
    for role in models:
        if role not in ROLES:
            raise ConfigError(f"models: no role {role!r:.40} here; roles are {', '.join(ROLES)}, and the agent is given as such")
    return Models({role: parse(text) for role, text in models.items()}, MemoryStore(), prices=read_prices(prices), budget=budget)


def _played(
    runner: DialogueRunner,
    plan: Plan,
    jobs: Sequence[tuple[PlanItem, SampledPersona | None]],
    at_once: int,
    kept: DialogueFile | None,
    observe: Callable[[int, int], None] | None,
) -> list[StressDialogue]:
    """The dialogues, in order; stored ones are not played again. The first error that is not the agent's stops all."""
    tasks = {task.id: task for task in plan.tasks}
    known = [None if kept is None else kept.get(tasks[item.task_id], persona, item, runner.losses) for item, persona in jobs]

    def play(job: tuple[PlanItem, SampledPersona | None], there: StressDialogue | None) -> StressDialogue:
        try:
            return there or runner.play(tasks[job[0].task_id], job[1], job[0])
        except BaseException:
            runner.stopping.set()  # stops running dialogues, whose results are awaited first, as map keeps the order
            raise

    talks: list[StressDialogue] = []
    players = ThreadPoolExecutor(at_once, thread_name_prefix="dialogue")
    try:
        for talk in players.map(play, jobs, known) if at_once > 1 else map(play, jobs, known):
            talks.append(talk)
            if kept is not None:
                kept.add(talk)
            if observe is not None:
                observe(len(talks), len(jobs))
    finally:
        runner.stopping.set()
        players.shutdown(cancel_futures=True)
    return talks
