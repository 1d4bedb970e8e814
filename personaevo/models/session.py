"""The models of one search, one for each role, with their wrappers.

From the outside in: ``StructuredModel`` (structured output), ``CachedModel`` (store and costs), ``RetryingModel``, ``LoadBalancer``
(several addresses), and an adapter with a client for each address.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Self

from personaevo.chat import ChatModel, Store
from personaevo.errors import ConfigError, ModelSetupError
from personaevo.model_spec import EMBEDDED, ModelSpec
from personaevo.models import local_server
from personaevo.models.adapter import Adapter, CallOptions, EventLoopThread, label_of
from personaevo.models.ledger import Budget, Ledger, Price, Spent, price_of
from personaevo.models.local_server import LocalServer, Serve
from personaevo.models.refusals import TransientError
from personaevo.models.retry import Endpoint, EndpointModel, EndpointPool, LoadBalancer, RateLimit, RetryingModel, RetryPolicy
from personaevo.models.wrappers import CachedModel, CallRecords, CustomModel, OfflineModel, StructuredModel

_OUTPUT_TOKENS = {"mutator": 8_000, "generator": 4_000, "reflector": 1_500, "user": 600, "agent": 800, "analyst": 2_000, "refiner": 2_500}
_STORED_ONLY = "only its stored answers can be used by this name; to call it"
_LOCAL_TURN = 200  # tokens: a small model may repeat a word until the limit, at ten tokens a second


@dataclass(frozen=True, slots=True)
class CallSettings:
    """How models are called: concurrent calls and calls per minute for each endpoint, the total timeout of a call, and the retry policy."""

    at_once: int = 16
    per_minute: float | None = None
    seconds: float = 120.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)


class Models:
    """The models of all roles, a context manager; ``role(name)`` returns the model of a role, None for the embedded engine.

    ``offline`` answers from the store only. Clients are created at first use, as importing them takes a second. A local model is loaded at
    first use, and its server ends with this object; ``serve`` starts one (tests replace it). ``own`` are models that are objects, by role.
    """

    def __init__(
        self, specs: Mapping[str, ModelSpec], store: Store, *, prices: Sequence[Price] = (), budget: Budget | None = None,
        before: Mapping[str, Spent] | None = None, conduct: CallSettings | None = None, offline: bool = False, serve: Serve | None = None,
        own: Mapping[str, ChatModel] | None = None,
    ) -> None:  # fmt: skip
        self._specs, self._prices, self._offline = dict(specs), tuple(prices), offline
        self._conduct = conduct or CallSettings()
        self.ledger = Ledger(budget, before)
        self._records = CallRecords(self.ledger, store)
        self._pool = EndpointPool(self._conduct.retry.longest_requested)
        self._endpoints: dict[str, Endpoint] = {}
        self._made: dict[str, ChatModel] = {}
        self._loop: EventLoopThread | None = None
        self._serve, self._own = serve, dict(own or {})
        self._servers: dict[str, LocalServer] = {}
        self._stopping = threading.Event()
        to_price = specs if budget is not None and budget.usd is not None and not offline else {}
        for role, spec in to_price.items():
            if spec != EMBEDDED and price_of(self._prices, spec) is None:
                raise ConfigError(
                    f"--max-usd needs the price of {role} {spec}: put it into a file like archive/prices.toml (0 if it costs nothing) "
                    "and give that with --prices FILE"
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop(0.0)

    def stop(self, grace: float) -> None:
        """Admit no new calls; running ones are cancelled after ``grace`` seconds."""
        self.ledger.close(grace)
        self._stopping.set()
        self._pool.close()
        if self._loop is not None:
            self._loop.close()
            self._loop = None
        for server in self._servers.values():
            server.stop()

    def role(self, name: str) -> ChatModel | None:
        """The role's model, None for the embedded engine."""
        spec = self._specs.get(name, EMBEDDED)
        if spec == EMBEDDED:
            return None
        if name not in self._made:
            self._made[name] = self._model(name, spec)
        return self._made[name]

    def at_once(self, name: str) -> int:
        """The most concurrent calls of a role, at all its addresses together; 1 for the embedded engine."""
        return sum(map(self._calls_at, self._specs.get(name, EMBEDDED).places)) or 1

    def _calls_at(self, spec: ModelSpec) -> int:
        if spec.provider == "local":
            return local_server.slots(self._conduct.at_once)
        return 1 if spec == EMBEDDED else self._conduct.at_once

    def _model(self, role: str, spec: ModelSpec) -> ChatModel:
        label = label_of(role, spec)
        seconds = self._conduct.seconds if spec.provider != "local" else max(self._conduct.seconds, local_server.SECONDS)
        terms = CallOptions(seconds, _output_tokens(role, spec), label)
        asked: ChatModel = OfflineModel(label) if self._offline else self._remote(role, spec, terms)
        price = price_of(self._prices, spec)
        cached = CachedModel(
            asked, role, str(spec), output_tokens=terms.output_tokens, price=price, records=self._records, aliases=spec.aliases
        )
        return StructuredModel(cached, label)

    def _remote(self, role: str, spec: ModelSpec, terms: CallOptions) -> ChatModel:
        if spec.provider == "own" and role not in self._own:  # only the object's name is known
            raise ModelSetupError(f"model {spec}: {_STORED_ONLY}, pass the object: search(models={{…}})")
        if spec.provider == "own":
            return EndpointModel(CustomModel(self._own[role], terms.label), self._endpoint(spec), self._pool)
        if self._loop is None:
            self._loop = EventLoopThread()
        failed = partial(self._records.failed, role, str(spec), price_of(self._prices, spec))
        return RetryingModel(self._balanced(role, spec, terms, failed), self._conduct.retry, failed, self._stopping)

    def _balanced(self, role: str, spec: ModelSpec, terms: CallOptions, failed: Callable[[TransientError], None]) -> ChatModel:
        """The model at all its addresses. Raises ModelSetupError if it has none."""
        found = [(self._endpoint(one), self._adapter(role, one, replace(terms, label=label_of(role, one)))) for one in spec.places]
        if not found:
            raise ModelSetupError(f"model {spec}: {_STORED_ONLY}, give its addresses after the @")
        if len(found) == 1:
            return EndpointModel(found[0][1], found[0][0], self._pool)
        return LoadBalancer(found, self._pool, failed, terms.label)

    def _endpoint(self, spec: ModelSpec) -> Endpoint:
        """The state of a model's address, shared by all roles."""
        if spec.endpoint not in self._endpoints:
            calls = self._calls_at(spec)
            self._endpoints[spec.endpoint] = Endpoint(RateLimit(calls, self._conduct.per_minute), calls)
        return self._endpoints[spec.endpoint]

    def _adapter(self, role: str, spec: ModelSpec, terms: CallOptions) -> Adapter:
        assert self._loop is not None, "made by the caller"
        limit = self._endpoint(spec).limit
        if spec.provider == "local":
            from personaevo.models.openai_model import LocalModel  # noqa: PLC0415 - each imports a client library, which takes a second

            return LocalModel(spec, self._loop, limit, terms, self._server(spec))
        if spec.provider == "anthropic":
            from personaevo.models.anthropic_model import AnthropicModel  # noqa: PLC0415

            return AnthropicModel(spec, self._loop, limit, terms)
        from personaevo.models.openai_model import OpenAIModel  # noqa: PLC0415

        return OpenAIModel(spec, self._loop, limit, terms)

    def _server(self, spec: ModelSpec) -> LocalServer:
        """The server of a file, shared by all roles. Raises ModelSetupError if only its name is known, or the extra is not installed."""
        if spec.path is None:
            raise ModelSetupError(f"model {spec}: {_STORED_ONLY}, give the path of the file")
        if self._serve is None and not local_server.installed():
            raise ModelSetupError(local_server.NOT_INSTALLED)
        if spec.endpoint not in self._servers:
            roles = [role for role, other in self._specs.items() if other.endpoint == spec.endpoint]
            self._servers[spec.endpoint] = LocalServer(spec, roles, self._calls_at(spec), self._serve or local_server.serve)
        return self._servers[spec.endpoint]


def _output_tokens(role: str, spec: ModelSpec) -> int:
    """The most output tokens of a role: its setting, or the default."""
    if (own := spec.setting("max_tokens")) is not None:
        return int(own)
    return _LOCAL_TURN if role == "user" and spec.provider == "local" else _OUTPUT_TOKENS[role]
