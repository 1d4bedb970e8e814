"""Displayed names and meanings: measures in the order of tables, rows of the final table, and remarks in words.

Measures come from the archive and from the registry of objectives; no objective is named here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from personaevo.evolve.names import AUDITOR
from personaevo.judge.objectives import SCORE, SCORING, meanings, objectives, ordered
from personaevo.records import Remark
from personaevo.report.material import Material
from personaevo.report.numbers import in_words

_ROLES = ("score", "steers", "holds", "audits", "beside")  # the order of groups of columns
_GROUPS = {
    "score": "overall", "steers": "steers the search", "holds": "held by a floor", "audits": "never steers", "beside": "for information",
}  # fmt: skip
_AUDITOR_MEANING = (
    "how well a random forest tells the row from held-out people, also by features that the search does not see (two-sample AUC): "
    "0.5 is no better than guessing, 1 is always right"
)

ROWS = {
    "humans": ("people", "other people, on their own tasks: not used for the judge or for the level that counts 1"),
    "persona_free": ("persona-free simulator", "the same simulator without any persona"),
    "average_person": ("average person", "one persona with the means of the people that steer, used for every user"),
    "copied_people": ("copied people", "dials copied from people's rows: how well the engine follows its dials"),
    "independent": ("independent marginals", "each dial from another person: people's marginals without their correlations"),
    "caricatures": ("caricatures", "people with their deviations from the mean doubled"),
    "programs": ("negative programs", "fixed programs of the domain that resemble people without copying any"),
    "seed_program": ("seed program", "the first program of the search"),
    "evolved": ("best program", "the winner of the finals"),
}  # fmt: skip
_REMARKS = {
    "more": "{}: people show more of it",
    "less": "{}: people show less of it",
    "wider": "{}: people's dialogues differ more in it",
    "narrower": "{}: people's dialogues differ less in it",
    "apart": "{}: people differ more from one another in it",
    "alike": "{}: people are more alike in it",
    "steadier": "{}: one person changes less in it from one dialogue to the next",
    "looser": "{}: one person changes more in it from one dialogue to the next",
    "together": "{}: among people they rise together more than here",
    "opposed": "{}: among people one falls as the other rises, more than here",
}


@dataclass(frozen=True)
class Measured:
    """One measure: its name in the archive, its title, its meaning ("" if unknown), its role ("score", "steers", "holds", "audits" or
    "beside"), the better direction, its floor, and whether values are scaled so that people are 1."""

    name: str
    title: str
    meaning: str
    role: str
    direction: str
    floor: float | None
    share: bool

    @property
    def group(self) -> str:
        """The heading of its group of columns."""
        return _GROUPS.get(self.role, self.role)


def measured(material: Material) -> list[Measured]:
    """Return all measures that the archive has values of, by role, and within a role in the order of the registry."""
    names = dict.fromkeys([SCORE, *material.scoring.rules])
    for commit in material.commits:
        names |= dict.fromkeys(commit.evaluation.objectives if commit.evaluation else ())
    for row in material.table:
        names |= dict.fromkeys(row.measures)
    known, scaled = _meanings(material), {level[2] for level in material.scoring.levels}
    found = []
    for name in ordered(list(names)):
        title, (role, direction, floor, _) = in_words(name), material.scoring.rules.get(name, ("beside", "more", None, 0))
        if name == SCORE:
            title, role, direction, floor = SCORE, "score", "more", None
        elif name == AUDITOR:
            title, role, direction, floor = "auditor's AUC", "audits", "less", None
        share = name == SCORE or (name != AUDITOR and name in scaled)
        found.append(Measured(name, title, known.get(name, ""), role, direction, floor, share))
    return sorted(found, key=lambda one: _ROLES.index(one.role) if one.role in _ROLES else len(_ROLES))


def _meanings(material: Material) -> dict[str, str]:
    """The meanings of measures whose installed version made the values: another version of the same name means something else."""
    if material.scored_by != SCORING:
        return {}
    rules, now = material.scoring.rules, {one.name: one.version for one in objectives()}
    same = {name: text for name, text in meanings().items() if name == SCORE or (name in rules and rules[name][3] == now[name])}
    return same | {AUDITOR: _AUDITOR_MEANING}


def row_name(row: str) -> str:
    """Return the displayed name of a row of the final table, or of a kind of control."""
    return ROWS[row][0] if row in ROWS else in_words(row)


def remark(one: Remark) -> str:
    """Write a remark of the judge as a sentence about people."""
    features = " and ".join(in_words(feature) for feature in one.feature.split("~"))
    return _REMARKS[one.wanted].format(features) if one.wanted in _REMARKS else f"{features}: {one.wanted}"


def listed(names: Iterable[str]) -> str:
    """Join names as in a sentence: "a, b and c"."""
    *most, last = [*names] or [""]
    return f"{', '.join(most)} and {last}" if most else last
