"""Enumerations: plain, integer, string valued and flags."""

from enum import Enum, Flag, IntEnum, auto, unique

AXES = [{"name": "polite", "low": "No courtesies.", "high": "Say please and thank you.", "dials": {"politeness_rate": [0, 0.6]}}]


@unique
class Mood(Enum):
    CALM = "calm"
    RUSHED = "in a rush"
    CROSS = "cross"

    @property
    def politeness(self):
        return {Mood.CALM: 0.9, Mood.RUSHED: 0.4, Mood.CROSS: 0.05}[self]


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


class Habit(Flag):
    EMOJI = auto()
    TYPOS = auto()
    SLANG = auto()


def habits(rng):
    chosen = Habit(0)
    for habit in (Habit.EMOJI, Habit.TYPOS, Habit.SLANG):
        if rng.random() < 0.3:
            chosen |= habit
    return chosen


def generate(task, n, rng, model=None):
    moods = list(Mood)
    out = []
    for i in range(n):
        mood, size, habit = moods[i % len(moods)], rng.choice(list(Size)), habits(rng)
        extra = ", makes typos" if Habit.TYPOS in habit else ""
        out.append({"description": f"Someone {mood.value}{extra}; household size {size.value}.", "behaviors": {"polite": mood.politeness}})
    return out
