"""Chat models of OpenAI, Anthropic and compatible servers, with retries, rate limits, a cost ledger and a cache of answers."""

from personaevo.model_spec import EMBEDDED, ModelSpec, parse
from personaevo.models.ledger import Account, Budget, Ledger, MemoryStore, Planned, Spent, plan_calls, price_of
from personaevo.models.ledger import read as read_prices
from personaevo.models.retry import RetryPolicy
from personaevo.models.session import CallSettings, Models
from personaevo.models.wrappers import made_for
from personaevo.renamed import old_names

__all__ = [
    "EMBEDDED",
    "Account",
    "Budget",
    "CallSettings",
    "Ledger",
    "MemoryStore",
    "ModelSpec",
    "Models",
    "Planned",
    "RetryPolicy",
    "Spent",
    "made_for",
    "parse",
    "plan_calls",
    "price_of",
    "read_prices",
]  # fmt: skip

__getattr__ = old_names(__name__)
