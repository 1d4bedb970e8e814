"""Progress, forecasts and results of a search. Progress is reported after every commit and, with models, about once a second."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from personaevo import definitions, reference
from personaevo.config import SearchConfig
from personaevo.evolve import profiles, rewrite
from personaevo.evolve.controls import negative_kinds
from personaevo.evolve.controls import rows as control_rows
from personaevo.evolve.parts import ModelRuntime
from personaevo.evolve.prepare import load_people, load_program, load_tasks
from personaevo.evolve.ranking import Scored
from personaevo.evolve.rewrite import Brief
from personaevo.evolve.rollout import DIALOGUES, Rollout, roll_out
from personaevo.models import Account, Spent
from personaevo.models.ledger import CHARACTERS_PER_TOKEN, POLICY_TOKENS, TURN_TOKENS, Planned, plan_calls
from personaevo.programs.source import parse as parse_source
from personaevo.records import Comparison, Program, TableRow
from personaevo.simulate.model_users import system_prompt
from personaevo.simulate.partners import agent_prompt
from personaevo.text import table as html_table

_TIMED = 2  # dialogues that are timed: one persona-free, one with a persona


@dataclass(frozen=True, slots=True)
class Forecast:
    """Forecast of a search with models: planned dialogues, the estimated seconds for all of them (None if answers are already known), and
    the dialogues played so far."""

    planned: Dialogues
    seconds: float | None
    played: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a search.

    Attributes:
        done: candidates so far.
        planned: candidates in all.
        expected: expected score of the best program on fresh dialogues, corrected for the bias of selecting the best of many.
        spent: calls, tokens and costs of models; None without models.
        outlook: dialogues played and planned with models; None without models. Before the first commit, all else is empty.
    """

    done: int
    planned: int
    best: Scored | None
    expected: float | None
    cells_held: int
    cells_total: int
    episodes: int
    seconds: float
    spent: Spent | None = None
    outlook: Forecast | None = None


class ProgressReporter:
    """Calls the callbacks with the progress, and remembers the last one."""

    def __init__(self, config: SearchConfig, callbacks: Sequence[Callable[[Progress], None]]) -> None:
        self._callbacks = tuple(callbacks)
        self._last = Progress(0, config.candidates, None, None, 0, config.cells, 0, 0.0)

    def planned(self, outlook: Forecast) -> None:
        """Report the forecast."""
        self._tell(replace(self._last, outlook=outlook))

    def played(self, number: int, spent: Spent) -> None:
        """Report the number of dialogues played and the models' usage, if the number changed."""
        now = self._outlook(number)
        if now != self._last.outlook:
            self._tell(replace(self._last, outlook=now, spent=spent))

    def committed(self, progress: Progress, played: int) -> None:
        """Report a committed candidate, at ``played`` dialogues."""
        self._tell(replace(progress, outlook=self._outlook(played)))

    def _outlook(self, played: int) -> Forecast | None:
        known = self._last.outlook
        return None if known is None else replace(known, played=max(0, min(played, known.planned.all)))

    def _tell(self, progress: Progress) -> None:
        self._last = progress
        for callback in self._callbacks:
            callback(progress)


def outlook(config: SearchConfig, runtime: ModelRuntime, kinds: Sequence[Rollout]) -> Forecast:
    """Forecast the dialogues and the time of a search. It plays the first dialogue of each of the ``kinds`` of training data of the judge
    (persona-free first); their answers are cached, so the search does not pay for them again.

    Raises:
        ModelError, BudgetError: the model cannot be called.
    """
    planned = dialogues(config)
    if config.replay is not None or config.resume or runtime.players.outside is not None:
        return Forecast(planned, None)
    first = [replace(work, plan=replace(work.plan, items=work.plan.items[:1])) for work in kinds[:_TIMED]]
    free, directed = runtime.pool.map(_timed, first)
    runtime.players.played.add(-len(first))  # the search plays them again, from the cache
    of_free = planned.controls // len(kinds) + config.test_tasks * config.test_personas * DIALOGUES
    return Forecast(planned, (of_free * free + (planned.all - of_free) * directed) / runtime.concurrency)


def _timed(work: Rollout) -> float:
    began = time.monotonic()
    roll_out(work)
    return time.monotonic() - began


_PROGRAM_CALL_TOKENS = 600
_PROGRAM_SHARE = 0.6  # size of an answer of the mutator as a share of the program's size; edits are shorter than whole programs


@dataclass(frozen=True, slots=True)
class Dialogues:
    """Number of dialogues of a search: for training the judge, for candidates, finals and the final table."""

    controls: int
    candidates: int
    finals: int
    table: int

    @property
    def all(self) -> int:
        """The total."""
        return self.controls + self.candidates + self.finals + self.table


def estimate(config: SearchConfig) -> list[Planned]:
    """Estimated calls of each role with a model, from dialogues of the domain's usual length, four characters per token and an empty cache.

    Raises:
        InputError, ConfigError, ReferenceDataError, ArchiveError, ProgramError: as the search itself, for its settings and files.
    """
    tasks = load_tasks(config)["train"]
    domain = definitions.domain(config.domain_place)
    given = profiles.load(config, *reference.split(load_people(config), config.seed)) if config.profiles is not None else None
    program = load_program(config, given)
    asks = any(isinstance(node, ast.Attribute) and node.attr == "complete" for node in ast.walk(parse_source(program.source)))
    played = dialogues(config).all
    turns = float(domain.script.get("expected_turns", 8.0))
    heard = TURN_TOKENS * turns  # on average, a prompt holds half of a dialogue of two sides
    written = sum(len(message.content) for message in rewrite.question(Brief("edit", 0, program, None), "")) / CHARACTERS_PER_TOKEN
    answer = _PROGRAM_SHARE * len(program.source) / CHARACTERS_PER_TOKEN
    user = len(system_prompt(tasks[0], None, domain)) / CHARACTERS_PER_TOKEN + POLICY_TOKENS + heard
    agent = len(agent_prompt(tasks[0], domain)) / CHARACTERS_PER_TOKEN + heard
    generated = (config.candidates + config.finalists + 2) * config.task_count * (config.personas + 1)
    each = {
        "mutator": (config.candidates - 1, written, answer),
        "reflector": (config.candidates - 1, 3_000.0, 300.0),
        "generator": (generated if asks else 0, float(_PROGRAM_CALL_TOKENS), float(POLICY_TOKENS)),
        "user": (round(played * turns), user, float(TURN_TOKENS)),
        "agent": (round(played * turns), agent, float(TURN_TOKENS)),
    }
    return [plan_calls(role, model, config.prices, *each[role]) for role, model in config.models.items()]


def dialogues(config: SearchConfig) -> Dialogues:
    """Numbers of dialogues of a search."""
    final = config.test_tasks * config.test_personas * DIALOGUES
    models = bool({"user", "agent"} & set(config.models) or config.agent)
    against = (1 if models else 2) * sum(negative_kinds(config, models=models).values())
    rows = len(control_rows(models=models)) + 3  # plus the persona-free simulator, the seed program and the best program
    finals = config.finalists * final if config.finalists > 1 else 0
    return Dialogues(against, config.candidates * config.task_count * config.personas * DIALOGUES, finals, rows * final)


@dataclass(frozen=True)
class SearchResult:
    """Result of a search.

    Attributes:
        best: the program that won the finals.
        table: final table on held-out tasks and people.
        comparisons: paired differences between the best program and every other row.
        spending: calls, tokens and costs of the model of each role.
        problem: why there is no result, if every proposal was refused or no dialogue of a candidate was played; else "".
        auditor_sees: input of the auditor in addition to fingerprint and dynamics.
    """

    archive: Path
    seed: int
    candidates: int
    episodes: int
    seconds: float
    digest: str
    best: Program
    table: tuple[TableRow, ...]
    comparisons: tuple[Comparison, ...] = ()
    spending: Mapping[str, Account] = field(default_factory=dict)
    problem: str = ""
    auditor_sees: str = ""

    def _repr_html_(self) -> str:
        names = list(dict.fromkeys(name for row in self.table for name in row.measures))
        rows = []
        for row in self.table:
            measures = [row.measures.get(name) for name in names]
            values = ["" if one is None else f"{one.mean:.2f} [{one.low:.2f}, {one.high:.2f}]" for one in measures]
            rows.append([row.row.replace("_", " "), *values])
        return html_table(["", *(name.replace("_", " ") for name in names)], rows, f"{self.archive}: {self.candidates} candidates")
