"""Typing generics and protocols."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
U = TypeVar("U")

AXES = [{"name": "brief", "low": "Ramble.", "high": "Be brief.", "dials": {"words_per_turn": [30, 2]}}]


class Drawable(Protocol):
    def random(self) -> float: ...


class Pipeline(Generic[T]):
    def __init__(self, items: Iterable[T]) -> None:
        self.items = list(items)

    def map(self, function: Callable[[T], U]) -> Pipeline[U]:
        return Pipeline(function(item) for item in self.items)

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)


def level(rng: Drawable) -> float:
    return rng.random() ** 2


def generate(task, n, rng, model=None):
    drawn = Pipeline(range(n)).map(lambda index: (index, level(rng)))
    return [{"id": f"p{index}", "description": "Writes to get something done.", "behaviors": {"brief": value}} for index, value in drawn]
