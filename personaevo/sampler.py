"""Drawing personas from an archive: cells by how many people are in them, the cell's best program, its personas for the task."""

from __future__ import annotations

import json
import math
import os
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, cycle
from typing import Any, Literal, get_args

from pydantic import ValidationError

from personaevo.archive import Archive, Elite
from personaevo.errors import ArchiveError, ConfigError, InputError, ProgramError
from personaevo.evolve.rollout import dial_table
from personaevo.programs import Call, Sandbox, program_id
from personaevo.programs.sandbox import warn_of
from personaevo.records import Persona, Task, Tier
from personaevo.simulate.episodes import seed_of

Strategy = Literal["human", "uniform"]
MAX_PERSONAS = 100_000
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
_CALLS_AT_ONCE = 40
_MORE = 4  # how many times as many calls are made at most when personas are alike


class SampledPersona(Persona):
    """A persona, the id of the program that made it, and the cell (number and name) whose elite that program is.

    A program reaches its cells with some of its personas: the cell says why it was asked, not how this one will behave.
    """

    program: str
    cell: int
    cell_name: str = ""


class PersonaSampler:
    """Samples personas from the latest run of an archive. Its sandbox, of the given tier, starts with the first sample and ends with the
    sampler.

    Raises:
        ArchiveError: the archive cannot be read, or holds no elite yet.
    """

    def __init__(self, path: str | os.PathLike[str], *, sandbox: Tier = "kernel") -> None:
        warn_of(sandbox)
        with Archive.read(path) as archive:
            run = archive.run()
            self.elites: tuple[Elite, ...] = tuple(archive.elites(run.id))
            self._sources = archive.sources({elite.program_id for elite in self.elites})
        if not self.elites:
            raise ArchiveError(f"archive {os.fspath(path)} holds no elite yet: let its search go on, then sample")
        self.settings: Mapping[str, Any] = run.settings
        self._sandbox = Sandbox(dial_table(), tier=sandbox)

    @property
    def domain(self) -> str:
        """The domain that was searched."""
        return str(self.settings.get("domain", ""))

    def sample(self, task: Task | Mapping[str, Any] | str, n: int, seed: int = 0, strategy: Strategy = "human") -> list[SampledPersona]:
        """``n`` personas for a task (a record, a dict with at least ``goal``, or the goal as text).

        "human" draws cells as people fill them, "uniform" all that have an elite alike; both quasi-randomly, so that few draws spread.
        The cell's elite program is called as it was in the search, and its personas are dealt without repetition until it gives no
        new ones. Equal arguments give equal personas; a shorter sample is the beginning of a longer one. A program
        that fails on this task is passed over, and its cells with it.

        Raises:
            InputError, ConfigError: an argument is not of the expected form.
            ProgramError: every program fails on the task.
            ArchiveError: a stored program is not the one that was scored.
            SandboxError: this machine has not the sandbox tier.
        """
        wanted = _task(task, self.domain)
        if not 1 <= n <= MAX_PERSONAS:
            raise InputError(f"n: expected 1 to {MAX_PERSONAS:,} personas, got {n}")
        if strategy not in get_args(Strategy):
            raise ConfigError(f"strategy: expected one of {', '.join(get_args(Strategy))}, got '{strategy}'")
        seed = seed_of(seed, json.dumps(wanted.for_program(), sort_keys=True), "sample")
        left, reason = list(self.elites), ""
        while left:
            drawn = _draw(left, n, seed, strategy)
            pools, failed = self._pools(drawn, wanted, seed)
            if not failed:
                return _dealt(drawn, pools)
            left, reason = [elite for elite in left if elite.program_id not in failed], next(iter(failed.values()))
        raise ProgramError(f"every program of the archive fails on '{wanted.goal}': {reason}; give a task like those of the search")

    def close(self) -> None:
        """Ends the sandbox; a later sample starts another."""
        self._sandbox.close()

    def _pools(self, drawn: Sequence[Elite], task: Task, seed: int) -> tuple[dict[str, list[Persona]], dict[str, str]]:
        """Enough personas of each program drawn, and why a program failed."""
        pools, failed = {}, {}
        for program, count in Counter(elite.program_id for elite in drawn).items():
            try:
                pools[program] = self._pool(program, task, count, seed)
            except ProgramError as error:
                failed[program] = str(error)
        return pools, failed

    def _pool(self, program: str, task: Task, count: int, seed: int) -> list[Persona]:
        """At least one persona, ``count`` different ones if a few further calls bring them. Calls are as large as in the search."""
        if program_id(self._sources[program]) != program:
            raise ArchiveError(f"the archive's program {program} has another source than that: it was changed; get the archive again")
        size = int(self.settings.get("personas", 5))
        made, at_most = 0, _MORE * math.ceil(count / size)
        pool: dict[str, Persona] = {}
        while len(pool) < count and made < at_most:
            calls = min(math.ceil((count - len(pool)) / size), _CALLS_AT_ONCE, at_most - made)
            for persona in self._batches(program, task, range(made, made + calls), size, seed):
                pool.setdefault(persona.model_dump_json(exclude={"id"}), persona)
            made += calls
        return list(pool.values())

    def _batches(self, program: str, task: Task, numbers: Sequence[int], size: int, seed: int) -> Iterator[Persona]:
        """The personas of some calls with ids of their own; each call's are shuffled, as a program may give its slots different parts."""
        calls = [Call(task, size, seed_of(seed, program, number, "generate")) for number in numbers]
        for number, result in zip(numbers, self._sandbox.run_many(self._sources[program], calls), strict=True):
            if not result.ok:
                raise ProgramError(f"program {program[:12]}: {result.reason}")
            personas = result.made
            random.Random(seed_of(seed, program, number, "shuffle")).shuffle(personas)
            for persona in personas:
                yield persona.model_copy(update={"id": f"{program[:8]}-{number}-{persona.id}"})


def _draw(elites: Sequence[Elite], n: int, seed: int, strategy: Strategy) -> list[Elite]:
    """Elites at the golden-ratio sequence from a seeded start, each as wide as its cell's share of people (or all alike)."""
    weights = [elite.mass or 0.0 if strategy == "human" else 1.0 for elite in elites]
    ends = list(accumulate(weights if sum(weights) > 0 else [1.0] * len(elites)))
    start = random.Random(seed_of(seed, "cells")).random()
    points = ((start + index * _GOLDEN) % 1.0 * ends[-1] for index in range(n))
    return [elites[min(bisect_right(ends, point), len(elites) - 1)] for point in points]


def _dealt(drawn: Sequence[Elite], pools: Mapping[str, Sequence[Persona]]) -> list[SampledPersona]:
    decks = {program: cycle(pool) for program, pool in pools.items()}
    return [_sampled(next(decks[elite.program_id]), elite) for elite in drawn]


def _sampled(persona: Persona, elite: Elite) -> SampledPersona:
    return SampledPersona(**persona.model_dump(), program=elite.program_id, cell=elite.cell, cell_name=elite.name or "")


def _task(given: Task | Mapping[str, Any] | str, domain: str) -> Task:
    """The task as a record, in the archive's domain if it names none."""
    if isinstance(given, Task):
        task = given
    else:
        values = {"goal": given.strip()} if isinstance(given, str) else dict(given)
        try:
            task = Task.model_validate({"id": "given", **values})
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            message = f"{first['msg'][:1].lower()}{first['msg'][1:]}, got {first.get('input')!r:.80}"
            raise InputError(f"task: field '{field}': {message}") from None
    return task if task.domain else task.model_copy(update={"domain": domain})
