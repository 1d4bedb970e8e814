"""``archive show``: one program with all that is known of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from personaevo import programs
from personaevo.archive import Archive
from personaevo.errors import ProgramError
from personaevo.evolve.finals import expected_score
from personaevo.evolve.ranking import expected
from personaevo.inspect import layout
from personaevo.inspect.lineage import tasks_of
from personaevo.inspect.scoring import another_scoring, arranged, notes, rules_at_hand, spoken
from personaevo.judge.objectives import SCORE, meanings
from personaevo.measure.stats import student_factor
from personaevo.records import Persona, Run, Scoring

_COSTS = ("role", "model", "calls", "input_tokens", "output_tokens", "usd", "seconds")
_WANTED = {
    "more": "people show more of", "less": "people show less of", "wider": "people differ more in", "narrower": "people differ less in",
    "apart": "personas should differ more in", "alike": "personas should differ less in",
    "steadier": "one persona should vary less from dialogue to dialogue in",
    "looser": "one persona should vary more from dialogue to dialogue in",
    "together": "should go together", "opposed": "should go together less, or against each other",
}  # fmt: skip
_PAIR = "~"  # between the two behaviors of a remark on both


@dataclass(frozen=True, slots=True)
class Portrait:
    """A program: ``Archive.program`` with, of the candidate that is shown, the judge's ``remarks`` (the worst first), ``failures`` of its
    dialogues (reason, fault, how many), ``costs`` (of each role and model) and ``expected`` (its score on fresh dialogues) added; on how
    many tasks each run scored, and what the runs that scored it were scored by."""

    found: Mapping[str, Any]
    tasks: Mapping[int, int]
    scored_by: Mapping[int, tuple[Run, Scoring]]

    def as_object(self) -> dict[str, Any]:
        """For ``--json``."""
        return dict(self.found)


def portrait(archive: Archive, program_id: str) -> Portrait:
    """All that is known of a program.

    Raises:
        ArchiveError: no program or several begin so.
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
        "costs": [dict(zip(_COSTS, row, strict=True)) for row in costs],
        "expected": expected_of(archive, found["run"], found["id"]),
    }
    runs = {run.id: run for run in archive.runs()}
    scored_by = {number: (runs[number], archive.scoring(number)) for number in {one["run"] for one in found["evaluations"]}}
    return Portrait(found | more, {number: tasks_of(run) for number, run in runs.items()}, scored_by)


def expected_of(archive: Archive, run_id: int, program_id: str) -> dict[str, Any] | None:
    """A program's score as it is expected on fresh dialogues (``evolve.ranking``), from the finals if it played them (there its dialogues
    are fresh already, and it was chosen from few), else from the search. None for one that was not scored, does not hold the floors or is
    not among the better half: nobody chose it, so its score is not better by luck."""
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


def portrait_view(shown: Portrait) -> RenderableType:
    """The whole page. The source is printed as it is stored, without a margin, so that it can be copied."""
    found = shown.found
    parts = [
        _origin(found),
        *_expected(found["expected"]),
        *(_scores(one, shown.tasks.get(one["run"], 2), *shown.scored_by[one["run"]]) for one in found["evaluations"]),
        *_meanings(shown),
        _cells(found["cells"], shown.tasks),
        *_remarks(found["remarks"]),
        *_failures(found["failures"]),
        *_costs(found["costs"]),
        layout.code(found["source"]),
        *_rules(found["source"]),
        *(_persona(persona) for persona in found["personas"]),
        *_episodes(found),
    ]
    return layout.page(parts)


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


def _expected(expected: Mapping[str, Any] | None) -> Iterator[RenderableType]:
    """What is left of the score when the luck of the best of many is gone."""
    if expected is not None:
        yield layout.text(f"expected on fresh dialogues: score {expected['score']:.3f} (from the {expected['from']})")


def _scores(one: Mapping[str, Any], tasks: int, run: Run, scoring: Scoring) -> RenderableType:
    made = layout.table("", "share", "95 % interval", "raw", words=("",))
    for name in arranged(one["objectives"], scoring.rules):
        value = one["objectives"][name]
        half = student_factor(tasks - 1) * value["se"]
        interval = f"[{value['value'] - half:.3f}, {value['value'] + half:.3f}]" if half else "-"
        made.add_row(layout.name(spoken(name)), *map(layout.text, (f"{value['value']:.3f}", interval, f"{value['raw']:.3f}")))
    counted = f"{one['completed']} of {one['planned']} planned episodes"
    title = f"scores on {one['split']} tasks of run {one['run']}, {counted}, sandbox {one['tier'] or '-'}"
    how = layout.labels((label, layout.text(words)) for label, words in notes(run, scoring, one["split"], one["planned"]))
    return layout.section(title, made, *([how] if how.row_count else []))


def _meanings(shown: Portrait) -> Iterator[RenderableType]:
    """What each objective means; under another scoring the same name may have meant another thing."""
    here = [one for one in shown.found["evaluations"] if not another_scoring(shown.scored_by[one["run"]][0])]
    names = arranged({name for one in here for name in one["objectives"] if name in meanings()}, rules_at_hand())
    if names:
        yield layout.section("what they mean", layout.labels((spoken(name), layout.text(meanings()[name])) for name in names))


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
    """The judge's reflection in words, the worst first within each line."""
    by_direction: dict[str, list[str]] = {}
    for remark in remarks:
        by_direction.setdefault(remark["wanted"], []).append(spoken(remark["feature"]).replace(_PAIR, " and "))
    said = [
        layout.text(f"{_WANTED.get(wanted, wanted)}: {('; ' if any(' and ' in one for one in features) else ', ').join(features)}")
        for wanted, features in by_direction.items()
    ]
    if said:
        yield layout.section("what the judge remarked", *said)


def _failures(failures: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    said = [layout.text(f"{layout.count(one['dialogues'], 'dialogue')}: {one['reason']} (fault: {one['fault']})") for one in failures]
    if said:
        yield layout.section("what failed", *said)


def _costs(costs: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    if not costs:
        return
    made = layout.table("role", "model", "calls", "tokens in", "out", "US $", "s/call", words=("role", "model"))
    for one in costs:
        figures = f"{one['calls']:,}", f"{one['input_tokens']:,}", f"{one['output_tokens']:,}", f"{one['usd']:.4f}"
        per_call = f"{one['seconds'] / max(one['calls'], 1):.2f}"
        made.add_row(layout.name(one["role"]), layout.name(one["model"]), *map(layout.text, (*figures, per_call)))
    yield layout.section("what models did and cost for it", made)


def _rules(source: str) -> Iterator[RenderableType]:
    """What the static rules would have said to the author."""
    try:
        findings = programs.check(programs.parse(source))
        said = [f"line {finding.line}: {finding.message}" for finding in findings]
    except ProgramError as error:
        said = [str(error)]
    if said:
        yield layout.section("rules", *map(layout.text, said))


def _persona(persona: Mapping[str, Any]) -> RenderableType:
    head = layout.text(f"persona {persona['id']}", layout.HEADING)
    head.append_text(layout.text(f" for task {persona['task']}:", "not bold"))
    levels = ", ".join(f"{name} {level:.2f}" for name, level in persona["behaviors"].items())
    parts = [layout.text(levels, layout.FAINT)] if levels else []
    return Group(head, *(Padding(part, (0, 0, 0, 2)) for part in [*parts, layout.lines(_said(persona))]))


def _said(persona: Mapping[str, Any]) -> str:
    """What a simulator reads of the persona."""
    return Persona(id=persona["id"], description=persona["description"], policy=persona["policy"]).text


def _episodes(found: Mapping[str, Any]) -> Iterator[RenderableType]:
    if found["best"] is not None:
        yield _episode("best", found["best"])
    elif not found["personas"] and any(one["completed"] for one in found["evaluations"]):
        yield layout.note("the archive does not hold its dialogues any more")
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
