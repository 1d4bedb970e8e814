"""Report of a refinement for a terminal of 80 columns."""

from __future__ import annotations

from personaevo.refine.result import PersonResult
from personaevo.refine.summary import REFINED, CurvePoint, Interval, Row, Standing, Summary
from personaevo.text import one_line

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
