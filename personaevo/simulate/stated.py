"""Finds in free text: numbers, a fact's value, the goal, and the content that a turn was planned to have."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from personaevo import definitions
from personaevo.measure.fingerprint import COMPUTED, words_of
from personaevo.simulate.facts import has_digit, mentions
from personaevo.simulate.plans import Realization, TurnPlan

_DRESSED = re.compile(r"(?<=\d),(?=\d{3}(?!\d))|(?<=\d)\.0+(?!\d)")
_PIECE = re.compile(r"[^\W_]+")
_UNIT = re.compile(r"(?<=\d)(?:st|nd|rd|th|am|pm)$")
_STEM = 5  # letters by which words are compared: "change" and "changing", "canceled" and "cancelled"
_MOST_OF_A_FACT = 2 / 3
_SHORTEST_CODE = 4
_FUNCTION_WORDS = frozenset(
    "a about all am an and any are around as at be been but by can do for from get give had has have her his how i if in into is it its "
    "just me more most my no not of off on or our out over she he so some than that the their them then there these they this those to "
    "up us was we were what when which who will with would you your".split()
)


def spoken_numbers(text: str) -> set[str]:
    """The numbers and codes of free text in normal form: "the 14th" is 14, "$1,200.00" is 1200, and "555-0142" is 555 and 0142."""
    bare = _DRESSED.sub("", text.lower())
    return {_UNIT.sub("", word) for word in _PIECE.findall(bare) if has_digit(word)}


def states(text: str, value: str) -> bool:
    """Whether the text gives a fact's value: verbatim, as the same code with other gaps, or all its numbers with two thirds of its other
    words (function words do not count, and words are compared by their first five letters)."""
    if mentions(text.lower(), value):
        return True
    numbers, words = spoken_numbers(value), _stems(value)
    code, letters = ("".join(filter(str.isalnum, one.lower())) for one in (value, text))
    if numbers and len(code) >= _SHORTEST_CODE and code in letters:
        return True
    if not numbers <= spoken_numbers(text):
        return False
    found = len(words & _stems(text))
    return found >= _MOST_OF_A_FACT * len(words) if words else bool(numbers)


class GoalTracker:
    """Tracks over turns whether a goal has been said: more than half of its content words were."""

    def __init__(self, goal: str) -> None:
        self.words = _stems(goal) | spoken_numbers(goal)
        self.missing = set(self.words)

    def after(self, text: str) -> bool:
        """Whether the goal has been said, after this text too."""
        self.missing -= _stems(text) | spoken_numbers(text)
        return 2 * len(self.missing) < len(self.words) or not self.words


def _stems(text: str) -> set[str]:
    """The first letters of the text's content words; words with a digit are numbers or codes and do not count."""
    words = words_of([text])[0]
    return {word[:_STEM] for word in words if word not in _FUNCTION_WORDS and not any(map(str.isdigit, word))}


def realization_of(
    text: str, plan: TurnPlan, draft: Realization, facts: Mapping[str, str], goal: bool, broke: Sequence[str] = ()
) -> Realization:
    """The parts of the plan that the text realizes. ``draft`` has what the templates could not show, ``facts`` are the task's, ``goal``:
    the goal has been said."""
    given = tuple(name for name, value in facts.items() if states(text, value))
    given += tuple(move.name for move in plan.moves if move.name and move.name not in given and states(text, move.value))
    shown = {*definitions.features().shown(text), *COMPUTED, *draft.unshown}
    unshown = tuple(name for name in plan.shows if name not in shown)
    return Realization(text, len(words_of([text])[0]), given, goal, (*draft.unshown, *unshown), tuple(broke))
