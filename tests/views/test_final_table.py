"""The final table and its headline: rows and columns in words, what fits, and what is not measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from personaevo.archive import Archive
from personaevo.evolve.ranking import AUDITOR
from personaevo.judge import objectives as registry
from personaevo.judge.objectives import Objective, mean_over_dialogues, objectives, shown
from personaevo.records import Comparison, FinalTable, Measure, Run, Scoring, TableRow
from personaevo.views import layout
from personaevo.views.tables import (
    Rules,
    arranged,
    current_rules,
    headline,
    headline_object,
    people_levels,
    steered,
    table_object,
    table_text,
    table_view,
    trained_against,
)

ROWS = {
    "humans": "people", "persona_free": "persona-free", "average_person": "average person", "copied_people": "copied people",
    "independent": "independent marginals", "seed_program": "seed program", "evolved": "evolved",
}  # fmt: skip
RULES: Rules = {"one": ("steers", "more", None, 1), "other": ("steers", "more", None, 1), "held": ("holds", "more", 0.9, 1),
                "beside": ("beside", "more", None, 1)}  # fmt: skip


def measured(values: Mapping[str, float], completed: int = 40) -> dict[str, Measure]:
    return {name: Measure(value, value - 0.05, value + 0.1, 7.0, completed, 40) for name, value in values.items()}


def made(**more: Comparison) -> FinalTable:
    """Two rows and a comparison of the score."""
    rows = (
        TableRow("average_person", None, measured({"held": 1.0, "one": 0.5, "score": 0.25, AUDITOR: 0.99, "beside": 0.1, "other": -0.5})),
        TableRow("evolved", "abc", measured({"held": 1.0, "one": 0.75, "score": 0.5, AUDITOR: 0.75, "beside": 0.1}, 38)),
    )
    compared = {"score": Comparison("evolved", "average_person", "score", 0.25, 0.125, 0.375), **more}
    return FinalTable(rows, tuple(compared.values()))


@pytest.fixture(scope="module")
def found(finished_archive: Path) -> Iterator[tuple[FinalTable, Rules]]:
    with Archive.read(finished_archive) as archive:
        yield archive.final_table(1), archive.scoring(1).rules


def test_the_table_of_a_search_is_told_in_words_and_fits(found: tuple[FinalTable, Rules]) -> None:
    table, rules = found
    text = table_text(table)
    flat = " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 100
    assert [row.row for row in table.rows] == list(ROWS)
    labels = [line[:14].strip() for line in text.splitlines()]
    names = ["people", "persona-free", "average person", "copied people", "independent", "seed program", "evolved"]
    assert [label for label in labels if label in names][:7] == names
    assert "marginals" in labels
    assert all(name.split("_")[0] in flat for name in (*steered(rules), AUDITOR))
    assert "evolved − average person: score " in flat
    assert flat.index("score") < flat.index(AUDITOR)


@pytest.mark.parametrize("width", [30, 40, 60, 80, 100, 160])
def test_columns_as_there_is_room(found: tuple[FinalTable, Rules], width: int) -> None:
    """All of them, in their order, beneath one another where they do not fit side by side."""
    lines = layout.as_text(table_view(*found), width).splitlines()
    assert max(map(len, lines)) <= width
    heads = [line for line in lines if line.startswith(" " * 14)]
    said = " ".join(heads).split()
    assert [said.index(word) for word in ("score", "coverage", "consistency", "auditor", "overlap", "chamfer")] == sorted(
        said.index(word) for word in ("score", "coverage", "consistency", "auditor", "overlap", "chamfer")
    )
    blocks = sum(line.startswith("people ") for line in lines)
    assert (blocks == 1) == (width == 160)
    assert (blocks <= 2) == (width >= 80)


def test_the_table_says_that_the_auditor_sees_typing() -> None:
    plain, typing = (" ".join(table_text(replace(made(), auditor_sees=sees), RULES).split()) for sees in ("", "typing 1"))
    assert "it sees how they type, too" not in plain
    assert "it sees how they type, too" in typing


def test_the_order_of_columns_and_what_is_not_measured() -> None:
    text = layout.as_text(table_view(made(), RULES), 120)
    head, average, best, *notes = text.splitlines()
    assert head.split() == ["score", "one", "other", AUDITOR, "held", "beside"]
    assert average.split()[2:8] == ["0.25", "±", "0.10", "0.50", "±", "0.10"]
    assert "not measured" in best
    assert "40 planned dialogues in each row" in notes
    assert "completed only: 38 of 40 in evolved" in notes
    rows = {row["row"]: row for row in table_object(made())}
    assert {*shown(), AUDITOR, "one", "other", "held"} <= rows["evolved"].keys()
    assert rows["evolved"]["other"] is None
    assert rows["evolved"]["coverage"] is None
    assert rows["evolved"]["one"] == {"mean": 0.75, "low": 0.7, "high": 0.85, "raw": 7.0, "completed": 38, "planned": 40}


def test_the_headline_says_where_it_is_not_above() -> None:
    assert headline(made(), RULES) == ["evolved − average person: score +0.25 [+0.12, +0.38]"]
    against = ("evolved", "average_person")
    table = made(one=Comparison(*against, "one", 0.1, -0.05, 0.2), other=Comparison(*against, "other", -0.5, -0.6, -0.4),
                 held=Comparison(*against, "held", 0.0, 0.0, 0.0))  # fmt: skip
    assert headline(table, RULES) == [
        "evolved − average person: score +0.25 [+0.12, +0.38], one +0.10 [-0.05, +0.20], other -0.50 [-0.60, -0.40]",
        "not above the average person in: one, other",
    ]
    less = {**RULES, "other": ("steers", "less", None, 1)}
    assert headline(table, less)[1] == "not above the average person in: one"
    assert headline_object(table) == {"mean": 0.25, "low": 0.125, "high": 0.375}
    bare = FinalTable(table.rows)
    assert (headline(bare, RULES), headline_object(bare)) == ([], None)
    assert headline_object(FinalTable()) is None


def test_an_objective_more_needs_no_change_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    more = Objective(name="brand_new", meaning="x", needs="dialogue", raw=mean_over_dialogues(lambda one: 1.0), role="steers", order=2)
    monkeypatch.setattr(registry, "objectives", lambda: tuple(sorted((*objectives(), more), key=lambda one: (one.order, one.name))))
    monkeypatch.setattr("personaevo.views.tables.objectives", registry.objectives)
    assert "brand_new" in steered(current_rules())
    rows = (TableRow("evolved", "abc", measured({"brand_new": 0.5, "score": 0.5, "human_likeness": 0.5})),)
    assert layout.as_text(table_view(FinalTable(rows)), 100).split()[:6] == ["human", "score", "likeness", "brand", "new", "evolved"]
    assert table_object(FinalTable(rows))[0]["brand_new"]["mean"] == 0.5


def test_names_of_another_scoring_stand_last() -> None:
    assert arranged(["odd", "chamfer", "beside", "held", "other", "score"], RULES) == ["score", "other", "held", "chamfer", "odd", "beside"]


def test_what_a_run_does_not_tell_is_left_out() -> None:
    assert people_levels(Scoring(RULES, ()), "train") == ""
    for kinds in (None, "", "no JSON", "[1]", "3", '{"a": "b"}', "[" * 100_000):
        assert trained_against(Run(1, {} if kinds is None else {"negatives": kinds})) == ""
    assert trained_against(Run(1, {"negatives": '{"persona_free": 60}'})).endswith(": 60 persona-free")
