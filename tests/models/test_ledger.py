"""The books: what is held back, what is booked, and that no limit is ever exceeded."""

from __future__ import annotations

import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest

from personaevo.chat import Usage
from personaevo.errors import BudgetError
from personaevo.models import Account, Budget, Ledger, Spent
from personaevo.models.ledger import Price

PRICE = Price(model="m", input=1.0, output=1.0)  # a dollar per million tokens
CENT = Usage(10_000)
DOLLAR = Usage(500_000, 500_000)


def tried(ledger: Ledger, most: Usage = DOLLAR, price: Price | None = PRICE) -> None:
    with ledger.hold(most, price):
        pass


def rounded(spent: Spent) -> Spent:
    """To a thousandth of a millionth dollar."""
    return replace(spent, usd=round(spent.usd, 9))


class Holder:
    """Another thread that holds an amount until it is told to end, and books what the call did cost."""

    def __init__(self, ledger: Ledger, most: Usage, booked: Usage | None = None) -> None:
        self._ledger, self._most, self._booked = ledger, most, booked
        self.holds, self.end = threading.Event(), threading.Event()
        self.error: BudgetError | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            with self._ledger.hold(self._most, PRICE):
                self.holds.set()
                self.end.wait(10)
                if self._booked is not None:
                    self._ledger.book("user", self._booked, PRICE, 1.0)
        except BudgetError as error:
            self.error = error

    def join(self) -> None:
        self._thread.join(10)
        assert not self._thread.is_alive()


@contextmanager
def holding(ledger: Ledger, most: Usage, booked: Usage | None = None) -> Iterator[Holder]:
    holder = Holder(ledger, most, booked)
    assert holder.holds.wait(10)
    try:
        yield holder
    finally:
        holder.end.set()
        holder.join()


LIMITS: dict[str, Callable[[Spent], bool]] = {
    "usd": lambda spent: spent.usd <= 0.5,
    "tokens": lambda spent: spent.tokens <= 500_000,
    "calls": lambda spent: spent.calls <= 400,
}


@pytest.mark.parametrize("limit", [*LIMITS, "all"])
def test_sixteen_threads_never_book_more_than_the_budget(limit: str) -> None:
    every = Budget(0.5, 500_000, 400)
    ledger = Ledger(every if limit == "all" else Budget(**{limit: getattr(every, limit)}))
    kept = list(LIMITS.values()) if limit == "all" else [LIMITS[limit]]
    broken: list[Spent] = []
    start = threading.Barrier(16)

    def spend(seed: int) -> int:
        rng = random.Random(seed)
        start.wait(10)
        for answered in range(1_000):
            most = Usage(rng.randrange(1, 5_000), rng.randrange(1, 5_000))
            try:
                with ledger.hold(most, PRICE):
                    less = Usage(rng.randrange(most.input_tokens + 1), rng.randrange(most.output_tokens + 1))
                    ledger.book(f"role {seed % 3}", most if rng.random() < 0.3 else less, PRICE, 0.0)
                    spent = ledger.total()
                    broken.extend(spent for within in kept if not within(spent))
            except BudgetError:
                return answered
        raise AssertionError("the budget never ended")

    with ThreadPoolExecutor(16) as pool:
        answered = sum(pool.map(spend, range(16)))
    assert broken == []
    total = ledger.total()
    assert total.calls == answered
    if limit == "usd":
        assert total.usd > 0.4  # the last refused call could have cost 0.01 at most; the rest is what the threads left
    if limit == "calls":
        assert answered == 400
    if limit in ("usd", "tokens"):
        tried(ledger, Usage(500_000 - total.tokens - 1))  # nothing is held any more


def test_without_a_budget_nothing_is_refused() -> None:
    ledger = Ledger()
    tried(ledger, Usage(10**12, 10**12))
    ledger.book("user", DOLLAR, PRICE, 0.0)
    tried(ledger)


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (Budget(usd=1.5), "the next call could exceed --max-usd 1.5: 1.0000 are spent"),
        (Budget(tokens=1_999_999), "the next call could exceed --max-tokens 1,999,999: 1,000,000 are spent"),
        (Budget(calls=1), "the next call would exceed --max-calls 1"),
        (Budget(usd=0.0), "the next call could exceed --max-usd 0: 1.0000 are spent"),
    ],
)
def test_refused_when_nothing_is_held(budget: Budget, words: str) -> None:
    ledger = Ledger(budget)
    ledger.book("user", DOLLAR, PRICE, 0.0)
    with pytest.raises(BudgetError, match=re.escape(words)):
        tried(ledger)


@pytest.mark.parametrize("budget", [Budget(usd=2.0), Budget(tokens=2_000_000), Budget(calls=2)])
def test_a_limit_may_be_reached_exactly(budget: Budget) -> None:
    ledger = Ledger(budget)
    for _ in range(2):
        with ledger.hold(DOLLAR, PRICE):
            ledger.book("user", DOLLAR, PRICE, 0.0)
    with pytest.raises(BudgetError):
        tried(ledger, Usage(1))


def test_waits_while_held_amounts_block_and_goes_on_when_they_are_released() -> None:
    ledger = Ledger(Budget(usd=1.5))
    with holding(ledger, DOLLAR, booked=CENT) as first:
        second = Holder(ledger, DOLLAR)
        assert not second.holds.wait(0.1)
        first.end.set()
        assert second.holds.wait(10)
        second.end.set()
        second.join()
    assert second.error is None
    assert ledger.total().usd == pytest.approx(0.01)


def test_refused_when_what_was_held_was_spent() -> None:
    ledger = Ledger(Budget(usd=1.5))
    with holding(ledger, DOLLAR, booked=DOLLAR) as first:
        second = Holder(ledger, DOLLAR)
        assert not second.holds.wait(0.05)
        first.end.set()
        second.join()
    assert "1.0000 are spent" in str(second.error)


def test_what_could_never_fit_is_refused_at_once() -> None:
    ledger = Ledger(Budget(usd=1.5))
    with holding(ledger, CENT), pytest.raises(BudgetError):
        tried(ledger, Usage(2_000_000))


def test_a_small_call_passes_beside_a_waiting_large_one() -> None:
    ledger = Ledger(Budget(usd=1.5))
    with holding(ledger, DOLLAR) as first:
        second = Holder(ledger, DOLLAR)
        assert not second.holds.wait(0.05)
        tried(ledger, CENT)
        assert not second.holds.is_set()
        first.end.set()
        assert second.holds.wait(10)
        second.end.set()
        second.join()


def test_what_is_held_is_released_after_an_error() -> None:
    ledger = Ledger(Budget(usd=1.0))
    for _ in range(3):
        with pytest.raises(KeyError), ledger.hold(DOLLAR, PRICE):
            raise KeyError
    tried(ledger)


def test_sums_of_held_amounts_do_not_drift() -> None:
    ledger = Ledger(Budget(usd=0.7))
    with ledger.hold(Usage(100_000), PRICE), ledger.hold(Usage(200_000), PRICE):
        pass
    assert 0.1 + 0.2 - 0.2 - 0.1 != 0.0
    assert ledger._held == Spent()


def test_closed_nothing_new_is_asked() -> None:
    ledger = Ledger()
    ledger.close(0.0)
    with pytest.raises(BudgetError, match="the search is ending"):
        tried(ledger)


def test_closing_refuses_those_who_wait() -> None:
    ledger = Ledger(Budget(usd=1.5))
    with holding(ledger, DOLLAR):
        second = Holder(ledger, DOLLAR)
        assert not second.holds.wait(0.05)
        ledger.close(0.0)
        second.join()
        assert second.error is not None


def test_closing_waits_for_calls_under_way_and_books_them() -> None:
    ledger = Ledger()
    with holding(ledger, DOLLAR, booked=CENT) as first:
        timer = threading.Timer(0.1, first.end.set)
        timer.start()
        ledger.close(10.0)
        assert ledger.total().usd == pytest.approx(0.01)
        assert first.end.is_set()
        timer.join()


def test_closing_waits_only_so_long() -> None:
    ledger = Ledger()
    with holding(ledger, DOLLAR) as first:
        ledger.close(0.05)
        assert not first.end.is_set()


def test_sums_by_role() -> None:
    ledger = Ledger()
    assert ledger.book("user", Usage(100, 50, 40), PRICE, 1.5) == pytest.approx(150e-6)
    assert ledger.book("user", Usage(10, 5), None, 0.5) == 0.0
    ledger.book("agent", Usage(1, 2), PRICE, 0.25)
    ledger.note_known("agent")
    ledger.note_failure("mutator", "429")
    ledger.note_failure("mutator", "429")
    ledger.note_failure("mutator", "timeout")
    accounts = ledger.accounts()
    assert rounded(accounts["user"].spent) == Spent(2, 110, 40, 55, 150e-6, 2.0)
    assert rounded(accounts["agent"].spent) == Spent(1, 1, 0, 2, 3e-6, 0.25)
    assert [accounts[role].known for role in ("user", "agent")] == [0, 1]
    assert accounts["mutator"] == Account(failures=Counter({"429": 2, "timeout": 1}))
    assert rounded(ledger.total()) == Spent(3, 111, 40, 57, 153e-6, 2.25)
    assert ledger.total().tokens == 168


def test_accounts_are_copies() -> None:
    ledger = Ledger()
    ledger.note_failure("user", "500")
    ledger.accounts()["user"].failures["500"] = 99
    ledger.accounts()["user"].known = 99
    assert ledger.accounts() == {"user": Account(failures=Counter({"500": 1}))}


def test_what_was_spent_before_counts() -> None:
    before = {"user": Spent(3, 600_000, 0, 300_000, 0.9, 12.0), "agent": Spent(1, 10, 0, 10, 0.0, 1.0)}
    ledger = Ledger(Budget(usd=1.5), before)
    with pytest.raises(BudgetError, match=r"0\.9000 are spent"):
        tried(ledger)
    ledger.book("user", CENT, PRICE, 1.0)
    assert rounded(ledger.accounts()["user"].spent) == Spent(4, 610_000, 0, 300_000, 0.91, 13.0)
    assert ledger.accounts()["agent"].spent == before["agent"]
    assert before["user"].calls == 3
    with pytest.raises(BudgetError):
        tried(Ledger(Budget(calls=4), before), Usage())
    tried(Ledger(Budget(calls=5), before), Usage())
