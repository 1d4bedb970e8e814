"""Estimate the model calls of a calibration, for ``--dry-run``."""

from __future__ import annotations

from personaevo import definitions
from personaevo.calibration.run import CalibrationSettings, tasks_of
from personaevo.definitions import prompt
from personaevo.models import EMBEDDED, parse
from personaevo.models.planned import CHARACTERS_PER_TOKEN, POLICY_TOKENS, TURN_TOKENS, Planned, plan_calls
from personaevo.simulate.calibrate import WORDINGS
from personaevo.simulate.model_users import system_prompt
from personaevo.simulate.partners import agent_prompt

_ASKED_AGAIN = 1.25  # calls for a turn: one that breaks its plan is repeated once


def planned(request: CalibrationSettings) -> list[Planned]:
    """An estimate for each role played by a model, with dialogues of the domain's usual length, four characters a token and an empty cache.

    Raises:
        InputError, ConfigError: as the calibration itself, for its settings and files.
    """
    domain = definitions.domain(request.place)
    task = tasks_of(request.place)["train"][0]
    turns = request.dialogues_in_all * float(domain.script.get("expected_turns", 8.0))
    heard = TURN_TOKENS * float(domain.script.get("expected_turns", 8.0))
    before = {
        "draft": sum(map(len, prompt("reword").values())) / CHARACTERS_PER_TOKEN + 2 * TURN_TOKENS,
        "direction": len(system_prompt(task, None, domain)) / CHARACTERS_PER_TOKEN + POLICY_TOKENS + 2 * heard,
    }
    worded = max(before[one] for one in ((request.wording,) if request.wording is not None else WORDINGS))
    agent = len(agent_prompt(task, domain)) / CHARACTERS_PER_TOKEN + heard
    each = {"user": (round(turns * _ASKED_AGAIN), worded), "agent": (round(turns), agent)}
    asked = [(role, model) for role, model in request.models.items() if parse(model) != EMBEDDED]
    return [plan_calls(role, model, request.prices, *each[role], TURN_TOKENS) for role, model in asked]
