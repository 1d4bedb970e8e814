"""What is said of dials: short, plain, without contradictions, and of every dial."""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personaevo import content
from personaevo.archive import Archive
from personaevo.definitions import Dial, dials, features
from personaevo.errors import ContentError
from personaevo.programs import persona_text
from personaevo.programs.persona_text import describe_dials, rules, select_sayings, sentences
from personaevo.programs.personas import compose_policy
from personaevo.records import Axis, Persona
from personaevo.refine.profile import second_person_problem

ARCHIVES = ("service", "charity", "camping")
JARGON = ("bursty", "front-load", "dial", "axis", "axes", "level", "feature", "rate", "share", "percent", "verbosity")
SENTENCE = re.compile(r"[^.]+\.")
# Found by reading, not by the rules: what is said first does not go with what is said second.
READ = (
    (r"single words|two or three words at a time|scraps of a few words|handful of words|nearly everything in a word",
     r"long messages|at length|several sentences|formal letter"),
    (r"one short sentence at a time|long messages|several sentences",
     r"bare word at one moment|bare ok or yes\.|every other answer|most of your answers|nearly everything in a word"),
    (r"Never bother with please|Leave out nearly every", r"thank you in most|nearly every time you write"),
    (r"bare ok or yes\.", r"nearly every time you write|in most of your messages|Argue|Keep telling|Ask something|almost every message"),
    (r"is [^.]*(trusting|friendly|forgiving)", r"reproach|Blame|their fault"),
    (r"is [^.]*(quick to give in|trusting)", r"Object when|Argue"),
    (r"is [^.]*hesitant", r"Never say|hardly ever|Sound sure|Sound certain"),
    (r"is [^.]*(sparing with words|in a hurry)", r"long messages|at length|whole paragraph"),
    (r"is [^.]*(friendly|courteous)", r"Never bother with please|Leave out nearly every"),
    (r"is [^.]*cool\b", r"show what you feel|worry, anger or joy into"),
)  # fmt: skip
DEFAULTS = {name: dial.default for name, dial in dials().items()}


@cache
def stored(domain: str) -> tuple[Persona, ...]:
    """All personas of a packaged archive."""
    with Archive.read(content.archive_file(domain)) as archive:
        _, rows = archive.query("SELECT id, description, dials FROM personas ORDER BY run, number, task, slot")
    return tuple(Persona(id=name, description=description, dials=dict(values)) for name, description, values in rows)


def texts(domain: str) -> list[str]:
    """Their texts, rendered from their dials."""
    return [one.model_copy(update={"policy": compose_policy({}, one.dials, (), one.description)}).text for one in stored(domain)]


def drawn(rng: random.Random) -> dict[str, float]:
    """Some dials anywhere in their ranges, often at an end or near it."""
    chosen = rng.sample(sorted(dials()), rng.randint(1, len(dials())))
    return {name: _value(dials()[name], rng.choice((0.0, 1.0, rng.random(), rng.random() ** 4))) for name in chosen}


def _value(dial: Dial, place: float) -> float:
    if dial.scale == "log":
        return min(max(dial.low * math.exp(place * math.log(dial.high / dial.low)), dial.low), dial.high)
    return dial.low + place * (dial.high - dial.low)


def check(values: Mapping[str, float], description: str = "") -> None:
    text = compose_policy({}, values, (), description)
    said = [one.strip() for one in SENTENCE.findall(text)]
    assert 0 < len(said) <= rules().most
    assert " ".join(said) == text, "every sentence ends with a full stop"
    assert len(set(said)) == len(said), "none twice"
    assert set(said) <= set(sentences())
    assert len(text.split()) + len(description.split()) <= 120
    chosen = select_sayings(values, 120 - len(description.split()), description)
    assert not [pair for pair in itertools.combinations(chosen, 2) if not rules().compatible(*pair)], "two that exclude each other"


# -- the sentences


def test_sentences_are_plain_and_speak_to_the_person() -> None:
    assert len(set(sentences())) == len(sentences())
    for sentence in sentences():
        assert re.fullmatch(r"[A-Z][^.!?%_\d]+\.", sentence), sentence
        assert not [word for word in JARGON if word in sentence.lower().split() or f"{word}s" in sentence.lower().split()], sentence
        assert len(sentence.split()) <= 15 and second_person_problem(sentence) is None, sentence
        assert not [name for name in (*dials(), *features().names) if name in sentence]
    assert not [pair for pair in itertools.permutations(sentences(), 2) if pair[0] in pair[1]]


def test_there_is_something_to_say_of_every_dial_and_nothing_of_its_default() -> None:
    assert set(rules().sayings) == set(dials())
    assert describe_dials(DEFAULTS, 120) == rules().ordinary
    tables = (rules().sayings, rules().typing.phrases)
    known = {mark for table in tables for rows in table.values() for one in rows for mark in one.marks}
    assert set().union(*rules().exclude) <= known, "a mark that no sentence has"


@pytest.mark.parametrize("dial", sorted(dials()))
def test_a_dial_shows_from_one_end_to_the_other(dial: str) -> None:
    ends = [describe_dials({**DEFAULTS, dial: value}, 120) for value in (dials()[dial].low, dials()[dial].high)]
    assert ends[0] != ends[1]


@pytest.mark.parametrize(
    "rows", [[[3.0, 1, "Write."]], [[60.0, 1, "Write."], [9.0, 1, "Talk."]], [], [[60.0, 1]], [["x", 1, "Write."]], 3]
)
def test_rules_of_another_form_are_an_error(rows: object, monkeypatch: pytest.MonkeyPatch) -> None:
    about = [{"dial": "words_per_turn", "says": rows}]
    table = {"most": 8, "most_words": 120, "ordinary": "Be.", "exclude": [], "described": {}, "about": about}
    monkeypatch.setattr(persona_text.content, "toml", lambda *_: table)
    with pytest.raises(ContentError, match=r"fitness/persona_text\.toml"):
        rules.__wrapped__()


# -- texts


@pytest.mark.parametrize("domain", ARCHIVES)
def test_personas_of_packaged_archives(domain: str) -> None:
    """Stored policies may be of an older kind: what counts is what the rules make of stored dials."""
    for persona in stored(domain):
        check(persona.dials, persona.description)
    found = texts(domain)
    assert not [text for text in found if re.search(r"[%_\d]", text)]
    assert len(set(found)) >= 0.75 * len(found)
    least = sorted(len(SENTENCE.findall(describe_dials(persona.dials, 120))) for persona in stored(domain))
    assert least[len(least) // 50] >= 4, "98 of 100 have at least four sentences"


def test_thousands_of_dial_settings() -> None:
    rng = random.Random(1)
    for _ in range(1_500):
        check(drawn(rng), " ".join(["word"] * rng.randint(0, 60)))


def people(rng: random.Random, phrases: list[str]) -> str:
    """A description of up to three phrases, as seeds write it."""
    said = rng.sample(phrases, rng.randint(1, 3))
    return "Someone who is " + " and ".join(filter(None, [", ".join(said[:-1]), said[-1]])) + "."


def test_nothing_that_a_reader_finds_contradictory() -> None:
    rng = random.Random(2)
    phrases = sorted(rules().described)
    cases = [(one.description, one.dials) for domain in ARCHIVES for one in stored(domain)]
    cases += [(people(rng, phrases), drawn(rng)) for _ in range(1_500)]
    for description, values in cases:
        policy = compose_policy({}, values, (), description)
        text = f"{description}\n{policy}"
        for first, second in READ:
            assert not (re.search(first, text) and re.search(second, policy)), text


def test_phrases_of_descriptions_are_known() -> None:
    """Every phrase that seeds and operators put in a description says what does not go with it."""
    axes = content.toml("seeds", "axes.toml")
    phrases = {row[end][0] for row in axes.values() for end in ("less", "more")}
    for name in ("program.py", "two_stage.py"):
        module: dict[str, Any] = {}
        exec((content.root("seeds") / name).read_text(encoding="utf-8"), module)
        phrases |= {phrase for axis in module["AXES"] for phrase in axis["who"]}
    assert phrases == set(rules().described)
    marks = {mark for rows in rules().sayings.values() for one in rows for mark in one.marks}
    assert set().union(*rules().described.values()) <= marks, "a mark that no sentence has"


def test_a_sentence_gives_way_to_the_description() -> None:
    values = {"accusatory_rate": 0.1, "words_per_turn": 3.0}
    blunt = "Write mostly in scraps of a few words, seldom a whole sentence. Blame the other side when things go wrong."
    assert describe_dials(values, 120, "Someone who is blunt.") == blunt
    assert describe_dials(values, 120, "A Friendly person.") == "Write mostly in scraps of a few words, seldom a whole sentence."
    assert describe_dials(values, 120, "Someone unfriendly.") == blunt, "whole phrases only"


@given(st.integers(0, 130), st.integers(0, 10_000))
@settings(max_examples=60)
def test_there_is_no_word_over_the_room(described: int, seed: int) -> None:
    description = " ".join(["who"] * described)
    policy = compose_policy({}, drawn(random.Random(seed)), (), description)
    assert len(policy.split()) <= max(0, 120 - described)


def test_axes_without_dials_are_said_first_if_they_fit() -> None:
    axes = (
        Axis(name="warm", low="Be cold.", high="Be warm."), Axis(name="long", high="word " * 200), Axis(name="shy", low="Be bold."),
        Axis(name="terse", low="Write a lot.", high="Be brief.", dials={"words_per_turn": (30.0, 3.0)}),
    )  # fmt: skip
    levels = {"warm": 1.0, "long": 1.0, "shy": 0.0, "terse": 1.0}
    assert compose_policy(levels, {"words_per_turn": 3.0}, axes) == (
        "Be warm.\nBe bold.\nWrite mostly in scraps of a few words, seldom a whole sentence."
    )
    assert compose_policy({"warm": 0.5}, {}, axes) == ""


def _ends(dial: str) -> Iterator[str]:
    for value in (dials()[dial].low, dials()[dial].high):
        yield describe_dials({dial: value}, 120)


def test_by_hand() -> None:
    assert list(_ends("patience_turns")) == ["Leave almost at once if you are not helped.", "Stay as long as it takes."]
    assert describe_dials({"unknown": 1.0}, 120) == "" == describe_dials({}, 120)
    assert describe_dials({"words_per_turn": 18.0}, 3) == ""
    both = {"certainty_rate": 0.9, "uncertainty_rate": 0.9}
    assert describe_dials(both, 120) == "Sound certain of everything you say."  # of equally telling ones the first
