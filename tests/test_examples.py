"""The examples run as their first lines say, and what they write is read by what they name."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import personaevo as pe
from examples.mirrorbench_export import DirectedSession
from examples.model_server import ModelServer
from personaevo.readers import read_dialogues, read_tasks
from personaevo.simulate.tau2 import ids_of
from tests.refine.refine_cases import simulated
from tests.standins.loaders import refused_by_mirrorbench

ROOT = Path(__file__).resolve().parent.parent
STANDINS = ROOT / "tests" / "standins"
TAU2_TASKS = ROOT.parent / "shared" / "data" / "tau2" / "retail" / "tasks.json"
WISH = {"domain": "mock", "reason_for_call": "You want to return your lamp.", "known_info": ""}
TASK = {"id": "7", "user_scenario": {"persona": None, "instructions": WISH}}


def example(name: str, *arguments: str | Path, paths: tuple[Path, ...] = (), where: Path = ROOT, fails: bool = False) -> str:
    """What an example prints, or what it says when it fails."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, *paths)))}
    command = [sys.executable, str(ROOT / "examples" / f"{name}.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=where, env=environment)
    assert (done.returncode != 0) == fails, done.stderr
    return done.stderr if fails else done.stdout


def test_chat_loop(finished_archive: Path) -> None:
    server = ModelServer().start()
    try:
        said = example("chat_loop", finished_archive, "--base-url", f"{server.url}/v1", "-n", "2")
        bodies = [body for _, body in server.counters.bodies]
    finally:
        server.stop()
    assert said.count("--- ") == 2
    assert "move my flight to the evening" in said or "QK7L2" in said
    assert "[DONE]" not in said
    systems = {body["messages"][0]["content"] for body in bodies}
    assert sum("Manner: " in system and "QK7L2" in system for system in systems) == 2
    assert sum("You are the agent" in system for system in systems) == 1
    for body in bodies:
        directed = "[Stage direction] " in body["messages"][-1]["content"]
        assert directed == ("You are the user" in body["messages"][0]["content"])


def test_chat_loop_by_text_alone(finished_archive: Path) -> None:
    server = ModelServer().start()
    try:
        said = example("chat_loop", finished_archive, "--base-url", f"{server.url}/v1", "-n", "1", "--text-only")
        bodies = [body for _, body in server.counters.bodies]
    finally:
        server.stop()
    assert "[DONE]" not in said
    assert not any("Stage direction]" in str(body["messages"][1:]) for body in bodies)


def test_callable_agent(finished_archive: Path) -> None:
    said = example("callable_agent", finished_archive)
    assert said.count("--- ") == said.count("): completed\n") == 3
    assert said.count("QK7L2") >= 3


def test_sample_in_simulator(finished_archive: Path) -> None:
    said = example("sample_in_simulator", finished_archive)
    assert said.count("--- ") == 4
    assert said.count("your booking reference is QK7L2.") == 2
    assert len(re.findall(r"agent: What is your booking reference\?\n.*Give your booking reference: QK7L2\.", said)) == 2
    assert said.count("[Stage direction] Say goodbye") + said.count("[Stage direction] Just acknowledge") >= 2


def test_refine_person(tmp_path: Path) -> None:
    someone = simulated("kim")
    items = [{"id": item.id, "turns": [turn.model_dump() for turn in item.turns]} for item in someone.items]  # type: ignore[union-attr]
    (tmp_path / "kim.json").write_text(json.dumps({"person": "kim", "items": items}), encoding="utf-8")
    said = example("refine_person", tmp_path / "kim.json")
    assert "updates kept; score on held-out behavior: " in said
    assert "You call a charity because of a letter it sent you.\n\nManner: " in said


def test_stress_agent(finished_archive: Path, tmp_path: Path) -> None:
    said = example("stress_agent", finished_archive, tmp_path / "out.jsonl")
    assert "terse (words_per_turn)" in said
    assert "GAVE UP" in said
    assert len(read_dialogues(tmp_path / "out.jsonl")) == 64


def test_mirrorbench_export(finished_archive: Path, tmp_path: Path) -> None:
    example("mirrorbench_export", finished_archive, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "mirrorbench.jsonl").read_text("utf-8").splitlines()]
    dialogues = read_dialogues(tmp_path / "dialogues.jsonl")
    assert len(rows) == len(dialogues) == 12
    refused_by_mirrorbench(rows)
    for row, dialogue in zip(rows, dialogues, strict=True):
        assert row["metadata"]["persona"].startswith("Manner: ")
        assert row["turns"] == [{"role": turn.role, "content": turn.content} for turn in dialogue.turns]
        assert all(value in row["task_description"] for value in row["metadata"]["directed"]["task"]["facts"].values())


@dataclass(frozen=True)
class Said:
    """A message of MirrorBench's."""

    role: str
    content: str


@dataclass(frozen=True)
class Turn:
    """What MirrorBench gives a user proxy for one turn."""

    chat_history: list[Said]
    metadata: dict[str, Any]


class Session:
    """A session of MirrorBench's proxy: says what it is told by its system message."""

    name = "session"

    def generate(self, *, turn: Turn, request_params: Any = None) -> str:
        return turn.chat_history[0].content


def test_a_directed_proxy_for_mirrorbench() -> None:
    """Every turn anew: the session plays other conversations in between."""
    task = {"goal": "move my flight to the evening", "facts": {"booking reference": "QK7L2"}}
    metadata = {"directed": {"dials": {"words_per_turn": 30.0}, "task": task, "seed": 3, "domain": "service"}}
    director = pe.Persona(id="p", description="", dials={"words_per_turn": 30.0}).director(3, task)
    session, history = DirectedSession(Session()), [Said("system", "You are a user.")]
    for heard in (None, "What is your booking reference?", "Is there anything else?", "Bye!"):
        history += [Said("assistant", heard)] if heard else []
        told = session.generate(turn=Turn(history, metadata), request_params={})
        assert told == f"You are a user.\n\n{director.note}\n\n{director.direction(heard)}".strip()
        assert session.generate(turn=Turn(history, {})) == "You are a user."
        history.append(Said("user", "I want to move my flight to the evening, QK7L2"))
        director.said(history[-1].content)
    assert director.left
    assert session.name == "session"


def test_tau2_tasks_with_personas(finished_archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "tasks.json"
    if not TAU2_TASKS.exists():
        pytest.skip(f"{TAU2_TASKS} is absent: the tau2 tasks are not part of the repository")
    rows = json.loads(TAU2_TASKS.read_text("utf-8"))[:4]
    given = tmp_path / "given"
    given.mkdir()
    (given / "few.json").write_text(json.dumps(rows), "utf-8")
    (given / "split_tasks.json").write_text(TAU2_TASKS.with_name("split_tasks.json").read_text("utf-8"), "utf-8")
    example("tau2_personas", "tasks", given / "few.json", out, finished_archive, "-n", "2")
    made = read_tasks(out)
    splits = {task.id: task.split for task in read_tasks(given / "few.json")}
    assert {task.id: task.split for task in made} == {task.id: splits[ids_of(task.id)[0]] for task in made}
    assert [ids_of(task.id)[0] for task in made] == [row["id"] for row in rows for _ in range(2)]
    assert all("Manner: " in row["user_scenario"]["persona"] for row in json.loads(out.read_text("utf-8")))


def test_tau2_runs_with_registered_users(finished_archive: Path, tmp_path: Path) -> None:
    """In the stand-in, whose command line looks users up by name as the real one does."""
    tasks = tmp_path / "tasks.json"
    tasks.write_text(json.dumps([TASK]), "utf-8")
    arguments = ("run", finished_archive, "-n", "2", "--", "--domain", "mock", "--task-file", tasks)
    said = example("tau2_personas", *arguments, paths=(STANDINS,), where=tmp_path)
    results = sorted(tmp_path.glob("data/simulations/personaevo-persona-*-mock/results.json"))
    assert (said.count("1 of 1 simulations went through; saved as"), len(results)) == (2, 2)
    played = [json.loads(path.read_text("utf-8"))["simulations"][0] for path in results]
    prompts = {one["prompt"] for one in played}
    assert all(one["termination_reason"] == "user_stop" and all("[Stage direction] " in text for text in one["told"]) for one in played)
    assert len(prompts) == 2
    assert all("Manner: " in prompt and "return your lamp" in prompt for prompt in prompts)
    by_text = example("tau2_personas", "run", finished_archive, "-n", "1", "--text-only", *arguments[4:], paths=(STANDINS,), where=tmp_path)
    assert by_text.count("-text: 1 of 1 simulations went through") == 1
    missing = example("tau2_personas", "run", finished_archive, "--", "--domain", "mock", where=tmp_path, fails=True)
    if "cannot be imported" in missing:  # the real one is not installed
        assert missing.startswith("tau2_personas: 'tau2.registry' cannot be imported")
        assert missing.count("\n") == 1
    assert "1 of 1 dialogues; words_per_turn" in example("tau2_personas", "read", results[0])
    assert example("tau2_personas", "read", tmp_path / "data" / "simulations").count("1 of 1 dialogues; words_per_turn") == 3
    assert example("tau2_personas", "read", *(result.parent for result in results)).count("1 of 1 dialogues; words_per_turn") == 2


def test_tau2_runs_of_which_none_went_through(finished_archive: Path, tmp_path: Path) -> None:
    (tmp_path / "tasks.json").write_text(json.dumps([TASK]), "utf-8")
    arguments = ("run", finished_archive, "-n", "2", "--", "--domain", "mock", "--task-file", tmp_path / "tasks.json", "--user-llm", "away")
    said = example("tau2_personas", *arguments, paths=(STANDINS,), where=tmp_path, fails=True)
    assert re.search(r"1/2 persona-.*\n2/2 persona-.*\ntau2_personas: no simulation went through: infrastructure_error \(2\)", said)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--agent-llm", "any"], "expected the domain after --"),
        (["--domain", "mock", "--user", "mine"], "--user: each persona has a user"),
        (["--domain", "mock", "--save-to=here"], "--save-to: each persona has"),
        (["-d", "mock", "--workers", "4"], "worker processes do not know registered users"),
        (["--domain=mock", "--audio-native"], "voice has users of its own"),
    ],
)
def test_tau2_runs_that_cannot_be_are_refused_before_the_work(tmp_path: Path, options: list[str], message: str) -> None:
    said = example("tau2_personas", "run", tmp_path / "none.duckdb", "--", *options, paths=(STANDINS,), where=tmp_path, fails=True)
    assert message in said
    assert said.count("\n") == 1


def test_tau2_tasks_that_are_a_file_each(finished_archive: Path, tmp_path: Path) -> None:
    """As in banking; the same for a folder of its domain."""
    (tmp_path / "bank" / "tasks").mkdir(parents=True)
    for number in (1, 2):
        row = {"id": f"task_00{number}", "user_scenario": {"persona": None, "instructions": "You want to return your lamp."}}
        (tmp_path / "bank" / "tasks" / f"task_00{number}.json").write_text(json.dumps(row), "utf-8")
    said = example("tau2_personas", "tasks", tmp_path / "bank", tmp_path / "tasks", finished_archive, "-n", "2")
    assert "4 tasks, each of 2 with 2 personas" in said
    made = read_tasks(tmp_path / "tasks")
    assert [(ids_of(task.id)[0], task.goal) for task in made] == [(f"task_00{number}", "return my lamp") for number in (1, 1, 2, 2)]
    again = example("tau2_personas", "tasks", tmp_path / "bank", tmp_path / "tasks", finished_archive, fails=True)
    assert "expected a new or empty folder" in again
    one = example("tau2_personas", "tasks", tmp_path / "bank" / "tasks" / "task_001.json", tmp_path / "no" / "out.json", fails=True)
    assert "expected a file other than" in one


def test_they_all_parse_and_say_how_to_run_them() -> None:
    files = sorted((ROOT / "examples").glob("*.py"))
    for file in files:
        text = file.read_text("utf-8")
        assert f"python examples/{file.name}" in text.split('"""')[1], file.name
        compile(text, str(file), "exec")
