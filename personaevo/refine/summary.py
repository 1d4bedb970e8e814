"""What a refinement of many people came to: the refined profile beside each control, with intervals over people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import numpy as np

from personaevo.measure.paired import bootstrap_interval, unit_means
from personaevo.refine.compare import Change, change, share_worse
from personaevo.refine.controls import CURVE
from personaevo.refine.peers import Key
from personaevo.refine.result import Outcome, PersonResult

CONTROLS = (
    "population", "shrinkage", "start", "other", "shuffled", "constant", "average", "crowd", "own", "rewrite", "padding", "truth",
)  # fmt: skip
REFINED = "refined"
Others = Mapping[Key, Mapping[str, Outcome]]


@dataclass(frozen=True)
class Interval:
    """A mean over ``n`` people with its interval (95 %); None where there are none, or too few."""

    mean: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Row:
    """The refined profiles beside one control: ``change`` is from the control to the refined profile (a positive ``gain``: refined is
    better), ``worse`` the share of results for which refined is worse, ``leak`` the control's mean leak score. Without a change, ``reason``
    says why."""

    control: str
    change: Change | None
    worse: float | None
    leak: float | None
    reason: str = ""


@dataclass(frozen=True)
class Standing:
    """One row of the table beside the population: the ``change`` from the population to it (a positive ``gain``: nearer to the person), the
    share of results for which it is ``worse`` than the population, the gain as a share of the ``room`` between the population (0) and the
    person's own other dialogues (1), and the mean share of other people who are told apart (``recognized``; ``nearer``: by distance
    alone)."""

    name: str
    change: Change
    worse: float | None
    room: Interval
    recognized: Interval
    nearer: float | None


@dataclass(frozen=True)
class Point:
    """What shrinkage alone comes to from so many ``items`` of each person who has that many."""

    items: int
    gain: Interval
    room: Interval
    recognized: Interval


@dataclass(frozen=True)
class Summary:
    """``people`` counts results, ``held_out`` those scored on what they were not made from: rows are over these, or, where there are none,
    over all (``in_sample``). ``re_identification`` is the mean share (0..1) of other people whose held-out dialogue the refined profile
    fits less than its own person's (``recognition``); .5 is chance. ``share_of_room`` is what the refined gain of what the person's own
    other dialogues gain over the population. ``unchanged`` profiles are those that equal the population's. ``rank`` is the
    re-identification of refined and population by distance from the mean alone."""

    measure: str
    higher: bool
    people: int
    failed: int
    held_out: int
    in_sample: bool
    re_identification: Interval
    share_of_room: Interval
    updated: float | None
    updated_worse: float | None
    unchanged: float | None
    leak: float | None
    rank: tuple[float | None, float | None]
    stops: Mapping[str, int]
    standings: tuple[Standing, ...]
    rows: tuple[Row, ...]
    curve: tuple[Point, ...]
    beside: Mapping[str, tuple[float, float] | None]
    features: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for ``--json``."""
        return asdict(self)


def summarize(results: Sequence[PersonResult], other: Others) -> Summary:
    """The report on all results of one measure: that of most of them. ``other`` is what others' profiles score (``peers.others``)."""
    done = [one for one in results if one.state == "done"]
    measure = Counter(one.measure for one in done).most_common(1)[0][0] if done else ""
    same = [one for one in done if one.measure == measure]
    held = [one for one in same if not one.in_sample]
    shown = held or same
    leaks = [leak for one in shown if (leak := one.outcomes[REFINED].leak) is not None]
    standings = _standings(shown, other)
    refined = next((one for one in standings if one.name == REFINED), None)
    return Summary(
        measure=measure,
        higher=bool(same and same[0].higher),
        people=len(results),
        failed=len(results) - len(done),
        held_out=len(held),
        in_sample=bool(same) and not held,
        re_identification=_recognized(shown, REFINED, other),
        share_of_room=refined.room if refined is not None else _NONE,
        updated=fmean(one.accepted > 0 for one in shown) if shown else None,
        updated_worse=_updated_worse(shown),
        unchanged=_unchanged(shown),
        leak=fmean(leaks) if leaks else None,
        rank=(_nearer(shown, REFINED, other), _nearer(shown, "population", other)),
        stops=dict(Counter(one.stop for one in done)),
        standings=standings,
        rows=tuple(_row(name, shown, other) for name in CONTROLS),
        curve=tuple(point for count in CURVE if (point := _point(count, shown)) is not None),
        beside=_beside(shown),
        features=next((one.features for one in same), ""),
    )


_NONE = Interval(None, None, None, 0)


def _outcome(one: PersonResult, name: str, other: Others) -> Outcome | None:
    return one.outcomes.get(name) or other.get(one.key, {}).get(name)


def _values(results: Sequence[PersonResult], name: str, other: Others) -> list[float | None]:
    found = [_outcome(one, name, other) for one in results]
    return [outcome.value if outcome is not None else None for outcome in found]


def _people(results: Sequence[PersonResult]) -> list[str]:
    return [one.person for one in results]


# --- beside the population


def _standings(results: Sequence[PersonResult], other: Others) -> tuple[Standing, ...]:
    """The refined and each control that has a score, beside the population; nothing where the population has none."""
    population = _values(results, "population", other)
    if not any(value is not None for value in population):
        return ()
    own, people, higher = _values(results, "own", other), _people(results), results[0].higher
    made = []
    for name in (REFINED, *CONTROLS):
        values = _values(results, name, other)
        if any(value is not None for value in values):
            found = change(name, population, values, higher_is_better=higher, units=people)
            room = _room(population, values, own, people, higher=higher)
            worse = share_worse(population, values, higher_is_better=higher)
            made.append(Standing(name, found, worse, room, _recognized(results, name, other), _nearer(results, name, other)))
    return tuple(made)


def _room(
    population: Sequence[float | None], values: Sequence[float | None], own: Sequence[float | None], people: Sequence[str], *, higher: bool
) -> Interval:
    """Mean gain over mean room, people drawn as a whole."""
    rows = [(b, v, o, name) for b, v, o, name in zip(population, values, own, people, strict=True) if None not in (b, v, o)]
    if not rows:
        return _NONE
    sign, names = (1.0 if higher else -1.0), [name for *_, name in rows]
    table = np.array([(b, v, o) for b, v, o, _ in rows], dtype=float) * sign
    gains, rooms = unit_means(list(table[:, 1] - table[:, 0]), names), unit_means(list(table[:, 2] - table[:, 0]), names)
    mean = float(gains.mean() / rooms.mean()) if rooms.mean() > 0 else None
    if mean is None or len(gains) < 2:
        return Interval(mean, None, None, len(gains))
    half = bootstrap_interval(gains - mean * rooms, 0)  # of a ratio: where what is left of the gain may be 0 (Fieller)
    return Interval(mean, mean + half[0] / float(rooms.mean()), mean + half[1] / float(rooms.mean()), len(gains))


def _over_people(values: Sequence[float | None], people: Sequence[str]) -> Interval:
    pairs = [(value, name) for value, name in zip(values, people, strict=True) if value is not None]
    if not pairs:
        return _NONE
    means = unit_means([value for value, _ in pairs], [name for _, name in pairs])
    low, high = bootstrap_interval(means) if len(means) > 1 else (None, None)
    return Interval(float(means.mean()), low, high, len(means))


def _recognized(results: Sequence[PersonResult], name: str, other: Others) -> Interval:
    found = [_outcome(one, name, other) for one in results]
    return _over_people([outcome.recognized if outcome is not None else None for outcome in found], _people(results))


def _nearer(results: Sequence[PersonResult], name: str, other: Others) -> float | None:
    found = [_outcome(one, name, other) for one in results]
    return _over_people([outcome.nearer if outcome is not None else None for outcome in found], _people(results)).mean


def _point(count: int, results: Sequence[PersonResult]) -> Point | None:
    """Over those who have so many items."""
    pairs = [(one, step) for one in results for step in one.curve if step.items == count]
    if not pairs:
        return None
    some, values = [one for one, _ in pairs], [step.value for _, step in pairs]
    population, own, people = _values(some, "population", {}), _values(some, "own", {}), _people(some)
    higher = some[0].higher
    gain = change(str(count), population, values, higher_is_better=higher, units=people)
    room = _room(population, values, own, people, higher=higher)
    recognized = _over_people([step.recognized for _, step in pairs], people)
    return Point(count, Interval(gain.gain, gain.low, gain.high, gain.n), room, recognized)


# --- beside each control


def _updated_worse(results: Sequence[PersonResult]) -> float | None:
    """Of those that were updated, the share whose update made it worse: of all people, most that did not get worse did not change."""
    pairs = [(one.outcomes["start"].value, one.outcomes[REFINED].value, one.higher) for one in results if one.accepted]
    known = [(before, after, higher) for before, after, higher in pairs if before is not None and after is not None]
    return fmean((after < before) == higher and after != before for before, after, higher in known) if known else None


def _unchanged(results: Sequence[PersonResult]) -> float | None:
    """The share of profiles that equal the population's; None where there is none of the population."""
    pairs = [(one.profile, one.outcomes["population"].profile) for one in results if "population" in one.outcomes]
    return fmean(refined == population for refined, population in pairs) if pairs else None


def _row(name: str, results: Sequence[PersonResult], other: Others) -> Row:
    controls = [_outcome(one, name, other) for one in results]
    before, after = _values(results, name, other), _values(results, REFINED, other)
    leaks = [control.leak for control in controls if control is not None and control.leak is not None]
    if not any(value is not None for value in before):
        reasons = Counter(control.reason for control in controls if control is not None and control.reason)
        return Row(name, None, None, None, reasons.most_common(1)[0][0] if reasons else "not measured")
    higher = results[0].higher
    found = change(name, before, after, higher_is_better=higher, units=_people(results))
    return Row(name, found, share_worse(before, after, higher_is_better=higher), fmean(leaks) if leaks else None)


def _beside(results: Sequence[PersonResult]) -> dict[str, tuple[float, float] | None]:
    """Means at the start and refined of the other measures, over the people that have both; None where nobody has."""
    names = sorted({name for one in results for name in one.outcomes[REFINED].beside})
    found: dict[str, tuple[float, float] | None] = {}
    for name in names:
        pairs = [(one.outcomes["start"].beside.get(name), one.outcomes[REFINED].beside.get(name)) for one in results]
        known = [(before, after) for before, after in pairs if before is not None and after is not None]
        found[name] = (fmean(before for before, _ in known), fmean(after for _, after in known)) if known else None
    return found
