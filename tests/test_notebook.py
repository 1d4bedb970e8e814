"""What notebooks show, and data frames of archives."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import personaevo as pe
from personaevo.errors import ConfigError
from personaevo.evolve.progress import SearchResult
from personaevo.records import Measure, Program, TableRow
from personaevo.refine.profile import Profile
from personaevo.text import table

EVIL = "<script>alert(1)</script>"


def test_tables_escape_every_text() -> None:
    found = table([EVIL, "n"], [[EVIL, 0.123456], ["two\nlines", 3]], EVIL)
    assert "<script>" not in found
    assert found.count("&lt;script&gt;") == 3
    assert "0.123" in found and "two<br>lines" in found


def test_long_tables_are_cut() -> None:
    found = table(["n"], [[number] for number in range(60)])
    assert found.count("<tr>") == 52
    assert "and 10 more" in found


def test_personas_profiles_and_results_are_tables() -> None:
    persona = pe.Persona(id="p", description=EVIL, dials={"words_per_turn": 3.0})
    assert "words_per_turn" in persona._repr_html_() and "<script>" not in persona._repr_html_()
    profile = Profile.model_validate({"sections": {}, "dials": {"words_per_turn": 3.0}})
    assert "words_per_turn" in profile._repr_html_()
    rows = (TableRow("evolved", "p", {"score": Measure(0.5, 0.4, 0.6, 0.5, 8, 8)}), TableRow("humans", None, {}))
    result = SearchResult(Path("<a>.duckdb"), 1, 2, 3, 4.0, "d", Program("p", ""), rows)
    shown = result._repr_html_()
    assert "0.50 [0.40, 0.60]" in shown and "&lt;a&gt;.duckdb: 2 candidates" in shown


def test_an_archive_as_data_frames(finished_archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Any] = {}
    frame = SimpleNamespace(from_records=lambda rows, columns: made.update(rows=rows, columns=columns) or "pandas")
    pandas = SimpleNamespace(DataFrame=frame)
    arrow = SimpleNamespace(table=lambda columns: made.update(table=columns) or "arrow")
    monkeypatch.setattr("personaevo.archive.tables.import_module", lambda name: {"pandas": pandas, "pyarrow": arrow}[name])
    with pe.Archive.read(finished_archive) as archive:
        assert archive.frame() == "pandas"
        assert made["columns"][:2] == ["run", "number"] and len(made["rows"]) > 10
        assert archive.frame("SELECT number, state FROM candidates ORDER BY 1", "arrow") == "arrow"
        assert list(made["table"]) == ["number", "state"] and made["table"]["number"][0] == 0
        with pytest.raises(ConfigError, match="no table or view 'episode': there are "):
            archive.frame("episode")
        with pytest.raises(ConfigError, match="kind 'polars': expected pandas or arrow"):
            archive.frame("episodes", "polars")  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "library"), [("pandas", "pandas"), ("arrow", "pyarrow")])
def test_what_is_missing_is_named(finished_archive: Path, monkeypatch: pytest.MonkeyPatch, kind: Any, library: str) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pe.Archive.read(finished_archive) as archive, pytest.raises(ConfigError, match=f"pip install {library}"):
        archive.frame("episodes", kind)
