"""A persona's dials in plain words, by the rules of ``fitness/persona_text.toml``: the few things that set this person apart."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from personaevo import content
from personaevo.definitions import dials
from personaevo.errors import ContentError


@dataclass(frozen=True, slots=True)
class Saying:
    """A sentence for the values of a dial up to ``upto``: how telling it is (0 to 3), and the marks by which others exclude it. It is empty
    for values that need no words."""

    upto: float
    telling: int
    sentence: str
    marks: frozenset[str]

    @property
    def words(self) -> int:
        """How many words it has."""
        return len(self.sentence.split())


@dataclass(frozen=True, slots=True)
class Rules:
    """All sayings by dial, in the order in which they are said; which marks do not go together; which marks do not go with a phrase of a
    description; how many sentences there may be, and how many words in description and policy together; and what is said where nothing
    stands out."""

    sayings: Mapping[str, tuple[Saying, ...]]
    exclude: Collection[frozenset[str]]
    described: Mapping[str, frozenset[str]]
    most: int
    most_words: int
    ordinary: str

    def fit(self, one: Saying, other: Saying) -> bool:
        """Whether both may be said of one person."""
        return not any(frozenset(pair) in self.exclude for pair in itertools.product(one.marks, other.marks))

    def denied(self, description: str) -> frozenset[str]:
        """The marks that do not go with this description."""
        found = (marks for phrase, marks in self.described.items() if _stands_in(phrase, description))
        return frozenset().union(*found)


def _stands_in(phrase: str, text: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(phrase)}(?![\w-])", text, re.IGNORECASE) is not None


@cache
def rules() -> Rules:
    """The installed rules.

    Raises:
        ContentError: the file has another form, or a dial's values do not rise to the end of its range.
    """
    table = content.toml("fitness", "persona_text.toml")
    try:
        sayings = {str(row["dial"]): _sayings(row["dial"], row["says"]) for row in table["about"]}
        exclude = frozenset(map(frozenset, table["exclude"]))
        described = {str(phrase): frozenset(map(str, marks)) for phrase, marks in table["described"].items()}
        return Rules(sayings, exclude, described, int(table["most"]), int(table["most_words"]), str(table["ordinary"]))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        expected = "expected for each dial rows of [value, how telling, sentence, marks …]"
        raise ContentError(f"fitness/persona_text.toml: {expected}, got {error!r}") from None


def _sayings(dial: str, rows: Sequence[Sequence[Any]]) -> tuple[Saying, ...]:
    found = tuple(Saying(float(upto), int(telling), str(sentence), frozenset(marks)) for upto, telling, sentence, *marks in rows)
    bounds = [one.upto for one in found]
    if bounds != sorted(set(bounds)) or not bounds or bounds[-1] != dials()[dial].high:
        raise ContentError(f"fitness/persona_text.toml: values of '{dial}': expected them to rise to {dials()[dial].high:g}, got {bounds}")
    return found


def sentences() -> tuple[str, ...]:
    """All that may be said of dials."""
    said = (one.sentence for rows in rules().sayings.values() for one in rows if one.sentence)
    return (*said, rules().ordinary)


def said_of(values: Mapping[str, float], room: int, description: str = "") -> tuple[Saying, ...]:
    """What is said of these dials in at most ``room`` words: the most telling sayings that go together and with the description, in the
    order of the rules.

    Dials without rules are passed over.
    """
    denied = rules().denied(description)
    told = [_saying(dial, values[dial], denied) for dial in rules().sayings if dial in values]
    taken: list[Saying] = []
    for one in sorted(filter(None, told), key=lambda one: -one.telling):  # of equally telling ones the first
        free = room - sum(other.words for other in taken)
        if len(taken) < rules().most and one.words <= free and all(rules().fit(one, other) for other in taken):
            taken.append(one)
    return tuple(one for one in told if one in taken)


def _saying(dial: str, value: float, denied: frozenset[str]) -> Saying | None:
    rows = rules().sayings[dial]
    found = next((one for one in rows if value <= one.upto), rows[-1])
    return found if found.sentence and not found.marks & denied else None


def in_words(values: Mapping[str, float], room: int, description: str = "") -> str:
    """The dials of a person so described as a paragraph of at most ``room`` words; "" where there are no dials or there is no room."""
    said = [one.sentence for one in said_of(values, room, description)]
    plain = rules().ordinary if values.keys() & rules().sayings.keys() else ""
    return " ".join(said) or (plain if len(plain.split()) <= room else "")
