"""Estimates of the dialogues and model calls of a search, for ``--dry-run``; no model is called."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from personaevo import definitions, reference
from personaevo.config import SearchConfig
from personaevo.evolve import profiles, rewrite
from personaevo.evolve.controls import rows as control_rows
from personaevo.evolve.negatives import negative_kinds
from personaevo.evolve.plan import DIALOGUES
from personaevo.evolve.prepare import load_people, load_program, load_tasks
from personaevo.evolve.rewrite import Brief
from personaevo.models.planned import CHARACTERS_PER_TOKEN, POLICY_TOKENS, TURN_TOKENS, Planned, plan_calls
from personaevo.programs.source import parse as parse_source
from personaevo.simulate.model_users import system_prompt
from personaevo.simulate.partners import agent_prompt

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
