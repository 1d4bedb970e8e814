"""Stress-testing an agent: a planted weakness is found, whatever breaks in the agent is told apart, and the report can be read."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from examples.model_server import ModelServer
from personaevo import definitions
from personaevo.chat import Agent
from personaevo.cli.app import app
from personaevo.errors import BudgetError, ConfigError, InputError
from personaevo.measure.stats import student_factor
from personaevo.models import Budget
from personaevo.readers import read_dialogues, read_tasks
from personaevo.records import Episode, PlanItem, Task
from personaevo.sampler import PersonaSampler, SampledPersona
from personaevo.simulate.episodes import EpisodeError
from personaevo.simulate.partners import CallableAgent
from personaevo.stress import StressResult, stress_agent, stress_text
from personaevo.stress.findings import _thirds, _to_read
from personaevo.stress.result import DialogueRunner, Difference, Rate, StressDialogue

Messages = list[dict[str, str]]
TASK = Task(id="t", goal="move my flight", facts={"name": "Ada"}, domain="service")
PERSONA = SampledPersona(id="p", description="someone", program="program", cell=3, cell_name="terse", dials={"words_per_turn": 3.0})


def helps(messages: Messages) -> str:
    return "Done. Is there anything else?"


def needs_words(messages: Messages) -> str:
    """Helps those who write nine words a turn or more."""
    said = [message["content"].split() for message in messages if message["role"] == "user"]
    return "Is there anything else?" if sum(map(len, said)) >= 9 * len(said) else "Please tell me more."


def breaks(messages: Messages) -> str:
    if len(messages) > 2:
        raise ValueError("no route\n\x1b[31mto the host")
    return "And?"


def run(agent: Callable[[Messages], object] | str, archive: Path, **given: Any) -> StressResult:
    """A small run, on tasks whose personas are stored."""
    return stress_agent(agent, stored_tasks(archive), archive, **{"task_count": 2, "personas": 2, "seed": 1, **given})


@cache
def stored_tasks(archive: Path) -> list[Task]:
    known = PersonaSampler(archive).tasks
    return [task for task in read_tasks(definitions.domain_files("service").tasks) if task.id in known]


@pytest.fixture(scope="module")
def weak(finished_archive: Path) -> StressResult:
    return stress_agent(needs_words, None, finished_archive, task_count=10, personas=8, seed=1)


# --- what is found


def test_a_planted_weakness_is_found(weak: StressResult) -> None:
    found = {one.feature: one for one in weak.behaviors}
    words = found["words_per_turn"]
    assert words.q < 0.05
    assert words.difference.low > 0
    assert words.low.mean is not None
    assert words.high.mean is not None
    assert words.low.mean + 0.3 < words.high.mean
    assert weak.behaviors[0].difference.p == min(one.difference.p for one in weak.behaviors)
    assert all(one.q >= one.difference.p for one in weak.behaviors)


def test_the_control_shows_that_it_is_the_users(weak: StressResult) -> None:
    assert weak.persona_free is not None
    assert weak.difference is not None
    assert weak.likeness is not None
    assert weak.persona_free.mean == 1.0
    assert weak.success.mean is not None
    assert weak.success.mean < 0.9
    assert weak.difference.high < 0
    assert weak.likeness.personas > weak.likeness.persona_free + 0.1
    assert {talk.task.id for talk in weak.talks} == {talk.task.id for talk in weak.control}


def test_counts_add_up(weak: StressResult) -> None:
    assert (weak.success.dialogues, weak.success.planned, len(weak.talks)) == (80, 80, 80)
    assert sum(one.success.dialogues for one in weak.cells) == 80
    assert sum(one.success.successes for one in weak.cells) == weak.success.successes
    assert sum(weak.endings(weak.talks).values()) == 80
    assert weak.endings(weak.talks)["success"] == weak.success.successes
    assert len({talk.id for talk in (*weak.talks, *weak.control)}) == 160
    means = [one.success.mean or 0.0 for one in weak.cells]
    assert means == sorted(means)


def test_the_worst_dialogues_are_failed_by_the_likeliest_people(weak: StressResult) -> None:
    *worst, good = weak.to_read
    failed = [talk.episode.p_human or 0.0 for talk in weak.talks if not talk.success]
    assert [talk.success for talk in worst] == [False] * 3
    assert worst[0].episode.p_human == max(failed)
    assert good.success
    several = {talk.persona.cell for talk in weak.talks if talk.persona and not talk.success}
    assert len({talk.persona.cell for talk in worst if talk.persona}) == min(3, len(several))


def test_held_out_tasks_are_the_default(weak: StressResult) -> None:
    tasks = {task.id: task.split for task in read_tasks(definitions.domain_files("service").tasks)}
    assert {tasks[talk.task.id] for talk in weak.talks} == {"test"}


def test_equal_arguments_give_equal_results(finished_archive: Path) -> None:
    one, many, other = (run(needs_words, finished_archive, **given) for given in ({}, {"at_once": 4}, {"seed": 2}))
    assert one.to_dict() == many.to_dict()
    assert one.dialogues() == many.dialogues()
    assert one.dialogues() != other.dialogues()


def test_users_are_those_asked_for(finished_archive: Path) -> None:
    found = run(helps, finished_archive, personas=3, where="words_per_turn < 12", control=False)
    assert all(talk.persona and talk.persona.measured["words_per_turn"] < 12 for talk in found.talks)
    assert (found.persona_free, found.difference, found.control) == (None, None, ())
    assert found.settings["where"] == "words_per_turn < 12"


# --- what breaks


@pytest.mark.parametrize(
    ("agent", "ending", "reason"),
    [
        (breaks, "agent failed", "the agent breaks raised ValueError: no route\\n\\x1b[31mto the host"),
        (lambda messages: 3, "agent failed", "the agent <lambda> returned a value of type int: expected text, or None to end"),
        (lambda messages: None, "agent left", None),
        (lambda messages: "No.", "gave up", None),
    ],
)  # fmt: skip
def test_failures_of_the_agent_are_told_apart(finished_archive: Path, agent: Any, ending: str, reason: str | None) -> None:
    agent.__qualname__ = agent.__name__
    found = run(agent, finished_archive)
    assert found.endings(found.talks) == {ending: 4}
    assert found.failures == ({reason: 8} if reason else {})
    assert (found.success.mean, found.success.dialogues) == (0.0, 4)
    assert reason is None or reason in stress_text(found, 200)


def test_an_agent_that_hangs_is_not_waited_for(finished_archive: Path) -> None:
    over = threading.Event()
    found = run(lambda messages: over.wait(30), finished_archive, timeout=0.05, at_once=8)
    over.set()
    assert found.failures == {"the agent gave no answer within 0.05 seconds": 8}


def test_an_address_where_nobody_is(finished_archive: Path) -> None:
    found = run("http://me:sesame@127.0.0.1:9/chat", finished_archive)
    assert "sesame" not in json.dumps(found.to_dict())
    assert found.endings(found.talks) == {"agent failed": 4}
    assert all("cannot be reached" in reason for reason in found.failures)


@pytest.mark.parametrize("at_once", [1, 4])
def test_an_interrupt_ends_it(finished_archive: Path, at_once: int) -> None:
    """The other dialogues under way end before the agent's next turn: to their ends they would be more than a hundred answers."""
    asked: list[Messages] = []

    def interrupted(messages: Messages) -> str:
        asked.append(messages)
        if len(asked) == 1:
            raise KeyboardInterrupt
        time.sleep(0.05)
        return "And?"

    with pytest.raises(KeyboardInterrupt):
        run(interrupted, finished_archive, at_once=at_once)
    assert len(asked) < 40


def test_what_the_users_model_breaks_is_no_failure_of_the_agent() -> None:
    def no_user(task: Task, persona: object, item: PlanItem, domain: object) -> Any:
        raise EpisodeError("the user model said nothing")

    def agent(task: Task, item: PlanItem, domain: object) -> Agent:
        return CallableAgent(helps)

    table = DialogueRunner(definitions.domain("service"), no_user, agent, (), None, None)
    talk = table.play(TASK, PERSONA, PlanItem("t", 0, 1))
    assert (talk.ending, talk.success) == ("not played", False)
    assert Rate.of([talk]) == Rate(None, None, None, 0, 0, 1)
    assert Rate.of([talk, made("success", 1)]).dialogues == 1
    assert Difference.of([talk], [made("success", 1)]) is None


def test_a_check_of_ones_own(finished_archive: Path) -> None:
    seen: list[Episode] = []

    def check(episode: Episode) -> bool:
        seen.append(episode)
        return len(seen) % 2 == 0

    found = run(helps, finished_archive, success=check)
    assert (found.success.successes, found.success.dialogues) == (2, 4)
    assert found.endings(found.talks) == {"check failed": 2, "success": 2}
    assert all(episode.state == "completed" for episode in seen)


def test_nobody_content_is_explained(finished_archive: Path) -> None:
    assert any("no user left content" in note for note in run(lambda messages: "Done.", finished_archive).notes)
    assert not any("no user left content" in note for note in run(helps, finished_archive).notes)


# --- pieces


def made(ending: Any, slot: int, *, p_human: float | None = None, cell: int = 0) -> StressDialogue:
    """A dialogue that ended so."""
    episode = Episode(PlanItem("t", slot, 1), "completed", p_human=p_human)
    return StressDialogue(TASK, PERSONA.model_copy(update={"cell": cell}), episode, ending)


def test_reading_prefers_other_kinds_of_users() -> None:
    likely = [(0, 0.9), (0, 0.8), (1, 0.7), (2, 0.1)]
    talks = [made("gave up", slot, p_human=p, cell=cell) for slot, (cell, p) in enumerate(likely)]
    assert [talk.episode.item.slot for talk in _to_read([*talks, made("success", 9), made("not played", 8)])] == [0, 2, 3, 9]
    assert [talk.episode.item.slot for talk in _to_read(talks[:2])] == [0, 1]
    assert _to_read([]) == ()


@pytest.mark.parametrize(
    ("values", "bounds"),
    [
        ([1, 2, 3, 4, 5, 6, 7], (3, 5)),
        ([0, 0, 0, 0, 0, 1, 2], (0, 1)),  # most do not at all: those who do
        ([5, 5, 5, 5, 5, 1, 2], (2, 5)),  # most do alike: those who do less
        ([2, 2, 2], None),
        ([], None),
    ],
)  # fmt: skip
def test_thirds(values: Sequence[float], bounds: tuple[float, float] | None) -> None:
    assert _thirds(np.array(values, dtype=float)) == bounds


def test_intervals_are_those_of_tasks(weak: StressResult) -> None:
    """By hand: the cluster standard error at Wilson's interval, with Student's factor for ten tasks."""
    success = np.array([talk.success for talk in weak.talks], dtype=float)
    owner = np.unique([talk.task.id for talk in weak.talks], return_inverse=True)[1]
    mean = success.mean()
    variance = (np.bincount(owner, (success - mean) / 80) ** 2).sum() * 10 / 9
    n = 80 / max(1.0, variance / (mean * (1 - mean) / 80))
    z2 = student_factor(9) ** 2
    half = (z2 * (mean * (1 - mean) / n + z2 / (4 * n * n))) ** 0.5 / (1 + z2 / n)
    assert weak.success.high is not None
    assert weak.success.low is not None
    assert weak.success.high - weak.success.low == pytest.approx(2 * half)


# --- users played by a model


def test_users_played_by_a_model(finished_archive: Path) -> None:
    server = ModelServer().start()
    try:
        models = {"user": f"openai:any@{server.url}/v1"}
        found = run(helps, finished_archive, models=models, at_once=4)
        assert server.counters.requests["/v1/chat/completions"] > 8
        assert (found.settings["user"], found.success.dialogues) == (models["user"], 4)
        with pytest.raises(BudgetError, match="--max-calls 3"):
            run(helps, finished_archive, models=models, budget=Budget(calls=3))
    finally:
        server.stop()


# --- the command line and the text


def invoke(*arguments: str, columns: int = 100) -> Any:
    return CliRunner().invoke(app, ["stress", *arguments], env={"COLUMNS": str(columns)})


@pytest.fixture
def agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_agents.py").write_text('def helps(messages):\n    return "Done. Is there anything else?"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


def stopping_after(dialogues: int) -> Callable[[Messages], str]:
    """An agent whose owner loses patience in a dialogue."""
    seen = 0

    def agent(messages: Messages) -> str:
        nonlocal seen
        seen += len(messages) <= 1
        if seen > dialogues:
            raise KeyboardInterrupt
        return helps(messages)

    return agent


def test_a_stopped_run_goes_on_with_its_dialogues(finished_archive: Path, tmp_path: Path) -> None:
    whole, kept = run(helps, finished_archive), tmp_path / "kept.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run(stopping_after(5), finished_archive, keep=kept)
    assert kept.read_text("utf-8").count("\n") == 5
    kept.write_text(kept.read_text("utf-8") + '{"id": "half', "utf-8")  # as a kill may leave it
    asked: list[int] = []

    def counting(messages: Messages) -> str:
        asked.append(len(messages))
        return helps(messages)

    resumed = run(counting, finished_archive, keep=kept, resume=True)
    assert resumed.dialogues() == whole.dialogues()
    assert resumed.success == whole.success
    assert sum(length <= 1 for length in asked) == len(whole.dialogues()) - 5
    assert [json.loads(line) for line in kept.read_text("utf-8").splitlines()] == whole.dialogues()
    again: list[int] = []
    assert run(lambda messages: again.append(1) or "", finished_archive, keep=kept, resume=True).dialogues() == whole.dialogues()
    assert again == []


@pytest.mark.parametrize(
    ("text", "given", "message"),
    [
        ("", {}, "exists: continue with its dialogues"),
        ("[]\n", {"resume": True}, "line 1: not a dialogue written by 'stress'"),
        ("nonsense\n", {"resume": True}, "line 1: not a dialogue written by 'stress'"),
    ],
)
def test_other_files_are_not_gone_on_with(
    finished_archive: Path, tmp_path: Path, text: str, given: dict[str, Any], message: str
) -> None:
    kept = tmp_path / "kept.jsonl"
    kept.write_text(text, "utf-8")
    with pytest.raises(InputError, match=message):
        run(helps, finished_archive, keep=kept, **given)
    assert kept.read_text("utf-8") == text


def test_dialogues_of_other_arguments_are_not_gone_on_with(finished_archive: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.jsonl"
    run(helps, finished_archive, keep=kept)
    before = kept.read_text("utf-8")
    with pytest.raises(InputError, match="was played with other arguments"):
        run(helps, finished_archive, keep=kept, resume=True, seed=2)
    assert kept.read_text("utf-8") == before


@pytest.mark.usefixtures("agents")
def test_the_command(finished_archive: Path) -> None:
    rows = [f"{task.model_dump_json()}\n" for task in stored_tasks(finished_archive)]
    Path("tasks.jsonl").write_text("".join(rows), "utf-8")
    small = (str(finished_archive), "--agent", "own_agents:helps", "--tasks", "tasks.jsonl", "--task-count", "2", "--personas", "2")
    done = invoke(*small, "--json", "--out", "out.jsonl")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["agent"], found["personas"]["dialogues"], found["persona_free"]["mean"]) == ("own_agents:helps", 4, 1.0)
    assert found["settings"]["tasks"] == 2
    dialogues = read_dialogues("out.jsonl")
    assert (len(dialogues), {dialogue.user_kind for dialogue in dialogues}) == (8, {"simulated"})
    assert {row["id"] for row in found["to_read"]} <= {dialogue.id for dialogue in dialogues}
    assert "By kind of user" in invoke(*small, "--no-control").stdout


@pytest.mark.usefixtures("agents")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--agent", "own_agents:none"), "has no 'none'"),
        (("--agent", "own_agents:helps", "--tasks", "none.json"), "no such file"),
        (("--agent", "own_agents:helps", "--out", "none/out.jsonl"), "a folder that exists"),
        (("--agent", "own_agents:helps", "--model", "agent=openai:x"), "no role 'agent'"),
        (("--agent", "own_agents:helps", "--model", "user"), "expected ROLE=MODEL"),
        (("--agent", "own_agents:helps", "--domain", "none"), "unknown domain 'none'"),
        (("--agent", "own_agents:helps", "--where", "speed > 3"), "no name 'speed'"),
    ],
)  # fmt: skip
def test_wrong_input(finished_archive: Path, arguments: tuple[str, ...], message: str) -> None:
    done = invoke(str(finished_archive), *arguments)
    assert done.exit_code != 0
    told = str(done.exception) if done.exit_code == 1 else done.output
    assert message in told
    assert "\n" not in told or done.exit_code == 2


def test_wrong_arguments(finished_archive: Path) -> None:
    for given in ({"personas": 0}, {"at_once": 0}, {"timeout": 0.0}, {"models": {"judge": "openai:x"}}, {"domain": "none"}):
        with pytest.raises(ConfigError):
            run(helps, finished_archive, **given)
    for tasks in ([], [TASK, TASK], ["a goal"]):
        with pytest.raises(InputError, match="tasks: expected"):
            stress_agent(helps, tasks, finished_archive)  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_text_fits_and_nothing_stored_steers_the_terminal(weak: StressResult, width: int) -> None:
    evil = "\x1b]0;gone\x07" + "[red]name " * 30
    who, task = PERSONA.model_copy(update={"cell_name": evil}), TASK.model_copy(update={"goal": evil, "id": evil})
    talks = tuple(replace(talk, persona=who, task=task) for talk in weak.to_read)
    cells = tuple(replace(one, name=evil) for one in weak.cells)
    text = stress_text(replace(weak, to_read=talks, cells=cells, agent=evil, notes=(evil,)), width)
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= width
    assert "terse (words_per_turn)" in stress_text(weak, 100)
    same = [replace(one, difference=Difference(0.0, -0.1, 0.1, 1.0)) for one in weak.behaviors]
    assert "no difference, all dialogues had the same result" in stress_text(replace(weak, behaviors=tuple(same)), width)
