"""Summary of a refinement of many people: refined profiles against each control, with confidence intervals over people; and its report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import numpy as np

from personaevo.measure.stats import bootstrap_interval, unit_means
from personaevo.refine.loop.person import CURVE, Key
from personaevo.refine.loop.scoring import Change, change, share_worse
from personaevo.refine.records import Outcome, PersonResult
from personaevo.text import one_line

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


_LABELS = {
    "refined": "refined", "population": "population", "shrinkage": "shrinkage alone", "start": "start", "other": "another's profile",
    "shuffled": "profiles shuffled", "constant": "constant dialogue", "average": "average person", "crowd": "others' dialogues",
    "own": "own other dialogs", "rewrite": "one-call rewrite", "padding": "start, padded", "truth": "truth pasted in",
}  # fmt: skip
_BAR = 40  # characters of a full bar


def summary_text(summary: Summary) -> str:
    """The report: headline, tables, and further figures."""
    where = "IN-SAMPLE, on the items they were made from" if summary.in_sample else "on held-out items"
    counted = summary.held_out or summary.people - summary.failed
    head = f"{summary.people - summary.failed} refined, {summary.failed} failed; scored {where}: {counted}"
    if not counted:
        return head
    better = "higher" if summary.higher else "lower"
    lines = [head, *_headline(summary), ""]
    if summary.standings:
        lines += [f"{summary.measure} ({better} is better), and its gain over the population", ""]
        lines.append(f"{'':18}{'score':>8}{'gain':>8}  {'95 % interval':18}{'room':>6}{'worse':>7}{'recognized':>13}")
        scores = {one.name: one.change.after for one in summary.standings}
        same = scores.get("start") == scores.get("shrinkage")
        lines += [_standing_line(one) for one in summary.standings if one.name != "start" or not same]
        lines.append("")
    lines += [f"{summary.measure} ({better} is better); gain of refined profiles, 95 % interval over people", ""]
    lines.append(f"{'control':18}{'score':>8}{'refined':>9}{'gain':>8}  {'interval':18}{'worse':>6}{'leak':>6}{'n':>5}")
    lines += map(_control_line, summary.rows)
    return "\n".join([*lines, "", *_further_figures(summary), *_curve_table(summary)])


def _headline(summary: Summary) -> list[str]:
    found = summary.re_identification
    if found.mean is None:
        return []
    lines = [f"re-identification: {_share(found)} of other people told apart (chance is 50%)"]
    room = summary.share_of_room
    return lines + ([f"share of the gain of own other dialogues: {_share(room)}"] if room.mean is not None else [])


def _share(found: Interval) -> str:
    interval = "" if found.low is None or found.high is None else f" [{found.low:.0%} to {found.high:.0%}]"
    return "-" if found.mean is None else f"{found.mean:.0%}{interval}"


def _standing_line(one: Standing) -> str:
    found = one.change
    score = "-" if found.after is None else f"{found.after:.3f}"
    gain = "-" if found.gain is None else f"{found.gain:+.3f}"
    interval = "" if found.low is None or found.high is None or one.name == "population" else f"{found.low:+.3f} to {found.high:+.3f}"
    worse = "-" if one.worse is None or one.name == "population" else f"{one.worse:.0%}"
    room = "-" if one.room.mean is None else f"{one.room.mean:.0%}"
    known = "-" if one.recognized.mean is None else f"{one.recognized.mean:.1%}"
    return f"{_LABELS[one.name]:18}{score:>8}{gain:>8}  {interval:18}{room:>6}{worse:>7}{known:>13}"


def _control_line(row: Row) -> str:
    name, found = _LABELS[row.control], row.change
    if found is None or found.before is None or found.after is None or found.gain is None:
        return f"{name:18}{'-':>8}  {row.reason}"
    interval = "-" if found.low is None or found.high is None else f"{found.low:+.3f} to {found.high:+.3f}"
    worse = "-" if row.worse is None else f"{row.worse:.0%}"
    leak = "-" if row.leak is None else f"{row.leak:.2f}"
    return f"{name:18}{found.before:8.3f}{found.after:9.3f}{found.gain:+8.3f}  {interval:18}{worse:>6}{leak:>6}{found.n:5}"


def _further_figures(summary: Summary) -> list[str]:
    updated = "-" if summary.updated is None else f"{summary.updated:.0%}"
    updated += "" if summary.updated_worse is None else f", of these worse than their start: {summary.updated_worse:.0%}"
    unchanged = [] if summary.unchanged is None else [f"unchanged, equal to the population's: {summary.unchanged:.0%}"]
    leak = "-" if summary.leak is None else f"{summary.leak:.2f}"
    stops = ", ".join(f"{name} {count}" for name, count in sorted(summary.stops.items()))
    lines = [f"updated: {updated}", *unchanged, f"leak score of refined profiles: {leak}; stopped by: {stops}"]
    if summary.rank[0] is not None:
        beside = "" if summary.rank[1] is None else f" (population: {summary.rank[1]:.0%})"
        lines.append(f"by distance alone, closer to its person than to {summary.rank[0]:.0%} of others{beside}")
    return lines + [
        f"{name}: could not be measured" if means is None else f"{name}: {means[0]:.3f} at the start, {means[1]:.3f} refined"
        for name, means in summary.beside.items()
    ]


def _curve_table(summary: Summary) -> list[str]:
    """The learning curve of shrinkage alone: a table, and re-identification as bars."""
    if not summary.curve:
        return []
    lines = ["", "by number of items (shrinkage alone; over the people with so many)", ""]
    lines.append(f"{'items':>5}{'people':>8}{'gain':>9}  {'95 % interval':18}{'room':>6}{'recognized':>13}")
    lines += map(_curve_line, summary.curve)
    bars = []
    for point in summary.curve:
        if point.recognized.mean is not None:
            above_chance = max(0.0, (point.recognized.mean - 0.5) * 2)  # 0 at chance, 1 at certainty
            bars.append(f"{point.items:>5} {'█' * round(above_chance * _BAR)} {_share(point.recognized)}")
    return [*lines, *([""] if bars else []), *bars]


def _curve_line(one: CurvePoint) -> str:
    gain = "-" if one.gain.mean is None else f"{one.gain.mean:+.3f}"
    interval = "" if one.gain.low is None or one.gain.high is None else f"{one.gain.low:+.3f} to {one.gain.high:+.3f}"
    room = "-" if one.room.mean is None else f"{one.room.mean:.0%}"
    known = "-" if one.recognized.mean is None else f"{one.recognized.mean:.1%}"
    return f"{one.items:>5}{one.gain.n:>8}{gain:>9}  {interval:18}{room:>6}{known:>13}"


def person_text(one: PersonResult) -> str:
    """One result in full: its versions with their decisions, and the profile."""
    name = one_line(one.person) + (f" as {one.role}" if one.role else "")
    if one.state == "failed" or one.history is None or one.profile is None:
        return f"{name}: failed: {one_line(one.reason)}"
    lines = [f"{name}: stopped by {one.stop}; {one.accepted} of {len(one.history.versions) - 1} versions accepted"]
    known = one.outcomes[REFINED].recognized
    lines += [f"  {known:.0%} of other people told apart"] if known is not None else []
    lines += [f"  note: {one_line(note)}" for note in one.notes]
    lines += [f"  version {version.number}, {version.state}: {one_line(version.reason)}" for version in one.history.versions[1:]]
    dials = ", ".join(f"{dial} {value:.3g}" for dial, value in one.profile.dials.items())
    return "\n".join([*lines, "", one.profile.annotated_text() or "(nothing in words)", *([f"Dials: {dials}"] if dials else [])])
