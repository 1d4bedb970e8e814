"""The page of ``archive diff``: the differences between two programs in text, in the behavior of their users, and in scores."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.console import Group, RenderableType

from personaevo import definitions, reference
from personaevo.archive import Archive
from personaevo.errors import ArchiveError, PersonaevoError
from personaevo.records import Candidate, Episode, Floats, Run
from personaevo.reference import Reference
from personaevo.views import layout
from personaevo.views.lineage import Lineage, Shift, find, paired, shifts, tasks_of
from personaevo.views.tables import in_words, scoring_warning


@dataclass(frozen=True, slots=True)
class Change:
    """The means of one behavior in two populations, in the unit of the feature, and the mean of people where their file is available.

    ``size`` is ``after - before`` in standard deviations (see ``Changes.scale``); None where the behavior does not vary.
    """

    behavior: str
    before: float
    after: float
    people: float | None
    size: float | None


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes by size, the largest first. ``scale`` names the source of the standard deviations: "people" (those that steered the
    search), or "dialogues" (of the two populations) where the file of people is not available."""

    scale: str
    rows: tuple[Change, ...]


def fingerprints(episodes: Sequence[Episode]) -> Floats:
    """Return the fingerprints ``values[n, d]`` of the completed episodes.

    Raises:
        ArchiveError: their lengths differ.
    """
    rows = [one.fingerprint for one in episodes if one.state == "completed"]
    if len({len(row) for row in rows}) > 1:
        raise ArchiveError("fingerprints of one program have different lengths: the archive was changed; restore a copy")
    return np.array(rows, dtype=float)


def changes(run: Run, before: Sequence[Episode], after: Sequence[Episode]) -> Changes:
    """Compare the behaviors of two populations. No rows if either completed no dialogue. Behaviors are numbered if their count is not that
    of the installed features.

    Raises:
        ArchiveError: the lengths of their fingerprints differ.
    """
    old, new = fingerprints(before), fingerprints(after)
    if not len(old) or not len(new):
        return Changes("dialogues", ())
    if old.shape[1] != new.shape[1]:
        raise ArchiveError("the two programs were measured with different feature sets: compare programs of one run")
    names, count = definitions.features().names, old.shape[1]
    if len(names) != count:
        names = tuple(f"behavior {index}" for index in range(count))
    people = people_of(run)
    scale = people.values if people is not None and people.names == names else None
    spread = np.sqrt((old.var(axis=0) + new.var(axis=0)) / 2) if scale is None else scale.std(axis=0)
    difference = new.mean(axis=0) - old.mean(axis=0)
    rows = [
        Change(
            name, float(old[:, index].mean()), float(new[:, index].mean()), None if scale is None else float(scale[:, index].mean()),
            float(difference[index] / spread[index]) if spread[index] > 1e-9 else None,
        )
        for index, name in enumerate(names)
    ]  # fmt: skip
    rows.sort(key=lambda row: -abs(row.size or 0.0))
    return Changes("dialogues" if scale is None else "people", tuple(rows))


def people_of(run: Run) -> Reference | None:
    """Return the people that steered a run's search, if their file is available and unchanged."""
    human, domain = run.settings.get("human"), str(run.settings.get("domain"))
    try:
        if human is not None:
            found = reference.read(str(human), domain=domain)
        else:
            found = reference.load(definitions.domain_files(domain).reference)
    except PersonaevoError:
        return None
    if found.digest != run.settings.get("people_digest"):
        return None
    return reference.split(found, int(run.settings.get("seed", 0)))[0]


_STYLES = {"+": layout.GOOD, "-": layout.BAD, "@": layout.KEY}
_SCALES = {
    "people": "standard deviations of the people that steered the search",
    "dialogues": "standard deviations of both programs' dialogues (the file of people is not available)",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference from ``before`` to ``after``: the lines of a unified diff of their texts, behaviors, and objectives.

    ``same_plan`` tells whether both played the same episodes, so that differences are paired. ``missing`` are evaluated candidates whose
    dialogues were left out of the archive (``archive compact``); candidates of one run played the same episodes. ``scoring`` is a warning
    if the scores are of another scoring than this personaevo's.
    """

    run: int
    before: Candidate
    after: Candidate
    text: tuple[str, ...]
    behaviors: Changes
    objectives: tuple[Shift, ...]
    tasks: int
    same_plan: bool
    missing: tuple[int, ...]
    scoring: str = ""


def difference(archive: Archive, after: str, before: str | None = None, run_id: int | None = None) -> Difference:
    """Compare ``before`` (by default the first parent) with ``after``; both as ``find`` takes them, in one run.

    Raises:
        ArchiveError: one of them does not exist, was not proposed in that run, or has no parent to compare with.
    """
    run, new_id = find(archive, after, run_id)
    lineage = Lineage.of(archive, run.id)
    new = lineage.commit(new_id)
    if before is None and not new.candidate.parents:
        raise ArchiveError(f"program {new_id} has no parent: name the program to compare it with, `archive diff ARCHIVE A B`")
    old = lineage.commit(new.candidate.parents[0] if before is None else find(archive, before, run.id)[1])
    episodes = [archive.episodes(run.id, one.candidate.number) for one in (old, new)]
    missing = tuple(
        one.candidate.number for one, played in zip((old, new), episodes, strict=True)
        if one.evaluation is not None and one.evaluation.completed > 0 and not played
    )  # fmt: skip
    objectives: tuple[Shift, ...] = ()
    same_plan = False
    if old.evaluation is not None and new.evaluation is not None:
        same_plan = old.evaluation.planned == new.evaluation.planned and (bool(missing) or paired(*episodes))
        objectives = shifts(old.evaluation, new.evaluation, same_plan=same_plan)
    old_text, new_text = old.candidate.program, new.candidate.program
    text = difflib.unified_diff(old_text.source.splitlines(), new_text.source.splitlines(), old_text.id, new_text.id, lineterm="")
    return Difference(
        run.id, old.candidate, new.candidate, tuple(text), changes(run, *episodes), objectives,
        len({one.item.task_id for one in episodes[1] or episodes[0]}) or tasks_of(run), same_plan, missing, scoring_warning(run),
    )  # fmt: skip


def difference_view(found: Difference) -> RenderableType:
    """Show the whole page. Lines of the diff are not wrapped, as in the output of ``diff``."""
    added, removed = (sum(line.startswith(sign) for line in found.text[2:]) for sign in "+-")  # after the two lines of names
    before, after = (
        layout.text(one.program.id, layout.KEY).append(f"  candidate {one.number}, {one.state}", style="default")
        for one in (found.before, found.after)
    )
    parents = ", ".join(parent[: layout.SHORT_ID] for parent in found.after.parents)
    made = layout.operator(found.after.operator).append_text(layout.text(f" of {parents}" if parents else ""))
    head = layout.labels([("from", before), ("to", after), ("made by", made)])
    code = [layout.code_line(line, _STYLES.get(line[:1], "")) for line in found.text]
    source = Group(layout.text(f"program text: {layout.count(added, 'line')} added, {removed} removed", layout.HEADING), *code)
    return layout.page([head, source, _behaviors(found), _objectives(found)])


def _behaviors(found: Difference) -> RenderableType:
    if not found.behaviors.rows:
        return layout.section("behavior", layout.text(f"nothing to compare: {_why_no_behavior(found)}"))
    known = found.behaviors.scale == "people"
    made = layout.table("behavior", "before", "after", "change", *(["people"] if known else []), "in sd", words=("behavior",), gap=1)
    for row in found.behaviors.rows:
        people = [layout.figure(row.people)] if row.people is not None else []
        size = "-" if row.size is None else f"{row.size:+.2f}"
        figures = layout.figure(row.before), layout.figure(row.after), layout.figure(row.after - row.before, "+"), *people, size
        made.add_row(layout.name(row.behavior), *map(layout.text, figures))
    constant = [layout.note("-: it does not vary")] if any(row.size is None for row in found.behaviors.rows) else []
    return layout.section("behavior: means over dialogues", made, layout.note(f"in sd: {_SCALES[found.behaviors.scale]}"), *constant)


def _why_no_behavior(found: Difference) -> str:
    if found.missing:
        return f"the dialogues of candidate {found.missing[0]} were left out of the archive"
    failed = next((one for one in (found.before, found.after) if one.state == "failed"), None)
    return f"candidate {failed.number} failed: {failed.reason}" if failed else "one of them completed no dialogue"


def _objectives(found: Difference) -> RenderableType:
    if not found.objectives:
        return layout.section("objectives", layout.note("nothing to compare: one of them was not evaluated"))
    made = layout.table("objective", "before", "after", "change", "95 % interval", words=("objective",))
    for shift in found.objectives:
        interval = "-" if shift.low is None else f"[{shift.low:+.3f}, {shift.high:+.3f}]"
        change = shift.after - shift.before
        made.add_row(layout.name(in_words(shift.objective)), *(layout.text(f"{x:.3f}") for x in (shift.before, shift.after)),
                     layout.text(f"{change:+.3f}", layout.verdict(shift.low, shift.high)), layout.text(interval))  # fmt: skip
    pairing = f"paired over {found.tasks} tasks"
    if not found.same_plan:
        pairing = "they did not play the same episodes: no paired interval"
    elif all(shift.low is None for shift in found.objectives):
        pairing = "the archive has no jackknife replicates of the scores: no paired interval"
    notes = [layout.note(words) for words in (pairing, found.scoring) if words]
    return layout.section("objectives in the search (people are 1)", made, *notes)


def difference_object(found: Difference) -> dict[str, Any]:
    """Return the difference for ``--json``; ``before`` and ``after`` of behaviors are means in the feature's unit."""
    before, after = (
        {"program": one.program.id, "number": one.number, "operator": one.operator, "state": one.state, "parents": list(one.parents)}
        for one in (found.before, found.after)
    )
    return {
        "run": found.run,
        "before": before,
        "after": after,
        "text": list(found.text),
        "scale": found.behaviors.scale,
        "behaviors": [asdict(row) for row in found.behaviors.rows],
        "objectives": [asdict(shift) | {"change": shift.after - shift.before} for shift in found.objectives],
        "tasks": found.tasks,
        "same_plan": found.same_plan,
        "missing": list(found.missing),
        "scoring": found.scoring or None,
    }
