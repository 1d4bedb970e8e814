"""Calls, tokens and costs that a command expects, for ``--dry-run``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from personaevo.model_spec import parse
from personaevo.models.prices import price_of, read
from personaevo.records import Usage

CHARACTERS_PER_TOKEN = 4.0
TURN_TOKENS, POLICY_TOKENS = 40, 300  # of one turn, and of one persona's text in a prompt


@dataclass(frozen=True, slots=True)
class Planned:
    """What one role would be asked: calls, tokens in and out, and US dollars (None without a price)."""

    role: str
    model: str
    calls: int
    usage: Usage
    usd: float | None


def plan_calls(role: str, model: str, prices: Path | None, calls: int, tokens_in: float, tokens_out: float) -> Planned:
    """So many calls of a role's ``model`` (as ``--model`` names it), with tokens in and out of each.

    Raises:
        ConfigError: the model's name or the file of prices cannot be read.
    """
    spec = parse(model)
    usage = Usage(round(calls * tokens_in), round(calls * tokens_out))
    price = price_of(read(prices), spec)
    return Planned(role, str(spec), calls, usage, None if price is None else price.of(usage))
