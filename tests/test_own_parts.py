"""Parts of one's own: each example runs as it stands, is resumed and verified with its part, and refused without it."""

from __future__ import annotations

import random
import runpy
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

import personaevo as pe
from personaevo import testing
from personaevo.chat import Reply
from personaevo.errors import ConfigError, InputError, PersonaevoError
from personaevo.evolve import prepare
from personaevo.evolve.controls import ScorerBuilder
from personaevo.evolve.players import ClosedError
from personaevo.records import Level
from personaevo.verify import verify
from tests.once import FEW_PEOPLE

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "own_parts"
TINY: Mapping[str, Any] = {
    "task_count": 2, "personas": 1, "test_tasks": 2, "test_personas": 1, "control_dialogues": 10, "people_draws": 2, "finalists": 1,
    "jobs": 1, "screen": 2, "cells": 5, "human": FEW_PEOPLE,
}  # fmt: skip


class Stopped(Exception):  # noqa: N818 - no error
    """A search was stopped before its table."""


def stops(at: int) -> Callable[[pe.Progress], None]:
    """A callback that stops a search after so many commits."""

    def callback(progress: pe.Progress) -> None:
        if progress.done >= at:
            raise Stopped

    return callback


def example(name: str) -> dict[str, Any]:
    """What the file defines."""
    return runpy.run_path(str(FOLDER / f"{name}.py"))


def parts() -> dict[str, dict[str, Any]]:
    """The part of each example, as ``search`` takes it."""
    return {
        "users": {"users": example("users")["Plain"]()},
        "agents": {"agent": example("agents")["HastyAgents"]()},
        "judges": {"judge": example("judges")["Logistic"]()},
        "objectives": {"objectives": [example("objectives")["TURNS"]]},
        "operators": {"operators": {"nudge": (example("operators")["nudge"], 20.0)}},
        "descriptors": {"descriptors": example("descriptors")["TalkAndResistance"]()},
        "chat_model": {"models": {"user": example("chat_model")["Echo"]()}},
    }


# A model plays the users in place of own ones: its example has a search to itself.
APART = ("chat_model",)
TOGETHER = tuple(sorted(parts().keys() - set(APART)))


def given(names: Sequence[str]) -> dict[str, Any]:
    """The parts of these examples, as ``search`` takes them together."""
    made = parts()
    return {key: value for name in names for key, value in made[name].items()}


@contextmanager
def unprepared() -> Iterator[None]:
    """While inside, nothing is played and no judge is trained for a search that is refused before it looks at either."""
    nobody = SimpleNamespace(train=SimpleNamespace(cells=None), negatives={}, setting=SimpleNamespace(negatives={}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScorerBuilder, "start", lambda *_: nobody)
        patch.setattr(prepare, "_cell_names", lambda *_: ())
        yield


@pytest.mark.parametrize("names", [TOGETHER, APART], ids=["together", *APART])
def test_examples_are_resumed_and_verified_with_their_parts(names: Sequence[str], tmp_path: Path) -> None:
    part, path = given(names), tmp_path / "a.duckdb"
    settings = {**TINY, "candidates": 2, "screen": 1 if names == APART else 2}  # a model plays the surrogate's dialogues too
    with pytest.raises(Stopped):
        pe.search(pe.SearchConfig(archive=path, **settings), **part, callbacks=[stops(1)])
    with unprepared():
        for name in names:  # each is missed
            others = {key: value for key, value in part.items() if key not in parts()[name]}
            with pytest.raises(PersonaevoError, match=r"made with|unknown operator|own:echo-1"):
                pe.search(pe.SearchConfig(archive=path, resume=True, **settings), **others)
    found = pe.search(pe.SearchConfig(archive=path, resume=True, **settings), **part)
    if names == TOGETHER:
        assert pe.search(pe.SearchConfig(archive=tmp_path / "b.duckdb", **settings), **part).digest == found.digest
    assert pe.search(pe.SearchConfig(archive=path, resume=True, **settings), **part).digest == found.digest  # nothing is left to do
    verifying = {key: value for key, value in part.items() if key not in ("operators", "models")}
    checked = verify(path, **verifying)
    assert not checked.findings
    assert checked.checked["scores"] == 2
    for key in verifying:
        others = {name: value for name, value in verifying.items() if name != key}
        assert "custom parts" in " ".join(verify(path, **others).unchecked)


@pytest.mark.parametrize("name", ["judges", "ask_and_tell"])
def test_an_example_runs_as_a_script(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its classes, which no worker process can import, travel with it. Only the size of the search is not that of the script."""
    path, config = tmp_path / "a.duckdb", pe.SearchConfig
    monkeypatch.setattr(pe, "SearchConfig", lambda **settings: config(**{**settings, **TINY, "jobs": 2, "screen": 1}))
    monkeypatch.setattr(sys, "argv", ["example", str(path)])
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    with pe.Archive.read(path) as archive:
        assert archive.digest(1) in capsys.readouterr().out
        assert len(archive.commits(1)) == 6


def test_own_parts_have_their_say(tmp_path: Path) -> None:
    class First:
        id = "the first"

        def choose(self, population: Any, masses: Any, rng: Any) -> Any:
            return population.top(1)[0]

    seen: list[int] = []
    turns = parts()["objectives"]["objectives"][0]
    steering = replace(turns, role="steers", level=lambda _scorer, _n: Level(0.0, 8.0))
    found = pe.search(
        pe.SearchConfig(archive=tmp_path / "a.duckdb", candidates=4, **TINY), selection=First(), objectives=[steering],
        callbacks=[lambda one: seen.append(one.done)], **parts()["operators"], **parts()["descriptors"],
    )  # fmt: skip
    assert sorted(set(seen)) == [1, 2, 3, 4]
    with pe.Archive.read(found.archive) as archive:
        run, commits = archive.run(), archive.commits(1)
    assert {"talk", "resistance"} & {word.strip(",") for cell in run.cells for word in cell["name"].split()}
    assert any("nudge" in one.candidate.operator for one in commits)
    assert run.settings["own_parts"] == {"selection": "the first", "descriptors": "talk and resistance 1", "objectives": ["turns 1"]}
    for one in commits:  # it is part of the score
        if one.evaluation is not None:
            shares = [one.evaluation.objectives[name].value for name in ("human_likeness", "coverage", "consistency", "turns")]
            low = min(max(min(share, 1.0), 0.0) for share in shares)
            assert one.evaluation.objectives["score"].value <= max(low * len(shares), 0.0)
            assert one.evaluation.objectives["turns"].value > 0.0


def test_what_own_parts_break_costs_dialogues(tmp_path: Path) -> None:
    class Broken:
        id = "broken"

        def start(self, task: Any, persona: Any, seed: int) -> Any:
            if persona is not None and seed % 2:
                raise ValueError("no such user sk-abcdefghijklmnopqrstuvwxyz012345")
            return self

        def reply(self, heard: str | None) -> Any:
            return "i want it, please [DONE]"

    found = pe.search(pe.SearchConfig(archive=tmp_path / "a.duckdb", candidates=2, **TINY), users=Broken())
    with pe.Archive.read(found.archive) as archive:
        reasons = {one.reason for one in archive.episodes(1, 1) if one.state == "failed"}
    assert len(reasons) == 1
    assert "the user simulator broken raised ValueError: no such user" in next(iter(reasons))
    assert "abcdefghijklmnop" not in next(iter(reasons))


class _Counts:
    """A model that counts tokens."""

    def reply(self, messages: Sequence[Any], *, schema: Any = None, sample: int = 0) -> Reply:
        return Reply("yes [DONE]")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"users": 3}, r"users: expected an object with an id \(a text\) and start\(task, persona, seed\), got 3"),
        ({"judge": object()}, "judge: expected an object with an id"),
        ({"agent": 5}, "agent: expected a function of the messages"),
        ({"models": {"user": "openai:x"}}, r"name models in the settings: pe.SearchConfig\(models="),
        ({"models": {"user": _Counts(), "users": _Counts()}}, "no such role as 'users'"),
        ({"operators": {"cross": print}}, "operators: expected functions"),
        ({"operators": {"mine": (print, float("nan"))}}, "weights must be finite"),
        ({"objectives": [1]}, "expected objects of pe.Objective"),
        ({"descriptors": "talk"}, "descriptors: expected an object"),
    ],
)
def test_a_wrong_part_is_one_line(given: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        pe.search(pe.SearchConfig(archive=tmp_path / "a.duckdb", **TINY), **given)
    assert not (tmp_path / "a.duckdb").exists()


def played(batch: Sequence[pe.Request]) -> dict[int, Any]:
    found: dict[int, Any] = example("ask_and_tell")["played"](batch)
    return found


def test_asked_and_told(tmp_path: Path) -> None:
    """Whatever is told first, the end is the same; what failed is a failed dialogue; a closed search goes on."""
    settings = {**TINY, "candidates": 2}
    with pe.Search(pe.SearchConfig(archive=tmp_path / "a.duckdb", **settings), id="mine") as search:
        while batch := search.ask():
            turns = played(batch)
            for one in reversed(batch):  # one by one, the last first
                search.tell({one.id: [pe.Dialogue(id="x", turns=turns[one.id]), turns[one.id]][one.id % 2]})
        assert search.done
        digest = search.result().digest
    path = tmp_path / "b.duckdb"
    done: list[int] = []
    with pe.Search(pe.SearchConfig(archive=path, **settings), id="mine", callbacks=[lambda one: done.append(one.done)]) as search:
        while (batch := search.ask()) and 1 not in done:
            search.tell(played(batch))
    with pytest.raises(ClosedError):
        search.result()
    with pe.Search(pe.SearchConfig(archive=path, resume=True, **settings), id="mine") as search:
        while batch := search.ask():
            search.tell(played(batch))
        assert search.result().digest == digest
    checked = verify(path)
    assert not checked.findings and checked.checked["scores"] == 2 and "mine played them" in " ".join(checked.unchecked)
    shutil.copy(path, tmp_path / "c.duckdb")
    with duckdb.connect(str(tmp_path / "c.duckdb")) as connection:
        connection.execute("UPDATE episodes SET p_human = 1 - p_human WHERE p_human IS NOT NULL")
    assert "p_human" in {one.kind for one in verify(tmp_path / "c.duckdb").findings}
    other = pe.Search(pe.SearchConfig(archive=path, resume=True, **settings), id="another")
    with unprepared(), other, pytest.raises(PersonaevoError, match="made with the parts"):
        while batch := other.ask():
            other.tell(played(batch))


def test_what_is_told_is_checked(tmp_path: Path) -> None:
    with pe.Search(pe.SearchConfig(archive=tmp_path / "a.duckdb", candidates=1, **TINY)) as search:
        batch = search.ask()
        while more := search.ask(timeout=1.0):  # until all that can be asked is given out
            batch += more
        assert not search.done
        first = batch[0].id
        with pytest.raises(ConfigError, match="no dialogue 99999 is pending"):
            search.tell({99999: []})
        with pytest.raises(InputError, match=f"dialogue {first}: expected turns with the role user or assistant"):
            search.tell({first: [{"role": "dragon", "content": "x"}]})
        with pytest.raises(InputError, match="expected a Dialogue, a list of turns"):
            search.tell({first: "hello"})
        turns = played(batch)
        search.tell({one.id: TimeoutError("too slow") if one.id == first else turns[one.id] for one in batch})
        with pytest.raises(ConfigError, match="is pending"):
            search.tell({first: turns[first]})


def test_contracts_hold_for_the_examples() -> None:
    given = parts()
    assert {one.outcome for one in testing.check_users(given["users"]["users"])} <= {"completed", "turn_limit"}
    assert len(testing.check_agent(given["agents"]["agent"])) == 4
    scores = testing.check_judge(given["judges"]["judge"])
    assert scores[: len(scores) // 2].mean() > scores[len(scores) // 2 :].mean() + 0.2  # people first
    assert testing.check_descriptors(given["descriptors"]["descriptors"]).shape[1] == 2
    assert testing.check_operator(given["operators"]["operators"]["nudge"][0])
    assert (testing.check_objective(given["objectives"]["objectives"][0]) > 2).all()
    assert testing.check_model(given["chat_model"]["models"]["user"]).text == "how can i help?"


def test_contracts_find_what_is_broken() -> None:
    draws = random.Random(0)

    class Loose:
        id = "loose"
        names = ("a",)

        def start(self, task: Any, persona: Any, seed: int = 0) -> Any:
            return self

        def reply(self, *heard: Any, **more: Any) -> str:
            return f"i say {draws.random()} [DONE]"

        def train(self, values: Any, people: Any, weights: Any, seed: int) -> Any:
            return self

        def score(self, values: Any) -> Any:
            return [2.0 for _ in values]

        def measure(self, values: Any) -> Any:
            return values[:, :1] - values[:, :1].mean()

        def choose(self, population: Any, masses: Any, rng: Any) -> Any:
            return population.top(3)[draws.randrange(3)]

    loose = Loose()
    broken: list[tuple[Callable[[], object], str]] = [
        (lambda: testing.check_users(loose), "users loose played otherwise with equal"),
        (lambda: testing.check_agent(lambda messages: 1 / 0), "a dialogue failed: the agent .* raised ZeroDivisionError"),
        (lambda: testing.check_judge(loose), "judge loose: expected 400 numbers from 0 to 1"),
        (lambda: testing.check_descriptors(loose), "depend on which others are measured"),
        (lambda: testing.check_operator(lambda one, rng: f"{one.source}# {draws.random()}"), "makes another child of equal parents"),
        (lambda: testing.check_operator(lambda parents, rng: parents.source), "made no other program"),
        (lambda: testing.check_operator(lambda parents, rng: "x ="), "not valid Python"),
        (lambda: testing.check_selection(loose), "chooses otherwise with an equal generator"),
        (lambda: testing.check_users(3), "users: expected an object with an id"),  # type: ignore[arg-type]
        (lambda: testing.check_objective(pe.Objective("x", "", "dialogue", lambda *_: [1.0])), "expected finite numbers of shape"),
    ]
    for act, said in broken:
        with pytest.raises(testing.ContractError, match=said):
            act()
