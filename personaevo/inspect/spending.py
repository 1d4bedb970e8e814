"""Calls and costs of models by role, as text and as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from personaevo.models import Account


def spending_text(spending: Mapping[str, Account]) -> str:
    """Write the calls, tokens and costs of each role's model, one line each."""
    lines = [f"{'role':12}{'calls':>8}{'known':>8}{'tokens in':>12}{'cached':>10}{'out':>10}{'US $':>10}{'s/call':>8}  failed attempts"]
    for role, account in spending.items():
        spent = account.spent
        failures = ", ".join(f"{kind} x{count}" for kind, count in sorted(account.failures.items())) or "none"
        lines.append(
            f"{role:12}{spent.calls:8,}{account.known:8,}{spent.input_tokens:12,}{spent.cached_tokens:10,}{spent.output_tokens:10,}"
            f"{spent.usd:10.4f}{spent.seconds / max(spent.calls, 1):8.2f}  {failures}"
        )
    estimated = sum(account.spent.estimated for account in spending.values())
    if estimated:
        lines.append(f"estimated: the tokens of {estimated:,} answers, which the server did not count (three bytes per token)")
    return "\n".join(lines)


def spending_object(spending: Mapping[str, Account]) -> dict[str, Any]:
    """Return the calls, tokens and costs of each role's model for ``--json``."""
    return {
        role: {
            "calls": one.spent.calls, "known": one.known, "input_tokens": one.spent.input_tokens, "cached_tokens": one.spent.cached_tokens,
            "output_tokens": one.spent.output_tokens, "usd": round(one.spent.usd, 6), "seconds": round(one.spent.seconds, 3),
            "estimated": one.spent.estimated,
            "failed_attempts": dict(one.failures),
        }
        for role, one in spending.items()
    }  # fmt: skip
