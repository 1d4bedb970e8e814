"""The page of ``archive lineage``: the line from the seed program to a program, or the tree of its descendants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from personaevo.inspect import layout
from personaevo.inspect.lineage import Lineage, Step
from personaevo.inspect.scoring import scoring_warning
from personaevo.records import Estimate

_DEEPEST = 8  # levels of a tree that are shown: more do not fit
_NOTE = "scores are those of the search, ± standard error; gain over the first parent; ~ within noise (its 95 % interval contains 0)"


def trunk_view(lineage: Lineage, program_id: str) -> RenderableType:
    """Show the line from the seed program to a program, step by step; the other parents of a step are listed below it."""
    found = lineage.trunk(program_id)
    made = layout.table("no.", "program", "made by", "score", "gain", "", words=("made by",), gap=1)
    made.columns[1].justify = "left"
    for step in found:
        score = _score(step.score) if step.score else layout.text(step.state, layout.BAD)
        made.add_row(layout.text(step.number), layout.short_id(step.program_id), layout.operator(step.operator), score, *_gain(step))
        for parent in step.parents[1:]:
            known = lineage.commits.get(parent)
            number = layout.text("-" if known is None else known.candidate.number, layout.FAINT)
            who = Text("+ ", style=layout.FAINT).append_text(layout.short_id(parent))
            made.add_row(number, who, Text("another parent", style=layout.FAINT), _score(lineage.score(parent)))
    ancestors = layout.count(len(lineage.ancestors(program_id)), "ancestor")
    title = f"run {lineage.run.id}: {layout.count(len(found) - 1, 'step')} from the seed program, {ancestors} in all"
    notes = [words for words in (_NOTE, scoring_warning(lineage.run)) if words]
    return layout.page([layout.text(title, layout.HEADING), made, layout.note("\n".join(notes))])


def descendants_view(lineage: Lineage, program_id: str) -> RenderableType:
    """Show the tree below a program. A child of several parents is shown under the first of them that is in the tree; programs without a
    score are only counted, unless they have descendants."""
    found = lineage.below(program_id)
    children = _children(found)
    rows = [_branch(step, guides) for step, guides in _walk(found[0], children)]
    unscored = sum(step.score is None for step in found[1:])
    title = f"run {lineage.run.id}: {layout.count(len(found) - 1, 'program')} descended from {program_id[: layout.SHORT_ID]}"
    hidden = len(found) - len(rows)
    notes = [words for words in (_NOTE, scoring_warning(lineage.run)) if words]
    if unscored:
        notes.append(f"{unscored:,} without a score (failed)")
    if hidden > unscored:
        notes.append(f"{hidden - unscored:,} are more than {_DEEPEST} levels down: ask for the descendants of one of those shown")
    head = layout.one_row(Text(f"{'no.':>5} {'score':>6} {'gain':>15}   program", style=layout.HEADING))
    return layout.page([layout.text(title, layout.HEADING), Group(head, *rows), layout.note("\n".join(notes))])


def _branch(step: Step, guides: str) -> Text:
    """One row of a tree: figures first, so that they are aligned at any depth."""
    gain, mark = _gain(step)
    gain.align("right", 15)
    score = f"{step.score.value:.3f}" if step.score else "-"
    row = Text(f"{step.number:5} {score:>6} ").append_text(gain).append(f" {mark.plain:1} ").append(guides, style=layout.FAINT)
    return layout.one_row(row.append_text(layout.short_id(step.program_id)).append("  ").append_text(layout.operator(step.operator)))


def _gain(step: Step) -> tuple[Text, Text]:
    """The gain, colored where it is significant, and the mark of one that is within noise."""
    if step.gain is None or step.gain_se is None:
        return Text(""), Text("")
    style = "" if step.noise else layout.verdict(step.gain, step.gain)
    return layout.text(f"{step.gain:+.3f} ± {step.gain_se:.3f}", style), Text("~" if step.noise else "")


def _score(score: Estimate | None) -> Text:
    return Text("-") if score is None else layout.text(f"{score.value:.3f} ± {score.se:.3f}")


def _children(found: Sequence[Step]) -> Mapping[str, Sequence[Step]]:
    """Each program's children in the tree, by candidate number: those with a score or with children of their own."""
    inside = {step.program_id for step in found}
    edges = [(next(parent for parent in step.parents if parent in inside), step) for step in found[1:]]
    parents = {parent for parent, _ in edges}
    children: dict[str, list[Step]] = {}
    for parent, step in edges:
        if step.score is not None or step.program_id in parents:
            children.setdefault(parent, []).append(step)
    return children


def _walk(root: Step, children: Mapping[str, Sequence[Step]]) -> Iterator[tuple[Step, str]]:
    """Traverse depth first; each step comes with the guide lines before it. No recursion, since lineages may be long."""
    yield root, ""
    waiting = [(step, "", index == 0) for index, step in enumerate(reversed(children.get(root.program_id, ())))]
    while waiting:
        step, outer, last = waiting.pop()
        yield step, outer + ("└ " if last else "├ ")
        if len(outer) // 2 + 1 < _DEEPEST:
            inner = outer + ("  " if last else "│ ")
            waiting += [(child, inner, index == 0) for index, child in enumerate(reversed(children.get(step.program_id, ())))]
