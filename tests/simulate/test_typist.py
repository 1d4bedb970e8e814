"""The typing surface: what it changes, what it never changes, and that typing twice is typing once."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from simulate_cases import DOMAINS, play, said_by, task_of

import personaevo as pe
from personaevo import definitions
from personaevo.chat import Message, Reply
from personaevo.records import PlanItem, Task, Wording
from personaevo.simulate.episodes import run_episode
from personaevo.simulate.model_voice import model_user
from personaevo.simulate.turns import facts_of, has_digit, mentions, numbers_in
from personaevo.simulate.typist import SWING, Typist, ordinary, protected_by, typist_for

NAMES = [name for name in definitions.typing_dials() if name != SWING]
QUICK = settings(max_examples=150, deadline=None)
TASK = Task(
    id="t", domain="service", goal="change the flight of Amelia Ruiz from Oslo to the evening", context="Flight with NordAir.",
    facts={"booking code": "JL88WQ", "seats": "2 window seats", "meal": "no nuts, please", "mail": "amelia.ruiz@mail.example"},
)  # fmt: skip


def typed(text: str, turn: int = 0, seed: int = 1, **dials: float) -> str:
    found = Typist(dials, seed, protected_by(TASK)).type(text, turn)
    assert Typist(dials, seed, protected_by(TASK)).type(found, turn) == found
    return found


EXAMPLES = [
    ("lower_start", "Fine by me.", "fine by me.", "Fine by me."),
    ("lower_start", "JL88WQ it is.", "JL88WQ it is.", "JL88WQ it is."),
    ("lower_start", "Amelia Ruiz is my name.", "Amelia Ruiz is my name.", "Amelia Ruiz is my name."),
    ("lower_sentence", "Yes. That is fine.", "Yes. that is fine.", "Yes. That is fine."),
    ("lower_i", "Well, I'm sure I can.", "Well, i'm sure i can.", "Well, I'm sure I can."),
    ("full_stop", "that is fine", "that is fine.", "that is fine"),
    ("full_stop", "Is it fine", "Is it fine", "Is it fine"),
    ("exclamation", "That is fine.", "That is fine!", "That is fine."),
    ("question_mark", "Can you do it?", "Can you do it?", "Can you do it"),
    ("ellipses", "That is fine.", "That is fine...", "That is fine."),
    ("ellipses", "So... that is fine", "So... that is fine", "So, that is fine"),
    ("no_apostrophe", "I don't mind, it's fine.", "I dont mind, it's fine.", "I don't mind, it's fine."),
    ("no_apostrophe", "dont", "dont", "don't"),
    ("laughter", "Yes, haha, I know. Lol. it rains lol", "Yes, haha, I know. Lol. it rains lol", "Yes, I know. It rains"),
    ("laughter", "That made me lol twice.", "That made me lol twice.", "That made me lol twice."),
    ("laughter", "Fine. Haha.", "Fine. Haha.", "Fine."),
    ("smileys", "Fine :) by me \U0001f600", "Fine :) by me \U0001f600", "Fine by me"),
    ("first_words", "Well, so the trip is off.", "Well, so the trip is off.", "The trip is off."),
    ("contractions", "I do not mind that.", "I don't mind that.", "I do not mind that."),
    ("commas", "Yes, but it rains.", "Yes, but it rains.", "Yes but it rains."),
    ("abbreviations", "You are right", "U r right", "You are right"),
    ("double_space", "Yes. No.", "Yes.  No.", "Yes. No."),
    ("space_before_mark", "Yes, no!", "Yes , no !", "Yes, no!"),
    ("short_ok", "Okay then", "Ok then", "Okay then"),
]


@pytest.mark.parametrize(("habit", "text", "most", "least"), EXAMPLES)
def test_each_habit_at_its_ends(habit: str, text: str, most: str, least: str) -> None:
    if habit == "short_ok":
        assert typed(text, short_ok=1.0) in {"Ok then", "K then", "Kk then"}
    else:
        assert typed(text, **{habit: 1.0}) == most
    assert typed(text, **{habit: 0.0}) == least


@pytest.mark.parametrize(("habit", "text"), [("smileys", "Fine."), ("laughter", "Fine."), ("first_words", "Fine."), ("casual_yes", "Yes.")])
def test_what_is_added_is_of_the_lexicon_and_goes_again(habit: str, text: str) -> None:
    added = typed(text, **{habit: 1.0})
    assert added != text
    measured = definitions.typing().measure([[text], [added]]).values[:, definitions.typing().names.index(habit)]
    assert measured.tolist() == [0.0, 1.0]
    assert typed(added, **{habit: 0.0}) == text


def test_without_a_dial_of_typing_nothing_is_typed() -> None:
    assert typist_for({"words_per_turn": 5.0, SWING: 0.5, "slips_per_100_words": 9.0}, 1, TASK) is None
    assert Typist({"words_per_turn": 5.0}, 1).type("Hi , i  am...", 0) == "Hi , i  am..."


def test_favorites_belong_to_the_person_and_levels_to_the_dialogue() -> None:
    dials = {"smileys": 1.0, "lower_start": 0.5, SWING: 0.5}
    assert len({Typist(dials, seed).type("It rains.", 0).split()[-1] for seed in range(20)}) == 1
    levels = [Typist(dials, seed).levels["lower_start"] for seed in range(400)]
    assert np.mean(levels) == pytest.approx(0.5, abs=0.05)
    assert np.var(levels) == pytest.approx(0.5 * 0.25, rel=0.2)  # swing × d (1 - d), of a beta
    assert len({Typist({"smileys": 1.0, "lower_start": one / 50}, 1).type("It rains.", 0).split()[-1] for one in range(50)}) > 1


# -- what no dial may touch ----------------------------------------------------------------------------------------------------


NUMBER_WORDS = {"two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"}


def turns_of_all_domains(dialogues: int) -> tuple[tuple[Task, str], ...]:
    """Turns that embedded users of all domains say, each with its task, in so many dialogues of each domain; half of the users speak as
    nobody asked them to."""
    found = []
    for domain in DOMAINS:
        for dials in (None, {"words_per_turn": 6.0, "short_rate": 0.4, "identifiers_per_turn": 1.0, "info_seeking_rate": 0.4}):
            episodes = play(domain, dialogues // 2, dials)
            found += [(task_of(episode, domain), text) for episode in episodes for text in said_by(episode)]
    return tuple(found)


def kept(task: Task, text: str) -> dict[str, list[str]]:
    """What of a turn must be there after typing as it was: values of facts, whatever holds a digit, small numbers in words, names."""
    values = [value for value in facts_of(task).values() if mentions(text.lower(), value)]
    names = [name for name in protected_by(task) if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)]
    words = re.findall(r"[^\W\d_]+", text)
    return {
        "values": values, "names": names, "numbers": sorted(numbers_in(text)),
        "spelled": [one.lower() for one in words if one.lower() in NUMBER_WORDS],
        "codes": [one.strip(".,!?;:'\"()\u2026\u2019[]") for one in text.split() if has_digit(one)],
        "addresses": re.findall(r"\S+@\S+\w|https?://\S+\w", text),
    }  # fmt: skip


def random_dials(rng: random.Random) -> dict[str, float]:
    """Some dials of typing, also at their ends, and slips."""
    chosen = {name: rng.choice([0.0, 1.0, rng.random()]) for name in NAMES if rng.random() < 0.6}
    return {**chosen, SWING: rng.choice([0.0, 0.3]), "slips_per_100_words": rng.choice([0.0, 20.0])}


@pytest.mark.parametrize("dialogues", [100, pytest.param(500, marks=pytest.mark.slow)])
def test_no_fact_code_name_or_number_changes_in_ten_thousand_turns(dialogues: int) -> None:
    turns = turns_of_all_domains(dialogues)
    assert len(turns) > 20 * dialogues
    changed = 0
    for number, (task, text) in enumerate(turns):
        if number % 8 == 0 or task is not turns[number - 1][0]:
            typist = Typist(random_dials(random.Random(number)), number, protected_by(task))
        found = typist.type(text, number % 7)
        assert kept(task, found) == kept(task, text), (text, found)
        assert typist.type(found, number % 7) == found, (text, found)
        changed += found != text
    assert changed > 0.9 * len(turns)


ALL = "aAiI .,!?'\u2019\u2026:;()-)D3/\\@#\n\t\u00e9\u0130\u00df\u4f60\u0434\u0414\u05d0\U0001f600\u200d\ufe0f\ue000\U000f0001u09"
PIECES = st.sampled_from([
    *"aIi", "I'm", "dont", "don't", "you are", "u r", "lol", ":)", "...", ".", "!", "?", ",", " ", "  ", "well", "so", "yes", "No", "okay",
    "k", "JL88WQ", "notes.txt", "https://a.b/c?d=1", "me@a.example", "do not", "I do not", "is it", "\n", "but", "and I", "Anna",
    "\U0001f600", "\u4f60\u597d", "two", "because", "10:30am", "<person1>:", "\u0130stanbul",
])  # fmt: skip
TEXTS = st.one_of(st.text(max_size=40), st.text(st.sampled_from(list(ALL)), max_size=40), st.lists(PIECES, max_size=14).map(" ".join))


@QUICK
@given(TEXTS, st.integers(0, 10_000))
@example("", 1)
@example(" \n ", 1)
@example("...", 1)
@example("?!", 1)
@example(":)", 1)
@example("lol", 1)
@example("\ue000 \U000f0000", 1)
def test_any_text_is_typed_once_and_for_all(text: str, seed: int) -> None:
    rng = random.Random(seed)
    typist = Typist(random_dials(rng), seed, ("Anna", "no nuts", "okay"))
    found = typist.type(text, 3)
    assert typist.type(found, 3) == found
    assert kept(Task(id="t", domain="", goal="x"), found)["codes"] == kept(Task(id="t", domain="", goal="x"), text)["codes"]
    assert found.encode() or not text  # a text that can be stored
    if not any(map(str.isalnum, text)):
        assert found == text or any(one >= "\ue000" for one in text)


@pytest.mark.parametrize("end", [0.0, 1.0])
def test_all_dials_at_an_end(end: float) -> None:
    """Nothing doubles up, and words do not vanish."""
    typist = Typist(dict.fromkeys(NAMES, end), 1, protected_by(TASK))
    text = "Hello, I would like to move Amelia Ruiz, code JL88WQ, but I am not sure. Can you do it?"
    found = typist.type(text, 0)
    assert typist.type(found, 0) == found
    for kept_word in ("Amelia Ruiz", "JL88WQ", "sure", "move"):
        assert kept_word in found


def test_long_turns_take_time_in_proportion() -> None:
    typist = Typist(dict.fromkeys(NAMES, 0.5), 1, protected_by(TASK))
    for text in ("word " * 4_000, "a" * 20_000, "." * 20_000, "a1" * 10_000, "a.b" * 7_000, ":) " * 5_000, "\n" * 5_000):
        before = time.perf_counter()
        found = typist.type(text, 0)
        assert time.perf_counter() - before < 5.0, text[:9]
        assert typist.type(found, 0) == found


# -- who types ------------------------------------------------------------------------------------------------------------------

CARELESS = {"lower_start": 1.0, "lower_sentence": 1.0, "lower_i": 1.0, "full_stop": 0.0, "question_mark": 0.0, "smileys": 1.0}


@pytest.mark.parametrize("domain", DOMAINS)
def test_embedded_users_type_and_their_agents_hear_it(domain: str) -> None:
    """The same is said, in another way."""
    wordings = [play(domain, 30, dials) for dials in ({"slips_per_100_words": 0.0}, {**CARELESS, "slips_per_100_words": 0.0})]
    for careless in wordings[1]:
        names = tuple(protected_by(task_of(careless, domain)))
        begun = [text for text in said_by(careless) if text[0].isupper() and not text.startswith(names)]
        assert all(text.split()[0].strip(",.?!").lower() not in ordinary() for text in begun)
    means = [np.mean([one.preservation for one in wording]) for wording in wordings]
    assert means[1] == pytest.approx(means[0], abs=0.05)
    measured = definitions.typing().measure([said_by(one) for one in wordings[1]]).values.mean(axis=0)
    assert measured[definitions.typing().names.index("smileys")] == pytest.approx(1.0, abs=0.02)


def test_drafts_come_typed_and_a_model_s_turn_is_typed_in_the_same_way() -> None:
    persona = pe.Persona(id="p", description="", dials=CARELESS)
    director, plain = persona.director(1, TASK), pe.Persona(id="p", description="").director(1, TASK)
    draft = director.draft("Hi! How can I help you today?")
    assert draft != plain.draft("Hi! How can I help you today?")
    assert director.type(draft) == draft
    assert director.type("I need JL88WQ moved.").startswith("i need JL88WQ moved ")
    assert plain.type("I need JL88WQ moved.") == "I need JL88WQ moved."
    assert director.direction("Hi! How can I help you today?") == plain.direction("Hi! How can I help you today?")


def test_a_persona_types_what_others_worded() -> None:
    persona = pe.Persona(id="p", description="", dials={**CARELESS, "slips_per_100_words": 20.0})
    text = "I would like to change the booking of Amelia Ruiz, please. The code is JL88WQ, really."
    found = persona.type(text, 3, task=TASK)
    assert "Amelia Ruiz" in found
    assert "JL88WQ" in found
    assert persona.type(found, 3, task=TASK) == found == persona.type(text, 3, task=TASK)
    assert len({persona.type(text, turn, task=TASK) for turn in range(9)}) > 1
    assert len({persona.type(text, 3, seed=seed, task=TASK) for seed in range(9)}) > 1
    assert pe.Persona(id="p", description="").type(text, 3) == text


class Says:
    """A model that always says the same."""

    def reply(self, messages: Sequence[Message], *, schema: type[BaseModel] | None = None, sample: int = 0) -> Reply:
        self.seen = messages
        return Reply(text="I would like to move my flight to the evening. My code is JL88WQ.")


@pytest.mark.parametrize("wording", ["draft", "direction", "text"])
def test_users_played_by_a_model_type(wording: Wording) -> None:
    model, persona = Says(), pe.Persona(id="p", description="", dials={**CARELESS, "patience_turns": 2.0})
    episode = run_episode(TASK, persona, PlanItem("t", 0, 1), definitions.domain("service"), make_user=model_user(model, wording))
    assert said_by(episode)[0].startswith("i would like to move my flight to the evening. my code is JL88WQ ")
    assert not any(text.startswith("i would") for text in (message.content for message in model.seen))  # it sees its own words
