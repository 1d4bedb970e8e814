"""The pages of ``archive elites`` (every cell with its elite) and ``archive summary``."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from personaevo import programs
from personaevo.archive import Archive, Elite
from personaevo.errors import ProgramError
from personaevo.evolve.ranking import expected
from personaevo.evolve.table import expected_score
from personaevo.judge.objectives import SCORE, meanings
from personaevo.measure.stats import student_factor
from personaevo.records import FinalTable, Persona, Run, Scoring
from personaevo.views import layout
from personaevo.views.lineage import tasks_of
from personaevo.views.tables import arranged, current_rules, in_words, scoring_notes, scoring_warning, table_view


@dataclass(frozen=True, slots=True)
class Niche:
    """A cell: its number, name and share of people, and its elite (None while it is empty) with the operator that made the elite."""

    cell: int
    name: str
    mass: float
    elite: Elite | None
    operator: str | None


@dataclass(frozen=True, slots=True)
class Elites:
    """The cells of a run, by share of people in descending order, and the number of candidates by state.

    ``factor`` times a standard error is half of a 95 % interval (Student, tasks - 1 degrees of freedom). ``scoring`` is a warning if the
    run was scored by another scoring than this personaevo's.
    """

    run: int
    factor: float
    tasks: int
    candidates: dict[str, int]
    niches: tuple[Niche, ...]
    scoring: str = ""

    @property
    def held(self) -> list[Elite]:
        """The elites of the filled cells."""
        return [niche.elite for niche in self.niches if niche.elite is not None]

    @property
    def mass(self) -> float:
        """The share of people in filled cells."""
        return sum(niche.mass for niche in self.niches if niche.elite is not None)

    @property
    def qd_score(self) -> float:
        """The sum over cells of the share of people times the elite's score."""
        return sum(niche.mass * niche.elite.score for niche in self.niches if niche.elite is not None)


def elites(archive: Archive, run_id: int | None = None) -> Elites:
    """Return the elites of a run (by default the latest).

    Raises:
        ArchiveError: there is no such run.
    """
    run = archive.run(run_id)
    by_cell = {elite.cell: elite for elite in archive.elites(run.id)}
    numbers = [elite.number for elite in by_cell.values()]
    made = "SELECT number, operator FROM candidates WHERE run = ? AND list_contains(?, number)"
    operators: dict[int, str] = dict(archive.query(made, [run.id, numbers])[1])
    niches = []
    for cell in run.cells:
        elite = by_cell.get(cell["cell"])
        niches.append(Niche(cell["cell"], cell["name"], float(cell["mass"]), elite, operators[elite.number] if elite else None))
    states = "SELECT state, count(*) FROM candidates WHERE run = ? GROUP BY state ORDER BY state"
    tasks = tasks_of(run)
    ordered = tuple(sorted(niches, key=lambda niche: (-niche.mass, niche.cell)))
    return Elites(run.id, student_factor(tasks - 1), tasks, dict(archive.query(states, [run.id])[1]), ordered, scoring_warning(run))


def elites_view(found: Elites) -> RenderableType:
    """Show the cells as a table, with their totals."""
    made = layout.table("cell", "people", "score", "share", "elite, made by", "marked by", words=("elite, made by", "marked by"), gap=1)
    made.columns[4].min_width = 14
    for niche in found.niches:
        elite = niche.elite
        shown = [Text("empty", style=layout.FAINT), Text("-"), Text("-")]
        if elite is not None:
            made_by = layout.short_id(elite.program_id).append("  ").append_text(layout.operator(niche.operator or ""))
            shown = [layout.text(f"{elite.score:.2f} ± {found.factor * elite.se:.2f}"), layout.text(f"{elite.share:.0%}"), made_by]
        made.add_row(layout.text(niche.cell), layout.text(f"{niche.mass:.0%}"), *shown, layout.name(niche.name))
    candidates = ", ".join(f"{number:,} {state}" for state, number in found.candidates.items()) or "none yet"
    sums = f"{len(found.held)} of {len(found.niches)} cells held, with {found.mass:.0%} of people; QD score {found.qd_score:.3f}"
    notes = (
        f"candidates of run {found.run}: {candidates}",
        f"score ± half its 95 % interval (Student, {found.tasks} tasks); share: the part of the elite's dialogues in the cell",
    )
    return Group(made, Text(""), Text(sums), *(layout.note(words) for words in (*notes, found.scoring) if words))


def elites_object(found: Elites) -> dict[str, Any]:
    """Return the elites for ``--json``; the elite of an empty cell is None."""
    cells = []
    for niche in found.niches:
        elite, shown = niche.elite, None
        if elite is not None:
            low, high = elite.score - found.factor * elite.se, elite.score + found.factor * elite.se
            shown = {
                "program": elite.program_id, "number": elite.number, "operator": niche.operator, "share": elite.share,
                "score": elite.score, "se": elite.se, "low": low, "high": high,
            }  # fmt: skip
        cells.append({"cell": niche.cell, "name": niche.name, "mass": niche.mass, "elite": shown})
    return {
        "run": found.run, "candidates": found.candidates, "cells": cells, "held": len(found.held), "total": len(found.niches),
        "mass": found.mass, "qd_score": found.qd_score,
    }  # fmt: skip


def summary_view(archive: Archive) -> RenderableType:
    """Show counts, the scoring, the elite of each cell, and the final table once the search has ended."""
    found = archive.summary()
    run = archive.run() if found["runs"] else None
    table, scoring = (archive.final_table(run.id), archive.scoring(run.id)) if run else (FinalTable(), Scoring({}, ()))
    head = _counts(archive, found, run)
    if run is not None:
        head += scoring_notes(run, scoring, "test" if table.rows else "train")
    labels = layout.labels((label, layout.text(words)) for label, words in head)
    if run is None:
        return labels
    final: RenderableType = layout.note("no final table yet: the search has not ended")
    if table.rows:
        final = layout.section("on held-out tasks and people", table_view(table, scoring.rules))
    return layout.page([labels, elites_view(replace(elites(archive, run.id), scoring="")), final])


def _counts(archive: Archive, found: Mapping[str, Any], run: Run | None) -> list[tuple[str, str]]:
    """Labels and values of the archive and of what it holds."""
    rows = [
        ("archive", f"{os.fspath(archive.path)} (schema {found['schema']})"),
        ("domain", f"{found['domain'] or '-'}, {layout.count(found['runs'], 'run')}"),
    ]
    if run is not None and "profiles_used" in run.settings:
        rows.append(("profiles", run.settings["profiles_used"]))
    rows.append(("holds", ", ".join(layout.count(found[f"{noun}s"], noun) for noun in ("program", "evaluation", "episode"))))
    rows.append(("digest", found["digest"]))
    sides = archive.refinements().people()
    people = len({one.person for one in sides})
    if people:
        rows.append(("refined", f"{layout.count(len(sides), 'profile')} of {'1 person' if people == 1 else f'{people:,} people'}"))
    if found["screened"]:
        rows.append(("screened", f"{layout.count(found['screened'], 'proposal')} played by a stand-in, not by the user's model"))
    return rows


_COST_COLUMNS = ("role", "model", "calls", "input_tokens", "output_tokens", "usd", "seconds")
_REMARKS = {
    "more": "people show more of", "less": "people show less of", "wider": "people differ more in", "narrower": "people differ less in",
    "apart": "personas should differ more in", "alike": "personas should differ less in",
    "steadier": "one persona should vary less from dialogue to dialogue in",
    "looser": "one persona should vary more from dialogue to dialogue in",
    "together": "should go together", "opposed": "should go together less, or against each other",
}  # fmt: skip
_PAIR = "~"  # joins the two behaviors of a remark on a pair


@dataclass(frozen=True, slots=True)
class ProgramDetails:
    """A program: ``Archive.program`` with four more keys about the shown candidate. These are the judge's ``remarks`` (the worst first),
    ``failures`` of its dialogues (reason, fault, count), ``costs`` (by role and model) and ``expected`` (its score on fresh dialogues).
    ``tasks`` is the number of tasks of each run, ``scored_by`` has the runs that scored the program."""

    found: Mapping[str, Any]
    tasks: Mapping[int, int]
    scored_by: Mapping[int, tuple[Run, Scoring]]

    def as_object(self) -> dict[str, Any]:
        """Return the program for ``--json``."""
        return dict(self.found)


def program_details(archive: Archive, program_id: str) -> ProgramDetails:
    """Collect everything that an archive holds about a program.

    Raises:
        ArchiveError: no program or several begin with this id.
    """
    found = archive.program(program_id)
    place = [found["run"], found["number"]]
    remarks = archive.query("SELECT unnest(remarks) FROM evaluations WHERE run = ? AND number = ? AND split = 'train'", place)[1]
    costs = archive.query(
        'SELECT "role", model, sum(calls)::BIGINT, sum(input_tokens)::BIGINT, sum(output_tokens)::BIGINT, sum(cost), sum(seconds) '
        "FROM model_costs WHERE run = ? AND candidate = ? GROUP BY ALL HAVING isfinite(sum(cost)) AND isfinite(sum(seconds)) ORDER BY ALL",
        place,
    )[1]
    failed = Counter((one.reason, one.fault) for one in archive.episodes(*place) if one.state == "failed")
    more = {
        "remarks": [remark for (remark,) in remarks],
        "failures": [{"reason": reason, "fault": fault, "dialogues": times} for (reason, fault), times in failed.most_common()],
        "costs": [dict(zip(_COST_COLUMNS, row, strict=True)) for row in costs],
        "expected": expected_of(archive, found["run"], found["id"]),
    }
    runs = {run.id: run for run in archive.runs()}
    scored_by = {number: (runs[number], archive.scoring(number)) for number in {one["run"] for one in found["evaluations"]}}
    return ProgramDetails(found | more, {number: tasks_of(run) for number, run in runs.items()}, scored_by)


def expected_of(archive: Archive, run_id: int, program_id: str) -> dict[str, Any] | None:
    """Return a program's expected score on fresh dialogues (``evolve.ranking``), which corrects for selection.

    It comes from the finals if the program played them (their dialogues are fresh, and it was selected from few), else from the search.
    None for a program that was not scored, does not meet the floors or is in the lower half: it was not selected by its score.
    """
    finals = archive.finals(run_id)
    final = next((one for one in finals if one.program_id == program_id and SCORE in one.objectives), None)
    if final is not None:
        return {"score": expected_score(finals, final), "from": "finals"}
    known = archive.query(
        "SELECT c.program, s.score, s.score_se FROM standings AS s JOIN candidates AS c USING (run, number) "
        "WHERE s.run = ? AND s.split = 'train' AND s.holds AND c.state = 'evaluated' AND isfinite(s.score) AND isfinite(s.score_se)",
        [run_id],
    )[1]
    scores = [float(score) for _, score, _ in known]
    own = next(((float(score), float(se)) for key, score, se in known if key == program_id), None)
    if own is None or own[0] < median(scores):
        return None
    return {"score": expected(*own, scores), "from": "search"}


def program_view(shown: ProgramDetails) -> RenderableType:
    """Show the whole page. The source is printed as it is stored, without a margin, so that it can be copied."""
    found, expected = shown.found, shown.found["expected"]
    parts = [_origin(found)]
    if expected is not None:
        parts.append(layout.text(f"expected on fresh dialogues: score {expected['score']:.3f} (from the {expected['from']})"))
    parts += [_scores(one, shown.tasks.get(one["run"], 2), *shown.scored_by[one["run"]]) for one in found["evaluations"]]
    parts += [*_meanings(shown), _cells(found["cells"], shown.tasks), *_remarks(found["remarks"])]
    failures = [layout.text(f"{layout.count(one['dialogues'], 'dialogue')}: {one['reason']} (fault: {one['fault']})")
                for one in found["failures"]]  # fmt: skip
    if failures:
        parts.append(layout.section("what failed", *failures))
    parts += [*_costs(found["costs"]), layout.code(found["source"]), *_rule_violations(found["source"])]
    parts += [_persona(persona) for persona in found["personas"]]
    return layout.page([*parts, *_episodes(found)])


def _origin(found: Mapping[str, Any]) -> RenderableType:
    parents = ", ".join(parent[: layout.SHORT_ID] for parent in found["parents"])
    made = layout.operator(found["operator"]).append_text(layout.text(f" of {parents}" if parents else ""))
    state = layout.BAD if found["state"] == "failed" else ""
    rows: list[tuple[str, RenderableType]] = [
        ("program", layout.text(found["id"], layout.KEY)),
        ("candidate", layout.text(f"{found['number']} of run {found['run']}: {found['state']}", state)),
        ("made by", made),
    ]
    if found["reason"]:
        rows.append(("reason", layout.text(f"{found['reason']} (fault: {found['fault']})")))
    again = len(found["proposals"]) - 1
    return layout.labels([*rows, ("proposed", Text(f"{layout.count(again, 'time')} more"))] if again else rows)


def _scores(one: Mapping[str, Any], tasks: int, run: Run, scoring: Scoring) -> RenderableType:
    made = layout.table("", "share", "95 % interval", "raw", words=("",))
    for name in arranged(one["objectives"], scoring.rules):
        value = one["objectives"][name]
        half = student_factor(tasks - 1) * value["se"]
        interval = f"[{value['value'] - half:.3f}, {value['value'] + half:.3f}]" if half else "-"
        made.add_row(layout.name(in_words(name)), *map(layout.text, (f"{value['value']:.3f}", interval, f"{value['raw']:.3f}")))
    counted = f"{one['completed']} of {one['planned']} planned episodes"
    title = f"scores on {one['split']} tasks of run {one['run']}, {counted}, sandbox {one['tier'] or '-'}"
    how = layout.labels((label, layout.text(words)) for label, words in scoring_notes(run, scoring, one["split"], one["planned"]))
    return layout.section(title, made, *([how] if how.row_count else []))


def _meanings(shown: ProgramDetails) -> Iterator[RenderableType]:
    """The meaning of each objective; left out for runs of another scoring, where a name may mean something else."""
    here = [one for one in shown.found["evaluations"] if not scoring_warning(shown.scored_by[one["run"]][0])]
    names = arranged({name for one in here for name in one["objectives"] if name in meanings()}, current_rules())
    if names:
        yield layout.section("what they mean", layout.labels((in_words(name), layout.text(meanings()[name])) for name in names))


def _cells(cells: Sequence[Mapping[str, Any]], tasks: Mapping[int, int]) -> RenderableType:
    if not cells:
        return layout.section("owns no cell")
    made = layout.table("cell", "people", "score", "share", "marked by", words=("marked by",))
    for cell in cells:
        half = student_factor(tasks.get(cell["run"], 2) - 1) * cell["se"]
        figures = cell["cell"], f"{cell['mass'] or 0:.0%}", f"{cell['score']:.2f} ± {half:.2f}", f"{cell['share']:.0%}"
        made.add_row(*map(layout.text, figures), layout.name(cell["name"]))
    return layout.section("cells it owns", made)


def _remarks(remarks: Sequence[Mapping[str, str]]) -> Iterator[RenderableType]:
    """The judge's remarks in words, the worst first within each line."""
    by_direction: dict[str, list[str]] = {}
    for remark in remarks:
        by_direction.setdefault(remark["wanted"], []).append(in_words(remark["feature"]).replace(_PAIR, " and "))
    lines = [
        layout.text(f"{_REMARKS.get(wanted, wanted)}: {('; ' if any(' and ' in one for one in features) else ', ').join(features)}")
        for wanted, features in by_direction.items()
    ]
    if lines:
        yield layout.section("what the judge remarked", *lines)


def _costs(costs: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    if not costs:
        return
    made = layout.table("role", "model", "calls", "tokens in", "out", "US $", "s/call", words=("role", "model"))
    for one in costs:
        figures = f"{one['calls']:,}", f"{one['input_tokens']:,}", f"{one['output_tokens']:,}", f"{one['usd']:.4f}"
        per_call = f"{one['seconds'] / max(one['calls'], 1):.2f}"
        made.add_row(layout.name(one["role"]), layout.name(one["model"]), *map(layout.text, (*figures, per_call)))
    yield layout.section("calls and costs of models for it", made)


def _rule_violations(source: str) -> Iterator[RenderableType]:
    """Violations of the static rules for programs."""
    try:
        found = [f"line {finding.line}: {finding.message}" for finding in programs.check(programs.parse(source))]
    except ProgramError as error:
        found = [str(error)]
    if found:
        yield layout.section("rules", *map(layout.text, found))


def _persona(persona: Mapping[str, Any]) -> RenderableType:
    head = layout.text(f"persona {persona['id']}", layout.HEADING)
    head.append_text(layout.text(f" for task {persona['task']}:", "not bold"))
    levels = ", ".join(f"{name} {level:.2f}" for name, level in persona["behaviors"].items())
    parts = [layout.text(levels, layout.FAINT)] if levels else []
    read_by_user = Persona(id=persona["id"], description=persona["description"], policy=persona["policy"]).text
    return Group(head, *(Padding(part, (0, 0, 0, 2)) for part in [*parts, layout.lines(read_by_user)]))


def _episodes(found: Mapping[str, Any]) -> Iterator[RenderableType]:
    if found["best"] is not None:
        yield _episode("best", found["best"])
    elif not found["personas"] and any(one["completed"] for one in found["evaluations"]):
        yield layout.note("its dialogues were left out of the archive")
    if found["worst"] is not None and found["worst"] != found["best"]:
        yield _episode("worst", found["worst"])


def _episode(title: str, episode: Mapping[str, Any]) -> RenderableType:
    figures = f"P(human) {episode['p_human']:.2f}, task preservation {episode['preservation'] or 0:.2f}, {episode['outcome']}"
    said = Table.grid(padding=(0, 1, 0, 0))
    said.add_column(no_wrap=True)
    said.add_column(overflow="fold")
    for turn in episode["turns"]:
        user = turn["role"] == "user"
        said.add_row(layout.text(f"{turn['role']}:", layout.KEY if user else layout.FAINT), layout.text(turn["content"]))
    about = f"task {episode['task']}, persona {episode['persona'] or '-'}; {figures}"
    return layout.section(f"{title} dialogue", layout.text(about, layout.FAINT), said)
