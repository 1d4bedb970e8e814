"""Sample personas from an archive: stored ones with their measurements, or new ones for a new task."""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, get_args

import numpy as np

from personaevo import content, definitions, readers
from personaevo.archive import Archive, Elite, Member
from personaevo.chat import Role
from personaevo.definitions import domain_files, domain_names
from personaevo.errors import ArchiveError, ConfigError, InputError
from personaevo.records import Task, Tier
from personaevo.sampler.pool import Pool, SampledPersona, Selection, Strategy, choose, draw_personas, measured, weigh
from personaevo.simulate.directions import as_task
from personaevo.simulate.episodes import ScriptedAgent
from personaevo.simulate.turns import seed_of
from personaevo.where import Where, parse

if TYPE_CHECKING:
    from personaevo.models import Models
    from personaevo.sampler.fresh import ElitePrograms


def known_tasks(settings: Mapping[str, Any]) -> dict[str, Task]:
    """The tasks of a run by id, from its own file or its domain's; empty if the file is not available."""
    file, domain = settings.get("tasks"), str(settings.get("domain", ""))
    if file is None and domain in domain_names():
        file = domain_files(domain).tasks
    if file is None or not Path(file).is_file():
        return {}
    return {task.id: task for task in readers.read_tasks(file)}


def stored_id(task: Task, stored: frozenset[str], known: Mapping[str, Task]) -> str | None:
    """The id of the stored task equal to ``task``: with the same content, or with the same id if its content is not known."""
    if task.id in stored and task.id not in known:
        return task.id
    content = task.goal, task.facts, task.context
    same = (one for name, one in known.items() if name in stored and (one.goal, one.facts, one.context) == content)
    return next((one.id for one in same), None)


MAX_PERSONAS = 100_000
_CACHED_SELECTIONS = 32


class PersonaSampler:
    """Samples personas from the latest run of an archive: a file, or a packaged archive by its name ("service").

    The archive is read once, on creation, and then closed. Safe to use from several threads, after a fork, and (pickled) in other
    processes. A context manager: it ends the sandbox, of the given tier, that only new tasks start. ``models`` has the model ("generator")
    that programs may ask.

    Raises:
        ArchiveError: there is no such archive, it cannot be read, or it has no elite yet.
        SandboxError: there is no such tier.
    """

    def __init__(self, path: str | os.PathLike[str], *, sandbox: Tier = "kernel", models: Models | None = None) -> None:
        self.archive = os.fspath(path)
        with Archive.read(content.archive_file(self.archive)) as archive:
            run = archive.run()
            found = archive.population(run.id)
            self._sources = archive.sources({elite.program_id for elite in found.elites})
        self.elites: tuple[Elite, ...] = found.elites
        if not self.elites:
            raise ArchiveError(f"archive {self.archive} holds no elite yet: continue its search first")
        self.settings: Mapping[str, Any] = run.settings
        self._masses = {int(cell["cell"]): float(cell["mass"]) for cell in run.cells}
        self._pool = Pool(found.members, {int(cell["cell"]): str(cell["name"]) for cell in run.cells})
        self._tier, self._models = sandbox, models
        self._selection = lru_cache(_CACHED_SELECTIONS)(self._select)
        if sandbox != "kernel":
            _ = self._programs  # raises now for an unknown tier, and warns of the weak one

    @property
    def domain(self) -> str:
        """The domain of the search."""
        return str(self.settings.get("domain", ""))

    @cached_property
    def tasks(self) -> frozenset[str]:
        """The ids of the tasks that have stored personas."""
        return frozenset(self._pool.tasks)

    @property
    def names(self) -> Mapping[str, type]:
        """The names that ``where`` may use: ``str`` is text, other types are numbers."""
        return self._pool.kinds

    def goals(self) -> dict[str, str]:
        """The goals of the search's tasks by id; empty if its task file, or its domain's, is not available."""
        return {name: task.goal for name, task in self.known_tasks().items()}

    def known_tasks(self) -> dict[str, Task]:
        """The search's tasks by id; empty if its task file, or its domain's, is not available."""
        return known_tasks(self.settings)

    def sample(
        self, task: Task | Mapping[str, Any] | str | None = None, n: int = 5, seed: int = 0, strategy: Strategy = "human",
        where: str | None = None,
    ) -> list[SampledPersona]:  # fmt: skip
        """``n`` personas for a task: a record, a dict with at least ``goal``, the goal as text, or the id of a task of the archive.

        For None (any task) and for tasks of the archive these are *stored* personas: those of the elites of all cells and of the best
        program that satisfies the task preservation constraint, each in the cell of its own completed dialogue. For another task the elite
        programs are run, called as in the search, and their personas belong to the cell of the elite; each plays one trial dialogue of the
        embedded engine, if the search used that for both roles.

        Strategies: "human" draws cells by their share of people; "uniform" all cells with equal weight; "hard" draws users with whom
        agents fail. For "hard", stored personas must be classified as human (P(human) of at least ½); the agent *failed* one that gave up
        or reached the turn limit, or whose task was not preserved (preservation below 1). Cells are weighted by the share of such
        failures, shrunk towards the overall share by two pseudo-episodes; within a cell failed ones come first. New personas have no
        history: "hard" affects only the choice of their cells.

        Cells are drawn quasi-randomly (golden ratio), so that few draws are well spread, and without replacement until all that match were
        drawn; a cell whose personas are used up is left out until then. Equal arguments give equal personas in every process; a shorter
        sample is a prefix of a longer one. A program that fails on the task is skipped.

        ``where`` (see ``personaevo.where``) can use features (as measured), dials without a feature (as requested), axes of the programs
        (their levels), ``cell``, ``cell_name``, ``task``, ``outcome``, ``p_human`` and ``preservation``. Missing values never match.

        Raises:
            InputError, ConfigError: an argument does not have the expected form, or no persona matches.
            ProgramError: every program fails on the task.
            ArchiveError: a stored program is not the one that was scored; or there are no stored personas.
            SandboxError: this machine does not support the sandbox tier.
        """
        if not 1 <= n <= MAX_PERSONAS:
            raise InputError(f"n: expected 1 to {MAX_PERSONAS:,} personas, got {n}")
        if strategy not in get_args(Strategy):
            raise ConfigError(f"strategy: expected one of {', '.join(get_args(Strategy))}, got '{strategy}'")
        stored = self._stored(task)
        if isinstance(stored, Task):
            return [self._sampled(member) for member in self._made(stored, n, seed, strategy, where)]
        selection = self._selection(stored, strategy, where)
        numbers = islice(draw_personas(selection.groups, selection.weights, f"{seed}\x1f{stored or ''}"), n)
        return [self._sampled(self._pool.members[number], stored=True) for number in numbers]

    def close(self) -> None:
        """End the sandbox; a later sample starts a new one if necessary."""
        if "_programs" in self.__dict__:
            self._programs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        if self._models is not None:
            raise ConfigError("a sampler with models cannot be sent to another process: make one there")
        return {name: value for name, value in self.__dict__.items() if name not in ("_programs", "_selection")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _selection=lru_cache(_CACHED_SELECTIONS)(self._select))

    def _stored(self, task: Task | Mapping[str, Any] | str | None) -> Task | str | None:
        """The id of the stored task (None is any), or the given task if it is not stored."""
        if task is None or (isinstance(task, str) and task in self.tasks):
            return task
        given = as_task(task, self.domain)
        found = stored_id(given, self.tasks, self.known_tasks())
        return given if found is None else found

    def _select(self, task: str | None, strategy: Strategy, where: str | None) -> Selection:
        """The stored personas that may be drawn, and the weights of their cells."""
        selected = np.ones(len(self._pool), dtype=bool) if task is None else self._pool.tasks == task
        if not selected.any():
            raise ArchiveError(f"archive {self.archive} holds no personas of its elites: give a task, and its programs make some")
        if where is not None:
            condition = self._parsed(where)
            matching = selected & self._pool.matching(condition)
            if not matching.any():
                raise self._pool.no_match(condition, selected)
            selected = matching
        return choose(self._pool, selected, strategy, self._masses)

    def _parsed(self, where: str) -> Where:
        if not isinstance(where, str):
            raise ConfigError(f"where: expected text such as 'words_per_turn < 6', got a value of type {type(where).__name__}")
        return parse(where, self._pool.kinds)

    def _made(self, task: Task, n: int, seed: int, strategy: Strategy, where: str | None) -> list[Member]:
        from personaevo.sampler.fresh import DrawRequest  # noqa: PLC0415 - see _programs

        condition = None if where is None else self._parsed(where)
        return self._programs.draw(DrawRequest(task, n, seed, self._weights(strategy), condition))

    def _weights(self, strategy: Strategy) -> Mapping[int, float]:
        """The weights of the cells that have an elite."""
        cells = [elite.cell for elite in self.elites]
        known = weigh(self._pool, self._pool.human_like, strategy, self._masses) if strategy == "hard" else self._masses
        if strategy == "uniform":
            return dict.fromkeys(cells, 1.0)
        return {cell: known.get(cell, 0.0) for cell in cells}

    @cached_property
    def _programs(self) -> ElitePrograms:
        from personaevo.sampler.fresh import ElitePrograms  # noqa: PLC0415 - slow to import, and stored personas do not need it

        return ElitePrograms(self.elites, self._sources, self.settings, self._tier, self._models)

    def _sampled(self, member: Member, *, stored: bool = False) -> SampledPersona:
        episode, persona = member.episode, member.episode.persona
        assert persona is not None  # a population has no other members
        assert episode.cell is not None
        name = f"{member.program_id[:8]}-{episode.item.task_id}-{persona.id}" if stored else persona.id
        return SampledPersona(
            **{**persona.model_dump(), "id": name}, archive=self.archive, program=member.program_id, cell=episode.cell,
            cell_name=self._pool.cell_names.get(episode.cell, ""), task=episode.item.task_id, domain=self.domain,
            measured=measured(episode),
        )  # fmt: skip


class Turn(TypedDict):
    """One turn of the user: the agent's message before it (None at the opening), the stage direction, and the drafted text."""

    heard: str | None
    direction: str
    draft: str


def example_turns(persona: SampledPersona, tasks: Mapping[str, Task], seed: int, count: int = 3) -> list[Turn]:
    """The first ``count`` turns of the persona with the scripted agent of its domain; fewer if the dialogue ends earlier.

    ``tasks`` maps ids to tasks. The list is empty if the persona's task is not among them, or its domain is not available. Equal arguments
    give equal turns.
    """
    task = tasks.get(persona.task)
    try:
        domain = definitions.domain(persona.domain)
    except ConfigError:
        return []
    if task is None:
        return []
    own = seed_of(seed, persona.id, task.id)
    director = persona.director(own, task, persona.domain)
    agent = ScriptedAgent(task, domain, random.Random(seed_of(own, "agent")))
    said: list[tuple[Role, str]] = []
    found: list[Turn] = []
    heard = agent.reply(said) if domain.opens == "agent" else None
    while len(found) < count and not director.left and (heard is not None or not found):
        said += [("assistant", heard)] if heard is not None else []
        found.append(Turn(heard=heard, direction=director.direction(heard), draft=director.draft(heard)))
        said.append(("user", found[-1]["draft"]))
        heard = agent.reply(said)
    return found


Format = Literal["jsonl", "mirrorbench", "deepeval", "inspect", "usersim"]
MOST_TURNS = 40  # turns of the user in a MirrorBench row
_UNFIT = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST = 60


def rows(personas: Sequence[SampledPersona], form: Format, tasks: Mapping[str, Task] | None = None, seed: int = 0) -> list[dict[str, Any]]:
    """One JSON-serializable row for each persona.

    "jsonl" has all its fields. "mirrorbench" is a line of MirrorBench's JSON lines (see ``mirrorbench_row``), with the turns of the
    persona's director and the scripted agent of its domain. "deepeval" is a conversational golden (``add_goldens_from_jsonl_file``),
    "inspect" a record of Inspect's ``json_dataset`` (the persona's text in its metadata), "usersim" the content of NeMo UserSim's column
    ``persona``. ``tasks`` maps ids to tasks; equal arguments give equal rows.

    Raises:
        InputError: ``tasks`` lacks a persona's task, which all formats but "jsonl" and "usersim" contain; or, for "mirrorbench", its
            domain is not available: MirrorBench rejects rows without turns.
    """
    known, taken = tasks or {}, Counter[str]()
    if form == "jsonl":
        return [persona.to_dict() for persona in personas]
    if form == "usersim":
        return [{"first_name": "Someone", "persona": persona.text, "persona_id": persona.id} for persona in personas]
    if form == "mirrorbench":
        return [mirrorbench_row(persona, *_played(persona, known, seed), taken) for persona in personas]
    make = _deepeval_row if form == "deepeval" else _inspect_row
    return [make(persona, _task_of(persona, known), taken) for persona in personas]


def mirrorbench_row(
    persona: SampledPersona, task: Task, turns: Iterable[tuple[Role, str]], taken: Counter[str] | None = None
) -> dict[str, Any]:
    """A conversation for MirrorBench's loader: at least one turn, none without text, roles alternating; an id that is a valid file name and
    not in ``taken``; the facts in the task's description, as MirrorBench's proxies invent facts that are missing there.

    The proxies add ``metadata.persona`` to their prompt. MirrorBench takes from the turns who opens and how many turns there are, and
    compares with these turns as the real conversation.

    Raises:
        InputError: there is no turn with text.
    """
    said = _alternating(turns)
    if not said:
        raise InputError(f"persona '{persona.id}', task '{task.id}': expected a dialogue with at least one turn (of MirrorBench), got none")
    return {
        "conversation_id": _file_name(persona, task, Counter() if taken is None else taken),
        "dataset": "personaevo",
        "task_description": described(task),
        "turns": said,
        "metadata": {"persona": persona.overlay("").strip(), "domain": task.domain, **_origin(persona, task)},
    }


def _deepeval_row(persona: SampledPersona, task: Task, taken: Counter[str]) -> dict[str, Any]:
    return {
        "name": _file_name(persona, task, taken),
        "scenario": described(task),
        "expected_outcome": f"The user got what they wanted: {task.goal}",
        "persona": {"characteristics": persona.text},
        "additional_metadata": _origin(persona, task),
    }


def _inspect_row(persona: SampledPersona, task: Task, taken: Counter[str]) -> dict[str, Any]:
    metadata = {"persona": persona.text, **_origin(persona, task)}
    return {"id": _file_name(persona, task, taken), "input": described(task), "target": task.goal, "metadata": metadata}


def _origin(persona: SampledPersona, task: Task) -> dict[str, Any]:
    origin = {"persona_id": persona.id, "program": persona.program, "cell": persona.cell, "cell_name": persona.cell_name}
    return {"archive": persona.archive, "task": task.id, **origin}


def described(task: Task) -> str:
    """The task as text for a user's model: goal and context, in the first person, and all facts that it may tell."""
    agent = f"Talk to {'an' if task.domain[:1] in tuple('aeiou') else 'a'} {task.domain} agent." if task.domain else "Talk to an agent."
    facts = "; ".join(f"{name}: {value}" for name, value in task.facts.items())
    known = f"What you know: {facts}. Tell it when asked, and make up nothing else." if facts else "You know nothing else."
    return " ".join(part for part in (agent, f"In your own words: I want to {task.goal.rstrip('.')}.", task.context.strip(), known) if part)


def _task_of(persona: SampledPersona, tasks: Mapping[str, Task]) -> Task:
    if persona.task not in tasks:
        missing = f"its task '{persona.task}' was not found, and the rows contain it"
        raise InputError(f"persona '{persona.id}': {missing}: give it with --task FILE")
    return tasks[persona.task]


def _played(persona: SampledPersona, tasks: Mapping[str, Task], seed: int) -> tuple[Task, list[tuple[Role, str]]]:
    task = _task_of(persona, tasks)
    turns: list[tuple[Role, str]] = []
    for turn in example_turns(persona, tasks, seed, MOST_TURNS):
        turns += [("assistant", turn["heard"])] if turn["heard"] else []
        turns.append(("user", turn["draft"]))
    if not turns:
        why = f"its domain '{persona.domain}' is not installed, and MirrorBench rejects rows without turns"
        raise InputError(f"persona '{persona.id}': {why}: give a task of an installed domain with --task")
    return task, turns


def _alternating(turns: Iterable[tuple[Role, str]]) -> list[dict[str, str]]:
    """The turns with text, adjacent turns of one role joined."""
    said: list[dict[str, str]] = []
    for role, text in turns:
        if said and said[-1]["role"] == role and text.strip():
            said[-1]["content"] += f"\n{text}"
        elif text.strip():
            said.append({"role": role, "content": text})
    return said


def _file_name(persona: SampledPersona, task: Task, taken: Counter[str]) -> str:
    """Task and persona as a file name, numbered if already taken."""
    parts = (_UNFIT.sub("_", name)[:_LONGEST] for name in (task.id, persona.id))
    name = "-".join(parts).lstrip(".-") or "conversation"
    key = name.lower()  # some file systems ignore case
    taken[key] += 1
    if taken[key] == 1:
        return name
    number = taken[key]
    while taken[f"{key}-{number}"]:
        number += 1
    taken[f"{key}-{number}"] += 1
    return f"{name}-{number}"
