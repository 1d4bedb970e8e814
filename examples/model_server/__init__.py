"""A local model server for trying personaevo without a key; it speaks the protocols of OpenAI and Anthropic.

    python -m examples.model_server [--port 8000] [--seed 0] [--latency 0.2] [--faults 429=0.1,500=0.05,hang=0.02]

``POST /v1/chat/completions`` and ``POST /v1/messages`` are answered by a reply function of the request; ``GET /v1/models`` lists models.
The default reply function is a small text engine, not a language model: it shows that a pipeline works, and nothing about quality. Its
replies depend only on the prompt and the seed, never on time, order, model or key, so a search through it is reproducible. It can be
configured to fail in the ways of real servers. Standard library only; it listens on the loopback interface only.
"""

from examples.model_server.faults import KINDS, Fault, FaultRule, Faults
from examples.model_server.replies import person_or_agent
from examples.model_server.requests import Json, ReplyFunction, Request
from examples.model_server.schemas import filled, fitted
from examples.model_server.server import Counters, ModelServer

__all__ = [
    "KINDS", "Counters", "Fault", "FaultRule", "Faults", "Json", "ModelServer", "ReplyFunction", "Request", "filled", "fitted",
    "person_or_agent",
]
