"""What a search would ask of models: for ``--dry-run``, without asking anything."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from personaevo import definitions, reference
from personaevo.config import SearchConfig
from personaevo.evolve import controls, negatives, profiles, rewrite
from personaevo.evolve.plan import DIALOGUES
from personaevo.evolve.prepare import load_people, load_program, load_tasks
from personaevo.evolve.rewrite import Brief
from personaevo.models.planned import CHARACTERS_PER_TOKEN, POLICY_TOKENS, TURN_TOKENS, Planned, plan_calls
from personaevo.programs.source import parse as parse_source
from personaevo.simulate.model_users import system_prompt
from personaevo.simulate.partners import agent_prompt

_PROGRAM_CALL_TOKENS = 600
_PROGRAM_SHARE = 0.6  # of the program's size: what an answer of the mutator has, edits being shorter than whole programs


@dataclass(frozen=True, slots=True)
class Dialogues:
    """Dialogues that a search plays: those the judge is trained against, the candidates', the finals' and the final table's."""

    controls: int
    candidates: int
    finals: int
    table: int

    @property
    def all(self) -> int:
        """Their sum."""
        return self.controls + self.candidates + self.finals + self.table


def estimate(config: SearchConfig) -> list[Planned]:
    """An estimate for each role that a model plays: dialogues of the domain's usual length, four characters a token, no answer known yet.

    Raises:
        InputError, ConfigError, ReferenceDataError, ArchiveError, ProgramError: what the search itself would raise for its settings and
            files.
    """
    tasks = load_tasks(config)["train"]
    domain = definitions.domain(config.domain_place)
    program = load_program(config, _profiles(config))
    played = dialogues(config).all
    turns = float(domain.script.get("expected_turns", 8.0))
    heard = TURN_TOKENS * turns  # on average half of a dialogue of two sides stands in a prompt
    written = sum(len(message.content) for message in rewrite.question(Brief("edit", 0, program, None), "")) / CHARACTERS_PER_TOKEN
    answer = _PROGRAM_SHARE * len(program.source) / CHARACTERS_PER_TOKEN
    user = len(system_prompt(tasks[0], None, domain)) / CHARACTERS_PER_TOKEN + POLICY_TOKENS + heard
    agent = len(agent_prompt(tasks[0], domain)) / CHARACTERS_PER_TOKEN + heard
    generated = (config.candidates + config.finalists + 2) * config.task_count * (config.personas + 1)
    each = {
        "mutator": (config.candidates - 1, written, answer),
        "reflector": (config.candidates - 1, 3_000.0, 300.0),
        "generator": (generated if _asks(program.source) else 0, float(_PROGRAM_CALL_TOKENS), float(POLICY_TOKENS)),
        "user": (round(played * turns), user, float(TURN_TOKENS)),
        "agent": (round(played * turns), agent, float(TURN_TOKENS)),
    }
    return [plan_calls(role, model, config.prices, *each[role]) for role, model in config.models.items()]


def _profiles(config: SearchConfig) -> profiles.Profiles | None:
    return profiles.load(config, *reference.split(load_people(config), config.seed)) if config.profiles is not None else None


def _asks(source: str) -> bool:
    """Whether a program may ask its model anything."""
    return any(isinstance(node, ast.Attribute) and node.attr == "complete" for node in ast.walk(parse_source(source)))


def dialogues(config: SearchConfig) -> Dialogues:
    """All dialogues that a search plays."""
    final = config.test_tasks * config.test_personas * DIALOGUES
    models = bool({"user", "agent"} & set(config.models) or config.agent)
    against = (1 if models else 2) * sum(negatives.kinds(config, models=models).values())
    rows = len(controls.rows(models=models)) + 3  # and the persona-free simulator, the seed program, the best one
    finals = config.finalists * final if config.finalists > 1 else 0
    return Dialogues(against, config.candidates * config.task_count * config.personas * DIALOGUES, finals, rows * final)
