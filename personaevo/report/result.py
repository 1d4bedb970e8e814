"""The top of the page: what came out, held against controls, and what the numbers mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from personaevo.evolve.names import AUDITOR
from personaevo.evolve.ranking import expected
from personaevo.judge.objectives import SCORE, SCORING
from personaevo.records import Comparison, Measure, TableRow
from personaevo.report.material import Material
from personaevo.report.named import ROWS, Measured, listed, row_name
from personaevo.report.numbers import short, spoken

_AGAINST = "average_person"  # whoever does not beat it has not shown that different personas are worth anything
_PEOPLE, _SEED, _BEST = "humans", "seed_program", "evolved"
_BESIDE = (_PEOPLE, _AGAINST, "persona_free", _SEED)  # told with the score


def result(material: Material, columns: Sequence[Measured]) -> dict[str, Any]:
    """All of it as plain values."""
    rows = {row.row: row for row in material.table}
    ended = _BEST in rows and SCORE in rows[_BEST].measures
    return {
        "scoring_note": _scoring_note(material),
        "headline": _ended(material, rows) if ended else _underway(material),
        "versus": _versus(material, columns),
        "columns": [asdict(one) | {"group": one.group} for one in columns],
        "table": [_row(row) for row in material.table],
        "row_meanings": [[row_name(row), _row_meaning(material, row)] for row in rows if row in ROWS],
        "comparisons": _comparisons(material, columns),
        "legend": _legend(material, columns),
        "levels": _levels(material),
        "judge": _judge(material),
    }


def _scoring_note(material: Material) -> str:
    if material.scored_by == SCORING:
        return ""
    return f"Scored by scoring {material.scored_by}: its numbers are not comparable with those of scoring {SCORING}."


# --- the headline


def _ended(material: Material, rows: dict[str, TableRow]) -> list[str]:
    """Sentences about the best program of the final table."""
    own = rows[_BEST].measures[SCORE]
    beside = [f"{_the(row)} {rows[row].measures[SCORE].mean:.2f}" for row in _BESIDE if row in rows and SCORE in rows[row].measures]
    said = [f"The best program scores {own.mean:.2f} (95 % interval {_span(own)}). On the same scale: {listed(beside)}."]
    if _AGAINST in rows:
        said += _against(material, rows[_AGAINST])
    said += _audited(rows, typing=material.final.auditor_sees.startswith("typing"))
    gain = material.final.compared(_SEED, SCORE)
    if _SEED in rows and rows[_SEED].program_id == rows[_BEST].program_id:
        said.append("No candidate beat the program that the search began with.")
    elif gain is not None:
        doubt = "" if gain.low > 0 else "; this interval does not lie above 0, so a gain is not shown"
        said.append(f"Over the seed program the search gained {_signed(gain.mean)} ({_signed_span(gain)}{doubt}).")
    return said


def _audited(rows: dict[str, TableRow], *, typing: bool) -> list[str]:
    """How well the auditor, which may see habits of typing too, tells it from people."""
    own, people = (rows[row].measures.get(AUDITOR) if row in rows else None for row in (_BEST, _PEOPLE))
    if own is None:
        return []
    other = f"; people from people: {people.mean:.2f}" if people is not None else ""
    sees = ", and sees how they type," if typing else ""
    return [f"An auditor that never steers{sees} tells its users from people with an AUC of {own.mean:.2f} ({_span(own)}{other})."]


def _against(material: Material, row: TableRow) -> list[str]:
    """What it is worth beside the average person, first where it is not worth anything."""
    found = {name: material.final.compared(_AGAINST, name) for name in (SCORE, *material.steering)}
    verdicts = {name: _verdict(material, one) for name, one in found.items() if one is not None}
    said = []
    for verdict, words in (("worse", "is worse than"), ("not shown", "is not shown to be better than")):
        named = [spoken(name) for name, one in verdicts.items() if one == verdict]
        if named:
            said.append(f"In {listed(named)} it {words} the average person.")
    if verdicts and set(verdicts.values()) == {"better"}:
        said.append("It is better than the average person in the score and in every objective that steers.")
    zero = [spoken(name) for name in material.steering if name in row.measures and row.measures[name].mean <= 0]
    if SCORE in row.measures and row.measures[SCORE].mean <= 0 and zero:
        said.append(f"The average person's score is 0 because its {listed(zero)} is 0 or less: the score is a harmonic mean.")
    return said


def _verdict(material: Material, one: Comparison) -> str:
    """Whether a difference is for the better, beyond its interval."""
    less = one.objective in material.scoring.rules and material.scoring.rules[one.objective][1] == "less"
    low, high = (-one.high, -one.low) if less else (one.low, one.high)
    return "better" if low > 0 else "worse" if high < 0 else "not shown"


_VERDICTS = {
    "better": "better than the average person",
    "worse": "worse than the average person",
    "not shown": "not shown to be better: the interval is not above 0",
}


def _versus(material: Material, columns: Sequence[Measured]) -> list[dict[str, Any]]:
    """The best program less the average person, in the score and each objective that steers."""
    found = []
    for column in columns:
        one = material.final.compared(_AGAINST, column.name) if column.role in ("score", "steers") else None
        if one is not None:
            verdict = _verdict(material, one)
            found.append(
                {"title": column.title, "mean": short(one.mean), "low": short(one.low), "high": short(one.high), "verdict": verdict,
                 "words": _VERDICTS[verdict]}
            )  # fmt: skip
    return found


def _underway(material: Material) -> list[str]:
    """Sentences about a search without a final table."""
    ranked = material.ranked()
    if not ranked:
        return ["No candidate holds the floors yet." if material.scored() else "No program has been evaluated yet."]
    scores = [one.evaluation.objectives[SCORE] for one in ranked if one.evaluation is not None]
    said = [f"The search has not ended: there is no final table yet. The best program so far scores {scores[0].value:.2f} in the search."]
    fresh = expected(scores[0].value, scores[0].se, [one.value for one in scores])
    if fresh < scores[0].value:
        said.append(f"The best of many is partly lucky: about {fresh:.2f} is to be expected on fresh dialogues.")
    return said


def _the(row: str) -> str:
    return row_name(row) if row == _PEOPLE else f"the {row_name(row)}"


def _span(one: Measure) -> str:
    return f"{one.low:.2f} to {one.high:.2f}"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _signed_span(one: Comparison) -> str:
    return f"paired, {_signed(one.low)} to {_signed(one.high)}"


# --- tables


def _row_meaning(material: Material, row: str) -> str:
    return "people kept aside from the search" if row == _PEOPLE and material.scored_by != SCORING else ROWS[row][1]


def _row(row: TableRow) -> dict[str, Any]:
    return {
        "row": row.row, "name": row_name(row.row), "program": row.program_id,
        "measures": {name: asdict(measure) for name, measure in row.measures.items()},
    }  # fmt: skip


def _comparisons(material: Material, columns: Sequence[Measured]) -> dict[str, Any]:
    """The best program less every other row, in everything that was compared."""
    named = [one for one in columns if any(found.objective == one.name for found in material.final.comparisons)]
    rows = [
        {"name": row_name(row.row), "values": [_difference(material.final.compared(row.row, one.name)) for one in named]}
        for row in material.table if any(found.against == row.row for found in material.final.comparisons)
    ]  # fmt: skip
    return {"columns": [one.title for one in named], "rows": rows}


def _difference(one: Comparison | None) -> list[float] | None:
    return None if one is None else [short(one.mean), short(one.low), short(one.high)]


def _legend(material: Material, columns: Sequence[Measured]) -> dict[str, Any]:
    """Of each column: what it is for, what it means, and the raw values that count 0 and 1 in the final table, if the archive has them."""
    levels = {name: level for split, _, name, level in material.scoring.levels if split == "test"}
    rows = []
    for one in columns:
        role = f"{one.group}: at {'most' if one.direction == 'less' else 'least'} {one.floor:g}" if one.floor is not None else one.group
        level = levels.get(one.name)
        ends = [f"{level.zero:.3g}", f"{level.people:.3g}"] if level is not None else ["–", "–"]
        rows.append([one.title, role, one.meaning or f"as scoring {material.scored_by} defined it", *(ends if levels else ())])
    ends = ["raw value that counts 0", "raw value of people, counts 1"] if levels else []
    return {"columns": ["column", "role", "meaning", *ends], "rows": rows}


def _levels(material: Material) -> list[list[Any]]:
    """Every level of the run: whose, with how many planned dialogues, and the raw values that count 0 and 1."""
    whose = {"train": "people and tasks of the search", "test": "people and tasks kept aside"}
    return [
        [spoken(name), whose.get(split, split), planned, short(level.zero), short(level.people)]
        for split, planned, name, level in material.scoring.levels
    ]


def _judge(material: Material) -> str:
    """What the judges were trained against, in two sentences."""
    by_split: dict[str, Counter[str]] = {}
    for one in material.scoring.controls:
        by_split.setdefault(one.split, Counter())[one.kind] += 1
    if not by_split:
        return ""
    counts = next(iter(by_split.values()))
    told = listed(f"{count:,} {row_name(kind)}" for kind, count in counts.items())
    said = f"The judge learned to tell people's dialogues from made-up ones: {told}. No program of the search was among them."
    other = " The judge of the final table learned from other people, and from as many such dialogues on the held-out tasks."
    return said + (other if len(by_split) > 1 else "")
