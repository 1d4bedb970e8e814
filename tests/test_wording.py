"""The installed wording is what the simulator takes it for: neutral where it should be, and marked where it should be."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from personaevo import content
from personaevo.definitions import Domain, Phrase, domain, domain_names, features
from personaevo.measure.fingerprint import words_of
from personaevo.records import Task
from personaevo.simulate.templates import wording

ACK = "ack_only_rate"
NEUTRAL = ("greet", "goal", "restate", "fact", "remind", "correct", "affirm", "go_on", "filler", "close", "give_up")
MAY_BE_ACK = {"greet", "affirm", "close"}
MARKED = tuple(feature.name for feature in features().features if feature.lexicon and feature.name != ACK)
QUESTIONS = {"clarification_rate", "info_seeking_rate"}
EXTRAS = {"pushback_rate": QUESTIONS, "clarification_rate": {"info_seeking_rate"}}
LONG_ONLY = {"identity_confusion_rate", "clarification_rate"}
ACK_MAY_SHOW = {ACK, "politeness_rate", "emotion_rate", "certainty_rate"}
AGENT_KEYS = ("again", "inform", "answer", "readback", "sorry", "confirm", "resolve", "more", "bye")
SLOT = re.compile(r"\{(\w+)\}")
SLOTS = {
    "goal": ({"goal"}, {"goal"}),
    "restate": ({"goal"}, {"goal"}),
    "fact": ({"value"}, {"name", "value"}),
    "remind": ({"value"}, {"name", "value"}),
    "correct": ({"value"}, {"name", "value"}),
}
LONGEST_ENTRY = max(len(entry.split()) for feature in features().features for entry in feature.lexicon)
SERVICE_GROUPS = ("airline", "fastfood", "finance", "insurance", "media", "software")

every_domain = pytest.mark.parametrize("name", domain_names())


def slots(text: str) -> set[str]:
    return set(SLOT.findall(text))


@every_domain
@pytest.mark.parametrize("key", NEUTRAL)
def test_neutral_wording_shows_nothing(name: str, key: str) -> None:
    phrases = domain(name).user[key]
    assert phrases
    odd = {phrase.text: sorted(shows) for phrase in phrases if (shows := phrase.shows - _may_show(key, phrase))}
    assert odd == {}


def _may_show(key: str, phrase: Phrase) -> set[str]:
    """What is left of "that's {value}" without its slot is a bare acknowledgement, but it is never said that way."""
    return {ACK} if key in MAY_BE_ACK or slots(phrase.text) else set()


@every_domain
def test_slots_are_those_that_get_filled(name: str) -> None:
    for key, phrases in domain(name).user.items():
        required, allowed = SLOTS.get(key, (set(), set()))
        assert [phrase.text for phrase in phrases if not required <= slots(phrase.text) <= allowed] == [], key


@every_domain
@pytest.mark.parametrize("feature", MARKED)
def test_markers_show_their_feature_alone(name: str, feature: str) -> None:
    phrases = domain(name).user[f"marker.{feature}"]
    extras = EXTRAS.get(feature, set())
    odd = {phrase.text: sorted(phrase.shows) for phrase in phrases if phrase.shows - extras - {ACK} != {feature}}
    assert odd == {}
    lengths = [phrase.words for phrase in phrases]
    assert len(lengths) >= 14
    assert sum(n <= (4 if feature in LONG_ONLY else 2) for n in lengths) >= 3
    assert sum(4 <= n <= 9 for n in lengths) >= 5


@every_domain
def test_acknowledgements(name: str) -> None:
    phrases = domain(name).user["ack"]
    assert [phrase.text for phrase in phrases if not {ACK} <= phrase.shows <= ACK_MAY_SHOW or phrase.words > 3] == []
    assert sum(phrase.shows == {ACK} for phrase in phrases) >= 40


@every_domain
def test_there_is_enough_to_say(name: str) -> None:
    user = domain(name).user
    assert sum(map(len, user.values())) >= 600
    filler = Counter(phrase.words for phrase in user["filler"])
    assert sum(filler.values()) >= 250
    assert {length: filler[length] for length in range(3, 13) if filler[length] < 15} == {}
    assert set(filler) <= set(range(2, 15))
    assert {phrase.words for phrase in user["greet"]} <= {1, 2, 3}
    assert len(user["goal"]) >= 40
    assert "{goal}" in {phrase.text for phrase in user["goal"]}
    assert len(user["fact"]) >= 40
    assert {"{value}", "{name} {value}"} <= {phrase.text for phrase in user["fact"]}


@every_domain
def test_wording_has_no_digits_dashes_or_slashes(name: str) -> None:
    texts = [phrase.text for phrases in domain(name).user.values() for phrase in phrases]
    assert [text for text in texts if re.search(r"[\d/\\_\u2010-\u2015]|-", SLOT.sub("", text))] == []


@every_domain
def test_sentences_side_by_side_make_no_new_marker(name: str) -> None:
    """The simulator joins phrases: "thank you" before "keep that in mind" would read as "you keep"."""
    joined = [phrase for key, phrases in domain(name).user.items() if key not in {"greet", "ack"} for phrase in phrases]
    starts, ends = _edges(joined)
    made = {
        " ".join(entry): (before[0], after[0])
        for feature, entry in lexicon_entries()
        for cut in range(1, len(entry))
        if (before := ends.get((feature, *entry[:cut]))) and (after := starts.get((feature, *entry[cut:])))
    }
    assert made == {}


def lexicon_entries() -> Iterator[tuple[str, list[str]]]:
    for feature in features().features:
        if feature.name != ACK:
            yield from ((feature.name, words_of([entry])[0]) for entry in feature.lexicon)


def _edges(phrases: list[Phrase]) -> tuple[dict[tuple[str, ...], list[str]], dict[tuple[str, ...], list[str]]]:
    """The phrases by their first and by their last words, under each feature that they do not show anyway."""
    starts: dict[tuple[str, ...], list[str]] = {}
    ends: dict[tuple[str, ...], list[str]] = {}
    for phrase in phrases:
        parts = SLOT.split(phrase.text)
        head, tail = words_of([parts[0], parts[-1]])
        for feature in MARKED:
            if feature not in phrase.shows:
                for n in range(1, LONGEST_ENTRY):
                    starts.setdefault((feature, *head[:n]), []).append(phrase.text)
                    ends.setdefault((feature, *tail[-n:]), []).append(phrase.text)
    return starts, ends


@every_domain
def test_agent_says_all_that_its_script_needs(name: str) -> None:
    here = domain(name)
    agent = here.agent
    needed = [*AGENT_KEYS, "greet" if here.opens == "user" else "open"]
    assert [key for key in needed if not agent.get(key)] == []
    assert [key for key, phrases in agent.items() if not phrases] == []
    assert any(key.split(".")[0] == "ask" for key in agent)
    for key in ("inform", "sorry", "bye"):
        assert [phrase.text for phrase in agent[key] if "?" in phrase.text] == []
    for key, phrases in agent.items():
        assert [phrase.text for phrase in phrases if not slots(phrase.text) <= {"goal", "name", "value"}] == [], key


@every_domain
def test_questions_are_recognized(name: str) -> None:
    here = domain(name)
    for key, phrases in here.agent.items():
        purpose, _, fact = key.partition(".")
        if purpose in {"ask", "again", "readback"}:
            assert [phrase.text for phrase in phrases if not _names_its_fact(here, phrase.text, fact)] == [], key
    assert [phrase.text for phrase in here.agent["readback"] if "{value}" not in phrase.text] == []


def _names_its_fact(here: Domain, text: str, fact: str) -> bool:
    cues = [fact, *here.cues.get(fact, ())] if fact else []
    return "{name}" in text or any(cue.lower() in text.lower() for cue in cues)


@every_domain
def test_domain_works_as_wording(name: str) -> None:
    here = domain(name)
    assert here.name == name
    assert here.opens in {"user", "agent"}
    assert wording(here)["goal"].phrases
    assert {"inform_min", "inform_max", "mistake"} <= set(here.script)
    assert here.script["inform_min"] <= here.script["inform_max"]
    assert 0.0 <= here.script["mistake"] <= 1.0


def service_tasks() -> list[Task]:
    lines = (content.root("seeds") / "service" / "tasks.jsonl").read_text(encoding="utf-8").splitlines()
    return [Task.model_validate(json.loads(line)) for line in lines]


def test_service_tasks_are_complete() -> None:
    tasks = service_tasks()
    assert len({task.id for task in tasks}) == len(tasks) == 48
    each = {(group, split): 4 for group in SERVICE_GROUPS for split in ("train", "test")}
    assert Counter((task.group, task.split) for task in tasks) == each
    for task in tasks:
        assert task.id.startswith(f"service-{task.group}-"), task.id
        assert task.domain == "service"
        assert task.context, task.id
        assert 3 <= len(task.goal.split()) <= 9, task.id
        assert task.goal[0].islower(), task.id
        assert not re.search(r"\d", task.goal), task.id
        assert 3 <= len(task.facts) <= 5, task.id
        odd = {name: value for name, value in task.facts.items() if name != name.lower() or not 1 <= len(value.split()) <= 5}
        assert odd == {}, task.id
    assert len({task.goal for task in tasks}) == len(tasks)


def test_service_tasks_are_neutral() -> None:
    texts = {text for task in service_tasks() for text in (task.goal, *task.facts, *task.facts.values())}
    assert {text: shown for text in texts if (shown := features().shown(text))} == {}


def test_service_tasks_stay_neutral_inside_the_wording() -> None:
    user = domain("service").user
    texts = {phrase.text.replace("{goal}", task.goal) for task in service_tasks() for key in ("goal", "restate") for phrase in user[key]}
    texts |= {
        phrase.text.replace("{name}", name).replace("{value}", value)
        for task in service_tasks()
        for name, value in task.facts.items()
        for key in ("fact", "remind", "correct")
        for phrase in user[key]
    }
    assert {text: shown for text in texts if (shown := features().shown(text))} == {}


def test_service_facts_are_told_apart() -> None:
    """The user takes a turn that holds a fact's name as a question for it, so no other turn may hold one."""
    agent = domain("service").agent
    other = {"greet", "inform", "answer", "more", "bye"}
    others = [phrase.text.lower() for key, phrases in agent.items() if key in other for phrase in phrases]
    for task in service_tasks():
        for name in task.facts:
            assert [other for other in task.facts if other != name and name in other] == [], task.id
            assert name not in task.goal, task.id
            assert [text for text in others if re.search(rf"\b{name}\b", text)] == [], task.id
