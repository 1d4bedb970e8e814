"""Cost accounting per role. The highest possible cost of a call is reserved before it, so that no limit is ever exceeded."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from personaevo.chat import Usage
from personaevo.errors import BudgetError
from personaevo.models.prices import Price
from personaevo.models.refusals import ENDING


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
