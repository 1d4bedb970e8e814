"""Personas for a new task: the archive's elite programs run in the sandbox, and each persona plays one trial dialogue."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress, cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from personaevo import definitions, reference
from personaevo.archive import Elite, Member
from personaevo.errors import ArchiveError, ConfigError, PersonaevoError, ProgramError
from personaevo.models import Models
from personaevo.programs import Call, ModelLimits, Sandbox, program_id
from personaevo.programs.personas import dial_table
from personaevo.programs.sandbox import warn_if_weak
from personaevo.records import Episode, Persona, PlanItem, Task, Tier
from personaevo.sampler.pool import CellDistribution, Pool, points
from personaevo.simulate.episodes import measured, refused, run_episode
from personaevo.simulate.turns import seed_of
from personaevo.text import one_line
from personaevo.where import Where

_CALLS_AT_ONCE = 40
_IDLE_CALLS = 10  # consecutive calls without a new persona, after which the program is exhausted
_QUESTIONS, _TOKENS, _SECONDS = 4, 3_000, 30.0  # of one persona; of one question
_NO_MODEL = "it asks a model: give it one (models=, --model generator=PROVIDER:NAME)"

PlayEpisodes = Callable[[Sequence[Episode]], Sequence[Episode]]


@dataclass(frozen=True, slots=True)
class DrawRequest:
    """A draw: ``count`` personas for a task, with cells by their weights, that fulfil the condition."""

    task: Task
    count: int
    seed: int
    weights: Mapping[int, float]
    where: Where | None


class ElitePrograms:
    """The elite programs of an archive; their sandbox starts with the first draw. Safe to use from several threads.

    Raises:
        SandboxError: there is no such tier.
    """

    def __init__(self, elites: Sequence[Elite], sources: Mapping[str, str], settings: Mapping[str, Any], tier: Tier, models: Models | None):
        warn_if_weak(tier)
        self.elites, self._sources, self._settings = {elite.cell: elite for elite in elites}, sources, settings
        self._size = int(settings.get("personas", 5))
        self._model = models.role("generator") if models is not None else None
        calls = _QUESTIONS * (self._size + 1) * _CALLS_AT_ONCE
        self._sandbox = Sandbox(dial_table(), tier=tier, model_limits=ModelLimits(calls, calls * _TOKENS, calls * _SECONDS))

    def close(self) -> None:
        """End the sandbox; a later draw starts a new one."""
        self._sandbox.close()

    def draw(self, request: DrawRequest) -> list[Member]:
        """The requested number of members, each in the cell for which its program was run.

        Raises:
            ProgramError: every program fails on the task.
            ConfigError: none of the personas made matches the condition.
            ArchiveError: a stored program is not the one that was scored.
            SandboxError: this machine does not support the sandbox tier.
        """
        seed = seed_of(request.seed, json.dumps(request.task.for_program(), sort_keys=True), "sample")
        request = replace(request, seed=seed)
        slots = [_Slot(point, request.weights) for point in islice(points(str(seed)), request.count)]
        expected = Counter(slot.cell for slot in slots)
        draw = _Draw(self, request, {cell: math.ceil(count / self._size) for cell, count in expected.items()})
        return [draw.next(slot) for slot in slots]

    def call(self, program: str, task: Task, seeds: Sequence[int]) -> Iterator[list[Persona]]:
        """The personas of several calls of a program, of the same size as in the search. Those of each call are shuffled, as a program may
        treat its slots differently. Raises ProgramError at the first call that failed."""
        if program_id(self._sources[program]) != program:
            raise ArchiveError(f"the archive's program {program} has another source than that: it was changed; get the archive again")
        calls = [Call(task, self._size, seed) for seed in seeds]
        for seed, result in zip(seeds, self._sandbox.run_many(self._sources[program], calls, self._model), strict=True):
            if not result.ok:
                asks = self._model is None and ".complete" in self._sources[program]
                raise ProgramError(f"program {program[:12]}: {_NO_MODEL if asks else result.reason}")
            made = result.made
            random.Random(seed_of(seed, "shuffle")).shuffle(made)
            yield made

    def trial(self, task: Task) -> PlayEpisodes | None:
        """A function that plays and measures episodes as the search did; None if the search did not use the embedded engine for both roles,
        or its domain or people are not available."""
        settings = self._settings
        domain = str(settings.get("domain", ""))
        models = settings.get("models") or {}
        if {"user", "agent"} & set(models) or settings.get("agent") or domain not in definitions.domain_names():
            return None
        file = Path(settings.get("human") or definitions.domain_files(domain).reference)
        if not file.is_file():
            return None
        losses = (reference.load(file) if settings.get("human") is None else reference.read(file, domain=domain)).losses
        place = definitions.domain(domain)
        return lambda episodes: measured([refused(run_episode(task, one.persona, one.item, place)) for one in episodes], losses)


class _Slot:
    """One slot of a sample: its cell, and the cells tried next if that one has no persona."""

    def __init__(self, point: float, weights: Mapping[int, float]) -> None:
        self._point = point
        self._left = dict(weights)
        self.cell = CellDistribution(weights).at(point)

    def move(self) -> bool:
        """Move to the next cell; False if there is none. Independent of other slots, so a shorter sample is a prefix of a longer one."""
        del self._left[self.cell]
        if self._left:
            self.cell = CellDistribution(self._left).at(self._point)
        return bool(self._left)


class _Draw:
    """A draw in progress: the members of each cell, and why some programs failed."""

    def __init__(self, programs: ElitePrograms, request: DrawRequest, at_once: Mapping[int, int]) -> None:
        self._programs, self._request, self._at_once = programs, request, at_once
        self._trial = programs.trial(request.task)
        self._names = {cell: elite.name or "" for cell, elite in programs.elites.items()}
        self._seen: dict[str, set[str]] = {}  # by program, the personas drawn
        self._made: list[Member] = []
        self._cells: dict[int, Iterator[Member]] = {}
        self._failed: dict[str, str] = {}  # by program, the reason

    def next(self, slot: _Slot) -> Member:
        """The member for a slot."""
        while True:
            member = self._next_of(slot.cell)
            if member is not None:
                return member
            if not slot.move():
                raise self._no_member()

    def _next_of(self, cell: int) -> Member | None:
        """The next member of a cell; None if it has none, or its program fails."""
        program = self._programs.elites[cell].program_id
        if program in self._failed or self._excluded(cell):
            return None
        try:
            return next(self._cells.setdefault(cell, self._endless(cell)), None)
        except ProgramError as error:
            self._failed[program] = str(error)
            return None

    def _excluded(self, cell: int) -> bool:
        """Whether the condition cannot hold for any persona of a cell."""
        if self._request.where is None:
            return False
        known = {"cell": np.array([float(cell)]), **{
            name: np.array([text], dtype=object) for name, text in (("cell_name", self._names[cell]), ("task", self._request.task.id))
        }}  # fmt: skip
        return bool(self._request.where.excluded(known, 1)[0])

    def _endless(self, cell: int) -> Iterator[Member]:
        """A cell's members without repetition; when they are used up, all of them again."""
        drawn: list[Member] = []
        for member in self._new(cell):
            drawn.append(member)
            yield member
        yield from cycle(drawn)

    def _new(self, cell: int) -> Iterator[Member]:
        seen = self._seen.setdefault(self._programs.elites[cell].program_id, set())
        idle = 0
        for members in self._calls(cell):
            idle += 1
            for member in members:
                assert member.episode.persona is not None
                content = member.episode.persona.model_dump_json(exclude={"id"})
                if content not in seen:
                    seen.add(content)
                    idle = 0
                    yield member
            if idle == _IDLE_CALLS:
                return

    def _calls(self, cell: int) -> Iterator[list[Member]]:
        """For each call of the cell's program, the members that fulfil the condition."""
        program = self._programs.elites[cell].program_id
        number, at_once = 0, self._at_once.get(cell, 1)
        while True:
            numbers = range(number, number + min(at_once, _CALLS_AT_ONCE))
            seeds = [seed_of(self._request.seed, program, cell, one, "generate") for one in numbers]
            for call, personas in zip(numbers, self._programs.call(program, self._request.task, seeds), strict=True):
                episodes = [self._unplayed(f"{program[:8]}-{cell}-{call}-{one.id}", slot, one) for slot, one in enumerate(personas)]
                tried = self._trial(episodes) if self._trial is not None else episodes
                yield self._matching([Member(program, replace(episode, cell=cell)) for episode in tried])
            number, at_once = numbers.stop, 2 * at_once

    def _unplayed(self, name: str, slot: int, persona: Persona) -> Episode:
        """The persona's episode before it is played."""
        item = PlanItem(self._request.task.id, slot, seed_of(self._request.seed, name, "episode"))
        named = persona.model_copy(update={"id": name})
        return Episode(item, "failed", persona=named, reason="not played", fault="infrastructure")

    def _matching(self, members: list[Member]) -> list[Member]:
        if self._request.where is None:
            return members
        self._made += members
        return list(compress(members, Pool(members, self._names).matching(self._request.where)))

    def _no_member(self) -> PersonaevoError:
        """The error if no cell has a member."""
        where = self._request.where
        if where is not None and self._made:
            return Pool(self._made, self._names).no_match(where, np.ones(len(self._made), dtype=bool))
        if self._failed:
            reason = next(iter(self._failed.values()))
            advice = "" if reason.endswith(_NO_MODEL) else "; give a task like those of the search"
            return ProgramError(f"every program of the archive fails on '{one_line(self._request.task.goal)}': {reason}{advice}")
        assert where is not None  # without a condition every program that does not fail has members
        return ConfigError(f"where: '{one_line(where.text)}' holds in none of the {len(self._names)} cells that have a program")
