"""Estimates of a command's calls, tokens and costs, for ``--dry-run``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from personaevo.chat import Usage
from personaevo.model_spec import parse
from personaevo.models.prices import price_of, read

CHARACTERS_PER_TOKEN = 4.0
TURN_TOKENS, POLICY_TOKENS = 40, 300  # of one turn; of one persona's text in a prompt


@dataclass(frozen=True, slots=True)
class Planned:
    """The expected calls of one role, their input and output tokens, and US dollars (None without a price)."""

    role: str
    model: str
    calls: int
    usage: Usage
    usd: float | None


def plan_calls(role: str, model: str, prices: Path | None, calls: int, tokens_in: float, tokens_out: float) -> Planned:
    """The estimate for ``calls`` calls of a role's ``model`` (named as for ``--model``), from the input and output tokens of one call.

    Raises:
        ConfigError: the model's name or the price file is invalid.
    """
    spec = parse(model)
    usage = Usage(round(calls * tokens_in), round(calls * tokens_out))
    price = price_of(read(prices), spec)
    return Planned(role, str(spec), calls, usage, None if price is None else price.of(usage))
