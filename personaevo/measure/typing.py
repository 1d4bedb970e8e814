"""Typing habits of the user turns of dialogues, measured for many dialogues in one pass.

Each habit is the share of its occasions (``fitness/typing.toml``) in which it shows, so that it depends little on a dialogue's length and
content. Without an occasion the value is NaN. Occasions are found by the patterns of ``measure.habits``, as in simulated typing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np

from personaevo.errors import ContentError
from personaevo.measure.fingerprint import Fingerprints, rounded
from personaevo.measure.habits import Habits, is_lower
from personaevo.measure.losses import LOSSES
from personaevo.records import Floats

NOTHING, STOP, EXCLAMATION, ELLIPSIS, QUESTION = range(5)  # kinds of turn endings


@dataclass(frozen=True)
class Habit:
    """One habit as defined in content; ``range`` is the range of its dial, None if simulated typing cannot produce it."""

    name: str
    needs: tuple[str, ...]
    unit: str
    meaning: str
    range: tuple[float, float] | None


@dataclass(frozen=True)
class HabitSet:
    """A versioned list of habits, ready to measure."""

    version: int
    habits: tuple[Habit, ...]
    lexicon: Mapping[str, Any]

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> HabitSet:
        """Build the set from the parsed ``typing.toml``.

        Raises:
            ContentError: a habit lacks a key, needs something other than case or punctuation, or has no measure.
        """
        found = []
        for row in table.get("habit", []):
            try:
                span = tuple(row["range"]) if "range" in row else None
                habit = Habit(row["name"], tuple(row["needs"]), row["unit"], row["meaning"], span)
            except KeyError as error:
                raise ContentError(f"typing.toml: habit {row.get('name', '?')!r} lacks the key {error}") from None
            if habit.name not in _MEASURES:
                raise ContentError(f"typing.toml: habit {habit.name!r} has no measure; known are {', '.join(_MEASURES)}")
            if not set(habit.needs) <= set(LOSSES):
                raise ContentError(f"typing.toml: {habit.name!r} needs {', '.join(habit.needs)}; expected of {', '.join(LOSSES)}")
            found.append(habit)
        return cls(int(table["version"]), tuple(found), table["lexicon"])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the habits in column order."""
        return tuple(habit.name for habit in self.habits)

    def usable(self, losses: Sequence[str]) -> tuple[str, ...]:
        """The habits that are measurable in text without case or punctuation (``losses``), in column order."""
        return tuple(habit.name for habit in self.habits if not set(habit.needs).intersection(losses))

    @cached_property
    def patterns(self) -> Habits:
        """The compiled patterns of these lexicons."""
        return Habits(self.lexicon)

    def measure(self, dialogues: Sequence[Sequence[str]]) -> Fingerprints:
        """Measure the user turns of each dialogue: ``values[n, k]``, four significant digits, NaN without an occasion.

        Args:
            dialogues: the user turns of each dialogue in order; blank ones do not count, and a dialogue without any gives NaN.
        """
        text = Lines(self.patterns, dialogues)
        columns = [_share(*_MEASURES[name](text)) for name in self.names]
        return Fingerprints(self.names, np.column_stack(columns) if columns else np.empty((len(dialogues), 0)))


def _share(shown: Floats, occasions: Floats) -> Floats:
    """Rounded quotient of counts, NaN where there are no occasions."""
    found = np.full(len(occasions), np.nan)
    np.divide(shown, occasions, out=found, where=occasions > 0)
    known = occasions > 0
    found[known] = rounded(found[known])
    return found


Counts = tuple[Floats, Floats]


class Lines:
    """The turns of many dialogues as one text, with counts of matches by dialogue. Each line of a turn counts as a turn."""

    def __init__(self, patterns: Habits, dialogues: Sequence[Sequence[str]]) -> None:
        self.patterns, self.size = patterns, len(dialogues)
        said = ((number, line) for number, turns in enumerate(dialogues) for turn in turns for line in turn.splitlines())
        owned = [(number, veiled) for number, line in said if (veiled := patterns.veil(line))]
        self.owner = np.array([number for number, _ in owned], dtype=int)
        self.text = "\n".join(line for _, line in owned)
        self.starts = np.array([0, *accumulate(len(line) + 1 for _, line in owned)], dtype=int)

    def lines_of(self, found: Sequence[int]) -> Any:
        """Index of the line that holds each position."""
        return np.searchsorted(self.starts, np.asarray(found, dtype=int), side="right") - 1

    def count(self, lines: Any) -> Floats:
        """Number of these lines in each dialogue."""
        return np.bincount(self.owner[lines], minlength=self.size).astype(float)

    def by_turn(self, pattern: re.Pattern[str]) -> Counts:
        """Number of turns in which the pattern occurs, and of all turns."""
        seen = np.unique(self.lines_of([match.start() for match in pattern.finditer(self.text)]))
        return self.count(seen), self.count(slice(None))

    def by_match(self, pattern: re.Pattern[str], shown: Callable[[re.Match[str]], bool | None]) -> Counts:
        """Number of matches for which ``shown`` is true, and of all matches for which it is not None."""
        found = [(match.start(), one) for match in pattern.finditer(self.text) if (one := shown(match)) is not None]
        yes = self.lines_of([start for start, one in found if one])
        return self.count(yes), self.count(self.lines_of([start for start, _ in found]))

    @cached_property
    def ends(self) -> tuple[Any, Any, Any]:
        """Turns that end in a word (and marks): their indices, kinds of ending, and whether they are phrased as questions."""
        found = [(match.start(), ending(match["mark"])) for match in self.patterns.end.finditer(self.text)]
        lines, first = np.unique(self.lines_of([start for start, _ in found]), return_index=True)
        asked = self.lines_of([match.end("tail") for match in self.patterns.question.finditer(self.text)])
        return lines, np.array([kind for _, kind in found], dtype=int)[first], np.isin(lines, asked)

    def of_ends(self, shown: int, among: Sequence[int], *, question: bool) -> Counts:
        """Number of turns with the ending ``shown``, and with one of ``among``; of questions or of all other turns."""
        lines, kinds, asked = self.ends
        occasions = np.isin(kinds, among) & (asked if question else ~asked)
        return self.count(lines[occasions & (kinds == shown)]), self.count(lines[occasions])


def ending(mark: str) -> int:
    """The kind of ending of these closing marks."""
    if "?" in mark:
        return QUESTION
    if "!" in mark:
        return EXCLAMATION
    if "\u2026" in mark or len(mark) > 1:
        return ELLIPSIS
    return STOP if mark else NOTHING


def begins_lower(word: str) -> bool | None:
    """Whether an initial word is in lower case; None for I and its contractions, words in capitals, and scripts without case."""
    if word[:1] in "Ii" and word[1:].replace("\u2019", "").replace("'", "").lower() in {"", "m", "ve", "ll", "d"}:
        return None
    return None if any(map(str.isupper, word[1:])) else is_lower(word[:1])


def _word_length(text: Lines) -> Counts:
    """Letters and number of the words that no habit respells."""
    touched = text.patterns.touched | text.patterns.faces_read
    found = [match for match in text.patterns.letters.finditer(text.text) if match.group().lower() not in touched]
    lines = text.lines_of([match.start() for match in found])
    letters = np.zeros(text.size)
    np.add.at(letters, text.owner[lines], [len(match.group()) for match in found])
    return letters, text.count(lines)


_MEASURES: Mapping[str, Callable[[Lines], Counts]] = {
    "lower_start": lambda text: text.by_match(text.patterns.first, lambda found: begins_lower(found["word"])),
    "lower_sentence": lambda text: text.by_match(text.patterns.sentence, lambda found: begins_lower(found["word"])),
    "lower_i": lambda text: text.by_match(text.patterns.i, lambda found: found.group()[0] == "i"),
    "full_stop": lambda text: text.of_ends(STOP, (NOTHING, STOP), question=False),
    "exclamation": lambda text: text.of_ends(EXCLAMATION, (NOTHING, STOP, EXCLAMATION), question=False),
    "question_mark": lambda text: text.of_ends(QUESTION, range(5), question=True),
    "ellipses": lambda text: text.by_turn(text.patterns.ellipsis),
    "smileys": lambda text: text.by_turn(text.patterns.smileys),
    "laughter": lambda text: text.by_turn(text.patterns.laughter),
    "no_apostrophe": lambda text: text.by_match(text.patterns.apostrophe, lambda found: not {"'", "\u2019"}.intersection(found.group())),
    "contractions": lambda text: text.by_match(text.patterns.contraction, lambda found: bool(found["short"])),
    "commas": lambda text: text.by_match(text.patterns.comma, lambda found: None if found["other"] else "," in found.group()),
    "quotes": lambda text: text.by_turn(text.patterns.quotes),
    "dashes": lambda text: text.by_turn(text.patterns.dashes),
    "brackets": lambda text: text.by_turn(text.patterns.brackets),
    "abbreviations": lambda text: text.by_match(text.patterns.abbreviation, lambda found: bool(found["short"])),
    "casual_yes": lambda text: text.by_match(text.patterns.yes, lambda found: bool(found["casual_yes"] or found["casual_no"])),
    "short_ok": lambda text: text.by_match(text.patterns.okay, lambda found: found.group().lower() in text.patterns.lexicon["ok"]),
    "first_words": lambda text: text.by_turn(text.patterns.first_word),
    "capitals": lambda text: text.by_match(text.patterns.inner, lambda found: found.group()[0].isupper()),
    "digits": lambda text: text.by_match(text.patterns.numbers, lambda found: len(found.group()) == 1),
    "word_length": _word_length,
    "double_space": lambda text: text.by_match(text.patterns.sentence, lambda found: len(found["gap"]) > 1),
    "space_before_mark": lambda text: text.by_match(text.patterns.marks, lambda found: bool(found["gap"])),
}
