"""The models of one search: each role's, with everything around it.

    Structured( Paid( Retrying( Spread( adapters ))))     from the outside in: the form asked for; known and paid answers; attempts; the
                                                          model's addresses; a client for each
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from types import TracebackType
from typing import Self

from personaevo.errors import ConfigError, ModelSetupError
from personaevo.model_spec import EMBEDDED, ModelSpec
from personaevo.models import local_server
from personaevo.models.adapter import Adapter, Loop, Terms, label_of
from personaevo.models.ledger import Budget, Ledger, Spent
from personaevo.models.limits import Gate
from personaevo.models.local_server import LocalServer, Serve
from personaevo.models.prices import Price, price_of
from personaevo.models.refusals import TransientError
from personaevo.models.retry import Patience, Retrying
from personaevo.models.spread import Counted, Place, Places, Spread
from personaevo.models.wrappers import Books, Offline, Owned, Paid, Structured
from personaevo.records import ChatModel, Store

_OUTPUT_TOKENS = {"mutator": 8_000, "generator": 4_000, "reflector": 1_500, "user": 600, "agent": 800, "analyst": 2_000, "refiner": 2_500}
_LOCAL_TURN = 200  # tokens: a small model that finds no end says the same word until it is stopped, ten tokens a second
_ADAPTERS = {"openai": "OpenAIModel", "anthropic": "AnthropicModel", "local": "LocalModel"}


@dataclass(frozen=True, slots=True)
class Conduct:
    """How models are asked: calls at a time and per minute for each endpoint, seconds for one answer in all, and how often."""

    at_once: int = 16
    per_minute: float | None = None
    seconds: float = 120.0
    patience: Patience = field(default_factory=Patience)


class Models:
    """A context manager; ``role(name)`` gives the model of a role, None where that is embedded.

    ``offline`` answers from the store only. Clients are made when first asked; importing them takes a second. A local model is loaded when
    it is first asked, and its server ends with this; ``serve`` starts one (tests have a stand-in). ``own`` are models that are objects, by
    role.
    """

    def __init__(
        self, specs: Mapping[str, ModelSpec], store: Store, *, prices: Sequence[Price] = (), budget: Budget | None = None,
        before: Mapping[str, Spent] | None = None, conduct: Conduct | None = None, offline: bool = False, serve: Serve | None = None,
        own: Mapping[str, ChatModel] | None = None,
    ) -> None:  # fmt: skip
        self._specs, self._prices, self._offline = dict(specs), tuple(prices), offline
        self._conduct = conduct or Conduct()
        self.ledger = Ledger(budget, before)
        self._books = Books(self.ledger, store)
        self._places = Places(self._conduct.patience.longest_wish)
        self._known_places: dict[str, Place] = {}
        self._made: dict[str, ChatModel] = {}
        self._loop: Loop | None = None
        self._serve, self._own = serve, dict(own or {})
        self._servers: dict[str, LocalServer] = {}
        self._stopping = threading.Event()
        if budget is not None and budget.usd is not None and not offline:
            self._check_prices()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop(0.0)

    def stop(self, grace: float) -> None:
        """No new calls; those under way have ``grace`` seconds to end, and are cut short then."""
        self.ledger.close(grace)
        self._stopping.set()
        self._places.close()
        if self._loop is not None:
            self._loop.close()
            self._loop = None
        for server in self._servers.values():
            server.stop()

    def role(self, name: str) -> ChatModel | None:
        """The role's model, None if it is embedded."""
        spec = self._specs.get(name, EMBEDDED)
        if spec == EMBEDDED:
            return None
        if name not in self._made:
            self._made[name] = self._model(name, spec)
        return self._made[name]

    def at_once(self, name: str) -> int:
        """How many calls of a role are made at a time, at all its addresses together: 1 where it is embedded."""
        return sum(map(self._calls_at, self._specs.get(name, EMBEDDED).places)) or 1

    def _calls_at(self, spec: ModelSpec) -> int:
        if spec.provider == "local":
            return local_server.slots(self._conduct.at_once)
        return 1 if spec == EMBEDDED else self._conduct.at_once

    def _model(self, role: str, spec: ModelSpec) -> ChatModel:
        label = label_of(role, spec)
        seconds = self._conduct.seconds if spec.provider != "local" else max(self._conduct.seconds, local_server.SECONDS)
        terms = Terms(seconds, _output_tokens(role, spec), label)
        asked: ChatModel = Offline(label) if self._offline else self._remote(role, spec, terms)
        price = price_of(self._prices, spec)
        paid = Paid(asked, role, str(spec), output_tokens=terms.output_tokens, price=price, books=self._books, aliases=spec.aliases)
        return Structured(paid, label)

    def _remote(self, role: str, spec: ModelSpec, terms: Terms) -> ChatModel:
        if spec.provider == "own":
            return self._owned(role, spec, terms.label)
        if self._loop is None:
            self._loop = Loop()
        failed = partial(self._books.failed, role, str(spec), price_of(self._prices, spec))
        return Retrying(self._spread(role, spec, terms, failed), self._conduct.patience, failed, self._stopping)

    def _owned(self, role: str, spec: ModelSpec, label: str) -> ChatModel:
        """Raises ModelSetupError: only the object's name is known."""
        if role not in self._own:
            raise ModelSetupError(f"model {spec}: this name finds answers that are kept; to ask it, give the object: search(models={{…}})")
        return Counted(Owned(self._own[role], label), self._place(spec), self._places)

    def _spread(self, role: str, spec: ModelSpec, terms: Terms, failed: Callable[[TransientError], None]) -> ChatModel:
        """The model at all its addresses. Raises ModelSetupError: none is known."""
        found = [(self._place(one), self._adapter(role, one, replace(terms, label=label_of(role, one)))) for one in spec.places]
        if not found:
            raise ModelSetupError(f"model {spec}: this name finds answers that are kept; to ask it, give its addresses after the @")
        return Counted(found[0][1], found[0][0], self._places) if len(found) == 1 else Spread(found, self._places, failed, terms.label)

    def _place(self, spec: ModelSpec) -> Place:
        """What is known of a model's only address, by all roles."""
        if spec.endpoint not in self._known_places:
            calls = self._calls_at(spec)
            self._known_places[spec.endpoint] = Place(Gate(calls, self._conduct.per_minute), calls)
        return self._known_places[spec.endpoint]

    def _adapter(self, role: str, spec: ModelSpec, terms: Terms) -> Adapter:
        assert self._loop is not None, "made by the caller"
        own = {"server": self._server(spec)} if spec.provider == "local" else {}
        module = import_module(f"personaevo.models.{spec.provider}_model")  # with its client: a second
        adapter: Adapter = getattr(module, _ADAPTERS[spec.provider])(spec, self._loop, self._place(spec).gate, terms, **own)
        return adapter

    def _server(self, spec: ModelSpec) -> LocalServer:
        """The one server of a file. Raises ModelSetupError: the file is not there, or what serves it is not installed."""
        if spec.path is None:
            raise ModelSetupError(f"model {spec}: this name finds answers that are kept; to ask it, give the path of the file")
        if self._serve is None and not local_server.installed():
            raise ModelSetupError(local_server.NOT_INSTALLED)
        if spec.endpoint not in self._servers:
            roles = [role for role, other in self._specs.items() if other.endpoint == spec.endpoint]
            self._servers[spec.endpoint] = LocalServer(spec, roles, self._calls_at(spec), self._serve or local_server.serve)
        return self._servers[spec.endpoint]

    def _check_prices(self) -> None:
        for role, spec in self._specs.items():
            if spec != EMBEDDED and price_of(self._prices, spec) is None:
                raise ConfigError(
                    f"--max-usd needs the price of {role} {spec}: put it into a file like archive/prices.toml (0 if it costs nothing) "
                    "and give that with --prices FILE"
                )


def _output_tokens(role: str, spec: ModelSpec) -> int:
    """The longest answer of a role: as set, or the usual one."""
    if (own := spec.setting("max_tokens")) is not None:
        return int(own)
    return _LOCAL_TURN if role == "user" and spec.provider == "local" else _OUTPUT_TOKENS[role]
