"""Names and meanings on the page: what is measured, in the order of its tables, the rows of the final table, and remarks in words.

What is measured comes from the archive and from the registry of objectives; none is named here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from personaevo.evolve.names import AUDITOR
from personaevo.judge.objectives import SCORE, SCORING, meanings, objectives, ordered
from personaevo.records import Remark
from personaevo.report.material import Material
from personaevo.report.numbers import spoken

_ROLES = ("score", "steers", "holds", "audits", "beside")  # the order of groups of columns
_GROUPS = {
    "score": "overall", "steers": "steers the search", "holds": "held by a floor", "audits": "never steers", "beside": "for information",
}  # fmt: skip
_AUDITOR_MEANING = (
    "how well a random forest tells the row from people kept aside, in ways the search does not see too (two-sample AUC): "
    "0.5 is no better than guessing, 1 is every time"
)

ROWS = {
    "humans": ("people", "other people: neither the judge nor the level that counts 1 was made from them; tasks were their own"),
    "persona_free": ("persona-free simulator", "the same simulator without any persona"),
    "average_person": ("average person", "one persona with the means of the people that steer, returned for everybody"),
    "copied_people": ("copied people", "dials copied from people's rows: how well the engine plays what it is told"),
    "independent": ("independent marginals", "each dial from another person: people's marginals without what goes together"),
    "caricatures": ("caricatures", "people with their deviations from the mean doubled"),
    "programs": ("negative programs", "fixed programs of the domain that resemble people without copying any"),
    "seed_program": ("seed program", "the program that the search began with"),
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
    """One thing that is measured: its name in the archive, in words, what it means ("" if that is not known here), its role ("score",
    "steers", "holds", "audits" or "beside"), which direction is better, its floor, and whether values are shares of what people get."""

    name: str
    title: str
    meaning: str
    role: str
    direction: str
    floor: float | None
    share: bool

    @property
    def group(self) -> str:
        """The heading above its column."""
        return _GROUPS.get(self.role, self.role)


def measured(material: Material) -> list[Measured]:
    """Everything that the archive has numbers of: by role, inside a role in the order of the registry."""
    names = dict.fromkeys([SCORE, *material.scoring.rules])
    for commit in material.commits:
        names |= dict.fromkeys(commit.evaluation.objectives if commit.evaluation else ())
    for row in material.table:
        names |= dict.fromkeys(row.measures)
    known = _meanings(material)
    found = map(partial(_measured, material, known), ordered(list(names)))
    return sorted(found, key=lambda one: _ROLES.index(one.role) if one.role in _ROLES else len(_ROLES))


def _measured(material: Material, known: dict[str, str], name: str) -> Measured:
    if name in (SCORE, AUDITOR):
        role, title = ("score", SCORE) if name == SCORE else ("audits", "auditor's AUC")
        return Measured(name, title, known.get(name, ""), role, "more" if name == SCORE else "less", None, name == SCORE)
    role, direction, floor, _ = material.scoring.rules.get(name, ("beside", "more", None, 0))
    shares = {level[2] for level in material.scoring.levels}
    return Measured(name, spoken(name), known.get(name, ""), role, direction, floor, name in shares)


def _meanings(material: Material) -> dict[str, str]:
    """Meanings of what was measured as it is measured now: another version under the same name means something else."""
    if material.scored_by != SCORING:
        return {}
    rules, now = material.scoring.rules, {one.name: one.version for one in objectives()}
    same = {name: text for name, text in meanings().items() if name == SCORE or (name in rules and rules[name][3] == now[name])}
    return same | {AUDITOR: _AUDITOR_MEANING}


def row_name(row: str) -> str:
    """A row of the final table, or a kind of control, in words."""
    return ROWS[row][0] if row in ROWS else spoken(row)


def remark(one: Remark) -> str:
    """A remark of the judge as a sentence about people."""
    told = " and ".join(spoken(feature) for feature in one.feature.split("~"))
    return _REMARKS[one.wanted].format(told) if one.wanted in _REMARKS else f"{told}: {one.wanted}"


def listed(names: Iterable[str]) -> str:
    """Names in a sentence: "a, b and c"."""
    *most, last = [*names] or [""]
    return f"{', '.join(most)} and {last}" if most else last
