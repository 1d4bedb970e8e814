"""``archive profiles``: who was refined, and one person's history."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from personaevo.archive import Archive
from personaevo.cli.app import run
from personaevo.refine.items.behavior import Behavior, TextItem
from personaevo.refine.loop.run import refine_people
from personaevo.refine.records import PersonResult
from personaevo.views.refinement import refined
from tests.cli.cli_cases import Capture, fails
from tests.refine.refine_cases import QUICK, crowd

PEOPLE = crowd(21)
EVIL = "[red]x[/] \x1b[2J"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people, one of them with texts only, which need a model: that one fails."""
    path = tmp_path_factory.mktemp("refined") / "a.duckdb"
    bad = Behavior(person=EVIL, items=(TextItem(id="t", text="A text."), TextItem(id="u", text="Another.")))
    refine_people([*PEOPLE[:2], bad], others_known=PEOPLE, settings=QUICK, archive=path)
    return path


@pytest.fixture(scope="module")
def results(file: Path) -> list[PersonResult]:
    with Archive.read(file) as archive:
        return refined(archive)


def said(capsys: Capture, *arguments: str) -> str:
    assert run(["archive", "profiles", *arguments]) == 0
    return capsys.readouterr().out


def test_everybody_in_a_table(file: Path, results: list[PersonResult], capsys: Capture) -> None:
    out = said(capsys, str(file))
    rows = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    for one in results:
        if one.state == "done":
            start, value = one.outcomes["start"].value, one.outcomes["refined"].value
            assert start is not None and value is not None
            assert f"{start:.3f}" in rows[one.person] and f"{value:.3f}" in rows[one.person] and f"{start - value:+.3f}" in rows[one.person]
            assert f"{one.accepted} of " in rows[one.person] and rows[one.person].rstrip().endswith(one.stop)
    assert "3 refined profiles" in out and "failed" in out and "energy (lower is better)" in out
    assert "\x1b" not in out


def test_one_person_with_every_version(file: Path, results: list[PersonResult], capsys: Capture) -> None:
    one = next(result for result in results if result.person == "p00")
    assert one.history is not None and one.profile is not None
    out = said(capsys, str(file), "p00")
    for version in one.history.versions[1:]:
        assert f"version {version.number}, {version.state} (from {version.parent})" in out
        for change in one.history.changes(version.number):
            if change.section != "dials":
                assert f"+ {change.after}"[:40] in out
    assert f"refined profile {one.profile.id}" in out
    assert all(name in out for name in ("refined", "start", "population", "padding", "truth", "words_per_turn "))


def test_as_json_the_records_with_what_changed(file: Path, results: list[PersonResult], capsys: Capture) -> None:
    found = json.loads(said(capsys, str(file), "--json"))["people"]
    assert [(one["person"], one["state"]) for one in found] == [(one.person, one.state) for one in results]
    versions = next(one for one in found if one["person"] == "p00")["history"]["versions"]
    assert versions[0]["changes"] == [] and all(version["changes"] for version in versions[1:])
    assert versions[1]["changes"][0].keys() == {"section", "kind", "before", "after", "name"}


def test_who_is_meant(file: Path, finished_archive: Path, capsys: Capture) -> None:
    assert "p01 as user" in said(capsys, str(file), "p01")
    assert "failed" in said(capsys, str(file), "[red]")
    assert "has several people called 'p0': there is p00, p01" in fails(capsys, ["archive", "profiles", str(file), "p0"])
    assert "has no person called 'p02': there is p0" in fails(capsys, ["archive", "profiles", str(file), "p02"])
    assert "holds no refined profiles: 'personaevo refine" in fails(capsys, ["archive", "profiles", str(finished_archive)])


@pytest.mark.parametrize("width", [60, 100])
@pytest.mark.parametrize("person", [(), ("p00",)])
def test_pages_fit(file: Path, person: tuple[str, ...], width: int, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = said(capsys, str(file), *person).splitlines()
    assert max(map(len, lines)) <= width
    assert any("p00" in line for line in lines)
