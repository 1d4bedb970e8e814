"""Describe a persona's dials in plain words, by the rules of ``fitness/persona_text.toml``: the few traits that set this person apart."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from personaevo import content
from personaevo.definitions import dials, typing_dials
from personaevo.errors import ContentError


@dataclass(frozen=True, slots=True)
class Saying:
    """A sentence for the values of a dial up to ``upto``; "" for values that are not described. ``telling`` is its weight (0 to 3), and
    ``marks`` are the labels by which sayings exclude each other."""

    upto: float
    telling: int
    sentence: str
    marks: frozenset[str]
    words: int = field(init=False)  # of the sentence

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", len(self.sentence.split()))


@dataclass(frozen=True, slots=True)
class Typing:
    """The rules for typing habits: phrases by dial, in output order; the kind of each phrase; the most phrases and words; and the sentence
    for each kind, with ``{}`` for the phrases."""

    phrases: Mapping[str, tuple[Saying, ...]]
    kinds: Mapping[tuple[str, str], str]
    most: int
    most_words: int
    frames: Mapping[str, str]

    def sentences(self, taken: Sequence[tuple[str, Saying]]) -> list[str]:
        """One sentence for each kind of phrase. ``taken`` are the phrases, each with its dial."""
        kinds = dict.fromkeys((self.kinds[dial, one.sentence], one.sentence) for dial, one in taken)
        found = []
        for kind, frame in self.frames.items():
            phrases = [phrase for other, phrase in kinds if other == kind]
            if phrases:  # "a", "a and b", "a, b and c"
                last = "or" if kind == "without" else "and"
                found.append(frame.format(f" {last} ".join(filter(None, [", ".join(phrases[:-1]), phrases[-1]]))))
        return found


@dataclass(frozen=True, slots=True)
class Rules:
    """All sayings by dial, in output order; the pairs of marks that exclude each other; the marks that phrases of a description exclude;
    the most sentences, and the most words of description and policy together; and the sentence for a person without special traits."""

    sayings: Mapping[str, tuple[Saying, ...]]
    exclude: Collection[frozenset[str]]
    described: Mapping[str, frozenset[str]]
    most: int
    most_words: int
    ordinary: str
    typing: Typing

    def compatible(self, one: Saying, other: Saying) -> bool:
        """Whether both may describe one person."""
        return not any(frozenset(pair) in self.exclude for pair in itertools.product(one.marks, other.marks))


def denied(description: str) -> frozenset[str]:
    """The marks that this description excludes."""
    return frozenset().union(*(marks for pattern, marks in _described() if pattern.search(description)))


@cache
def _described() -> list[tuple[re.Pattern[str], frozenset[str]]]:
    said = rules().described.items()
    return [(re.compile(rf"(?<![\w-]){re.escape(phrase)}(?![\w-])", re.IGNORECASE), marks) for phrase, marks in said]


@cache
def rules() -> Rules:
    """The installed rules.

    Raises:
        ContentError: the file has another structure, or a dial's values do not rise to the end of its range.
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


def sentences() -> tuple[str, ...]:
    """All sentences that may describe dials."""
    said = (one.sentence for rows in rules().sayings.values() for one in rows if one.sentence)
    return (*said, rules().ordinary)


def select_sayings(
    values: Mapping[str, float], max_words: int, description: str = "", others: Sequence[Saying] = (), most: int = 0
) -> tuple[Saying, ...]:
    """Select the sayings for these dials, with at most ``max_words``: the most telling ones that are compatible with each other, with those
    in ``others`` and with the description, in the order of the rules; at most ``most`` (0: as many as the rules allow).

    Dials without rules are ignored.
    """
    not_said = denied(description)
    candidates = [_saying(rules().sayings[dial], values[dial], not_said) for dial in rules().sayings if dial in values]
    taken: list[Saying] = []
    for one in sorted(filter(None, candidates), key=lambda one: -one.telling):  # of equally telling ones the first
        free = max_words - sum(other.words for other in taken)
        if len(taken) < (most or rules().most) and one.words <= free and all(rules().compatible(one, other) for other in (*taken, *others)):
            taken.append(one)
    return tuple(one for one in candidates if one in taken)


def select_habits(values: Mapping[str, float], max_words: int, description: str = "") -> list[tuple[str, Saying]]:
    """Select the phrases for these dials of typing, each with its dial: the most telling ones that are compatible with each other and with
    the description, in the order of the rules, and whose sentences have at most ``max_words``."""
    typing = rules().typing
    said = {dial: rows for dial, rows in typing.phrases.items() if dial in values}
    not_said = denied(description) if said else frozenset()
    candidates = [(dial, one) for dial, rows in said.items() if (one := _saying(rows, values[dial], not_said))]
    taken: list[tuple[str, Saying]] = []
    for dial, one in sorted(candidates, key=lambda said: -said[1].telling):
        more = [said for said in candidates if said in taken or said == (dial, one)]
        short = len(more) <= typing.most and len(" ".join(typing.sentences(more)).split()) <= min(max_words, typing.most_words)
        if short and all(rules().compatible(one, other) for _, other in taken):
            taken.append((dial, one))
    return [said for said in candidates if said in taken]


def _saying(rows: Sequence[Saying], value: float, denied: frozenset[str]) -> Saying | None:
    found = next((one for one in rows if value <= one.upto), rows[-1])
    return found if found.sentence and not found.marks & denied else None


def describe_dials(values: Mapping[str, float], max_words: int, description: str = "") -> str:
    """Describe the dials as a paragraph of at most ``max_words`` that agrees with the description; at most two sentences at its end say
    how the person types. "" if there are no dials or too few words are left."""
    habits = select_habits(values, max_words, description)
    typed = rules().typing.sentences(habits)
    left, most = max_words - len(" ".join(typed).split()), rules().most - len(typed)
    said = [one.sentence for one in select_sayings(values, left, description, [one for _, one in habits], most)]
    plain = rules().ordinary if values.keys() & rules().sayings.keys() else ""
    return " ".join([*said, *typed]) or (plain if len(plain.split()) <= max_words else "")
