"""Candidates under way by a model: what is new is told in the order of their numbers, and nobody waits longer than that needs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from personaevo.chat import Message, Reply
from personaevo.errors import ModelError
from personaevo.evolve.develop import ModelCandidate, ModelProposer
from personaevo.evolve.rewrite import Brief
from personaevo.evolve.rollout import Examined, read
from personaevo.evolve.state import Programs
from personaevo.programs.shingles import shingles
from personaevo.programs.source import make_program

SEED = "AXES = []\ndef generate(task, n, rng, model=None):\n    return [{'description': 'seed'} for _ in range(n)]\n"
Answer = Callable[[str], str]


def program(number: int) -> str:
    return SEED.replace("'seed'", f"'person {number}', 'id': f'{number}' + str(rng.random())" + " + str(n)" * number)


class Mutator:
    """Answers with whole programs; keeps what it was asked."""

    def __init__(self, answer: Answer) -> None:
        self._answer, self._lock = answer, threading.Lock()
        self.asked: list[str] = []

    def reply(self, messages: Sequence[Message], *, schema: object = None, sample: int = 0) -> Reply:
        with self._lock:
            self.asked.append(messages[-1].content)
        return Reply(f"```python\n{self._answer(messages[-1].content)}```")


@contextmanager
def proposer(mutator: Mutator) -> Iterator[ModelProposer]:
    """A proposer whose programs are read but not run."""
    with ThreadPoolExecutor(8) as pool:
        runtime: Any = SimpleNamespace(role=lambda name: mutator if name == "mutator" else None, pool=pool, from_file=lambda name: False)
        setup: Any = SimpleNamespace(rollout=lambda source, *_: source, train_plan=SimpleNamespace(items=[]))
        unused: Any = None
        made = ModelProposer(runtime, setup, unused, 1, Programs(lambda _: {}), unused, lag=4)
        made._examine = lambda source: Examined(read(source), shingles(source), ())  # type: ignore[assignment,method-assign,arg-type]
        yield made


def developed(made: ModelProposer, count: int) -> list[ModelCandidate]:
    futures = [made.begin(Brief("rewrite", number, make_program(SEED), None)) for number in range(1, count + 1)]
    return [future.result(timeout=60) for future in futures]


def again(question: str) -> bool:
    return "just now" in question


def test_equal_proposals_are_asked_for_again_at_the_same_time() -> None:
    """One after the other, a generation of equal proposals would take as many answers' time."""
    together, fresh = threading.Barrier(3), iter(range(2, 9))

    def answer(question: str) -> str:
        if not again(question):
            return program(1)
        together.wait(timeout=30)  # raises if the others are not asked meanwhile
        return program(next(fresh))

    mutator = Mutator(answer)
    with proposer(mutator) as made:
        found = developed(made, 4)
    assert all(one.program is not None for one in found)
    assert found[0].program == make_program(program(1))
    assert len({one.program.id for one in found if one.program}) == 4
    assert sum(map(again, mutator.asked)) == 3
    known = make_program(program(1)).id
    assert all(f"just now: it does the same as the known program {known}" in question for question in mutator.asked if again(question))


def test_a_second_proposal_that_is_no_news_either_is_refused() -> None:
    mutator = Mutator(lambda _: program(1))
    with proposer(mutator) as made:
        first, second = developed(made, 2)
    assert first.program is not None
    assert second.program is None
    assert "does the same as the known program" in second.reason


def test_what_was_asked_for_ahead_in_vain_costs_its_answer_alone() -> None:
    """The first proposal of the one before was refused as nearly the same as another: then so is this one, for that reason."""
    near = program(1).replace("person 1", "person one")

    def answer(question: str) -> str:
        return program(3) if again(question) else near

    mutator = Mutator(answer)
    with proposer(mutator) as made:
        made._known.add(make_program(SEED))
        whole = made._alike
        made._alike = lambda one, own: "it is nearly the same as the known program 0" if one.source == near else whole(one, own)  # type: ignore[method-assign]
        first, second = developed(made, 2)
    assert first.program == make_program(program(3))
    assert second.program is None  # the same second proposal: known by then
    asked = [question for question in mutator.asked if again(question)]
    assert sum("nearly the same" in question for question in asked) == 2
    assert sum("does the same" in question for question in asked) == 1  # ahead, in vain


def test_an_error_of_what_was_asked_ahead_is_met_in_turn() -> None:
    def answer(question: str) -> str:
        if again(question):
            raise ModelError("no more")
        return program(1)

    with proposer(Mutator(answer)) as made:
        futures = [made.begin(Brief("rewrite", number, make_program(SEED), None)) for number in (1, 2)]
        assert futures[0].result(timeout=60).program is not None
        with pytest.raises(ModelError, match="no more"):
            futures[1].result(timeout=60)
