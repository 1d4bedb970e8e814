"""Dynamics of the user turns of a dialogue that the fingerprint omits: course, order, and words shared with other dialogues.

The search never uses these features; the auditor does. They are measured on the words of ``fingerprint.words_of`` (no case or
punctuation), so that corpora with and without both compare. Turns without a word do not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from personaevo.errors import InputError
from personaevo.measure.fingerprint import SHORT_TURN_WORDS, FeatureSet, rounded, words_of
from personaevo.measure.stats import gammaln
from personaevo.records import Floats

OTHERS = 90
NAMES = (
    "user_turns",
    "length_slope",
    "length_lag1",
    "length_spread",
    "last_words",
    "last_third",
    "longest_at",
    "opens_short",
    "polite_late",
    "ack_late",
    "asks_late",
    "ack_alike",
    "shared_runs",
    "shared_turns",
)
_RUN = 4
_LATE = {
    "polite_late": ("politeness_rate",),
    "ack_late": ("ack_only_rate",),
    "asks_late": ("info_seeking_rate", "clarification_rate"),
}


def measure(dialogues: Sequence[Sequence[str]], features: FeatureSet, owners: Sequence[str] | None = None, others: int = OTHERS) -> Floats:
    """Measure the user turns of each dialogue: ``[n, len(NAMES)]``, always finite, with four significant digits.

    ================  =======================================================================================================
    user_turns        turns, 1..
    length_slope      slope of ln(words) over the dialogue: least squares on the position 0 (first turn) .. 1 (last); ln units
                      a dialogue; 0 for one turn
    length_lag1       correlation of ln(words) with that of the next turn, -1..1; 0 where it is not defined
    length_spread     standard deviation of ln(words) over the turns, 0..
    last_words        words of the last turn, 1..
    last_third        share of all words in the last third of the turns (the middle of the turn lies beyond 2/3), 0..1
    longest_at        position of the longest turn (the first of equals), 0..1; 0 for one turn
    opens_short       1 if the first turn has at most three words (a bare greeting, say), else 0
    polite_late       share of the turns with politeness that lie in the second half, 0..1 (a turn in the middle counts half);
                      .5 where there is none, as for a behavior without a preferred time
    ack_late          the same of turns that are acknowledgement only
    asks_late         the same of turns that seek information or clarification
    ack_alike         share of neighboring turns that are both acknowledgement only or both not, 0..1; 1 for one turn
    shared_runs       share of the dialogue's different runs of four words (inside a turn) that occur in one of ``others`` other
                      dialogues, 0..1; 0 where no turn has four words
    shared_turns      share of the turns that occur word for word in one of those, 0..1
    ================  =======================================================================================================

    Args:
        features: feature set with the lexicons of politeness, acknowledgement and asking.
        owners: the person of each dialogue, ``[n]``; dialogues of one person are not compared with each other (default: all differ).
        others: number of dialogues to compare with. It is fixed because the share of common words grows with it; the figures are the
            exact expectation over all choices of that many dialogues (hypergeometric). If there are fewer, all are used and the figures
            are too low.

    Raises:
        InputError: a dialogue has no user turn with a word in it.
    """
    if not dialogues:
        return np.empty((0, len(NAMES)))
    words = words_of([text for dialogue in dialogues for text in dialogue])
    owner = np.repeat(np.arange(len(dialogues)), [len(dialogue) for dialogue in dialogues])
    owner = owner[np.array([bool(turn) for turn in words], dtype=bool)]
    turns = [turn for turn in words if turn]
    counts = np.bincount(owner, minlength=len(dialogues))
    if not counts.all():
        raise InputError(f"dialogue {int(np.argmin(counts))} (counted from 0) has no user turn with a word in it: leave it out")
    who = np.unique(np.asarray(owners), return_inverse=True)[1] if owners is not None else np.arange(len(dialogues))
    columns = {
        **_lengths(turns, owner, counts),
        **_order(turns, owner, counts, features),
        "shared_runs": _shared(*_runs(turns, owner), who, others),
        "shared_turns": _shared(owner, _same([tuple(turn) for turn in turns]), who, others),
    }
    return rounded(np.column_stack([columns[name] for name in NAMES]))


def _lengths(turns: list[list[str]], owner: Any, counts: Any) -> dict[str, Floats]:
    """Columns computed from the numbers of words per turn."""
    n = len(counts)
    first = np.cumsum(counts) - counts
    length = np.array([len(turn) for turn in turns], dtype=float)
    log = np.log(length)
    step = np.arange(len(turns)) - first[owner]
    position = step / np.maximum(counts - 1, 1)[owner]
    level, middle = _means(log, owner, counts), _means(position, owner, counts)
    log_off, off = log - level[owner], position - middle[owner]
    longest = np.lexsort((step, -length, owner))[first]
    late = length * ((step + 0.5) / counts[owner] > 2 / 3)
    return {
        "user_turns": counts.astype(float),
        "length_slope": _quotient(np.bincount(owner, off * log_off, n), np.bincount(owner, off**2, n)),
        "length_lag1": _lag1(log, owner, n),
        "length_spread": np.sqrt(_means(log_off**2, owner, counts)),
        "last_words": length[first + counts - 1],
        "last_third": np.bincount(owner, late, n) / np.bincount(owner, length, n),
        "longest_at": position[longest],
        "opens_short": (length[first] <= SHORT_TURN_WORDS).astype(float),
    }


def _order(turns: list[list[str]], owner: Any, counts: Any, features: FeatureSet) -> dict[str, Floats]:
    """Columns computed from the turns in which behaviors show; each turn is measured as a dialogue of its own."""
    by_turn = features.measure([[" ".join(turn)] for turn in turns]).values
    shown = {name: by_turn[:, index] for index, name in enumerate(features.names)}
    n = len(counts)
    step = np.arange(len(turns)) - (np.cumsum(counts) - counts)[owner]
    middle = (step + 0.5) / counts[owner]  # midpoint of each turn in its dialogue, 0..1
    late = (np.sign(np.round(middle - 0.5, 9)) + 1) / 2
    columns = {}
    for name, behaviors in _LATE.items():
        shows = np.maximum.reduce([shown[behavior] for behavior in behaviors])
        columns[name] = _quotient(np.bincount(owner, shows * late, n), np.bincount(owner, shows, n), 0.5)
    ack = shown["ack_only_rate"]
    pairs = owner[1:] == owner[:-1]
    alike = np.bincount(owner[1:][pairs], (ack[1:] == ack[:-1])[pairs], n)
    columns["ack_alike"] = _quotient(alike, counts - 1.0, 1.0)
    return columns


def _means(values: Floats, owner: Any, counts: Any) -> Floats:
    return np.asarray(np.bincount(owner, values, len(counts)) / counts)


def _quotient(above: Any, below: Any, otherwise: float = 0.0) -> Floats:
    """``above / below``, and ``otherwise`` where ``below`` is 0."""
    quotient: Floats = np.divide(above, below, out=np.full(len(below), otherwise), where=below > 1e-12)
    return quotient


def _lag1(log: Floats, owner: Any, n: int) -> Floats:
    """Correlation of each turn's ``log`` value with the next turn's, per dialogue."""
    pairs = owner[1:] == owner[:-1]
    who, x, y = owner[1:][pairs], log[:-1][pairs], log[1:][pairs]
    count = np.maximum(np.bincount(who, minlength=n), 1)
    x, y = x - _means(x, who, count)[who], y - _means(y, who, count)[who]
    xx, yy, xy = (np.bincount(who, part, n) for part in (x * x, y * y, x * y))
    r = _quotient(xy, np.sqrt(np.where((xx > 1e-12) & (yy > 1e-12), xx * yy, 0.0)))
    return np.asarray(np.clip(r, -1.0, 1.0))


def _same(items: Sequence[Any]) -> Any:
    """Integer codes of the items; equal items have equal codes."""
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(item, len(numbers)) for item in items], dtype=np.int64)


def _runs(turns: list[list[str]], owner: Any) -> tuple[Any, Any]:
    """Distinct runs of four words of each dialogue: dialogue index and integer code of the run, ``[m]`` each."""
    words = _same(list(chain.from_iterable(turns)))
    turn = np.repeat(np.arange(len(turns)), [len(words) for words in turns])
    if len(words) < _RUN:
        return np.zeros(0, int), np.zeros(0, int)
    pairs = np.unique(words[:-1] * (int(words.max()) + 1) + words[1:], return_inverse=True)[1]
    fours = pairs[:-2] * (int(pairs.max()) + 1) + pairs[2:]
    inside = turn[: 1 - _RUN] == turn[_RUN - 1 :]
    fours = np.unique(fours[inside], return_inverse=True)[1].astype(np.int64)
    both = np.unique(owner[turn[: 1 - _RUN][inside]] * (len(fours) + 1) + fours)
    return both // (len(fours) + 1), both % (len(fours) + 1)


def _shared(dialogue: Any, item: Any, who: Any, others: int) -> Floats:
    """Expected share of each dialogue's items that occur in ``others`` dialogues of other people."""
    n = len(who)
    if not len(item):
        return np.zeros(n)
    size = int(item.max()) + 1
    holds = np.unique(dialogue * size + item)
    held = np.bincount(holds % size, minlength=size)  # dialogues that hold the item
    own, own_held = np.unique(who[holds // size] * size + holds % size, return_counts=True)
    elsewhere = held[item] - own_held[np.searchsorted(own, who[dialogue] * size + item)]
    available = (n - np.bincount(who)[who])[dialogue]
    return _quotient(np.bincount(dialogue, _chance(elsewhere, available, others), n), np.bincount(dialogue, minlength=n))


def _chance(marked: Any, of: Any, drawn: int) -> Floats:
    """Probability that at least one of ``drawn`` dialogues out of ``of`` is among the ``marked`` ones (hypergeometric)."""
    drawn = np.minimum(drawn, of)
    free = of - marked - drawn
    spared = gammaln(of - marked + 1.0) - gammaln(np.maximum(free, 0) + 1.0) - gammaln(of + 1.0) + gammaln(of - drawn + 1.0)
    return np.asarray(np.where(marked == 0, 0.0, np.where(free < 0, 1.0, -np.expm1(spared))))
