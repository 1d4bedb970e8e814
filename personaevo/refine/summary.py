"""What a refinement of many people came to: the refined profile beside each control, with intervals over people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import numpy as np

from personaevo.measure.cells import Standard
from personaevo.refine import measures
from personaevo.refine.compare import Change, change, share_worse
from personaevo.refine.person import Work
from personaevo.refine.result import Outcome, PersonResult
from personaevo.text import one_line

CONTROLS = ("population", "start", "other", "rewrite", "padding", "truth")
_NOBODY = "another person's profile needs a second person on the same side"

PlayOther = Callable[[Work, PersonResult], Outcome]


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
class Summary:
    """``people`` counts results, ``held_out`` those scored on what they were not made from: rows are over these, or, where there are none,
    over all (``in_sample``). ``rank`` is the mean share (0..1) of other people from whom a refined profile is farther than from its own
    person, that of the population mean beside it: .5 is chance."""

    measure: str
    higher: bool
    people: int
    failed: int
    held_out: int
    in_sample: bool
    updated: float | None
    updated_worse: float | None
    leak: float | None
    rank: tuple[float | None, float | None]
    stops: Mapping[str, int]
    rows: tuple[Row, ...]
    beside: Mapping[str, tuple[float, float] | None]

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for ``--json``."""
        return asdict(self)


def others(results: Sequence[PersonResult], found: Sequence[Work], play: PlayOther | None = None) -> dict[tuple[str, str], Outcome]:
    """Of each person what others' refined profiles score on their items.

    Where role-plays were whole dialogues of their own, the mean over all others on the same side is taken (they are played already);
    else ``play`` plays that of the next person.
    """
    works = {work.key: work for work in found}
    made: dict[tuple[str, str], Outcome] = {}
    for one in results:
        peers = [peer for peer in results if peer.key != one.key and (peer.role, peer.measure) == (one.role, one.measure) and peer.profile]
        population = works[one.key].population
        if one.state == "failed" or not peers:
            made[one.key] = Outcome(reason=_NOBODY)
        elif play is not None:
            made[one.key] = play(works[one.key], next((peer for peer in peers if peer.key > one.key), peers[0]))
        elif population is not None:
            made[one.key] = _among(one, peers, population.standard)
    return made


def _among(one: PersonResult, peers: Sequence[PersonResult], standard: Standard) -> Outcome:
    shown = [peer.outcomes["refined"].shown for peer in peers]
    plays = np.array([row for row in shown if row is not None])
    if not len(plays) or not one.targets:
        return Outcome(reason="no role-play has a fingerprint")
    values = np.linalg.norm(standard(np.array(one.targets))[:, None] - standard(plays)[None], axis=2).mean(axis=1)
    return Outcome(values=tuple(map(float, values)))


def summarize(results: Sequence[PersonResult], found: Sequence[Work], other: Mapping[tuple[str, str], Outcome]) -> Summary:
    """The report on all results of one measure: that of most of them."""
    done = [one for one in results if one.state == "done"]
    measure = Counter(one.measure for one in done).most_common(1)[0][0] if done else ""
    same = [one for one in done if one.measure == measure]
    held = [one for one in same if not one.in_sample]
    shown = held or same
    leaks = [leak for one in shown if (leak := one.outcomes["refined"].leak) is not None]
    return Summary(
        measure=measure,
        higher=bool(same and same[0].higher),
        people=len(results),
        failed=len(results) - len(done),
        held_out=len(held),
        in_sample=bool(same) and not held,
        updated=fmean(one.accepted > 0 for one in shown) if shown else None,
        updated_worse=_updated_worse(shown),
        leak=fmean(leaks) if leaks else None,
        rank=(_rank(shown, found, "refined"), _rank(shown, found, "population")),
        stops=dict(Counter(one.stop for one in done)),
        rows=tuple(_row(name, shown, other) for name in CONTROLS),
        beside=_beside(shown),
    )


def _updated_worse(results: Sequence[PersonResult]) -> float | None:
    """Of those that were updated, the share whose update made it worse: of all people, most that did not get worse did not change."""
    pairs = [(one.outcomes["start"].value, one.outcomes["refined"].value, one.higher) for one in results if one.accepted]
    known = [(before, after, higher) for before, after, higher in pairs if before is not None and after is not None]
    return fmean((after < before) == higher and after != before for before, after, higher in known) if known else None


def _row(name: str, results: Sequence[PersonResult], other: Mapping[tuple[str, str], Outcome]) -> Row:
    pairs = [(one, other.get(one.key) if name == "other" else one.outcomes.get(name)) for one in results]
    before = [control.value if control is not None else None for _, control in pairs]
    after = [one.outcomes["refined"].value for one, _ in pairs]
    leaks = [control.leak for _, control in pairs if control is not None and control.leak is not None]
    if not any(value is not None for value in before):
        reasons = Counter(control.reason for _, control in pairs if control is not None and control.reason)
        return Row(name, None, None, None, reasons.most_common(1)[0][0] if reasons else "not measured")
    higher = results[0].higher
    found = change(name, before, after, higher_is_better=higher, units=[one.person for one in results])
    return Row(name, found, share_worse(before, after, higher_is_better=higher), fmean(leaks) if leaks else None)


def _rank(results: Sequence[PersonResult], found: Sequence[Work], name: str) -> float | None:
    """Mean share of others from whom the profile is farther than from its own person; others on the same side."""
    populations = {work.key: work.population for work in found}
    shares = []
    for one in results:
        shown, population = one.outcomes[name].shown if name in one.outcomes else None, populations.get(one.key)
        people = {peer.person: np.array(peer.targets) for peer in results if peer.role == one.role and peer.targets}
        if shown is None or population is None or one.person not in people:
            continue
        place = measures.rank(np.array([shown]), people, one.person, population.standard)
        shares += [place.share] if place is not None else []
    return fmean(shares) if shares else None


def _beside(results: Sequence[PersonResult]) -> dict[str, tuple[float, float] | None]:
    """Means at the start and refined of the other measures, over the people that have both; None where nobody has."""
    names = sorted({name for one in results for name in one.outcomes["refined"].beside})
    found: dict[str, tuple[float, float] | None] = {}
    for name in names:
        pairs = [(one.outcomes["start"].beside.get(name), one.outcomes["refined"].beside.get(name)) for one in results]
        known = [(before, after) for before, after in pairs if before is not None and after is not None]
        found[name] = (fmean(before for before, _ in known), fmean(after for _, after in known)) if known else None
    return found


# --- as text

_SAID = {
    "population": "population mean", "start": "start", "other": "another's profile", "rewrite": "one-call rewrite",
    "padding": "start, padded", "truth": "truth pasted in",
}  # fmt: skip


def summary_text(summary: Summary) -> str:
    """A table for a terminal of 80 columns and what stands around it."""
    where = "IN-SAMPLE, on what they were made from" if summary.in_sample else "on items that were held out"
    counted = summary.held_out or summary.people - summary.failed
    head = f"{summary.people - summary.failed} refined, {summary.failed} failed; scored {where}: {counted}"
    if not counted:
        return head
    better = "higher" if summary.higher else "lower"
    lines = [head, f"{summary.measure} ({better} is better); gain of the refined, 95 % interval over people", ""]
    lines.append(f"{'beside':18}{'it':>8}{'refined':>9}{'gain':>8}  {'interval':18}{'worse':>6}{'leak':>6}{'n':>5}")
    lines += map(_line, summary.rows)
    updated = "-" if summary.updated is None else f"{summary.updated:.0%}"
    leak = "-" if summary.leak is None else f"{summary.leak:.2f}"
    stops = ", ".join(f"{name} {count}" for name, count in sorted(summary.stops.items()))
    updated += "" if summary.updated_worse is None else f", of these worse than their start: {summary.updated_worse:.0%}"
    lines += ["", f"updated: {updated}", f"leak score of the refined: {leak}; stopped by: {stops}"]
    if summary.rank[0] is not None:
        beside = "" if summary.rank[1] is None else f" (population mean: {summary.rank[1]:.0%})"
        lines.append(f"nearer to its own person than to {summary.rank[0]:.0%} of the others{beside}")
    lines += [
        f"{name}: could not be measured" if means is None else f"{name}: {means[0]:.3f} at the start, {means[1]:.3f} refined"
        for name, means in summary.beside.items()
    ]
    return "\n".join(lines)


def _line(row: Row) -> str:
    name, found = _SAID[row.control], row.change
    if found is None or found.before is None or found.after is None or found.gain is None:
        return f"{name:18}{'-':>8}  {row.reason}"
    interval = "-" if found.low is None or found.high is None else f"{found.low:+.3f} to {found.high:+.3f}"
    worse = "-" if row.worse is None else f"{row.worse:.0%}"
    leak = "-" if row.leak is None else f"{row.leak:.2f}"
    return f"{name:18}{found.before:8.3f}{found.after:9.3f}{found.gain:+8.3f}  {interval:18}{worse:>6}{leak:>6}{found.n:5}"


def person_text(one: PersonResult) -> str:
    """One result in full: where it came from, every version with what became of it, and the profile."""
    name = one_line(one.person) + (f" as {one.role}" if one.role else "")
    if one.state == "failed" or one.history is None or one.profile is None:
        return f"{name}: failed: {one_line(one.reason)}"
    lines = [f"{name}: stopped by {one.stop}; {one.accepted} of {len(one.history.versions) - 1} versions accepted"]
    lines += [f"  note: {one_line(note)}" for note in one.notes]
    lines += [f"  version {version.number}, {version.state}: {one_line(version.reason)}" for version in one.history.versions[1:]]
    dials = ", ".join(f"{dial} {value:.3g}" for dial, value in one.profile.dials.items())
    return "\n".join([*lines, "", one.profile.text() or "(nothing in words)", *([f"Dials: {dials}"] if dials else [])])
