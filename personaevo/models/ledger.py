"""Prices (the installed ``archive/prices.toml``, after the user's own file), cost accounting per role, and cost estimates."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from personaevo import content
from personaevo.chat import ModelCall, Reply, Usage
from personaevo.errors import BudgetError, ConfigError
from personaevo.model_spec import ModelSpec, parse
from personaevo.models.refusals import ENDING

_Dollars = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]


class Price(BaseModel):
    """US dollars per million tokens, for models whose name matches the pattern; ``cached`` is the price of cached input."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Annotated[str, Field(min_length=1, max_length=200)]
    input: _Dollars
    output: _Dollars
    cached: _Dollars | None = None

    def of(self, usage: Usage) -> float:
        """The cost in US dollars."""
        cached = min(usage.cached_tokens, usage.input_tokens)
        kept = self.input if self.cached is None else self.cached
        return ((usage.input_tokens - cached) * self.input + cached * kept + usage.output_tokens * self.output) / 1e6


_FREE = Price(model="local:*", input=0.0, output=0.0)


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    price: list[Price] = Field(default_factory=list)


def read(own: Path | None = None) -> tuple[Price, ...]:
    """All prices, those of the file ``own`` first.

    Raises:
        ConfigError: a file does not have the expected structure.
        ContentError: it cannot be read, or is not TOML.
    """
    return (*(_table(own) if own else ()), *_table(content.root("archive") / "prices.toml"))


def price_of(prices: Sequence[Price], spec: ModelSpec) -> Price | None:
    """The first price whose pattern matches; None if there is none. A model at a custom address matches only patterns with an address;
    local models cost nothing.

    Raises:
        ConfigError: a model has different prices at its addresses.
    """
    if spec.provider == "local":
        return _FREE
    found: list[Price | None] = []
    for one in spec.places:
        matching = (price for price in prices if fnmatchcase(one.base, price.model) and ("@" in price.model or one.url is None))
        found.append(next(matching, None))
    if len({None if price is None else (price.input, price.output, price.cached) for price in found}) > 1:
        raise ConfigError(f"model {spec}: its addresses have different prices; give one price for all of them, or a search for each")
    return found[0] if found else None


def _table(path: Path) -> tuple[Price, ...]:
    try:
        return tuple(_Table.model_validate(content.read_toml(path)).price)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(f"prices {path}: {place}: {first['msg'].lower()}; see archive/prices.toml for the form") from None


@dataclass(frozen=True, slots=True)
class Budget:
    """Spending limits for the whole search: US dollars, input and output tokens, answered calls. None is no limit."""

    usd: float | None = None
    tokens: int | None = None
    calls: int | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """A sum of costs: answered calls, tokens, US dollars, seconds from the first attempt of each call to its answer, and the number of
    calls whose tokens are estimated because the server did not count them."""

    calls: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0
    seconds: float = 0.0
    estimated: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    @property
    def tokens(self) -> int:
        """Input and output tokens."""
        return self.input_tokens + self.output_tokens


@dataclass
class Account:
    """One role's account: its costs, the number of answers from the cache, and failed attempts by kind."""

    spent: Spent = Spent()
    known: int = 0
    failures: Counter[str] = field(default_factory=Counter)


class Ledger:
    """The accounts of one search; thread-safe. ``before`` are the costs of its earlier parts, by role."""

    def __init__(self, budget: Budget | None = None, before: Mapping[str, Spent] | None = None) -> None:
        self._budget = budget or Budget()
        self._changed = threading.Condition()
        self._held = Spent()
        self._closed = False
        self._accounts = defaultdict(Account, {role: Account(spent) for role, spent in (before or {}).items()})

    @contextmanager
    def hold(self, most: Usage, price: Price | None) -> Iterator[None]:
        """Reserve the highest possible cost of a call while it runs. If the budget is short only because of other calls' reservations, wait
        for them to end.

        Raises:
            BudgetError: there is not enough left, or the search is ending.
        """
        asked = _spent(most, price, 0.0)
        with self._changed:
            while (over := self._over(self.total() + self._held + asked)) is not None:
                if self._closed or self._held.calls == 0 or self._over(self.total() + asked) is not None:
                    raise BudgetError(over)
                self._changed.wait()
            if self._closed:
                raise BudgetError(ENDING)
            self._held += asked
        try:
            yield
        finally:
            with self._changed:
                self._held += Spent(*(-getattr(asked, name) for name in asked.__dataclass_fields__))
                if self._held.calls == 0:
                    self._held = Spent()  # removes rounding errors of float sums
                self._changed.notify_all()

    def check(self) -> None:
        """Raise BudgetError if costs and reservations exceed the budget, as a failed attempt can cause whose tokens were paid."""
        with self._changed:
            over = self._over(self.total() + self._held)
        if over is not None:
            raise BudgetError(over)

    def close(self, grace: float) -> None:
        """Admit no new calls, and wait up to ``grace`` seconds for running ones."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._held.calls == 0, timeout=grace)

    def book(self, role: str, usage: Usage, price: Price | None, seconds: float) -> float:
        """Book an answer; returns its cost in US dollars."""
        spent = _spent(usage, price, seconds)
        with self._changed:
            self._accounts[role].spent += spent
        return spent.usd

    def note_known(self, role: str) -> None:
        """Count an answer from the cache."""
        with self._changed:
            self._accounts[role].known += 1

    def note_failure(self, role: str, kind: str) -> None:
        """Count a failed attempt."""
        with self._changed:
            self._accounts[role].failures[kind] += 1

    def total(self) -> Spent:
        """The costs of all roles."""
        with self._changed:
            return sum((account.spent for account in self._accounts.values()), Spent())

    def accounts(self) -> dict[str, Account]:
        """A copy of each role's account."""
        with self._changed:
            return {role: Account(account.spent, account.known, Counter(account.failures)) for role, account in self._accounts.items()}

    def _over(self, sum_: Spent) -> str | None:
        """An error message if the sum exceeds a limit, else None."""
        limits = self._budget
        spent = self.total()
        if limits.usd is not None and sum_.usd > limits.usd:
            return f"the next call could exceed --max-usd {limits.usd:g}: {spent.usd:.4f} are spent"
        if limits.tokens is not None and sum_.tokens > limits.tokens:
            return f"the next call could exceed --max-tokens {limits.tokens:,}: {spent.tokens:,} are spent"
        if limits.calls is not None and sum_.calls > limits.calls:
            return f"the next call would exceed --max-calls {limits.calls:,}"
        return None


def _spent(usage: Usage, price: Price | None, seconds: float) -> Spent:
    usd = price.of(usage) if price else 0.0
    return Spent(1, usage.input_tokens, usage.cached_tokens, usage.output_tokens, usd, seconds, int(usage.estimated))


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


class MemoryStore:
    """A ``Store`` in memory, which lasts as long as the process."""

    def __init__(self) -> None:
        self._replies: dict[str, Reply] = {}

    def get(self, key: str) -> Reply | None:
        """The answer stored under a key; None if there is none."""
        return self._replies.get(key)

    def put(self, call: ModelCall) -> None:
        """Store an answer."""
        self._replies[call.key] = call.reply
