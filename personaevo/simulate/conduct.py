"""Calibrates a simulated user: how closely a model follows dials and plans, and whether correcting the requests brings it closer.

    choose the wording    a few dialogues with each, on the same dials
    fit                   dialogues over the space of dials: a line of shown against asked values for each behavior
    check                 other dials and tasks: each dialogue without and with the inverse of the lines, from the same seed
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np

from personaevo import definitions
from personaevo.measure.fingerprint import words_of
from personaevo.measure.rates import rate_interval
from personaevo.measure.stats import bootstrap_weights
from personaevo.records import Episode, Floats
from personaevo.simulate.checks import AS_AGENT, GRAVE

Interval = tuple[float, float, float]  # the mean, and its 95 % interval
_TAILS = (0.025, 0.975)


@dataclass(frozen=True, slots=True)
class Adherence:
    """Adherence in completed dialogues; all intervals are over dialogues.

    ``broke``, ``grave``, ``invented``, ``leaked`` and ``agent`` are shares of the user's turns: those that broke their plan in any point or
    in a grave one, invented a number, told a fact that was not due, or spoke as the agent. ``points`` has the share of turns for every
    point that was broken. ``confused`` is the rate of turns that sound like the agent minus the asked rate (the behavior
    ``identity_confusion_rate``). ``ends`` is the share of dialogues that end before the turn limit, ``words`` are words per turn.
    """

    completed: int
    planned: int
    turns: int
    broke: Interval
    grave: Interval
    invented: Interval
    leaked: Interval
    agent: Interval
    points: Mapping[str, float]
    confused: Interval
    preservation: Interval
    ends: Interval
    words: Interval


def conduct(episodes: Sequence[Episode], asked: Sequence[Mapping[str, float]]) -> Adherence:
    """The adherence in measured episodes, at least one of them completed; ``asked`` has the dials of each."""
    pairs = [(one, dials) for one, dials in zip(episodes, asked, strict=True) if one.state == "completed"]
    done = [one for one, _ in pairs]
    owners, broken = _turns(done)
    texts = [words_of([text for role, text in one.turns if role == "user"]) for one in done]
    words, turns = ([float(size(one)) for one in texts] for size in (lambda one: sum(map(len, one)), len))
    ones, place = np.ones(len(done)), definitions.features().names.index(AS_AGENT)
    confused = [one.fingerprint[place] - dials.get(AS_AGENT, 0.0) for one, dials in pairs]

    def share(kinds: AbstractSet[str]) -> Interval:
        return rate_interval([bool(points & kinds) for points in broken], owners)

    kinds = sorted({kind for points in broken for kind in points})
    return Adherence(
        completed=len(done), planned=len(episodes), turns=len(broken), broke=share(set(kinds)), grave=share(GRAVE),
        invented=share({"invented"}), leaked=share({"leak"}), agent=share({"agent"}), points={kind: share({kind})[0] for kind in kinds},
        confused=ratio(np.array(confused), ones), preservation=ratio(np.array([one.preservation for one in done]), ones),
        ends=rate_interval([one.outcome != "turn_limit" for one in done], [str(number) for number in range(len(done))]),
        words=ratio(np.array(words), np.array(turns)),
    )  # fmt: skip


def _turns(done: Sequence[Episode]) -> tuple[list[str], list[frozenset[str]]]:
    """For every turn of the users: the number of its dialogue, and the points in which it broke its plan."""
    owners, broken = [], []
    for number, one in enumerate(done):
        points = {turn: frozenset(kinds) for turn, kinds in one.broke}
        count = sum(role == "user" for role, _ in one.turns)
        owners += [str(number)] * count
        broken += [points.get(turn, frozenset()) for turn in range(1, count + 1)]
    return owners, broken


def ratio(above: Floats, below: Floats) -> Interval:
    """The sum of ``above[n]`` over that of ``below[n]`` with its percentile bootstrap interval over the n dialogues."""
    mean = float(above.sum() / below.sum())
    if len(above) < 2:
        return mean, mean, mean
    weights = bootstrap_weights(len(above))
    low, high = np.quantile((weights @ above) / (weights @ below), _TAILS)
    return mean, float(low), float(high)
