"""The complete data of a report as plain values: a pure function of the material."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from personaevo import __version__
from personaevo.evolve.prepare import scoring_inputs
from personaevo.judge.objectives import SCORE
from personaevo.measure.stats import student_factor
from personaevo.records import Evaluation
from personaevo.report.explorer import dialogues, program_list, sources
from personaevo.report.figures import SHORT_ID, behaviors_chart, cell_shares, plane_chart
from personaevo.report.material import Material
from personaevo.report.named import Measured, listed, measured
from personaevo.report.numbers import in_words, short, tiles
from personaevo.report.progress import front_chart, operators_chart, progress_chart
from personaevo.report.result import result


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
