"""What a calibration would ask of models: for ``--dry-run``, without asking anything."""

from __future__ import annotations

from dataclasses import dataclass

from personaevo import definitions
from personaevo.calibration.run import Request, tasks_of
from personaevo.definitions import prompt
from personaevo.models import EMBEDDED, parse, price_of, read_prices
from personaevo.records import Usage
from personaevo.simulate.calibrate import WORDINGS
from personaevo.simulate.model_users import system_prompt
from personaevo.simulate.partners import agent_prompt

_CHARACTERS_PER_TOKEN = 4.0
_TURN_TOKENS, _POLICY_TOKENS = 40, 300
_ASKED_AGAIN = 1.25  # calls for a turn: one that breaks its plan is asked for once more


@dataclass(frozen=True, slots=True)
class Planned:
    """What one role would be asked: calls, tokens in and out, and US dollars (None without a price)."""

    role: str
    model: str
    calls: int
    usage: Usage
    usd: float | None


def planned(request: Request) -> list[Planned]:
    """An estimate for each role that a model plays: dialogues of the domain's usual length, four characters a token, no answer known yet.

    Raises:
        InputError, ConfigError: what the calibration itself would raise for its settings and files.
    """
    domain = definitions.domain(request.place)
    task = tasks_of(request.place)["train"][0]
    turns = request.dialogues_in_all * float(domain.script.get("expected_turns", 8.0))
    heard = _TURN_TOKENS * float(domain.script.get("expected_turns", 8.0))
    before = {
        "draft": sum(map(len, prompt("reword").values())) / _CHARACTERS_PER_TOKEN + 2 * _TURN_TOKENS,
        "direction": len(system_prompt(task, None, domain)) / _CHARACTERS_PER_TOKEN + _POLICY_TOKENS + 2 * heard,
    }
    worded = max(before[one] for one in ((request.wording,) if request.wording is not None else WORDINGS))
    agent = len(agent_prompt(task, domain)) / _CHARACTERS_PER_TOKEN + heard
    each = {"user": (round(turns * _ASKED_AGAIN), worded), "agent": (round(turns), agent)}
    return [_planned(request, role, *each[role]) for role, text in request.models.items() if parse(text) != EMBEDDED]


def _planned(request: Request, role: str, calls: int, tokens_in: float) -> Planned:
    spec = parse(request.models[role])
    usage = Usage(round(calls * tokens_in), calls * _TURN_TOKENS)
    price = price_of(read_prices(request.prices), spec)
    return Planned(role, str(spec), calls, usage, None if price is None else price.of(usage))
