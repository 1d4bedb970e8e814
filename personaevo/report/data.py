"""Data of the top of the page: the result compared with controls, and the meaning of the numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from personaevo import __version__
from personaevo.evolve.prepare import scoring_inputs
from personaevo.evolve.ranking import AUDITOR, expected
from personaevo.judge.objectives import SCORE, SCORING
from personaevo.measure.stats import student_factor
from personaevo.records import Comparison, Evaluation, TableRow
from personaevo.report.charts import ROWS, SHORT_ID, Measured, behaviors_chart, cell_shares, listed, measured, plane_chart, row_name
from personaevo.report.material import Material, in_words, short, tiles
from personaevo.report.sections import dialogues, front_chart, operators_chart, program_list, progress_chart, sources

_BASELINE = "average_person"  # a program that is not better has not shown that different personas are of use
_PEOPLE, _SEED, _BEST = "humans", "seed_program", "evolved"
_HEADLINE_ROWS = (_PEOPLE, _BASELINE, "persona_free", _SEED)


def result(material: Material, columns: Sequence[Measured]) -> dict[str, Any]:
    """Return the data as plain values."""
    rows = {row.row: row for row in material.table}
    ended = _BEST in rows and SCORE in rows[_BEST].measures
    note, meanings = "", {row: ROWS[row][1] for row in rows if row in ROWS}
    if material.scored_by != SCORING:
        note = f"Scored by scoring {material.scored_by}: its numbers are not comparable with those of scoring {SCORING}."
        meanings |= {_PEOPLE: "people held out from the search"} if _PEOPLE in meanings else {}
    return {
        "scoring_note": note,
        "headline": _headline(material, rows) if ended else _headline_so_far(material),
        "versus": _versus(material, columns),
        "columns": [asdict(one) | {"group": one.group} for one in columns],
        "table": [_row(row) for row in material.table],
        "row_meanings": [[row_name(row), meaning] for row, meaning in meanings.items()],
        "comparisons": _comparisons(material, columns),
        "legend": _legend(material, columns),
        "levels": _levels(material),
        "judge": _judge(material),
    }


def _headline(material: Material, rows: dict[str, TableRow]) -> list[str]:
    """Sentences about the best program of the final table."""
    own = rows[_BEST].measures[SCORE]
    others = [
        f"{'' if row == _PEOPLE else 'the '}{row_name(row)} {rows[row].measures[SCORE].mean:.2f}"
        for row in _HEADLINE_ROWS if row in rows and SCORE in rows[row].measures
    ]  # fmt: skip
    interval = f"95 % interval {own.low:.2f} to {own.high:.2f}"
    sentences = [f"The best program scores {own.mean:.2f} ({interval}). On the same scale: {listed(others)}."]
    if _BASELINE in rows:
        sentences += _against_baseline(material, rows[_BASELINE])
    sentences += _audited(rows, typing=material.final.auditor_sees.startswith("typing"))
    gain = material.final.compared(_SEED, SCORE)
    if _SEED in rows and rows[_SEED].program_id == rows[_BEST].program_id:
        sentences.append("No candidate was better than the first program of the search.")
    elif gain is not None:
        doubt = "" if gain.low > 0 else "; this interval is not above 0, so a gain is not shown"
        mean, low, high = (f"{value:+.2f}".replace("-", "−") for value in (gain.mean, gain.low, gain.high))
        sentences.append(f"The search gained {mean} over the seed program (paired, {low} to {high}{doubt}).")
    return sentences


def _audited(rows: dict[str, TableRow], *, typing: bool) -> list[str]:
    """A sentence on how well the auditor, which may see habits of typing too, tells the best program from people."""
    own, people = (rows[row].measures.get(AUDITOR) if row in rows else None for row in (_BEST, _PEOPLE))
    if own is None:
        return []
    numbers = f"{own.mean:.2f} ({own.low:.2f} to {own.high:.2f}{f'; people from people: {people.mean:.2f}' if people is not None else ''})"
    sees = ", and sees how they type," if typing else ""
    return [f"An auditor that never steers{sees} tells its users from people with an AUC of {numbers}."]


def _against_baseline(material: Material, row: TableRow) -> list[str]:
    """Sentences that compare the best program with the average person, weaknesses first."""
    found = {name: material.final.compared(_BASELINE, name) for name in (SCORE, *material.steering)}
    verdicts = {name: _verdict(material, one) for name, one in found.items() if one is not None}
    sentences = []
    for verdict, words in (("worse", "is worse than"), ("not shown", "is not shown to be better than")):
        named = [in_words(name) for name, one in verdicts.items() if one == verdict]
        if named:
            sentences.append(f"In {listed(named)} it {words} the average person.")
    if verdicts and set(verdicts.values()) == {"better"}:
        sentences.append("It is better than the average person in the score and in every objective that steers.")
    zero = [in_words(name) for name in material.steering if name in row.measures and row.measures[name].mean <= 0]
    if SCORE in row.measures and row.measures[SCORE].mean <= 0 and zero:
        sentences.append(f"The average person's score is 0 because its {listed(zero)} is 0 or less: the score is a harmonic mean.")
    return sentences


def _verdict(material: Material, one: Comparison) -> str:
    """"better" or "worse" if the interval of a difference excludes 0, else "not shown"."""
    less = one.objective in material.scoring.rules and material.scoring.rules[one.objective][1] == "less"
    low, high = (-one.high, -one.low) if less else (one.low, one.high)
    return "better" if low > 0 else "worse" if high < 0 else "not shown"


_VERDICTS = {
    "better": "better than the average person",
    "worse": "worse than the average person",
    "not shown": "not shown to be better: the interval is not above 0",
}


def _versus(material: Material, columns: Sequence[Measured]) -> list[dict[str, Any]]:
    """The differences between the best program and the average person in the score and each steering objective."""
    found = []
    for column in columns:
        one = material.final.compared(_BASELINE, column.name) if column.role in ("score", "steers") else None
        if one is not None:
            verdict = _verdict(material, one)
            found.append(
                {"title": column.title, "mean": short(one.mean), "low": short(one.low), "high": short(one.high), "verdict": verdict,
                 "words": _VERDICTS[verdict]}
            )  # fmt: skip
    return found


def _headline_so_far(material: Material) -> list[str]:
    """Sentences about a search without a final table."""
    ranked = material.ranked()
    if not ranked:
        return ["No candidate meets the floors yet." if material.scored() else "No program has been evaluated yet."]
    scores = [one.evaluation.objectives[SCORE] for one in ranked if one.evaluation is not None]
    best = f"The best program so far scores {scores[0].value:.2f} in the search."
    sentences = [f"The search has not ended: there is no final table yet. {best}"]
    fresh = expected(scores[0].value, scores[0].se, [one.value for one in scores])
    if fresh < scores[0].value:
        sentences.append(f"The best of many is partly lucky: expect about {fresh:.2f} on fresh dialogues.")
    return sentences


def _row(row: TableRow) -> dict[str, Any]:
    return {
        "row": row.row, "name": row_name(row.row), "program": row.program_id,
        "measures": {name: asdict(measure) for name, measure in row.measures.items()},
    }  # fmt: skip


def _comparisons(material: Material, columns: Sequence[Measured]) -> dict[str, Any]:
    """The differences between the best program and every other row, in every compared measure."""
    named = [one for one in columns if any(found.objective == one.name for found in material.final.comparisons)]
    rows = []
    for row in material.table:
        if any(found.against == row.row for found in material.final.comparisons):
            compared = [material.final.compared(row.row, one.name) for one in named]
            values = [None if one is None else [short(one.mean), short(one.low), short(one.high)] for one in compared]
            rows.append({"name": row_name(row.row), "values": values})
    return {"columns": [one.title for one in named], "rows": rows}


def _legend(material: Material, columns: Sequence[Measured]) -> dict[str, Any]:
    """Role and meaning of each column, and the raw values that are scaled to 0 and 1 in the final table, if the archive has them."""
    levels = {name: level for split, _, name, level in material.scoring.levels if split == "test"}
    rows = []
    for one in columns:
        role = f"{one.group}: at {'most' if one.direction == 'less' else 'least'} {one.floor:g}" if one.floor is not None else one.group
        level = levels.get(one.name)
        ends = [f"{level.zero:.3g}", f"{level.people:.3g}"] if level is not None else ["–", "–"]
        rows.append([one.title, role, one.meaning or f"as scoring {material.scored_by} defined it", *(ends if levels else ())])
    ends = ["raw value scaled to 0", "raw value of people, scaled to 1"] if levels else []
    return {"columns": ["column", "role", "meaning", *ends], "rows": rows}


def _levels(material: Material) -> list[list[Any]]:
    """Every level of the run: objective, people, planned dialogues, and the raw values that are scaled to 0 and 1."""
    whose = {"train": "people and tasks of the search", "test": "held-out people and tasks"}
    return [
        [in_words(name), whose.get(split, split), planned, short(level.zero), short(level.people)]
        for split, planned, name, level in material.scoring.levels
    ]


def _judge(material: Material) -> str:
    """Sentences on the dialogues that the judges were trained against."""
    by_split: dict[str, Counter[str]] = {}
    for one in material.scoring.controls:
        by_split.setdefault(one.split, Counter())[one.kind] += 1
    if not by_split:
        return ""
    counts = next(iter(by_split.values()))
    kinds = listed(f"{count:,} {row_name(kind)}" for kind, count in counts.items())
    words = f"The judge learned to tell people's dialogues from artificial ones: {kinds}. No program of the search was among them."
    other = " The judge of the final table learned from other people, and from as many such dialogues on the held-out tasks."
    return words + (other if len(by_split) > 1 else "")


def report_data(material: Material) -> dict[str, Any]:
    """Return the page's data as JSON values: numbers are rounded, stored text is unchanged (the page inserts it as text only)."""
    (plane_view, plane), columns, best = plane_chart(material), measured(material), material.best()
    charts = {
        "plane": plane_view, "progress": progress_chart(material), "operators": operators_chart(material),
        "front": front_chart(material), "behaviors": behaviors_chart(material),
    }  # fmt: skip
    return {
        "domain": str(material.run.settings.get("domain", "")),
        "file": material.file,
        "best": best.candidate.number if best is not None else None,
        "score": SCORE,
        **result(material, columns),
        "facts": _facts(material),
        "steps": _steps(material, columns),
        "players": _players(material),
        "finals": [_finalist(one, material) for one in material.finals],
        "cells": _cells(material),
        "outside": _outside(material),
        "charts": {name: chart.as_json() for name, chart in charts.items()},
        "programs": program_list(material),
        "sources": sources(material),
        "dialogues": dialogues(material, plane),
        "costs": [{"role": role, **asdict(spent)} for role, spent in material.spending.items()],
        "notes": [*material.compared.missing, *_left_out(material)],
    }


def _facts(material: Material) -> list[list[str]]:
    """Labels and values that identify the run."""
    settings, people = material.run.settings, material.compared.people
    tiers = sorted({one.evaluation.tier or "not recorded" for one in material.commits if one.evaluation})
    digest, scoring = settings.get("scoring_digest"), str(material.scored_by)
    if digest:
        changed = digest != scoring_inputs()["scoring_digest"]
        scoring += f" ({digest}){', objectives differ from those installed' if changed else ''}"
    return [
        ["domain", str(settings.get("domain", "-"))],
        ["people", f"{len(people)} dialogues of {people.corpus}, other ones for the final table" if people else "not available"],
        *([["profiles", str(settings["profiles_used"])]] if "profiles_used" in settings else []),
        ["seed, run", f"{settings.get('seed', '-')}, {material.run.id}"],
        *_counts(material),
        ["scoring", scoring],
        ["sandbox", ", ".join(tiers) or "-"],
        ["archive", f"{material.file}, personaevo {__version__}"],
    ]


def _counts(material: Material) -> list[list[str]]:
    """The numbers of candidates and dialogues."""
    states = Counter(one.candidate.state for one in material.commits)
    kinds = f"{states['evaluated']:,} evaluated, {states['failed']:,} failed, {states['duplicate']:,} known before"
    episodes = sum(one.evaluation.planned for one in material.commits if one.evaluation)
    finals, controls = sum(one.planned for one in material.finals), len(material.scoring.controls)
    held_out = sum(max((one.planned for one in row.measures.values()), default=0) for row in material.table if row.row != "humans")
    judge = f", {controls:,} to train the judges" if controls else ""
    return [
        ["candidates", f"{len(material.commits):,}: {kinds}"],
        ["dialogues", f"{episodes:,} in the search, {finals:,} in the finals, {held_out:,} for the final table{judge}"],
    ]


def _steps(material: Material, columns: Sequence[Measured]) -> list[str]:
    """The steps by which the numbers were made."""
    floors = listed(f"{in_words(name)} at least {floor:g}" for name, floor in material.floors.items())
    meaning = next((one.meaning for one in columns if one.name == SCORE), "")
    steered = f"The score steers the search by {listed(map(in_words, material.steering))}{f': {meaning}' if meaning else ''}."
    scaled = "Objectives are scaled: 1 is the level of as many other people, 0 a lower level. Values below 0 and above 1 are possible."
    return [
        "A persona program is a small Python program that writes personas for a task. The search rewrites programs and keeps the best one "
        "for every kind of behavior.",
        "Every candidate plays the same planned dialogues: its personas as users, against an agent. The behavior of the users is measured.",
        *([scaled] if any(one.share for one in columns if one.name != SCORE) else []),
        *([steered] if material.steering else []),
        *([f"A program below a floor ({floors}) cannot be a parent, an elite or the best program."] if floors else []),
        "At the end of a search the best few programs are scored again on fresh dialogues (the finals). The best of these is the best "
        "program.",
    ]


def _players(material: Material) -> str:
    """A sentence that names the models of the run."""
    settings = material.run.settings
    players = dict(settings.get("models") or {}) | ({"agent": settings["agent"]} if settings.get("agent") else {})
    if not players:
        return (
            "Users and agent were the embedded engine, a test bed that needs no model: the numbers compare programs and search strategies, "
            "and say nothing about users played by language models."
        )
    named = ", ".join(f"{role} {name}" for role, name in players.items())
    return f"Played by: {named}; all else was embedded. Other models give other numbers."


def _finalist(one: Evaluation, material: Material) -> dict[str, Any]:
    factor = student_factor(int(material.run.settings.get("test_tasks", 2)) - 1)
    number = next((c.candidate.number for c in material.commits if c.candidate.program.id == one.program_id), None)
    values = {
        name: [short(x.value), short(x.value - factor * x.se), short(x.value + factor * x.se)]
        for name, x in one.objectives.items()
    }  # fmt: skip
    return {"number": number, "id": one.program_id[:SHORT_ID], "planned": one.planned, "objectives": values}


def _cells(material: Material) -> list[dict[str, Any]]:
    """Data of the map: for each cell its tile, its share of people, its elite, and the best program's share of dialogues there."""
    elites = {elite.cell: elite for elite in material.elites}
    shares, factor = cell_shares(material.best()), student_factor(material.calls - 1)
    boxes = tiles([float(cell["mass"]) for cell in material.run.cells]) if material.run.cells else []
    found = []
    for cell, box in zip(material.run.cells, boxes, strict=True):
        elite, number = elites.get(int(cell["cell"])), int(cell["cell"])
        held = {
            "number": elite.number, "id": elite.program_id[:SHORT_ID], "score": short(elite.score), "share": short(elite.share),
            "low": short(elite.score - factor * elite.se), "high": short(elite.score + factor * elite.se),
        } if elite is not None else None  # fmt: skip
        found.append(
            {"cell": number, "name": str(cell["name"]), "mass": short(cell["mass"]), "best_share": short(shares.get(number, 0.0)),
             "box": [short(x, 2) for x in box], "elite": held}
        )  # fmt: skip
    return found


def _outside(material: Material) -> float:
    """The share of the best program's planned dialogues that completed and are in no cell."""
    best = material.best()
    episodes = material.episodes.get(best.candidate.number, ()) if best is not None else ()
    return short(sum(one.state == "completed" and one.cell is None for one in episodes) / max(1, len(episodes)))


def _left_out(material: Material) -> list[str]:
    """Notes on data of the archive that the page leaves out."""
    notes, total = [], len(material.commits)
    played = sum(one.evaluation is not None for one in material.commits)
    if played > len(material.episodes):
        notes.append(
            f"This page has personas and dialogues of {len(material.episodes)} of {played:,} programs: those of the final table and the "
            f"finals, elites, their ancestors, and the best of the rest. Others: personaevo archive show {material.file} ID."
        )
    if total > len(material.sourced):
        notes.append(f"This page has sources of {len(material.sourced)} of {total:,} candidates, and the scores of all.")
    return notes
