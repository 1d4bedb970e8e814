"""Summary of a refinement of many people: refined profiles against each control, with confidence intervals over people; and its report."""

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
    """A mean over ``n`` people with its 95 % interval; None if there are none, or too few."""

    mean: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Row:
    """The refined profiles against one control.

    Attributes:
        change: from the control to the refined profile (positive ``gain``: refined is better); None, with the ``reason``, without scores.
        worse: share of results in which refined is worse.
        leak: the control's mean leak score.
    """

    control: str
    change: Change | None
    worse: float | None
    leak: float | None
    reason: str = ""


@dataclass(frozen=True)
class Standing:
    """The refined profiles or one control against the population.

    Attributes:
        change: from the population to it (positive ``gain``: closer to the person).
        worse: share of results in which it is worse than the population.
        room: its gain as a share of the gain of the person's own other dialogues over the population (0: population, 1: own dialogues).
        recognized: mean share of other people told apart.
        nearer: the same by distance alone.
    """

    name: str
    change: Change
    worse: float | None
    room: Interval
    recognized: Interval
    nearer: float | None


@dataclass(frozen=True)
class CurvePoint:
    """Shrinkage alone from ``items`` items, over the people with so many."""

    items: int
    gain: Interval
    room: Interval
    recognized: Interval


@dataclass(frozen=True)
class Summary:
    """Summary of all results of one measure.

    Attributes:
        people: number of results.
        held_out: results scored on held-out items; tables are over these, or over all if there are none (``in_sample``).
        re_identification: mean share (0..1) of other people whose held-out dialogue the refined profile fits less than its own person's
            (``Lineup``); .5 is chance.
        share_of_room: gain of the refined profiles as a share of that of the person's own other dialogues, over the population.
        updated, updated_worse: share of people with an accepted update, and of these the share that it made worse.
        unchanged: share of profiles that equal the population's.
        rank: re-identification by distance alone, of the refined profiles and the population's.
        beside: secondary measures, mean at the start and refined.
    """

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
    rank: tuple[float | None, ...]
    stops: Mapping[str, int]
    standings: tuple[Standing, ...]
    rows: tuple[Row, ...]
    curve: tuple[CurvePoint, ...]
    beside: Mapping[str, tuple[float, float] | None]
    features: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        return asdict(self)


def summarize(results: Sequence[PersonResult], other: Others) -> Summary:
    """Summarize the results of the most common measure; ``other`` are the outcomes of other people's profiles (``peer_outcomes``)."""
    done = [one for one in results if one.state == "done"]
    measure = Counter(one.measure for one in done).most_common(1)[0][0] if done else ""
    same = [one for one in done if one.measure == measure]
    held = [one for one in same if not one.in_sample]
    shown = held or same
    leaks = [leak for one in shown if (leak := one.outcomes[REFINED].leak) is not None]
    pairs = [(one.profile, one.outcomes["population"].profile) for one in shown if "population" in one.outcomes]
    standings = _standings(shown, other)
    of_refined = next((one for one in standings if one.name == REFINED), None)
    return Summary(
        measure=measure, higher=bool(same and same[0].higher), people=len(results), failed=len(results) - len(done),
        held_out=len(held), in_sample=bool(same) and not held,
        re_identification=_recognized(shown, REFINED, other),
        share_of_room=of_refined.room if of_refined is not None else _NONE,
        updated=fmean(one.accepted > 0 for one in shown) if shown else None, updated_worse=_updated_worse(shown),
        unchanged=fmean(refined == population for refined, population in pairs) if pairs else None,
        leak=fmean(leaks) if leaks else None,
        rank=tuple(_recognized(shown, name, other, nearer=True).mean for name in (REFINED, "population")),
        stops=dict(Counter(one.stop for one in done)), standings=standings,
        rows=tuple(_row(name, shown, other) for name in CONTROLS),
        curve=tuple(point for count in CURVE if (point := _curve_point(count, shown)) is not None),
        beside=_beside(shown), features=next((one.features for one in same), ""),
    )  # fmt: skip


_NONE = Interval(None, None, None, 0)


def _outcome(one: PersonResult, name: str, other: Others) -> Outcome | None:
    return one.outcomes.get(name) or other.get(one.key, {}).get(name)


def _values(results: Sequence[PersonResult], name: str, other: Others) -> list[float | None]:
    found = [_outcome(one, name, other) for one in results]
    return [outcome.value if outcome is not None else None for outcome in found]


# --- against the population


def _standings(results: Sequence[PersonResult], other: Others) -> tuple[Standing, ...]:
    """The refined profiles and each scored control against the population; empty if the population has no score."""
    population = _values(results, "population", other)
    if not any(value is not None for value in population):
        return ()
    own, people, higher = _values(results, "own", other), [one.person for one in results], results[0].higher
    made = []
    for name in (REFINED, *CONTROLS):
        values = _values(results, name, other)
        if any(value is not None for value in values):
            found = change(name, population, values, higher_is_better=higher, units=people)
            room = _room(population, values, own, people, higher=higher)
            worse = share_worse(population, values, higher_is_better=higher)
            nearer = _recognized(results, name, other, nearer=True).mean
            made.append(Standing(name, found, worse, room, _recognized(results, name, other), nearer))
    return tuple(made)


def _room(
    population: Sequence[float | None], values: Sequence[float | None], own: Sequence[float | None], people: Sequence[str], *, higher: bool
) -> Interval:
    """Mean gain over mean room; people are resampled as a whole."""
    rows = [(b, v, o, name) for b, v, o, name in zip(population, values, own, people, strict=True) if None not in (b, v, o)]
    if not rows:
        return _NONE
    sign, names = (1.0 if higher else -1.0), [name for *_, name in rows]
    table = np.array([(b, v, o) for b, v, o, _ in rows], dtype=float) * sign
    gains, rooms = unit_means(list(table[:, 1] - table[:, 0]), names), unit_means(list(table[:, 2] - table[:, 0]), names)
    mean = float(gains.mean() / rooms.mean()) if rooms.mean() > 0 else None
    if mean is None or len(gains) < 2:
        return Interval(mean, None, None, len(gains))
    half = bootstrap_interval(gains - mean * rooms, 0)  # interval of a ratio, after Fieller
    return Interval(mean, mean + half[0] / float(rooms.mean()), mean + half[1] / float(rooms.mean()), len(gains))


def _over_people(values: Sequence[float | None], people: Sequence[str]) -> Interval:
    """Mean over people of the values that are not missing, with its interval."""
    pairs = [(value, name) for value, name in zip(values, people, strict=True) if value is not None]
    if not pairs:
        return _NONE
    means = unit_means([value for value, _ in pairs], [name for _, name in pairs])
    low, high = bootstrap_interval(means) if len(means) > 1 else (None, None)
    return Interval(float(means.mean()), low, high, len(means))


def _recognized(results: Sequence[PersonResult], name: str, other: Others, *, nearer: bool = False) -> Interval:
    """Mean share of other people told apart from the profiles; ``nearer``: by distance alone."""
    found = [_outcome(one, name, other) for one in results]
    shares = [None if one is None else one.nearer if nearer else one.recognized for one in found]
    return _over_people(shares, [one.person for one in results])


def _curve_point(count: int, results: Sequence[PersonResult]) -> CurvePoint | None:
    """The point of the people with so many items; None if there are none."""
    pairs = [(one, step) for one in results for step in one.curve if step.items == count]
    if not pairs:
        return None
    some, values = [one for one, _ in pairs], [step.value for _, step in pairs]
    population, own, people = _values(some, "population", {}), _values(some, "own", {}), [one.person for one in some]
    higher = some[0].higher
    gain = change(str(count), population, values, higher_is_better=higher, units=people)
    room = _room(population, values, own, people, higher=higher)
    recognized = _over_people([step.recognized for _, step in pairs], people)
    return CurvePoint(count, Interval(gain.gain, gain.low, gain.high, gain.n), room, recognized)


# --- against each control


def _updated_worse(results: Sequence[PersonResult]) -> float | None:
    """Share of the updated profiles that are worse than their start. Unchanged profiles are left out, as they cannot get worse."""
    pairs = [(one.outcomes["start"].value, one.outcomes[REFINED].value, one.higher) for one in results if one.accepted]
    known = [(before, after, higher) for before, after, higher in pairs if before is not None and after is not None]
    return fmean((after < before) == higher and after != before for before, after, higher in known) if known else None


def _row(name: str, results: Sequence[PersonResult], other: Others) -> Row:
    controls = [_outcome(one, name, other) for one in results]
    before, after = _values(results, name, other), _values(results, REFINED, other)
    leaks = [control.leak for control in controls if control is not None and control.leak is not None]
    if not any(value is not None for value in before):
        reasons = Counter(control.reason for control in controls if control is not None and control.reason)
        return Row(name, None, None, None, reasons.most_common(1)[0][0] if reasons else "not measured")
    higher = results[0].higher
    found = change(name, before, after, higher_is_better=higher, units=[one.person for one in results])
    return Row(name, found, share_worse(before, after, higher_is_better=higher), fmean(leaks) if leaks else None)


def _beside(results: Sequence[PersonResult]) -> dict[str, tuple[float, float] | None]:
    """Secondary measures, mean at the start and refined, over the people with both; None if there are none."""
    names = sorted({name for one in results for name in one.outcomes[REFINED].beside})
    found: dict[str, tuple[float, float] | None] = {}
    for name in names:
        pairs = [(one.outcomes["start"].beside.get(name), one.outcomes[REFINED].beside.get(name)) for one in results]
        known = [(before, after) for before, after in pairs if before is not None and after is not None]
        found[name] = (fmean(before for before, _ in known), fmean(after for _, after in known)) if known else None
    return found
