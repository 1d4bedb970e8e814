"""What work shares travels to a worker once, and again only to one that lacks it."""

from __future__ import annotations

import os
import pickle
import random
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Any

import pytest

from personaevo import executors
from personaevo.errors import WorkerError
from personaevo.executors import Answer, Lacking, Packer, Parcel, Shared, opened
from personaevo.workers import Workers

LARGE = 100_000
TEXT = random.Random(1).randbytes(LARGE).decode("latin-1")  # cannot be compressed much


@dataclass(frozen=True)
class Book(Shared):
    text: str


@dataclass(frozen=True)
class Page:
    book: Book
    number: int


def read(page: Page) -> str:
    return page.book.text[page.number]


def done(function: Callable[[Any], Any], parcel: Parcel) -> Any:
    answer = opened(function, parcel)
    assert isinstance(answer, Answer)
    return answer.value()


def book_of(page: Page) -> int:
    return id(page.book)


def nth(text: str, number: int) -> str:
    return text[number]


def slow(page: Page) -> int:
    time.sleep(0.05)
    return len(page.book.text) and os.getpid()


class Weighed(Executor):
    """Notes the bytes of each piece of work on its way to processes of one's own."""

    def __init__(self, inner: Executor) -> None:
        self.inner, self.sizes = inner, list[int]()

    def submit(self, function: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        self.sizes.append(len(pickle.dumps((function, args, named))))
        return self.inner.submit(function, *args, **named)


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process has kept nothing yet."""
    monkeypatch.setattr(executors, "_kept", {})


@pytest.mark.usefixtures("forgetful")
def test_the_first_carries_and_the_others_name() -> None:
    packer, book = Packer(), Book(TEXT)
    first, second = (packer.first(packer.pack(Page(book, number))) for number in range(2))
    assert len(first.work) < 1000 > len(pickle.dumps(second))
    assert opened(read, second).__class__ is Lacking
    assert [done(read, first), done(read, second)] == list(TEXT[:2])


@pytest.mark.usefixtures("forgetful")
def test_equal_content_is_one_and_what_was_kept_is_not_unpickled_again() -> None:
    packer = Packer()
    parcels = [packer.first(packer.pack(Page(Book("same"), number))) for number in range(3)]
    assert len({digest for one in parcels for digest in one.shared}) == 1
    assert len({done(book_of, one) for one in parcels}) == 1


@pytest.mark.usefixtures("forgetful")
def test_a_process_keeps_the_latest_only() -> None:
    packer = Packer()
    packed = [packer.pack(Page(Book(str(number)), 0)) for number in range(30)]
    assert [done(read, packer.first(one)) for one in packed] == [str(number)[0] for number in range(30)]
    assert len(executors._kept) == executors._KEPT == len(packer._made)
    assert done(read, packer.again(packed[0], "w", 1)) == "0"
    assert done(read, packer.again(packed[1], "w", 1)) == "1"


def test_a_worker_is_sent_what_it_lacks_once_and_work_is_not_sent_in_vain_for_ever() -> None:
    packer, book = Packer(), Book("x")
    packed = [packer.pack(Page(book, 0)) for _ in range(3)]
    carried = [bool(next(iter(packer.again(one, worker, 1).shared.values()))) for one, worker in zip(packed, "aab", strict=True)]
    assert carried == [True, False, True]
    assert next(iter(packer.again(packed[1], "a", 2).shared.values()))


def test_other_software_is_told_in_one_line() -> None:
    parcel = Parcel(pickle.dumps(None), {}, "personaevo 0.0 under Python 2.7")
    with pytest.raises(WorkerError, match=r"the worker on .* runs personaevo .*, this search personaevo 0.0 under Python 2.7") as caught:
        opened(repr, parcel)
    assert "\n" not in str(caught.value)


def test_each_of_several_workers_gets_it_about_once() -> None:
    book, count, processes = Book(TEXT), 60, 2
    with ProcessPoolExecutor(processes, get_context("spawn")) as inner:
        given = Weighed(inner)
        with Workers(1, given) as workers:
            who = workers.map(slow, [Page(book, number) for number in range(count)])
            assert workers.map(read, [Page(book, number) for number in range(3)]) == list(TEXT[:3])
    assert len(set(who)) == processes
    large = sum(size > LARGE for size in given.sizes)
    assert processes <= large <= 2 * processes
    assert sum(given.sizes) < (large + 1) * 2 * LARGE + 2_000 * len(given.sizes)


def test_what_a_function_is_given_travels_once() -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as inner:
        given = Weighed(inner)
        with Workers(1, given) as workers:
            assert workers.map(partial(nth, TEXT), range(20)) == list(TEXT[:20])
    assert sorted(given.sizes)[-2] < 1000 < LARGE < max(given.sizes)


def test_a_worker_without_the_package_is_one_line() -> None:
    class Bare(Executor):
        def submit(self, function: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
            failed: Future[Any] = Future()
            failed.set_exception(ModuleNotFoundError("No module named 'personaevo'"))
            return failed

    with Workers(1, Bare()) as workers, pytest.raises(WorkerError, match="a worker has no personaevo"):
        workers.map(abs, [1])


def test_work_that_cannot_be_packed_says_so_at_once() -> None:
    with Workers(2) as workers, pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        workers.submit(repr, lambda: 0)
