"""Honest programs, as a good model would write them: every tier runs them, they come to the same as in this process, and no rule minds.

They are data, read as text.
"""

from __future__ import annotations

import json
import random
import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from personaevo.chat import Message, Reply
from personaevo.programs import Call, Sandbox, check, isolation, normalize, parse, personas
from personaevo.programs.personas import DialTable
from personaevo.records import Persona

FOLDER = Path(__file__).parent / "programs"
PROGRAMS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.py"))}
TASK = {"goal": "book a table for tonight", "facts": {"people": "2", "name": "Özil"}, "context": "by chat", "domain": "service"}
CALLS = [Call(TASK, n, seed) for n, seed in ((1, 3), (5, 4), (20, 5))]
TWO_STAGE = sorted(name for name in PROGRAMS if name.startswith("two_stage"))


class Model:
    """Answers every question."""

    def reply(self, messages: Sequence[Message], *, schema: Any = None, sample: int = 0) -> Reply:
        text = messages[-1].content
        return Reply('["a patient gardener", "a night nurse"]' if "List" in text else f"{len(text) * (sample + 7) % 100} of 100")


class Adapter:
    """What a program sees of the model, without the sandbox."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []

    def complete(self, prompt: str, system: str | None = None) -> str:
        sample = self.asked.count((prompt, system))
        self.asked.append((prompt, system))
        return Model().reply([Message("user", prompt)], sample=sample).text


@pytest.fixture(scope="module", params=["kernel", "weak"])
def box(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    if request.param == "kernel" and isolation.missing():
        pytest.skip(f"this machine lacks {isolation.missing()}")
    with Sandbox(tier=request.param) as opened:
        yield opened


def here(name: str, source: str, model: bool = False) -> list[tuple[Persona, ...]]:
    """The personas of all calls, run in this process."""
    module = sys.modules["program"] = types.ModuleType("program")
    try:
        exec(compile(source, name, "exec", dont_inherit=True), module.__dict__)
        axes = personas.axes(json.loads(json.dumps(module.AXES)), DialTable())
        made = []
        for call in CALLS:
            random.seed(call.seed)
            raw = module.generate(dict(TASK), call.n, random.Random(call.seed), Adapter() if model else None)
            made.append(personas.build(json.loads(json.dumps(raw)), call.n, axes, DialTable()))
        return made
    finally:
        del sys.modules["program"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_runs(box: Sandbox, name: str) -> None:
    results = box.run_many(PROGRAMS[name], CALLS)
    assert [result.reason for result in results] == [None] * len(CALLS)
    assert [result.personas for result in results] == here(name, PROGRAMS[name])


@pytest.mark.parametrize("name", TWO_STAGE)
def test_runs_with_a_model(box: Sandbox, name: str) -> None:
    results = box.run_many(PROGRAMS[name], CALLS, Model())
    assert [result.reason for result in results] == [None] * len(CALLS)
    assert [result.personas for result in results] == here(name, PROGRAMS[name], model=True)
    assert results[2].personas != box.run_many(PROGRAMS[name], CALLS)[2].personas


@pytest.mark.parametrize("name", PROGRAMS)
def test_breaks_no_rule(name: str) -> None:
    assert check(parse(PROGRAMS[name])) == []


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_normal_form_does_the_same(name: str) -> None:
    normal = normalize(PROGRAMS[name])
    assert normalize(normal) == normal
    assert here(name, normal) == here(name, PROGRAMS[name])


def test_there_are_enough_of_them() -> None:
    sizes = sorted(len(source.encode()) for source in PROGRAMS.values())
    assert len(PROGRAMS) >= 45
    assert any(3_000 < size < 4_000 for size in sizes)
    assert sizes[-1] > 30_000
    assert len({normalize(source) for source in PROGRAMS.values()}) == len(PROGRAMS)
