"""The final table of a search and its headline, the scoring of a run in words, and the costs of models."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from personaevo.evolve.names import BEST, FREE, PEOPLE, SEED
from personaevo.judge.objectives import SCORE, SCORING, objectives, ordered, scoring_of
from personaevo.records import Run, Scoring

Rules = Mapping[str, tuple[str, str, float | None, int]]
AVERAGE = "average_person"  # the row that the best program is compared with
_ROWS = {
    PEOPLE: "people", FREE: "persona-free", AVERAGE: "average person", "copied_people": "copied people",
    "independent": "independent marginals", "programs": "of negative programs", SEED: "seed program", BEST: "evolved",
}  # fmt: skip
_ORDER = {"steers": 1, "holds": 2}  # the score is first, all other objectives are last


def current_rules() -> Rules:
    """Return role, direction, floor and version of each objective of this personaevo, as a run records them."""
    return {one.name: (one.role, one.direction, one.floor, one.version) for one in objectives()}


def arranged(names: Iterable[str], rules: Rules) -> list[str]:
    """Return the names in the order of tables: the score, objectives that steer, objectives with a floor, the rest."""
    order = {name: _ORDER.get(rule[0], 3) for name, rule in rules.items()} | {SCORE: 0}
    return sorted(ordered(list(names)), key=lambda name: order.get(name, 3))


def steered(rules: Rules) -> tuple[str, ...]:
    """Return the objectives that steered a run."""
    return tuple(name for name in arranged(rules, rules) if rules[name][0] == "steers")


def row_name(row: str) -> str:
    """Return the displayed name of a row of the final table, or of a kind of control."""
    return _ROWS.get(row, in_words(row))


def in_words(name: str) -> str:
    """Write a stored name as words."""
    return name.replace("_", " ")


def scoring_warning(run: Run) -> str:
    """Return a warning if a run was scored by another scoring than this personaevo's, else an empty text."""
    made_by = scoring_of(run.settings)
    if made_by == SCORING:
        return ""
    return f"scored by scoring {made_by} (this personaevo scores by {SCORING}): its numbers are not comparable with new ones"


def people_levels(scoring: Scoring, split: str, planned: int | None = None) -> str:
    """Describe the raw values that people reach on each objective, and the value scaled to 0 if it is not 0.

    Levels are those for ``planned`` dialogues, by default the fewest known. Empty where the run has none.
    """
    known = sorted({count for part, count, _, _ in scoring.levels if part == split})
    count = planned if planned is not None else next(iter(known), None)
    levels = {name: level for part, number, name, level in scoring.levels if (part, number) == (split, count)}
    shown = []
    for name in arranged(levels, scoring.rules):
        zero = f" (a share of 0: {levels[name].zero:.3g})" if levels[name].zero else ""
        shown.append(f"{in_words(name)} {levels[name].people:.3g}{zero}")
    return f"{', '.join(shown)} (raw, in {count} dialogues)" if shown else ""


def trained_against(run: Run) -> str:
    """Describe the dialogues not by people that each judge was trained against. Empty where the run does not record them."""
    try:
        kinds = json.loads(str(run.settings.get("negatives", "{}")))
    except (ValueError, RecursionError):
        return ""
    if not isinstance(kinds, dict):
        return ""
    counts = ", ".join(f"{count} {row_name(kind)}" for kind, count in kinds.items() if isinstance(count, int))
    return f"trained against dialogues that are not by people: {counts}" if counts else ""


def scoring_notes(run: Run, scoring: Scoring, split: str, planned: int | None = None) -> Sequence[tuple[str, str]]:
    """Return labels and remarks on how a run was scored; remarks without content are left out."""
    found = (
        ("scoring", scoring_warning(run)), ("people get", people_levels(scoring, split, planned)), ("judge", trained_against(run)),
    )  # fmt: skip
    return [(label, words) for label, words in found if words]
