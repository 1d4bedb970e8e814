"""``archive diff``: from one program to another, what changed in its text, in how its users behave, and in what it scored."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from personaevo.archive import Archive
from personaevo.errors import ArchiveError
from personaevo.inspect import layout
from personaevo.inspect.behavior import Changes, changes
from personaevo.inspect.compare import Shift, paired, shifts
from personaevo.inspect.finding import find
from personaevo.inspect.lineage import Family, tasks_of
from personaevo.inspect.scoring import another_scoring, spoken
from personaevo.records import Candidate, Commit

_STYLES = {"+": layout.GOOD, "-": layout.BAD, "@": layout.KEY}
_SCALES = {
    "people": "standard deviations of the people that steered the search",
    "dialogues": "standard deviations of both programs' dialogues (the people's figures are not at hand)",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """From ``before`` to ``after``: the lines of a unified diff of their texts, behaviors, objectives; ``same_plan`` tells whether both
    played the same episodes, so that differences are paired. ``missing`` are evaluated candidates whose dialogues the archive does not
    hold any more (``archive compact``); those of one run played the same. ``scoring`` says so if the scores are of another scoring than
    this personaevo's."""

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
    """From ``before`` (the first parent, if none is given) to ``after``; both as ``find`` takes them, in one run.

    Raises:
        ArchiveError: one of them is not there, was not proposed in that run, or has no parent to be compared with.
    """
    run, new_id = find(archive, after, run_id)
    family = Family.of(archive, run.id)
    new = family.commit(new_id)
    if before is None and not new.candidate.parents:
        raise ArchiveError(f"program {new_id} has no parent: name the program to compare it with, `archive diff ARCHIVE A B`")
    old = family.commit(new.candidate.parents[0] if before is None else find(archive, before, run.id)[1])
    episodes = [archive.episodes(run.id, one.candidate.number) for one in (old, new)]
    missing = tuple(one.candidate.number for one, held in zip((old, new), episodes, strict=True) if _played(one) and not held)
    objectives: tuple[Shift, ...] = ()
    same_plan = False
    if old.evaluation is not None and new.evaluation is not None:
        same_plan = old.evaluation.planned == new.evaluation.planned and (bool(missing) or paired(*episodes))
        objectives = shifts(old.evaluation, new.evaluation, same_plan=same_plan)
    return Difference(
        run.id, old.candidate, new.candidate, tuple(_unified(old, new)), changes(run, *episodes), objectives,
        len({one.item.task_id for one in episodes[1] or episodes[0]}) or tasks_of(run), same_plan, missing, another_scoring(run),
    )  # fmt: skip


def _played(one: Commit) -> bool:
    return one.evaluation is not None and one.evaluation.completed > 0


def _unified(old: Commit, new: Commit) -> Iterator[str]:
    before, after = old.candidate.program, new.candidate.program
    return difflib.unified_diff(before.source.splitlines(), after.source.splitlines(), before.id, after.id, lineterm="")


def difference_view(found: Difference) -> RenderableType:
    """The whole page. Lines of the diff are left whole, as ``diff`` prints them."""
    added, removed = (sum(line.startswith(sign) for line in found.text[2:]) for sign in "+-")  # after the two lines of names
    head = layout.labels([("from", _named(found.before)), ("to", _named(found.after)), ("made by", _made(found))])
    code = [layout.code_line(line, _STYLES.get(line[:1], "")) for line in found.text]
    source = Group(layout.text(f"program text: {layout.count(added, 'line')} added, {removed} removed", layout.HEADING), *code)
    return layout.page([head, source, _behaviors(found), _objectives(found)])


def _named(one: Candidate) -> Text:
    return layout.text(one.program.id, layout.KEY).append(f"  candidate {one.number}, {one.state}", style="default")


def _made(found: Difference) -> Text:
    parents = [parent[: layout.SHORT_ID] for parent in found.after.parents]
    return layout.operator(found.after.operator).append_text(layout.text(f" of {', '.join(parents)}" if parents else ""))


def _behaviors(found: Difference) -> RenderableType:
    if not found.behaviors.rows:
        return layout.section("behavior", layout.text(f"nothing to compare: {_silence(found)}"))
    known = found.behaviors.scale == "people"
    made = layout.table("behavior", "before", "after", "change", *(["people"] if known else []), "in sd", words=("behavior",), gap=1)
    for row in found.behaviors.rows:
        people = [layout.figure(row.people)] if row.people is not None else []
        size = "-" if row.size is None else f"{row.size:+.2f}"
        figures = layout.figure(row.before), layout.figure(row.after), layout.figure(row.after - row.before, "+"), *people, size
        made.add_row(layout.name(row.behavior), *map(layout.text, figures))
    nobody = [layout.note("-: they do not differ in it")] if any(row.size is None for row in found.behaviors.rows) else []
    return layout.section("behavior: means over dialogues", made, layout.note(f"in sd: {_SCALES[found.behaviors.scale]}"), *nobody)


def _silence(found: Difference) -> str:
    """Why there is no behavior to compare."""
    if found.missing:
        return f"the archive does not hold the dialogues of candidate {found.missing[0]} any more"
    failed = next((one for one in (found.before, found.after) if one.state == "failed"), None)
    return f"candidate {failed.number} failed: {failed.reason}" if failed else "one of them completed no dialogue"


def _objectives(found: Difference) -> RenderableType:
    if not found.objectives:
        return layout.section("objectives", layout.note("nothing to compare: one of them was not evaluated"))
    made = layout.table("objective", "before", "after", "change", "95 % interval", words=("objective",))
    for shift in found.objectives:
        interval = "-" if shift.low is None else f"[{shift.low:+.3f}, {shift.high:+.3f}]"
        change = shift.after - shift.before
        made.add_row(layout.name(spoken(shift.objective)), *(layout.text(f"{x:.3f}") for x in (shift.before, shift.after)),
                     layout.text(f"{change:+.3f}", layout.verdict(shift.low, shift.high)), layout.text(interval))  # fmt: skip
    notes = [layout.note(words) for words in (_pairing(found), found.scoring) if words]
    return layout.section("objectives in the search (shares of what people get)", made, *notes)


def _pairing(found: Difference) -> str:
    """How the intervals were made, or why there are none."""
    if not found.same_plan:
        return "they did not play the same episodes: no paired interval"
    if all(shift.low is None for shift in found.objectives):
        return "the archive does not hold the scores without each call: no paired interval"
    return f"paired over {found.tasks} tasks"


def difference_object(found: Difference) -> dict[str, Any]:
    """The same for ``--json``; ``before`` and ``after`` of behaviors are means in the feature's unit."""
    return {
        "run": found.run,
        "before": _object(found.before),
        "after": _object(found.after),
        "text": list(found.text),
        "scale": found.behaviors.scale,
        "behaviors": [asdict(row) for row in found.behaviors.rows],
        "objectives": [asdict(shift) | {"change": shift.after - shift.before} for shift in found.objectives],
        "tasks": found.tasks,
        "same_plan": found.same_plan,
        "missing": list(found.missing),
        "scoring": found.scoring or None,
    }


def _object(one: Candidate) -> dict[str, Any]:
    return {"program": one.program.id, "number": one.number, "operator": one.operator, "state": one.state, "parents": list(one.parents)}
