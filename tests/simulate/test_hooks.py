"""The director in simulators of others: what it tells, what it keeps to itself, and when its user leaves."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from simulate_cases import DOMAINS, run_task, said_by, tasks

import personaevo as pe
from personaevo import content, definitions
from personaevo.chat import ChatModel, Message, Reply, Role
from personaevo.errors import ConfigError, InputError
from personaevo.records import PlanItem, Task, Wording
from personaevo.refine.profile import Profile
from personaevo.simulate.directions import UserDirector
from personaevo.simulate.episodes import run_episode
from personaevo.simulate.model_voice import model_user
from personaevo.simulate.turns import mentions, states

TASK = Task(id="t", domain="service", goal="move my flight to the evening", facts={"booking reference": "QK7L2", "name": "Ada Brook"})
OPENING = "Hi! How can I help you today?"
ASKS = "What is your booking reference?"
HEARD = (OPENING, ASKS, "Thanks. And your name, please?", "Your flight has been moved.", "Is there anything else I can help you with?")
EXTREMES: dict[str, dict[str, float]] = {
    "none": {}, "acks": {"ack_only_rate": 1.0, "words_per_turn": 1.0, "short_rate": 1.0}, "asks": {"info_seeking_rate": 1.0},
    "wordy": {"words_per_turn": 40.0}, "swinging": {"mood_swing": 1.0, "persistence": 0.9},
}  # fmt: skip
AGENTS: dict[str, str] = {
    "never closes": "I see, go on.", "refuses": "I am afraid I can't help with that.", "asks one thing": "What is your booking reference?",
    "goodbye": "Goodbye!", "great day": "Have a great day!", "glad": "Glad I could help!", "stop": "###STOP###", "ok": "ok",
    "set": "You’re all set!", "anything else": "Anything else?", "help with": "Is there anything else I can help you with?",
    "tells of it": "Your flight has been moved.", "let me know": "Let me know if you need anything else.",
}  # fmt: skip
LIMIT = int(definitions.domain("service").script.get("turn_limit", 24))


def persona(**dials: float) -> pe.Persona:
    return pe.Persona(id="p", description="", dials=dials)


def directed(director: UserDirector, heard: Sequence[str | None], way: str = "direction") -> list[str]:
    return [getattr(director, way)(one) for one in heard]


def against(agent: str, dials: dict[str, float], task: Task | None, seed: int) -> tuple[UserDirector, int]:
    """The director of a user who talked to an agent that says one thing only, and the number of its turns."""
    director, heard = persona(**dials).director(seed, task), None
    for turns in range(1, LIMIT + 2):
        assert director.direction(heard)
        if director.left:
            return director, turns
        heard = agent
    raise AssertionError("the user did not leave")


# -- which turn it is


@pytest.mark.parametrize("task", [TASK, None])
def test_equal_arguments_give_equal_directions(task: Task | None) -> None:
    told = [directed(persona(words_per_turn=6.0).director(seed, task), (None, *HEARD)) for seed in (1, 1, 2)]
    assert told[0] == told[1]
    assert told[0] != told[2]
    assert told[0] != directed(persona(words_per_turn=30.0).director(1, task), (None, *HEARD))
    assert told[0] != directed(persona(words_per_turn=6.0).director(1, task), (None, *reversed(HEARD)))


def test_a_task_may_be_a_record_its_fields_or_a_goal() -> None:
    fields = {"goal": TASK.goal, "facts": TASK.facts, "context": ""}
    told = [directed(persona().director(1, task), (None, *HEARD), "draft") for task in (TASK, fields)]
    assert told[0] == told[1]
    assert "flight" in " ".join(directed(persona().director(1, TASK.goal), (None, "Hello.", "Go on."), "draft"))
    with pytest.raises(InputError, match="task: field 'goal'"):
        persona().director(1, {"facts": {}})
    with pytest.raises(ConfigError, match="unknown domain 'moon'"):
        persona().director(1, TASK, domain="moon")


def test_a_task_of_a_domain_that_is_not_installed_is_played_in_the_persona_s_own() -> None:
    elsewhere = TASK.model_copy(update={"domain": "retail"})
    assert directed(persona().director(1, elsewhere), HEARD) == directed(persona().director(1, TASK), HEARD)
    assert directed(persona().director(1, TASK, domain="camping"), HEARD, "draft") != directed(persona().director(1, TASK), HEARD, "draft")


def test_both_methods_give_the_same_turn_and_one_of_them_again_the_next() -> None:
    both, drafts, directions = (persona(words_per_turn=8.0).director(3, TASK) for _ in range(3))
    for heard in (None, *HEARD):
        ways = (both.draft, both.direction) if heard == ASKS else (both.direction, both.draft)
        found = {way(heard) for way in ways}
        assert found == {drafts.draft(heard), directions.direction(heard)}
        assert both.left == drafts.left == directions.left
    again = persona(words_per_turn=8.0).director(3, TASK)
    assert [again.direction("Go on."), again.direction("Go on.")] == directed(persona(words_per_turn=8.0).director(3, TASK), ["Go on."] * 2)
    assert again.draft("And?") != ""


def test_what_was_heard_tells_turns_apart() -> None:
    director = persona().director(1, TASK)
    director.direction(OPENING)
    assert "QK7L2" in director.draft(ASKS)  # another turn, not the greeting in words


def test_once_the_user_has_left_there_is_nothing_more() -> None:
    director = persona().director(1, TASK)
    for heard in HEARD:
        assert not director.left
        director.direction(heard)
    assert director.left
    assert director.outcome == "completed"
    assert director.draft(HEARD[-1])  # the last turn, in words
    assert (director.draft(HEARD[-1]), director.direction("Wait!"), director.left) == ("", "", True)


def test_drafts_are_what_the_embedded_user_says() -> None:
    own = persona(words_per_turn=7.0, politeness_rate=0.3)
    for number, task in enumerate(tasks("service")[:8]):
        episode = run_task(task, "service", own, seed=number)
        heard = [None, *said_by(episode, "assistant")][: len(said_by(episode))]
        assert directed(own.director(number, task), heard, "draft") == said_by(episode)


def test_without_a_task_there_is_no_draft() -> None:
    with pytest.raises(ConfigError, match=r"a draft needs the task: give it to persona\.director\(seed, task\)"):
        persona().director(1).draft(None)


def test_all_personas_have_one() -> None:
    drawn = pe.PersonaSampler("camping").sample(n=1, seed=1)[0]
    assert isinstance(drawn, pe.Persona)
    assert drawn.director(1).note.startswith("A line that begins with [Stage direction] is meant for you alone")
    assert drawn.domain == "camping"
    assert drawn.director(1).direction(None) == drawn.director(1, domain="camping").direction(None)
    assert Profile(dials={"words_per_turn": 5.0}).persona().director(1, TASK).draft(None)


# -- what it keeps to itself


def words(text: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", text.lower()))


OWN_WORDS = words((content.root("fitness") / "directions.toml").read_text("utf-8"))
ALL_TASKS = [(domain, task) for domain in DOMAINS for task in tasks(domain)]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(ALL_TASKS), st.integers(0, 10**6), st.sampled_from(sorted(EXTREMES)))
def test_without_a_task_no_value_and_no_word_of_the_goal_is_told(chosen: tuple[str, Task], seed: int, dials: str) -> None:
    """Against what the domain's agent says to a user who has the task, read back values included."""
    domain, task = chosen
    heard = said_by(run_task(task, domain, seed=seed), "assistant")
    told = directed(persona(**EXTREMES[dials]).director(seed, domain=domain), (None, *heard))
    text = " ".join(told).lower()
    assert words(text) - OWN_WORDS <= {one for one in words(text) if one.isdecimal()}  # lengths
    assert not any(mentions(text, value) for value in task.facts.values() if words(value) - OWN_WORDS and not value.isdecimal())
    assert task.goal.lower() not in text


# -- asked-for facts


@pytest.mark.parametrize("dials", EXTREMES)
def test_asked_facts_are_given_whatever_the_dials(dials: str) -> None:
    for seed in range(25):
        director = persona(**EXTREMES[dials]).director(seed, TASK)
        director.direction(OPENING)
        for question, value in ((ASKS, "QK7L2"), ("Please tell me your name.", "Ada Brook")):
            assert value in director.direction(question)
            assert value.lower() in director.draft(question).lower()


@pytest.mark.parametrize("dials", EXTREMES)
@pytest.mark.parametrize("question", ["When did you book?", "Please provide your order number.", "Could you confirm your address?"])
def test_without_a_task_a_question_is_answered_and_not_acknowledged(dials: str, question: str) -> None:
    for seed in range(25):
        director = persona(**EXTREMES[dials]).director(seed)
        directed(director, (OPENING, "Okay, how can I help you?"))
        told = director.direction(question)
        assert "Answer the question." in told
        assert "One word." not in told
        assert "acknowledge" not in told


def test_what_is_asked_at_the_opening_and_beside_a_closing_is_given() -> None:
    director = persona(words_per_turn=2.0).director(1, TASK)
    assert "QK7L2" in director.draft(ASKS)
    assert "Ada Brook" in director.draft("What is your name? Is there anything else you would like to add?")
    assert not director.left


@pytest.mark.parametrize("dials", EXTREMES)
@pytest.mark.parametrize("question", ["What time would you prefer?", "Could you provide the code from your email?"])
def test_what_no_fact_answers_is_left_to_who_plays_the_user(dials: str, question: str) -> None:
    for seed in range(25):
        director = persona(**EXTREMES[dials], patience_turns=30.0).director(seed, TASK)
        directed(director, (OPENING, "Okay, how can I help you?"))
        told = director.direction(question)
        assert told.startswith("[Stage direction] Answer the question. ")
        assert "One word." not in told
        assert not re.search(r"acknowledge|Agree\.|Let the agent go on", told)
        assert director.draft(question)
    assert "Answer" not in persona().director(1, TASK).direction(ASKS)


def test_directions_ask_for_no_more_than_there_is_room_for() -> None:
    """Without a task too, where no draft tells what fits."""
    rates = dict.fromkeys(("politeness_rate", "formality_rate", "emotion_rate", "certainty_rate", "pivot_rate"), 0.9)
    for seed in range(25):
        short, long = (directed(persona(**rates, words_per_turn=n).director(seed), ("Go on.",) * 5) for n in (1.5, 40.0))
        told = ("Be polite", "Use formal", "Show feeling", "Sound decided", "Propose another way")
        few = [text for text in short if re.search(r"One word|[23] words, no more", text) and "acknowledge" not in text]
        assert all(sum(one in text for one in told) <= 2 for text in few)
        assert sum(one in text for text in long for one in told) > sum(one in text for text in short for one in told)


@pytest.mark.parametrize("rate", ["clarification_rate", "info_seeking_rate"])
def test_who_is_to_ask_is_not_told_to_ask_nothing(rate: str) -> None:
    told = [text for seed in range(20) for text in directed(persona(**{rate: 0.8}).director(seed, TASK), (None, *HEARD))]
    asking = [text for text in told if "Ask what was meant." in text or "Ask a question about it." in text]
    assert asking
    assert not any("Ask nothing." in text for text in asking)


@pytest.mark.parametrize("offer", [OPENING, "Hello! What can I do for you?", "Welcome. How may I assist you?"])
def test_an_offer_is_no_question_to_answer(offer: str) -> None:
    told = directed(persona(opening_words=10.0).director(1), (offer, offer))
    assert "Say what you want." in told[1]
    assert not any("Answer" in one for one in told)


# -- leaving


@pytest.mark.parametrize("task", [TASK, None], ids=["task", "no task"])
@pytest.mark.parametrize("agent", AGENTS)
def test_every_dialogue_ends_within_the_limit(agent: str, task: Task | None) -> None:
    for seed in range(12):
        for dials in EXTREMES.values():
            director, turns = against(AGENTS[agent], {**dials, "patience_turns": 30.0}, task, seed)
            assert turns <= LIMIT
            assert director.outcome in ("completed", "gave_up")


@pytest.mark.parametrize(("agent", "most", "outcome"), [
    ("goodbye", 3, "completed"), ("great day", 3, "completed"), ("glad", 3, "completed"), ("stop", 3, "completed"), ("set", 4, "completed"),
    ("anything else", 3, "completed"), ("help with", 3, "completed"), ("let me know", 3, "completed"), ("tells of it", 6, "completed"),
    ("ok", 6, "gave_up"),
])  # fmt: skip
def test_no_user_waits_for_an_agent_that_is_done(agent: str, most: int, outcome: str) -> None:
    for seed in range(30):
        director, turns = against(AGENTS[agent], {"info_seeking_rate": 0.0}, TASK, seed)
        assert turns <= most
        assert director.outcome == outcome


def test_patience_is_the_dial_s() -> None:
    turns = [against(AGENTS["refuses"], {"patience_turns": 5.0, "mood_swing": 0.0}, TASK, seed)[1] for seed in range(10)]
    assert set(turns) == {6}


def test_an_agent_that_is_at_work_is_not_left() -> None:
    director = persona(patience_turns=20.0, info_seeking_rate=0.0, mood_swing=0.0).director(1, TASK)
    working = ("I will look it up.", "Happy to help. I need your name.", "I am still looking for it.", "One moment, please.")
    for heard in (OPENING, ASKS, *working):
        director.direction(heard)
    assert not director.left


# -- what was really said


def test_what_was_said_in_other_words_counts() -> None:
    told, planned = (persona(words_per_turn=8.0, facts_per_turn=0.0).director(2, TASK) for _ in range(2))
    for director in (told, planned):
        director.direction(OPENING)
    told.said("Hey, I'd love to get my flight moved to the evening, my code is QK 7L2")
    planned.said("Hey.")
    assert "Say what you want" not in told.direction("Sure.")
    assert "Say what you want: move" in planned.direction("Sure.")


def test_what_was_left_out_comes_again() -> None:
    director = persona(facts_per_turn=3.0).director(1, TASK)
    for _ in range(6):
        told = director.direction("I see, go on.")
        director.said("hm")
        assert "Say what you want" in told or "Say hello" in told or "acknowledge" in told
    assert director.said("nothing was planned since") is None


def test_said_is_optional_and_ends_the_turn() -> None:
    director = persona().director(1, TASK)
    director.said("too early")
    first = director.direction(OPENING)
    director.said("hi")
    assert first
    assert director.draft(OPENING)  # the next turn: the one before it is over


# -- a loop with a model


class Actor:
    """A model that says the draft, or what its direction tells it to give, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        last = messages[-1].content
        self.asked.append(last)
        draft = re.search(r"^.*?draft.*?: (.+)$", last, re.IGNORECASE | re.MULTILINE)
        told = re.findall(r"(?:Give your [^:]+|Say what you want): ([^.]+)\.", last)
        return Reply(draft[1] if draft else ", ".join(told) or "okay")


@pytest.mark.parametrize("wording", ["draft", "direction"])
def test_the_model_s_voice_and_the_hook_tell_the_same(wording: Wording) -> None:
    """A simulator that asks its model turn by turn hears the plans that personaevo's own model users go by."""
    own, actor = persona(words_per_turn=7.0, patience_turns=9.0), Actor()
    model: ChatModel = actor
    episode = run_episode(
        TASK, own, PlanItem(TASK.id, 0, 5), definitions.domain("service"), OneAfterTheOther(), make_user=model_user(model, wording)
    )
    turns, heard = said_by(episode), [None, *said_by(episode, "assistant")]
    director = own.director(5, TASK)
    way: Callable[[str | None], str] = director.draft if wording == "draft" else director.direction
    for agent, text in zip(heard, turns, strict=False):
        told = way(agent)
        assert any(_same(told, asked) for asked in actor.asked), told
        director.said(text)
    assert director.left == (episode.outcome != "turn_limit")
    assert all(any(states(text, value) for text in turns) for value in TASK.facts.values())


def _same(told: str, asked: str) -> bool:
    """Whether a model was told this, be it with more that nobody could show."""
    first = told.removeprefix("[Stage direction] ").split(". ")[0]
    return first in asked


class OneAfterTheOther:
    """An agent that says the texts of HEARD, and then no more."""

    def reply(self, turns: Sequence[tuple[Role, str]]) -> str | None:
        number = sum(role == "assistant" for role, _ in turns)
        return HEARD[number] if number < len(HEARD) else None
