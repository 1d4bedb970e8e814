"""One dialogue: repeatable, true to its task, with mistakes that get corrected, whatever the task and whoever the agent."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulate_cases import DOMAINS, Unhelpful, persona_free, play, run_task, said_by, task_of, tasks

from personaevo import definitions, readers
from personaevo.chat import Role
from personaevo.records import Episode, Persona, Task
from personaevo.simulate.episodes import DEFAULT_TURN_LIMIT, ScriptedAgent
from personaevo.simulate.turns import has_digit, mentions, numbers_in, telegraphic

TAU2 = Path(__file__).parents[3] / "shared" / "data" / "tau2"
each_domain = pytest.mark.parametrize("domain", DOMAINS)
some_dials = st.fixed_dictionaries({}, optional={dial.name: st.floats(dial.low, dial.high) for dial in definitions.dials().values()})
free_text = st.text(min_size=1, max_size=30)


def foreign_numbers(task: Task, episode: Episode) -> set[str]:
    """Numbers that the user states and that neither the task nor the agent has given."""
    known = numbers_in(" ".join([task.goal, task.context, *task.facts, *task.facts.values(), *said_by(episode, "assistant")]))
    return numbers_in(" ".join(said_by(episode))) - known


def check_form(episode: Episode) -> None:
    """What holds for every dialogue."""
    texts = said_by(episode)
    assert episode.state == "completed"
    assert 1 <= len(texts) <= DEFAULT_TURN_LIMIT
    assert all(text.strip() for text in texts)
    assert episode.outcome in {"completed", "gave_up", "turn_limit"}
    assert 0.0 <= episode.preservation <= 1.0
    roles = [role for role, _ in episode.turns]
    assert all(one != two for one, two in pairwise(roles))


# -- the same again ------------------------------------------------------------------------------------------------------------


def digest() -> str:
    """A digest of some dialogues with and without dials."""
    moved = {"repetition_rate": 0.4, "politeness_rate": 0.6, "slips_per_100_words": 5.0, "short_rate": 0.3, "pushback_rate": 0.4}
    episodes = [episode for domain in DOMAINS for dials in (None, moved) for episode in play(domain, 12, dials)]
    return hashlib.blake2b(repr([(one.turns, one.outcome, one.preservation) for one in episodes]).encode()).hexdigest()


@each_domain
def test_same_arguments_give_the_same_episode(domain: str) -> None:
    assert play(domain, 10, {"emotion_rate": 0.5}, seed=4) == play(domain, 10, {"emotion_rate": 0.5}, seed=4)
    assert play(domain, 10, seed=4) != play(domain, 10, seed=5)


def test_episodes_do_not_depend_on_the_hash_seed() -> None:
    folders = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])
    command = [sys.executable, "-c", "import test_episodes; print(test_episodes.digest())"]
    running = [
        subprocess.Popen(
            command, env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": folders}, stdout=subprocess.PIPE, text=True
        )
        for seed in ("0", "1", "4711")
    ]
    found = {process.communicate(timeout=120)[0].strip() for process in running}
    assert found == {digest()}


# -- true to the task ----------------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(domain=st.sampled_from(DOMAINS), number=st.integers(0, 39), dials=some_dials, seed=st.integers(0, 2**32))
def test_facts_stated_are_the_tasks_own(domain: str, number: int, dials: dict[str, float], seed: int) -> None:
    task = tasks(domain)[number]
    episode = run_task(task, domain, Persona(id="any", description="", dials=dials), seed=seed)
    check_form(episode)
    assert foreign_numbers(task, episode) == set()


@each_domain
def test_asked_for_values_appear_as_they_are(domain: str) -> None:
    """Every fact is asked for until it is given, so that all are said, letter by letter; small numbers may be spelled out."""
    for dials in (None, {"slips_per_100_words": 20.0}, {"words_per_turn": 2.0}):
        for episode in play(domain, 60, dials):
            task, said = task_of(episode, domain), " ".join(said_by(episode)).lower()
            if episode.outcome == "completed":
                assert all(mentions(said, value) for value in task.facts.values()), episode.turns
            assert foreign_numbers(task, episode) == set()


def test_a_fact_name_may_hold_a_number() -> None:
    task = Task(id="t", goal="move the parcel to another street", facts={"address line 2": "Mill Lane"})
    episodes = [run_task(task, "service", seed=seed) for seed in range(40)]
    assert all(episode.preservation == 1.0 for episode in episodes)


# -- mistakes ------------------------------------------------------------------------------------------------------------------


class Watched:
    """A scripted agent, and after how many turns it misread which fact."""

    def __init__(self, task: Task, domain: str, seed: int) -> None:
        self.agent = ScriptedAgent(task, definitions.domain(domain), random.Random(seed))
        self.misread: tuple[int, str] | None = None

    def reply(self, turns: Sequence[tuple[Role, str]]) -> str | None:
        text = self.agent.reply(turns)
        if self.agent.corrected is not None:
            self.misread = (len(turns), self.agent.corrected)
        return text


@each_domain
def test_the_agent_errs_now_and_then_and_is_corrected(domain: str) -> None:
    erred = 0
    for number in range(200):
        task = tasks(domain)[number % len(tasks(domain))]
        agent = Watched(task, domain, number)
        episode = run_task(task, domain, seed=number, agent=agent)
        if agent.misread is None:
            continue
        erred += 1
        at, name = agent.misread
        assert not mentions(episode.turns[at][1].lower(), task.facts[name])
        assert mentions(episode.turns[at + 1][1].lower(), task.facts[name]), episode.turns[at : at + 2]
    assert 0.1 <= erred / 200 <= 0.4


def test_a_mistake_brings_reactions_forward() -> None:
    """Who pushes back does it above all right after a mistake."""
    after, elsewhere = [], []
    for number in range(300):
        task = tasks("service")[number % len(tasks("service"))]
        agent = Watched(task, "service", number)
        persona = Persona(id="p", description="", dials={"pushback_rate": 0.2})
        episode = run_task(task, "service", persona, seed=number, agent=agent)
        for index, (role, text) in enumerate(episode.turns):
            if role == "user":
                shown = "pushback_rate" in definitions.features().shown(text)
                (after if agent.misread and index == agent.misread[0] + 1 else elsewhere).append(shown)
    assert np.mean(after) > np.mean(elsewhere) + 0.2


# -- endings -------------------------------------------------------------------------------------------------------------------


@each_domain
def test_impatient_users_give_up_and_the_task_suffers(domain: str) -> None:
    hasty = play(domain, 100, {"patience_turns": 2, "mood_swing": 0.0})
    assert {episode.outcome for episode in hasty} == {"gave_up"}
    calm = np.mean([episode.preservation for episode in persona_free(domain)])
    assert np.mean([episode.preservation for episode in hasty]) <= calm - 0.25


@each_domain
def test_an_agent_that_never_helps_is_left(domain: str) -> None:
    for episode in play(domain, 10, agent=Unhelpful):
        assert episode.outcome == "gave_up"
        assert episode.preservation == pytest.approx(2 / 3)


# -- whoever the agent, whatever the task --------------------------------------------------------------------------------------


class Scripted:
    """Says its lines and hangs up."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = list(lines)

    def reply(self, turns: Sequence[tuple[Role, str]]) -> str | None:
        return self.lines.pop(0) if self.lines else None


@settings(max_examples=60)
@given(domain=st.sampled_from(DOMAINS), lines=st.lists(st.text(max_size=60), max_size=30), seed=st.integers(0, 99))
def test_any_agent_can_be_talked_to(domain: str, lines: list[str], seed: int) -> None:
    task = tasks(domain)[seed % len(tasks(domain))]
    check_form(run_task(task, domain, seed=seed, agent=Scripted(lines)))


@each_domain
def test_an_agent_that_hangs_up_at_once(domain: str) -> None:
    episode = run_task(tasks(domain)[0], domain, agent=Scripted([]))
    assert [role for role, _ in episode.turns] == ["user"]
    assert episode.outcome == "turn_limit"


@settings(max_examples=80)
@given(
    domain=st.sampled_from(DOMAINS),
    goal=free_text,
    facts=st.dictionaries(free_text, st.text(max_size=30), max_size=4),
    dials=some_dials,
    seed=st.integers(0, 99),
)
def test_odd_tasks_work(domain: str, goal: str, facts: dict[str, str], dials: dict[str, float], seed: int) -> None:
    task = Task(id="odd", goal=goal, facts=facts)
    episode = run_task(task, domain, Persona(id="any", description="", dials=dials), seed=seed)
    check_form(episode)
    assert foreign_numbers(task, episode) == set()


@each_domain
def test_tasks_without_facts_and_with_long_goals(domain: str) -> None:
    long = "tell the whole story of how the order went wrong, " * 12 + "and get it settled"
    for goal, facts in (("settle it", {}), (long, {}), (long, {"place": "a long way from {name} and {value} " * 5})):
        for seed in range(15):
            episode = run_task(Task(id="t", goal=goal, facts=facts), domain, seed=seed)
            check_form(episode)
            assert episode.outcome == "completed"
            assert episode.preservation == 1.0
            said = " ".join(said_by(episode))
            assert goal in said or telegraphic(goal) in said


@each_domain
def test_who_has_no_room_for_the_goal_leaves_out_its_small_words(domain: str) -> None:
    goal = "move my flight to the evening"
    for words, whole in ((2.0, False), (40.0, True)):
        dials = {"words_per_turn": words, "verbosity_cv": 0.2, "mood_swing": 0.0}
        for seed in range(15):
            episode = run_task(Task(id="t", goal=goal, facts={}), domain, Persona(id="p", description="", dials=dials), seed=seed)
            said = " ".join(said_by(episode))
            assert episode.preservation == 1.0
            assert (goal in said) == whole
            assert (telegraphic(goal) in said) != whole


def test_an_agent_hears_a_telegraphic_goal() -> None:
    domain = definitions.domain("service")
    task = Task(id="t", goal="move my flight to the evening", facts={"day": "monday"})
    first = [
        [ScriptedAgent(task, domain, random.Random(seed)).reply([("user", f"{goal}.")]) for seed in range(40)]
        for goal in (task.goal, telegraphic(task.goal), "flight")
    ]
    assert first[0] == first[1] != first[2]


@pytest.mark.parametrize("name", ["airline", "mock", "retail"])
def test_tau2_tasks_can_be_played(name: str) -> None:
    path = TAU2 / name / "tasks.json"
    if not path.exists():
        pytest.skip(f"{path} is absent: the tau2 tasks are not part of the repository")
    found = readers.read_tasks(path)
    assert any(has_digit(value) for task in found for value in task.facts.values())
    for task in found:
        episode = run_task(task, "service")
        check_form(episode)
        assert episode.outcome == "completed"
        assert episode.preservation == 1.0
