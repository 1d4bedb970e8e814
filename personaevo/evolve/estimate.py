"""What a search would ask of models: for ``--dry-run``, without asking anything."""

from __future__ import annotations

import ast
import time
from dataclasses import dataclass

from personaevo import definitions, reference
from personaevo.config import SearchConfig
from personaevo.evolve import controls, negatives, profiles, rewrite
from personaevo.evolve.company import Company
from personaevo.evolve.plan import DIALOGUES
from personaevo.evolve.prepare import load_people, load_program, load_tasks
from personaevo.evolve.rewrite import Brief
from personaevo.models import parse, price_of, read_prices
from personaevo.programs.source import parse as parse_source
from personaevo.records import ChatModel, Usage
from personaevo.simulate.model_users import system_prompt
from personaevo.simulate.model_voice import try_out
from personaevo.simulate.partners import agent_prompt

_CHARACTERS_PER_TOKEN = 4.0
_TURN_TOKENS, _POLICY_TOKENS, _PROGRAM_CALL_TOKENS = 40, 300, 600
_ASKED_AGAIN = 1.15  # calls a turn: some break their plan
_PROGRAM_SHARE = 0.6  # of the program's size: what an answer of the mutator has, edits being shorter than whole programs


@dataclass(frozen=True, slots=True)
class Planned:
    """What one role would be asked: calls, tokens in and out, and US dollars (None without a price)."""

    role: str
    model: str
    calls: int
    usage: Usage
    usd: float | None


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


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a search with a model as user will play, and about how many seconds that takes (None if the model was not tried)."""

    dialogues: Dialogues
    seconds: float | None


def outlook(config: SearchConfig, company: Company) -> Outlook:
    """Tries the user's model with one short turn, twice: the first time may load it.

    Raises:
        ModelError, BudgetError: it cannot be asked.
    """
    played, model = dialogues(config), company.role("user")
    if model is None or config.replay is not None or config.resume:
        return Outlook(played, None)
    seconds = min(_timed(model, sample) for sample in range(2))
    turns = float(definitions.domain(config.domain_place).script.get("expected_turns", 8.0)) * _ASKED_AGAIN
    return Outlook(played, played.all * turns * seconds / company.models.at_once("user"))


def _timed(model: ChatModel, sample: int) -> float:
    began = time.monotonic()
    try_out(model, sample)
    return time.monotonic() - began


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
    heard = _TURN_TOKENS * turns  # on average half of a dialogue of two sides stands in a prompt
    written = sum(len(message.content) for message in rewrite.question(Brief("edit", 0, program, None), "")) / _CHARACTERS_PER_TOKEN
    answer = _PROGRAM_SHARE * len(program.source) / _CHARACTERS_PER_TOKEN
    user = len(system_prompt(tasks[0], None, domain)) / _CHARACTERS_PER_TOKEN + _POLICY_TOKENS + heard
    agent = len(agent_prompt(tasks[0], domain)) / _CHARACTERS_PER_TOKEN + heard
    generated = (config.candidates + config.finalists + 2) * config.task_count * (config.personas + 1)
    each = {
        "mutator": (config.candidates - 1, written, answer),
        "reflector": (config.candidates - 1, 3_000.0, 300.0),
        "generator": (generated if _asks(program.source) else 0, float(_PROGRAM_CALL_TOKENS), float(_POLICY_TOKENS)),
        "user": (round(played * turns), user, float(_TURN_TOKENS)),
        "agent": (round(played * turns), agent, float(_TURN_TOKENS)),
    }
    return [_planned(config, role, *each[role]) for role in config.models]


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


def _planned(config: SearchConfig, role: str, calls: int, tokens_in: float, tokens_out: float) -> Planned:
    spec = parse(config.models[role])
    usage = Usage(round(calls * tokens_in), round(calls * tokens_out))
    price = price_of(read_prices(config.prices), spec)
    return Planned(role, str(spec), calls, usage, None if price is None else price.of(usage))
