"""What a run was scored by, in words: by which scoring, what people get, and what its judge was trained against."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from personaevo.evolve.names import BEST, FREE, PEOPLE, SEED
from personaevo.judge.objectives import SCORE, SCORING, objectives, ordered, scoring_of
from personaevo.records import Level, Run, Scoring

Rules = Mapping[str, tuple[str, str, float | None, int]]
AVERAGE = "average_person"  # the row that the best program is held against
_ROWS = {
    PEOPLE: "people", FREE: "persona-free", AVERAGE: "average person", "copied_people": "copied people",
    "independent": "independent marginals", "programs": "of negative programs", SEED: "seed program", BEST: "evolved",
}  # fmt: skip
_PLACES = {"steers": 1, "holds": 2}  # the score stands before these, all else behind


def rules_at_hand() -> Rules:
    """The role, direction, floor and version of each objective of this personaevo, as a run records them."""
    return {one.name: (one.role, one.direction, one.floor, one.version) for one in objectives()}


def arranged(names: Iterable[str], rules: Rules) -> list[str]:
    """Names in the order that people read them: the score, what steers, what must hold, the rest."""

    def place(name: str) -> int:
        return 0 if name == SCORE else _PLACES.get(rules[name][0], 3) if name in rules else 3

    return sorted(ordered(list(names)), key=place)


def steered(rules: Rules) -> tuple[str, ...]:
    """The objectives that steered a run."""
    return tuple(name for name in arranged(rules, rules) if rules[name][0] == "steers")


def row_name(row: str) -> str:
    """What a row of the final table, or a kind of control, is called."""
    return _ROWS.get(row, spoken(row))


def spoken(name: str) -> str:
    """A stored name as words."""
    return name.replace("_", " ")


def another_scoring(run: Run) -> str:
    """Says that a run's numbers are of another scoring than this one's; nothing if they are not."""
    made_by = scoring_of(run.settings)
    if made_by == SCORING:
        return ""
    return f"scored by scoring {made_by} (this personaevo scores by {SCORING}): its numbers are not comparable with new ones"


def people_get(scoring: Scoring, split: str, planned: int | None = None) -> str:
    """What other people get on each objective: raw values, and where a share of 0 lies if not at 0. Of so many planned dialogues (the
    fewest known, if none are given); nothing where the run does not say."""
    known = sorted({count for part, count, _, _ in scoring.levels if part == split})
    count = planned if planned is not None else next(iter(known), None)
    levels = {name: level for part, number, name, level in scoring.levels if (part, number) == (split, count)}
    said = ", ".join(_level(name, levels[name]) for name in arranged(levels, scoring.rules))
    return f"{said} (raw, in {count} dialogues)" if said else ""


def _level(name: str, level: Level) -> str:
    zero = f" (a share of 0: {level.zero:.3g})" if level.zero else ""
    return f"{spoken(name)} {level.people:.3g}{zero}"


def trained_against(run: Run) -> str:
    """Which dialogues that are no people's the judge of each half of the people was trained against; nothing where the run does not say."""
    try:
        kinds = json.loads(str(run.settings.get("negatives", "{}")))
    except (ValueError, RecursionError):
        return ""
    if not isinstance(kinds, dict):
        return ""
    said = ", ".join(f"{count} {row_name(kind)}" for kind, count in kinds.items() if isinstance(count, int))
    return f"trained against dialogues that are no people's: {said}" if said else ""


def notes(run: Run, scoring: Scoring, split: str, planned: int | None = None) -> Sequence[tuple[str, str]]:
    """Labels and what is to be said of how a run was scored; what it does not tell is left out."""
    found = (
        ("scoring", another_scoring(run)), ("people get", people_get(scoring, split, planned)), ("judge", trained_against(run)),
    )  # fmt: skip
    return [(label, words) for label, words in found if words]
