"""A persona's dials in plain words, by the rules of ``fitness/persona_text.toml``: the few things that set this person apart."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from personaevo import content
from personaevo.definitions import dials, typing_dials
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
class Typing:
    """What is said of how somebody types: phrases by dial, in the order in which they are said; how many of them, and how many words; and
    the sentences that phrases of each kind stand in, with ``{}`` for the phrases."""

    phrases: Mapping[str, tuple[Saying, ...]]
    kinds: Mapping[tuple[str, str], str]
    most: int
    most_words: int
    frames: Mapping[str, str]

    def sentences(self, taken: Sequence[tuple[str, Saying]]) -> list[str]:
        """The phrases, each with its dial, in as many sentences as there are kinds of them."""
        kinds = [(self.kinds[dial, one.sentence], one.sentence) for dial, one in taken]
        said = {kind: [phrase for found, phrase in dict.fromkeys(kinds) if found == kind] for kind in self.frames}
        return [self.frames[kind].format(_listed(found, "or" if kind == "without" else "and")) for kind, found in said.items() if found]


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
    typing: Typing

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
        return Rules(sayings, exclude, described, int(table["most"]), int(table["most_words"]), str(table["ordinary"]), _typing(table))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        expected = "expected for each dial rows of [value, how telling, sentence, marks …]"
        raise ContentError(f"fitness/persona_text.toml: {expected}, got {error!r}") from None


def _sayings(dial: str, rows: Sequence[Sequence[Any]]) -> tuple[Saying, ...]:
    found = tuple(Saying(float(upto), int(telling), str(sentence), frozenset(marks)) for upto, telling, sentence, *marks in rows)
    bounds, highest = [one.upto for one in found], {**dials(), **typing_dials()}[dial].high
    if bounds != sorted(set(bounds)) or not bounds or bounds[-1] != highest:
        raise ContentError(f"fitness/persona_text.toml: values of '{dial}': expected them to rise to {highest:g}, got {bounds}")
    return found


def _typing(table: Mapping[str, Any]) -> Typing:
    kinds: dict[tuple[str, str], str] = {}
    phrases: dict[str, tuple[Saying, ...]] = {}
    for row in table["typing"]:
        dial = str(row["dial"])
        phrases[dial] = _sayings(dial, [[upto, telling, phrase, *marks] for upto, telling, _, phrase, *marks in row["says"]])
        kinds |= {(dial, str(phrase)): str(kind) for _, _, kind, phrase, *_ in row["says"]}
    habits = table["habits"]
    return Typing(phrases, kinds, int(habits["most"]), int(habits["most_words"]), {kind: str(habits[kind]) for kind in ("without", "does")})


def _listed(phrases: Sequence[str], last: str) -> str:
    """ "a", "a and b", "a, b and c"."""
    return f" {last} ".join(filter(None, [", ".join(phrases[:-1]), phrases[-1]]))


def sentences() -> tuple[str, ...]:
    """All that may be said of dials."""
    said = (one.sentence for rows in rules().sayings.values() for one in rows if one.sentence)
    return (*said, rules().ordinary)


def said_of(
    values: Mapping[str, float], room: int, description: str = "", beside: Sequence[Saying] = (), most: int = 0
) -> tuple[Saying, ...]:
    """What is said of these dials in at most ``room`` words: the most telling sayings that go together, with those ``beside`` and with the
    description, in the order of the rules. There are at most ``most`` of them (0: as many as the rules allow).

    Dials without rules are passed over.
    """
    denied = rules().denied(description)
    told = [_saying(rules().sayings[dial], values[dial], denied) for dial in rules().sayings if dial in values]
    taken: list[Saying] = []
    for one in sorted(filter(None, told), key=lambda one: -one.telling):  # of equally telling ones the first
        free = room - sum(other.words for other in taken)
        if len(taken) < (most or rules().most) and one.words <= free and all(rules().fit(one, other) for other in (*taken, *beside)):
            taken.append(one)
    return tuple(one for one in told if one in taken)


def habits_of(values: Mapping[str, float], room: int, description: str = "") -> list[tuple[str, Saying]]:
    """What is said of these dials of typing, each with its dial: the most telling phrases that go together and with the description, in the
    order of the rules, and whose sentences have at most ``room`` words."""
    denied, typing = rules().denied(description), rules().typing
    told = [(dial, one) for dial, rows in typing.phrases.items() if dial in values and (one := _saying(rows, values[dial], denied))]
    taken: list[tuple[str, Saying]] = []
    for dial, one in sorted(told, key=lambda said: -said[1].telling):
        more = [said for said in told if said in taken or said == (dial, one)]
        short = len(more) <= typing.most and len(" ".join(typing.sentences(more)).split()) <= min(room, typing.most_words)
        if short and all(rules().fit(one, other) for _, other in taken):
            taken.append((dial, one))
    return [said for said in told if said in taken]


def _saying(rows: Sequence[Saying], value: float, denied: frozenset[str]) -> Saying | None:
    found = next((one for one in rows if value <= one.upto), rows[-1])
    return found if found.sentence and not found.marks & denied else None


def in_words(values: Mapping[str, float], room: int, description: str = "") -> str:
    """The dials of a person so described as a paragraph of at most ``room`` words, how they type at its end in two sentences at most; ""
    where there are no dials or there is no room."""
    habits = habits_of(values, room, description)
    typed = rules().typing.sentences(habits)
    left, most = room - len(" ".join(typed).split()), rules().most - len(typed)
    said = [one.sentence for one in said_of(values, left, description, [one for _, one in habits], most)]
    plain = rules().ordinary if values.keys() & rules().sayings.keys() else ""
    return " ".join([*said, *typed]) or (plain if len(plain.split()) <= room else "")
